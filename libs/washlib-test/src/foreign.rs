//! Programs of others that `cargo xtask setup` builds: where they are.

use std::path::PathBuf;

/// wkg, the other tool for WIT packages.
///
/// # Panics
/// If the set-up has not built it.
pub fn wkg() -> PathBuf {
    let program = crate::guest::target_dir().join("foreign-wkg/bin/wkg");
    assert!(program.is_file(), "wkg is not there: `cargo xtask setup` builds it");
    program
}
