//! Understanding what a person typed as the source of a template.
//!
//! Looks at the local disk to tell a folder from a repository, but reads no template and uses no network.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use washlib_git::{Cause, RepositoryUrl, UrlError, without_control_characters};

use crate::builtin;

/// Where a template is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// A template of the program's own, by name.
    Builtin(String),
    /// A folder whose files are taken as they are on disk.
    Folder(PathBuf),
    /// A Git repository on this machine, read without any worktree: its commits count, not the files beside them.
    LocalRepository(PathBuf),
    /// A Git repository behind a URL.
    RemoteRepository(RepositoryUrl),
}

/// Why a source makes no sense.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing was given.
    #[error("the source of a template cannot be empty")]
    Empty,
    /// It could be mistaken for an option by whatever program it reaches.
    #[error("a source cannot begin with `-`: `{given}`")]
    LeadingDash {
        /// What was given.
        given: String,
    },
    /// A URL of a kind that is not fetched.
    #[error("URLs of the kind `{scheme}` are not supported")]
    Scheme {
        /// The URL's scheme.
        scheme: String,
    },
    /// A URL that does not follow the grammar.
    #[error("`{given}` is not a valid URL")]
    Malformed {
        /// What was given, without credentials.
        given: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// A URL whose host or path could be mistaken for an option.
    #[error("the host and the path of `{url}` cannot begin with `-`")]
    UnsafeUrl {
        /// The URL, without credentials.
        url: String,
    },
    /// A `file://` URL that names another machine.
    #[error("`{url}` names the machine `{host}`, but only local files can be reached this way")]
    OtherMachine {
        /// The URL, without credentials.
        url: String,
        /// The machine it names.
        host: String,
    },
    /// A path that leads nowhere.
    #[error("there is no folder `{}`", path.display())]
    NoSuchFolder {
        /// The path as it was looked for.
        path: PathBuf,
    },
    /// A path that leads to something else.
    #[error("`{}` is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A reference was asked for where there are no references.
    #[error("{what} is not a Git repository, so it has no `{git_ref}`")]
    NoReferences {
        /// The template.
        what: String,
        /// The reference asked for.
        git_ref: String,
    },
    /// Nothing that is known.
    #[error("`{given}` is neither a built-in template, nor a folder, nor a Git URL")]
    Unknown {
        /// What was given.
        given: String,
        /// The built-in template with the most similar name, when one is similar.
        nearest: Option<String>,
    },
}

impl Source {
    /// Understands `given`, with relative paths from `base`. `git_ref` tells whether a commit of a local repository is
    /// wanted rather than its files.
    ///
    /// # Errors
    ///
    /// When `given` is nothing that can be a template.
    pub fn parse(given: &str, base: &Path, git_ref: Option<&str>) -> Result<Self, SourceError> {
        if given.is_empty() {
            return Err(SourceError::Empty);
        }
        if given.starts_with('-') {
            return Err(SourceError::LeadingDash { given: shown(given) });
        }
        if builtin::names().contains(given) {
            let what = || format!("the built-in template `{given}`");
            return match git_ref {
                Some(git_ref) => Err(SourceError::NoReferences { what: what(), git_ref: git_ref.to_owned() }),
                None => Ok(Self::Builtin(given.to_owned())),
            };
        }
        if let Some(scheme) = scheme(given) {
            return match scheme.to_ascii_lowercase().as_str() {
                "https" | "http" | "ssh" | "git" => remote(given),
                "file" => file_url(given),
                _ => Err(SourceError::Scheme { scheme: shown(scheme) }),
            };
        }
        let path = base.join(given);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => folder(path, git_ref),
            Ok(_) => Err(SourceError::NotAFolder { path }),
            Err(_) if is_scp_like(given) => remote(given),
            Err(_) if is_spelled_like_a_path(given) => Err(SourceError::NoSuchFolder { path }),
            Err(_) => Err(SourceError::Unknown { given: shown(given), nearest: nearest(given) }),
        }
    }

    /// What a project made from this template is called when nobody says otherwise: the name of the repository, the
    /// folder or the built-in template.
    pub fn default_name(&self) -> Option<String> {
        let last = |path: &Path| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let is_git_folder = path.file_name().is_some_and(|name| name == ".git");
            let named = if is_git_folder { path.parent()? } else { &path };
            Some(named.file_name()?.to_str()?.to_owned())
        };
        match self {
            Self::Builtin(name) => Some(name.clone()),
            Self::Folder(path) => last(path),
            Self::LocalRepository(path) => last(path).map(|name| name.strip_suffix(".git").unwrap_or(&name).to_owned()),
            Self::RemoteRepository(url) => url.repository_name(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => f.write_str(name),
            Self::Folder(path) | Self::LocalRepository(path) => path.display().fmt(f),
            Self::RemoteRepository(url) => url.fmt(f),
        }
    }
}

/// The scheme of `given` if it is spelled like a URL, or like Git's `helper::address`.
fn scheme(given: &str) -> Option<&str> {
    let is_scheme = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    let (scheme, _) = given.split_once("://").or_else(|| given.split_once("::"))?;
    is_scheme(scheme).then_some(scheme)
}

fn remote(given: &str) -> Result<Source, SourceError> {
    match RepositoryUrl::parse(given, &shown(given)) {
        Ok(url) => Ok(Source::RemoteRepository(url)),
        Err(UrlError::Unsafe { url }) => Err(SourceError::UnsafeUrl { url }),
        Err(UrlError::Malformed(source)) => Err(SourceError::Malformed { given: shown(given), source }),
        Err(other) => Err(SourceError::Malformed { given: shown(given), source: Cause::text(other.to_string()) }),
    }
}

fn file_url(given: &str) -> Result<Source, SourceError> {
    let url = parse_url(given)?;
    if let Some(host) = url.host().filter(|host| !matches!(*host, "" | "localhost")) {
        return Err(SourceError::OtherMachine {
            url: RepositoryUrl::new(url.clone()).to_string(),
            host: host.to_owned(),
        });
    }
    let path = PathBuf::from(OsStr::from_bytes(&url.path));
    if !path.is_dir() {
        return Err(SourceError::NoSuchFolder { path });
    }
    Ok(Source::LocalRepository(path))
}

fn parse_url(given: &str) -> Result<gix::Url, SourceError> {
    gix::url::parse(given).map_err(|err| {
        let text = err.to_string().replace(given, &shown(given));
        SourceError::Malformed { given: shown(given), source: Cause::text(without_control_characters(&text)) }
    })
}

fn folder(path: PathBuf, git_ref: Option<&str>) -> Result<Source, SourceError> {
    let is_bare = gix::discover::is_git(&path).is_ok();
    let has_repository = || gix::discover::is_git(&path.join(".git")).is_ok();
    match git_ref {
        None if is_bare => Ok(Source::LocalRepository(path)),
        None => Ok(Source::Folder(path)),
        Some(_) if is_bare || has_repository() => Ok(Source::LocalRepository(path)),
        Some(git_ref) => {
            Err(SourceError::NoReferences { what: format!("`{}`", path.display()), git_ref: git_ref.to_owned() })
        }
    }
}

fn is_scp_like(given: &str) -> bool {
    given.split_once(':').is_some_and(|(address, path)| {
        !path.is_empty() && !address.contains('/') && address.split_once('@').is_some_and(|(_, host)| !host.is_empty())
    })
}

fn is_spelled_like_a_path(given: &str) -> bool {
    given.starts_with(['/', '.', '~']) || given.ends_with('/')
}

fn nearest(given: &str) -> Option<String> {
    let similar = builtin::names().into_iter().map(|name| (strsim::normalized_damerau_levenshtein(given, &name), name));
    let best = similar.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.5).then_some(best.1)
}

/// `given` without credentials and control characters, for messages about something that could not be parsed.
fn shown(given: &str) -> String {
    let start = given.find("://").map_or(0, |at| at + 3);
    let authority = given[start..].find('/').map_or(given.len(), |at| start + at);
    let text = match given[start..authority].rfind('@') {
        Some(at) if start > 0 => format!("{}{}", &given[..start], &given[start + at + 1..]),
        _ => given.to_owned(),
    };
    without_control_characters(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<Source, SourceError> {
        Source::parse(given, Path::new("/nonexistent"), None)
    }

    #[test]
    fn repository_urls_are_recognised() {
        for given in [
            "https://example.org/team/tool.git",
            "http://127.0.0.1:8080/tool",
            "HTTPS://example.org/tool",
            "ssh://git@example.org/tool",
            "git://example.org/tool",
            "git@example.org:team/tool.git",
        ] {
            assert!(matches!(parse(given), Ok(Source::RemoteRepository(_))), "{given}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for (given, expected) in [("ftp://example.org/tool", "ftp"), ("ext::sh -c id", "ext"), ("fd::17", "fd")] {
            let result = parse(given);
            assert!(
                matches!(&result, Err(SourceError::Scheme { scheme }) if scheme == expected),
                "{given}: {result:?}"
            );
        }
    }

    #[test]
    fn what_could_be_an_option_is_refused() {
        assert!(matches!(parse("--upload-pack=touch x"), Err(SourceError::LeadingDash { .. })));
        for given in ["ssh://-oProxyCommand=x/tool", "git@-oProxyCommand=x:tool", "git@example.org:-tool"] {
            let result = parse(given);
            assert!(
                matches!(result, Err(SourceError::UnsafeUrl { .. } | SourceError::Malformed { .. })),
                "{given}: {result:?}"
            );
        }
    }

    #[test]
    fn messages_hold_no_credentials() {
        for given in ["-https://bob:s3cret@example.org/x", "ftp://bob:s3cret@example.org/x", "https://bob:s3cret@/x"] {
            let message =
                parse(given).map_or_else(|err| format!("{err} {err:?}"), |source| format!("{source} {source:?}"));
            assert!(!message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn unknown_words_get_the_nearest_name() {
        let result = parse("http-helo-world");
        assert!(matches!(&result, Err(SourceError::Unknown { nearest: Some(name), .. }) if name == "http-hello-world"));
        assert!(matches!(parse("owner/repo"), Err(SourceError::Unknown { nearest: None, .. })));
        assert!(matches!(parse("./owner"), Err(SourceError::NoSuchFolder { .. })));
    }

    #[test]
    fn a_folder_is_a_repository_only_when_bare_or_asked_for_a_reference() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        std::fs::create_dir(base.join("plain")).unwrap();
        gix::init(base.join("checkout")).unwrap();
        gix::init_bare(base.join("bare.git")).unwrap();
        let parse = |given: &str, git_ref| Source::parse(given, base, git_ref);

        assert_eq!(parse("plain", None).unwrap(), Source::Folder(base.join("plain")));
        assert_eq!(parse("checkout", None).unwrap(), Source::Folder(base.join("checkout")));
        assert_eq!(parse("checkout", Some("v1")).unwrap(), Source::LocalRepository(base.join("checkout")));
        assert_eq!(parse("bare.git", None).unwrap(), Source::LocalRepository(base.join("bare.git")));
        assert!(matches!(parse("plain", Some("v1")), Err(SourceError::NoReferences { .. })));
        assert!(matches!(parse("http-hello-world", Some("v1")), Err(SourceError::NoReferences { .. })));
        let url = format!("file://{}", base.join("bare.git").display());
        assert_eq!(parse(&url, None).unwrap(), Source::LocalRepository(base.join("bare.git")));
        assert!(matches!(parse("file://elsewhere/tool", None), Err(SourceError::OtherMachine { .. })));
    }
}
