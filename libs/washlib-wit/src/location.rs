//! Where `wit.sources` and the manifest's overrides take packages from instead of their registry.
//!
//! Understands the spelling; nothing is looked up but, for a bare word, whether a file of that name exists.

use std::fmt;
use std::path::{Path, PathBuf};

use semver::Version;
use thiserror::Error;

use crate::{Digest, NameError, PackageId, PackageName};

/// A place that packages come from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Location {
    /// A folder with .wit files, a .wit file, a binary package, or a folder in the layout of a local registry.
    Path(PathBuf),
    /// A Git repository.
    Git {
        /// Its URL.
        url: String,
        /// A branch, tag or commit; the default branch without.
        reference: Option<String>,
        /// A folder in it.
        subfolder: Option<String>,
    },
    /// A gzipped tar archive.
    Tarball {
        /// Its URL.
        url: String,
        /// What its bytes must be.
        digest: Option<Digest>,
        /// A folder in it.
        subfolder: Option<String>,
    },
    /// An OCI artifact: registry, repository, and a tag or digest.
    Oci(String),
    /// A registry for WIT packages.
    Registry(String),
}

/// Text that names no place.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum LocationError {
    /// Nothing was given.
    #[error("the source is empty")]
    Empty,
    /// A scheme that nothing is fetched by.
    #[error("`{scheme}://` is no scheme that packages are fetched by")]
    Scheme {
        /// The part before `://`.
        scheme: String,
    },
    /// A fragment that says something unknown.
    #[error(
        "`#{fragment}` is not understood: an archive takes `#sha256=<digest>`, `#path=<folder>` or both joined by `&`"
    )]
    Fragment {
        /// The part after `#`.
        fragment: String,
    },
    /// `file://` on another machine.
    #[error("`{given}` is on another machine")]
    OtherMachine {
        /// What was given.
        given: String,
    },
    /// `~` without a home.
    #[error("`{given}` starts in the home folder, but there is none")]
    NoHome {
        /// What was given.
        given: String,
    },
}

impl Location {
    /// Understands a value of `wit.sources`. Relative paths start at `base`, `~` is `home`.
    ///
    /// # Errors
    ///
    /// When it names no place.
    pub fn parse(given: &str, base: &Path, home: Option<&Path>) -> Result<Self, LocationError> {
        let given = given.trim();
        if given.is_empty() {
            return Err(LocationError::Empty);
        }
        if let Some(host) = given.strip_prefix("registry+") {
            return Ok(Self::Registry(host.to_owned()));
        }
        if let Some(reference) = given.strip_prefix("oci://").or_else(|| given.strip_prefix("oci+")) {
            return Ok(Self::Oci(reference.to_owned()));
        }
        if let Some(rest) = given.strip_prefix("file://") {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            let absolute = path.starts_with('/');
            return if absolute {
                Ok(Self::Path(path.into()))
            } else {
                Err(LocationError::OtherMachine { given: given.to_owned() })
            };
        }
        let (address, fragment) = given.split_once('#').map_or((given, None), |(address, rest)| (address, Some(rest)));
        let is_scp_like = address.starts_with("git@") || address.starts_with("ssh://");
        if address.starts_with("git+") || address.starts_with("git://") || is_scp_like || address.ends_with(".git") {
            let is_local = !address.contains("://") && !is_scp_like && !address.starts_with("git+");
            if !is_local || base.join(address).exists() {
                return Ok(Self::git(address, fragment));
            }
        }
        if address.starts_with("https://") || address.starts_with("http://") {
            return Self::tarball(address, fragment);
        }
        if let Some((scheme, _)) = given.split_once("://") {
            return Err(LocationError::Scheme { scheme: scheme.to_owned() });
        }
        if let Some(rest) = given.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            let home = home.ok_or_else(|| LocationError::NoHome { given: given.to_owned() })?;
            return Ok(Self::Path(home.join(rest.trim_start_matches('/'))));
        }
        if !given.starts_with(['.', '/']) && !base.join(given).exists() && is_oci_reference(given) {
            return Ok(Self::Oci(given.to_owned()));
        }
        Ok(Self::Path(base.join(given)))
    }

    fn git(address: &str, fragment: Option<&str>) -> Self {
        let url = address.strip_prefix("git+").unwrap_or(address).to_owned();
        let (reference, subfolder) = match fragment.map(|fragment| fragment.split_once(':').unwrap_or((fragment, ""))) {
            Some((reference, subfolder)) => (not_empty(reference), not_empty(subfolder)),
            None => (None, None),
        };
        Self::Git { url, reference, subfolder }
    }

    fn tarball(url: &str, fragment: Option<&str>) -> Result<Self, LocationError> {
        let mut digest = None;
        let mut subfolder = None;
        for part in fragment.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let unknown = || LocationError::Fragment { fragment: fragment.unwrap_or_default().to_owned() };
            if let Some(path) = part.strip_prefix("path=") {
                subfolder = not_empty(path);
            } else {
                let hex = part.strip_prefix("sha256=").or_else(|| part.strip_prefix("sha256:")).ok_or_else(unknown)?;
                digest = Some(Digest::from_hex(hex).ok_or_else(unknown)?);
            }
        }
        Ok(Self::Tarball { url: url.to_owned(), digest, subfolder })
    }

    /// The path, for a location on this machine.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }
}

/// As it is written in `wit.sources`, without credentials.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Git { url, reference, subfolder } => {
                write!(f, "git+{}", without_credentials(url))?;
                match (reference, subfolder) {
                    (None, None) => Ok(()),
                    (reference, None) => write!(f, "#{}", reference.as_deref().unwrap_or_default()),
                    (reference, Some(subfolder)) => {
                        write!(f, "#{}:{subfolder}", reference.as_deref().unwrap_or_default())
                    }
                }
            }
            Self::Tarball { url, digest, subfolder } => {
                f.write_str(&without_credentials(url))?;
                let digest = digest.map(|digest| format!("sha256={}", digest.hex()));
                let subfolder = subfolder.as_ref().map(|subfolder| format!("path={subfolder}"));
                let parts: Vec<String> = digest.into_iter().chain(subfolder).collect();
                if parts.is_empty() { Ok(()) } else { write!(f, "#{}", parts.join("&")) }
            }
            Self::Oci(reference) => write!(f, "oci://{reference}"),
            Self::Registry(registry) => write!(f, "registry+{registry}"),
        }
    }
}

/// A URL without user name and password; an ssh user is part of the address.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) if scheme != "ssh" => format!("{scheme}://{host}{path}"),
        _ => url.to_owned(),
    }
}

fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether `given` begins with a host and goes on with a repository.
fn is_oci_reference(given: &str) -> bool {
    given.split_once('/').is_some_and(|(host, repository)| {
        let is_host = host.contains('.') || host.contains(':') || host == "localhost";
        is_host && !repository.is_empty()
    })
}

/// A key of `wit.sources` with the place it stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceOverride {
    /// The namespace.
    pub namespace: String,
    /// The package in it; all of them without.
    pub name: Option<String>,
    /// The version; all of them without.
    pub version: Option<Version>,
    /// Where matching packages come from.
    pub location: Location,
}

impl SourceOverride {
    /// Of a key `namespace`, `namespace:package` or `namespace:package@version`.
    ///
    /// # Errors
    ///
    /// When the key is none of these.
    pub fn new(key: &str, location: Location) -> Result<Self, NameError> {
        if key.contains(':') {
            let id: PackageId = key.parse()?;
            let (namespace, name) = (id.name.namespace().to_owned(), Some(id.name.name().to_owned()));
            return Ok(Self { namespace, name, version: id.version, location });
        }
        // Checked as part of a name that is otherwise right.
        let name: PackageName = format!("{key}:x").parse().map_err(|_| NameError::Shape { given: key.to_owned() })?;
        let namespace = name.namespace().to_owned();
        Ok(Self { namespace, name: None, version: None, location })
    }

    /// Whether some version of a package comes from here.
    pub fn speaks_of(&self, name: &PackageName) -> bool {
        self.namespace == name.namespace() && self.name.as_deref().is_none_or(|own| own == name.name())
    }

    /// How exactly this speaks of a package: more is more exact, `None` is not at all.
    pub(crate) fn exactness(&self, package: &PackageId) -> Option<u8> {
        let name_matches = self.name.as_deref().is_none_or(|name| name == package.name.name());
        let version_matches = self.version.is_none() || self.version == package.version;
        let matches = self.namespace == package.name.namespace() && name_matches && version_matches;
        matches.then(|| u8::from(self.name.is_some()) + u8::from(self.version.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<Location, LocationError> {
        Location::parse(given, Path::new("/project"), Some(Path::new("/home/me")))
    }

    fn git(url: &str, reference: Option<&str>, subfolder: Option<&str>) -> Location {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Location::Git { url: url.to_owned(), reference: owned(reference), subfolder: owned(subfolder) }
    }

    #[test]
    fn every_spelling_is_understood() {
        let digest = Digest::of(b"");
        let tarball = |url: &str, digest, subfolder: Option<&str>| Location::Tarball {
            url: url.to_owned(),
            digest,
            subfolder: subfolder.map(ToOwned::to_owned),
        };
        let table = [
            ("./wit", Location::Path("/project/./wit".into())),
            ("../shared", Location::Path("/project/../shared".into())),
            ("shared/wit", Location::Path("/project/shared/wit".into())),
            ("/abs/path", Location::Path("/abs/path".into())),
            ("~/wit", Location::Path("/home/me/wit".into())),
            ("~", Location::Path("/home/me/".into())),
            ("file:///abs/path", Location::Path("/abs/path".into())),
            ("file://localhost/abs", Location::Path("/abs".into())),
            ("git+https://example.org/a", git("https://example.org/a", None, None)),
            ("https://example.org/a.git#v1", git("https://example.org/a.git", Some("v1"), None)),
            ("git@example.org:a/b#main:wit", git("git@example.org:a/b", Some("main"), Some("wit"))),
            ("ssh://git@example.org/a#:wit", git("ssh://git@example.org/a", None, Some("wit"))),
            ("https://example.org/a.tar.gz", tarball("https://example.org/a.tar.gz", None, None)),
            (
                &format!("https://example.org/a.tgz#sha256={}&path=wit/x", digest.hex()),
                tarball("https://example.org/a.tgz", Some(digest), Some("wit/x")),
            ),
            ("ghcr.io/acme/wit:1.0.0", Location::Oci("ghcr.io/acme/wit:1.0.0".to_owned())),
            ("localhost:5000/wit@sha256:0", Location::Oci("localhost:5000/wit@sha256:0".to_owned())),
            ("oci://ghcr.io/acme/wit", Location::Oci("ghcr.io/acme/wit".to_owned())),
            ("registry+example.org", Location::Registry("example.org".to_owned())),
        ];
        for (given, expected) in table {
            assert_eq!(parse(given), Ok(expected), "{given}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        assert_eq!(parse(" "), Err(LocationError::Empty));
        assert!(matches!(parse("ftp://example.org/a"), Err(LocationError::Scheme { .. })));
        assert!(matches!(parse("https://example.org/a#md5=0"), Err(LocationError::Fragment { .. })));
        assert!(matches!(parse("https://example.org/a#sha256=0"), Err(LocationError::Fragment { .. })));
        assert!(matches!(parse("file://elsewhere/a"), Err(LocationError::OtherMachine { .. })));
        assert!(matches!(Location::parse("~/a", Path::new("/"), None), Err(LocationError::NoHome { .. })));
    }

    #[test]
    fn credentials_are_not_shown() {
        for given in ["git+https://bob:s3cret@example.org/a#v1", "https://bob:s3cret@example.org/a.tar.gz"] {
            let shown = parse(given).unwrap().to_string();
            assert!(!shown.contains("s3cret") && shown.contains("example.org/a"), "{shown}");
        }
        assert_eq!(without_credentials("ssh://git@example.org/a"), "ssh://git@example.org/a");
    }

    #[test]
    fn the_most_exact_key_wins() {
        let of = |key: &str| SourceOverride::new(key, Location::Path("x".into())).unwrap();
        let package = "wasi:http@0.2.0".parse().unwrap();
        assert_eq!(of("wasi").exactness(&package), Some(0));
        assert_eq!(of("wasi:http").exactness(&package), Some(1));
        assert_eq!(of("wasi:http@0.2.0").exactness(&package), Some(2));
        assert_eq!(of("wasi:http@0.2.1").exactness(&package), None);
        assert_eq!(of("wasi:io").exactness(&package), None);
        assert!(SourceOverride::new("Wasi", Location::Path("x".into())).is_err());
        assert!(SourceOverride::new("", Location::Path("x".into())).is_err());
    }
}
