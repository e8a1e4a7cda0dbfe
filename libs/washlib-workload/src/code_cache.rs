//! Where tools keep compiled code, so that one finds what another has compiled.

use std::ffi::OsString;
use std::path::PathBuf;

/// `wash/code` in the user's cache folder; none where nobody knows that. `variable` reads the environment.
pub fn code_cache_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // As the XDG specification says, a relative path counts as none.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("wash/code"))
}
