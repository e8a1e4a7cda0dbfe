//! Directories of the host that workloads may name, and those below them.
//!
//! It decides where data may stand; it writes none.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::files;

/// Directories that a workload's `root` may lie in.
#[derive(Debug, Default)]
pub(crate) struct AllowedRoots(Vec<AllowedRoot>);

#[derive(Debug)]
struct AllowedRoot {
    /// As the operator wrote it.
    given: PathBuf,
    /// Without symbolic links.
    actual: PathBuf,
}

/// Why a directory cannot be a root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The host allows no directory at all.
    #[error("the host allows workloads no directory")]
    NoneAllowed,
    /// The directory lies outside of what the host allows.
    #[error("`{root}` lies outside the directories that the host allows")]
    Outside {
        /// The root as the workload names it.
        root: String,
    },
    /// A part of the path is `..`, begins with a dot, or is a symbolic link.
    #[error("`{root}` must consist of plain directory names that do not begin with a dot, and of no symbolic link")]
    NotPlain {
        /// The root as the workload names it.
        root: String,
    },
    /// The directory cannot be opened or created.
    #[error("`{root}` cannot be used as a root")]
    Io {
        /// The root.
        root: String,
        /// Why.
        source: io::Error,
    },
}

impl AllowedRoots {
    pub(crate) fn allow(&mut self, dir: &Path) -> Result<(), RootError> {
        let failed = |source| RootError::Io { root: dir.display().to_string(), source };
        files::create_dirs(dir).map_err(failed)?;
        let actual = fs_err::canonicalize(dir).map_err(failed)?;
        self.0.push(AllowedRoot { given: dir.to_path_buf(), actual });
        Ok(())
    }

    /// The directory that a workload means, created if need be. A relative one lies in the first allowed directory.
    ///
    /// A tenant's data stand in directories whose names begin with a dot, so that no root can lie among another's data.
    pub(crate) fn resolve(&self, root: &str) -> Result<PathBuf, RootError> {
        let (mut dir, rest) = self.locate(root)?;
        let not_plain = || RootError::NotPlain { root: root.to_string() };
        // All of them are looked at before any is created.
        let names: Option<Vec<_>> =
            rest.components().filter(|component| *component != Component::CurDir).map(plain_name).collect();
        for name in names.ok_or_else(not_plain)? {
            dir.push(name);
            match dir.symlink_metadata() {
                Ok(metadata) if !metadata.is_dir() => return Err(not_plain()),
                Ok(_) => {}
                Err(_) => {
                    files::create_dirs(&dir).map_err(|source| RootError::Io { root: root.to_string(), source })?;
                }
            }
        }
        Ok(dir)
    }

    fn locate<'a>(&self, root: &'a str) -> Result<(PathBuf, &'a Path), RootError> {
        let path = Path::new(root);
        let first = self.0.first().ok_or(RootError::NoneAllowed)?;
        if path.is_relative() {
            return Ok((first.actual.clone(), path));
        }
        let inside = self.0.iter().find_map(|allowed| {
            let rest = path.strip_prefix(&allowed.given).or_else(|_| path.strip_prefix(&allowed.actual));
            Some((allowed.actual.clone(), rest.ok()?))
        });
        inside.ok_or_else(|| RootError::Outside { root: root.to_string() })
    }
}

fn plain_name(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) if !name.as_encoded_bytes().starts_with(b".") => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (allowed, outside) = (dir.path().join("allowed"), dir.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        let mut roots = AllowedRoots::default();
        assert!(matches!(roots.resolve("a"), Err(RootError::NoneAllowed)));
        roots.allow(&allowed).unwrap();
        std::os::unix::fs::symlink(&outside, allowed.join("link")).unwrap();
        std::fs::write(allowed.join("file"), "").unwrap();

        let actual = allowed.canonicalize().unwrap();
        assert_eq!(roots.resolve("a/b").unwrap(), actual.join("a/b"));
        assert_eq!(roots.resolve("").unwrap(), actual);
        assert_eq!(roots.resolve(allowed.join("c").to_str().unwrap()).unwrap(), actual.join("c"));
        for root in ["..", "a/../..", "a/../../outside", ".wash-keyvalue/x", "a/.x", "link", "link/new", "file"] {
            assert!(matches!(roots.resolve(root), Err(RootError::NotPlain { .. })), "{root}");
        }
        for root in ["/", "/etc", outside.to_str().unwrap(), &format!("{}x", allowed.display())] {
            assert!(matches!(roots.resolve(root), Err(RootError::Outside { .. })), "{root}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(matches!(roots.resolve("new/../../x"), Err(RootError::NotPlain { .. })));
        assert!(!allowed.join("new").exists(), "a root that is refused creates nothing");
    }
}
