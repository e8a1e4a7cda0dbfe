//! Where tools are found: `$WASH_EXEC_PATH`, beside the front-end, its libexec folders, then `PATH`.
//!
//! Looks at names, kinds and permissions of files; never opens or runs one.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{self, Path, PathBuf};

use crate::invocation::BUILT_IN;

/// What the file name of every tool begins with.
const PREFIX: &str = "wash-";

/// The folders to search, first one first.
#[derive(Debug)]
pub(crate) struct Search {
    folders: Vec<PathBuf>,
}

/// A file with the right name.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    /// Whether anybody may run it. Whether we may, only the kernel knows.
    pub(crate) is_executable: bool,
}

/// A tool as `wash <command>` would run it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct FoundTool {
    pub(crate) command: OsString,
    pub(crate) path: PathBuf,
}

impl Search {
    /// The folders that the environment and the place of this executable lead to.
    pub(crate) fn from_environment() -> Self {
        // A symlink to the front-end leads to the folder of the file itself, where its tools are.
        let executable = env::current_exe().and_then(fs::canonicalize).ok();
        let own_folder = executable.as_deref().and_then(Path::parent);
        Self::new(env::var_os("WASH_EXEC_PATH").as_deref(), own_folder, env::var_os("PATH").as_deref())
    }

    fn new(exec_path: Option<&OsStr>, own_folder: Option<&Path>, path: Option<&OsStr>) -> Self {
        let mut folders = split(exec_path);
        if let Some(own_folder) = own_folder {
            folders.push(own_folder.to_owned());
            if let Some(parent) = own_folder.parent() {
                folders.push(parent.join("libexec/wash"));
                folders.push(parent.join("libexec"));
            }
        }
        folders.extend(split(path));
        Self { folders }
    }

    /// The files that could be the tool of `command`, best first; looked up one at a time.
    pub(crate) fn candidates(&self, command: &OsStr) -> impl Iterator<Item = Candidate> {
        let mut file_name = OsString::from(PREFIX);
        file_name.push(command);
        // A separator would leave the folder that is searched.
        let is_name = !command.is_empty() && !command.as_bytes().contains(&b'/');
        let folders = if is_name { self.folders.as_slice() } else { &[] };
        folders.iter().filter_map(move |folder| candidate(folder.join(&file_name)))
    }

    /// Every tool that can be run, sorted by command.
    pub(crate) fn tools(&self) -> Vec<FoundTool> {
        let mut found = BTreeMap::new();
        // A folder that cannot be read has no tools to offer, like any other entry of `PATH` that does not exist.
        for entry in self.folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            let Some(command) = command_of(&entry.file_name()) else { continue };
            if !found.contains_key(&command) && candidate(entry.path()).is_some_and(|tool| tool.is_executable) {
                found.insert(command, entry.path());
            }
        }
        found.into_iter().map(|(command, path)| FoundTool { command, path }).collect()
    }
}

/// The entries of a search path. An empty one, which would mean the current folder, is not searched: it is nearly always
/// a slip, and would run whatever file of that name lies there.
fn split(search_path: Option<&OsStr>) -> Vec<PathBuf> {
    let folders = search_path.map(env::split_paths).into_iter().flatten();
    let folders = folders.filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| path::absolute(&folder).unwrap_or(folder)).collect()
}

/// The command that a file of this name would serve.
fn command_of(file_name: &OsStr) -> Option<OsString> {
    let command = file_name.as_bytes().strip_prefix(PREFIX.as_bytes())?;
    let reachable = !command.is_empty() && !command.starts_with(b"-");
    let command = OsString::from_vec(command.to_vec());
    (reachable && !BUILT_IN.iter().any(|name| command == *name)).then_some(command)
}

fn candidate(path: PathBuf) -> Option<Candidate> {
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some(Candidate { is_executable: metadata.permissions().mode() & 0o111 != 0, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_in_order_without_empty_entries() {
        let search = Search::new(Some("/x::/y".as_ref()), Some(Path::new("/own/bin")), Some(":/p:".as_ref()));
        let expected = ["/x", "/y", "/own/bin", "/own/libexec/wash", "/own/libexec", "/p"];
        assert_eq!(search.folders, expected.map(PathBuf::from));
    }

    #[test]
    fn nothing_to_search_is_no_error() {
        assert!(Search::new(None, None, None).folders.is_empty());
        assert_eq!(Search::new(Some("".as_ref()), Some(Path::new("/")), None).folders, [PathBuf::from("/")]);
    }

    #[test]
    fn file_names_and_their_commands() {
        let table = [
            ("wash-build", Some("build")),
            ("wash-a-b.c", Some("a-b.c")),
            ("wash-", None),
            ("wash", None),
            ("wash--x", None),
            ("wash-help", None),
            ("wash-completion", None),
            ("other-build", None),
        ];
        for (file_name, command) in table {
            assert_eq!(command_of(file_name.as_ref()), command.map(OsString::from), "{file_name}");
        }
    }
}
