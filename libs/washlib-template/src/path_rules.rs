//! Which paths and symbolic links of a template may become files of a project.
//!
//! Pure functions over names: nothing here touches a disk.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// The longest path inside a template, in bytes: what Linux accepts in one call.
const MAX_PATH_BYTES: usize = 4096;

/// How many links in a row are followed before a chain counts as endless.
const MAX_LINK_HOPS: usize = 40;

/// What may be done with a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PathVerdict {
    /// It can become a file of the project.
    Usable,
    /// It is a repository's own data, in one of the spellings that some file system takes for `.git`.
    GitData,
    /// It leaves the template, or is no path.
    Unsafe,
}

/// Judges the path of an entry, relative to the template.
pub(crate) fn judge_path(path: &Path) -> PathVerdict {
    if path.as_os_str().is_empty() || path.as_os_str().len() > MAX_PATH_BYTES || has_empty_or_dot_segment(path) {
        return PathVerdict::Unsafe;
    }
    let mut verdict = PathVerdict::Usable;
    for component in path.components() {
        let Component::Normal(name) = component else { return PathVerdict::Unsafe };
        if name.as_bytes().contains(&0) {
            return PathVerdict::Unsafe;
        }
        if is_git_data(name) {
            verdict = PathVerdict::GitData;
        }
    }
    verdict
}

/// Whether `name` is `.git` to some file system: in any case, with characters that HFS+ ignores, or in NTFS's short form.
pub(crate) fn is_git_data(name: &OsStr) -> bool {
    let options =
        gix::validate::path::component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let judged = gix::validate::path::component(name.as_bytes().into(), None, options);
    matches!(judged, Err(gix::validate::path::component::Error::DotGitDir))
}

// `Path::components` is forgiving about these; a tree that contains them was made by hand.
fn has_empty_or_dot_segment(path: &Path) -> bool {
    path.as_os_str().as_bytes().split(|byte| *byte == b'/').any(|segment| matches!(segment, b"" | b"." | b".."))
}

/// Whether the link at `link` leads to a place inside the template, given every link of the template with its target.
/// A target that does not exist is inside as long as its path is.
pub(crate) fn stays_inside(link: &Path, links: &BTreeMap<PathBuf, PathBuf>) -> bool {
    let mut at = PathBuf::new();
    let mut pending: Vec<PathBuf> =
        link.components().rev().map(|component| PathBuf::from(component.as_os_str())).collect();
    let mut hops = 0;
    while let Some(next) = pending.pop() {
        match next.components().next() {
            Some(Component::Normal(name)) => at.push(name),
            Some(Component::ParentDir) => {
                if !at.pop() {
                    return false;
                }
            }
            Some(Component::CurDir) | None => {}
            Some(Component::RootDir | Component::Prefix(_)) => return false,
        }
        if let Some(target) = links.get(&at) {
            hops += 1;
            if hops > MAX_LINK_HOPS {
                return false;
            }
            at.pop();
            pending.extend(target.components().rev().map(|component| PathBuf::from(component.as_os_str())));
        }
    }
    true
}

/// Finds two entries that some file system would store as one: names that differ only in case, or a folder and a file of
/// one name. Each path comes with whether it is a folder.
pub(crate) fn find_collision<'a>(paths: impl Iterator<Item = (&'a Path, bool)>) -> Option<(PathBuf, PathBuf)> {
    let mut seen: HashMap<String, (&Path, bool)> = HashMap::new();
    for (path, is_folder) in paths {
        for prefix in path.ancestors().filter(|prefix| !prefix.as_os_str().is_empty()) {
            let is_leaf = prefix == path;
            let prefix_is_folder = !is_leaf || is_folder;
            let folded = prefix.to_string_lossy().to_lowercase();
            match seen.get(&folded) {
                None => {
                    seen.insert(folded, (prefix, prefix_is_folder));
                }
                Some((other, other_is_folder)) => {
                    let same = *other == prefix && *other_is_folder && prefix_is_folder;
                    if !same {
                        return Some(((*other).to_owned(), path.to_owned()));
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_template_are_unsafe() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/./b", "..", "a\0b", "a/"] {
            assert_eq!(judge_path(Path::new(path)), PathVerdict::Unsafe, "{path:?}");
        }
        assert_eq!(judge_path(Path::new(&"a/".repeat(3000))), PathVerdict::Unsafe);
        for path in ["a", ".gitignore", ".github/workflows/ci.yml", "..a", "a..b/c", "git"] {
            assert_eq!(judge_path(Path::new(path)), PathVerdict::Usable, "{path:?}");
        }
    }

    #[test]
    fn git_data_is_recognised_at_any_depth_and_in_any_spelling() {
        for path in [".git", ".GIT/hooks/post-checkout", "a/b/.Git/config", "git~1/config", ".g\u{200c}it/config"] {
            assert_eq!(judge_path(Path::new(path)), PathVerdict::GitData, "{path:?}");
        }
    }

    #[test]
    fn links_are_followed_through_other_links() {
        type Links<'a> = &'a [(&'a str, &'a str)];
        let table: &[(Links<'_>, &str, bool)] = &[
            (&[("a", "b")], "a", true),
            (&[("sub/a", "../b")], "sub/a", true),
            (&[("sub/a", "../../b")], "sub/a", false),
            (&[("a", "/etc/passwd")], "a", false),
            (&[("a", "..")], "a", false),
            (&[("sub/root", ".."), ("sub/b", "root/../x")], "sub/b", false),
            (&[("deep", "x/y/z"), ("a", "deep/../../w")], "a", true),
            (&[("a", "b"), ("b", "a")], "a", false),
            (&[("a", ".")], "a", true),
        ];
        for (links, link, inside) in table {
            let map = links.iter().map(|(link, target)| (PathBuf::from(link), PathBuf::from(target))).collect();
            assert_eq!(stays_inside(Path::new(link), &map), *inside, "{links:?} {link}");
        }
    }

    #[test]
    fn names_that_one_file_system_confuses_collide() {
        let collides =
            |paths: &[(&str, bool)]| find_collision(paths.iter().map(|(path, f)| (Path::new(*path), *f))).is_some();
        assert!(collides(&[("README", false), ("readme", false)]));
        assert!(collides(&[("Src/a", false), ("src/b", false)]));
        assert!(collides(&[("a", false), ("A/b", false)]));
        assert!(collides(&[("a", false), ("a/b", false)]));
        assert!(collides(&[("a", false), ("a", false)]));
        assert!(collides(&[("Ü", false), ("ü", false)]));
        assert!(!collides(&[("a", true), ("a/b", false), ("a/c", false), ("b", false)]));
    }
}
