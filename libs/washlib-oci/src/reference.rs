//! References to artifacts, such as `ghcr.io/acme/hello:1.2.0`, and errors that tell what is wrong with one.
//!
//! Follows the grammar of the OCI distribution specification 1.1 and Docker's rule for names without a registry. Pure:
//! nothing is looked up.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::digest::{Digest, DigestError};

/// The registry that a name without one belongs to.
const DOCKER_HUB: &str = "docker.io";
/// The longest repository, in bytes, that registries accept.
const MAX_REPOSITORY: usize = 255;
/// The longest tag, in bytes, by the specification.
const MAX_TAG: usize = 128;

/// Why a text is no reference.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is nothing.
    #[error("the reference is empty")]
    Empty,
    /// A URL.
    #[error("a reference has no `{0}://`")]
    Scheme(String),
    /// The path of a file.
    #[error("`{}` is the path of a file, not a reference", .0.escape_debug())]
    Path(String),
    /// A blank or something that cannot be seen.
    #[error("a reference cannot contain {0:?}")]
    Character(char),
    /// A registry, and nothing in it.
    #[error("`{0}` names a registry, but no repository in it")]
    NoRepository(String),
    /// The name of the registry is none.
    #[error("`{0}` is no name of a registry")]
    Registry(String),
    /// The registry's port is none.
    #[error("`{0}` is no port")]
    Port(String),
    /// Upper-case letters.
    #[error("the repository `{0}` has upper-case letters, which registries do not allow")]
    UpperCase(String),
    /// A part of the repository that breaks the rules.
    #[error(
        "`{0}` cannot be part of a repository: it takes lower-case letters and digits, with one `.`, one or two `_` or any number of `-` between them"
    )]
    Repository(String),
    /// More than registries take.
    #[error("the repository has {0} bytes, and registries take at most {MAX_REPOSITORY}")]
    TooLong(usize),
    /// A tag that breaks the rules.
    #[error(
        "`{0}` is no tag: it takes letters, digits, `_`, `.` and `-`, at most {MAX_TAG}, and begins with none of the last two"
    )]
    Tag(String),
    /// Something that is no digest after the `@`.
    #[error("`{digest}` is no digest")]
    Digest {
        /// What stands there.
        digest: String,
        /// What is wrong with it.
        source: DigestError,
    },
}

/// A repository of a registry.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// The registry as `host` or `host:port`; that of Docker Hub is `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's path in the registry, such as `acme/hello`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The same path below `place`, which is `host[:port][/prefix]`.
    pub(crate) fn mirrored(&self, place: &str) -> Result<Self, ReferenceError> {
        let (registry, prefix) = place.split_once('/').unwrap_or((place, ""));
        check_registry(registry)?;
        let path =
            if prefix.is_empty() { self.path.clone() } else { format!("{}/{}", prefix.trim_matches('/'), self.path) };
        Ok(Self { registry: registry.to_owned(), path })
    }

    /// A repository of this registry that stands for the registry itself.
    pub(crate) fn of_registry(registry: &str) -> Result<Self, ReferenceError> {
        check_registry(registry)?;
        let registry =
            if matches!(registry, "index.docker.io" | "registry-1.docker.io") { DOCKER_HUB } else { registry };
        Ok(Self { registry: registry.to_owned(), path: String::new() })
    }

    /// The artifact that a tag names.
    ///
    /// # Errors
    ///
    /// When `tag` is none.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag)?;
        Ok(Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// The artifact with this digest.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// A repository alone, without tag and digest.
impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = text.parse()?;
        if let Some(digest) = &reference.digest {
            return Err(ReferenceError::Repository(format!("{}@{digest}", reference.repository.name())));
        }
        match &reference.tag {
            Some(tag) => Err(ReferenceError::Repository(format!("{}:{tag}", reference.repository.name()))),
            None => Ok(reference.repository),
        }
    }
}

/// What a registry keeps under a tag or a digest.
///
/// ```
/// use washlib_oci::Reference;
///
/// let reference: Reference = "ghcr.io/acme/hello:1.2.0".parse()?;
/// assert_eq!(reference.repository().registry(), "ghcr.io");
/// assert_eq!(reference.repository().path(), "acme/hello");
/// assert_eq!(reference.tag(), Some("1.2.0"));
/// # Ok::<(), washlib_oci::ReferenceError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The tag that a reference with neither tag nor digest means.
    pub const DEFAULT_TAG: &'static str = "latest";

    /// Where it is kept.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is written. It decides: a tag beside it says only where it came from.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The digest or else the tag, as the last part of a manifest's address.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => Self::DEFAULT_TAG.to_owned(),
        }
    }

    /// The tag that this means where no digest does.
    pub fn tag_or_default(&self) -> &str {
        self.tag.as_deref().unwrap_or(Self::DEFAULT_TAG)
    }

    /// Whether a text that is no file's name was likely meant as a reference: `ghcr.io/me/hello:1` was hardly meant as a
    /// path, and `hello.wsam` hardly as a reference. The registry must be written, and what ends in `.wasm` is a file.
    pub fn is_likely(text: &str) -> bool {
        if text.starts_with("oci://") {
            return true;
        }
        text.split_once('/').is_some_and(|(registry, name)| {
            let is_host = registry == "localhost" || registry.contains(['.', ':']);
            is_host && !registry.starts_with('.') && !name.is_empty() && !name.ends_with(".wasm")
        })
    }

    /// The same artifact, now by its digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: self.tag.clone(), digest: Some(digest) }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        // As Helm and others write it.
        let text = text.strip_prefix("oci://").unwrap_or(text);
        refuse_other_things(text)?;
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let parsed =
                    digest.parse().map_err(|source| ReferenceError::Digest { digest: digest.to_owned(), source })?;
                (name, Some(parsed))
            }
            None => (text, None),
        };
        let path_begins = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[path_begins..].find(':') {
            // Without a slash the colon may stand before a port: `localhost:5000`.
            Some(colon) if path_begins > 0 || !is_registry(name) => {
                (&name[..path_begins + colon], Some(&name[path_begins + colon + 1..]))
            }
            _ => (name, None),
        };
        let repository = repository(name)?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

/// The canonical spelling: always with the registry, and with a tag unless there is a digest.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), None) => write!(f, ":{tag}"),
            (None, None) => write!(f, ":{}", Self::DEFAULT_TAG),
            (Some(tag), Some(digest)) => write!(f, ":{tag}@{digest}"),
            (None, Some(digest)) => write!(f, "@{digest}"),
        }
    }
}

fn refuse_other_things(text: &str) -> Result<(), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    if let Some(wrong) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(ReferenceError::Character(wrong));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(ReferenceError::Scheme(scheme.to_owned()));
    }
    if text.starts_with(['/', '.', '~', '\\']) {
        return Err(ReferenceError::Path(text.to_owned()));
    }
    Ok(())
}

/// Whether a word without a slash can only be meant as a registry: `localhost:5000`, `ghcr.io`.
fn is_registry(word: &str) -> bool {
    let host = word.split(':').next().unwrap_or_default();
    host == "localhost" || word.starts_with('[') || host.contains('.')
}

fn repository(name: &str) -> Result<Repository, ReferenceError> {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (first.to_owned(), rest.to_owned())
        }
        None if is_registry(name) => return Err(ReferenceError::NoRepository(name.to_owned())),
        None => (DOCKER_HUB.to_owned(), format!("library/{name}")),
        Some(_) => (DOCKER_HUB.to_owned(), name.to_owned()),
    };
    let registry = canonical_registry(&registry);
    check_registry(&registry)?;
    if path.is_empty() {
        return Err(ReferenceError::NoRepository(registry));
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase(path));
    }
    if let Some(wrong) = path.split('/').find(|part| !is_path_part(part)) {
        return Err(ReferenceError::Repository(wrong.escape_debug().to_string()));
    }
    if path.len() > MAX_REPOSITORY {
        return Err(ReferenceError::TooLong(path.len()));
    }
    Ok(Repository { registry, path })
}

/// The one way to write a registry's name: in lower case, and Docker Hub's other names as `docker.io`.
pub fn canonical_registry(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
        _ => name,
    }
}

/// The one way to write what a rule is for: nothing, a registry, or a registry and the beginning of a repository.
///
/// # Errors
///
/// For anything else. A rule that matches nothing would let everything pass.
pub fn canonical_scope(text: &str) -> Result<String, ReferenceError> {
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Ok(String::new());
    }
    refuse_other_things(text)?;
    let (registry, path) = text.split_once('/').map_or((text, None), |(registry, path)| (registry, Some(path)));
    if !is_registry(registry) && !registry.contains(':') {
        return Err(ReferenceError::Registry(registry.to_owned()));
    }
    let registry = canonical_registry(registry);
    check_registry(&registry)?;
    let Some(path) = path else { return Ok(registry) };
    match path.split('/').find(|part| !is_path_part(part)) {
        Some(wrong) => Err(ReferenceError::Repository(wrong.escape_debug().to_string())),
        None => Ok(format!("{registry}/{path}")),
    }
}

pub(crate) fn check_registry(registry: &str) -> Result<(), ReferenceError> {
    let wrong = || ReferenceError::Registry(registry.escape_debug().to_string());
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (
                "",
                rest.strip_prefix(':')
                    .map_or(if rest.is_empty() { Ok(None) } else { Err(wrong()) }, |p| Ok(Some(p)))?,
            )
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (registry, None),
        },
    };
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !registry.starts_with('[') && !host.split('.').all(is_label) {
        return Err(wrong());
    }
    match port {
        None => Ok(()),
        // In one way only: `:0443` would be another name, to rules, of the same place.
        Some(text) if text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == text) => Ok(()),
        Some(text) => Err(ReferenceError::Port(text.escape_debug().to_string())),
    }
}

/// Whether a part of a repository's path keeps to the specification: runs of lower-case letters and digits, joined by
/// one dot, one or two underscores, or dashes.
fn is_path_part(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    if !ends_well(bytes.first()) || !ends_well(bytes.last()) {
        return false;
    }
    bytes
        .split(|byte| is_word(*byte))
        .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-'))
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let good = !tag.is_empty() && tag.len() <= MAX_TAG && tag.bytes().all(allowed) && !tag.starts_with(['.', '-']);
    if good { Ok(()) } else { Err(ReferenceError::Tag(tag.escape_debug().to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Reference {
        text.parse().unwrap_or_else(|err| panic!("{text}: {err}"))
    }

    fn error(text: &str) -> ReferenceError {
        match text.parse::<Reference>() {
            Ok(reference) => panic!("{text} should not be {reference}"),
            Err(err) => err,
        }
    }

    #[test]
    fn rules_cover_what_they_name_and_what_names_nothing_is_an_error() {
        let covers = |scope: &str, reference: &str| {
            let scope = canonical_scope(scope).unwrap();
            crate::VerificationRule { scope, keys: vec![] }.covers(parsed(reference).repository())
        };
        for (scope, reference, expected) in [
            ("", "ghcr.io/acme/x", true),
            ("ghcr.io", "ghcr.io/acme/x", true),
            ("GHCR.io/acme", "ghcr.io/acme/x", true),
            ("ghcr.io/acme/", "ghcr.io:443/acme/x", true),
            ("ghcr.io:443/acme", "ghcr.io/acme/x", true),
            ("index.docker.io/acme", "acme/x", true),
            ("docker.io/acme", "REGISTRY-1.docker.io/acme/x", true),
            ("localhost:5000", "localhost:5000/x", true),
            ("ghcr.io/acme", "ghcr.io/acmes/x", false),
            ("ghcr.io:80", "ghcr.io/x", false),
        ] {
            assert_eq!(covers(scope, reference), expected, "{scope} {reference}");
        }
        for scope in ["https://ghcr.io/acme", "ghcr.io/acme/*", "ghcr.io/acme/hello:1.0", "acme", "ghcr.io/Acme", "*"] {
            assert!(canonical_scope(scope).is_err(), "{scope}");
        }
        for reference in ["ghcr.io:0443/acme/x", "ghcr.io:+443/acme/x", "ghcr.io./acme/x"] {
            assert!(reference.parse::<Reference>().is_err(), "{reference}");
        }
    }

    #[test]
    fn references_are_told_from_paths() {
        for (text, is_likely) in [
            ("ghcr.io/me/hello:1", true),
            ("localhost:5000/hello", true),
            ("localhost/hello@sha256:00", true),
            ("127.0.0.1:5000/hello", true),
            ("oci://hello", true),
            ("hello", false),
            ("hello:1", false),
            ("./hello/x", false),
            ("../x.y/z", false),
            ("some.dir/hello.wasm", false),
            ("/ghcr.io/x", false),
            ("C:/", false),
        ] {
            assert_eq!(Reference::is_likely(text), is_likely, "{text}");
        }
    }

    #[test]
    fn references_in_their_canonical_spelling() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let table = [
            ("ghcr.io/acme/hello:1.2.0", "ghcr.io/acme/hello:1.2.0"),
            ("oci://ghcr.io/acme/hello:1.2.0", "ghcr.io/acme/hello:1.2.0"),
            ("ghcr.io/acme/hello", "ghcr.io/acme/hello:latest"),
            ("localhost:5000/hello:v1", "localhost:5000/hello:v1"),
            ("localhost/hello", "localhost/hello:latest"),
            ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"),
            ("[::1]:5000/hello:v1", "[::1]:5000/hello:v1"),
            ("hello", "docker.io/library/hello:latest"),
            ("hello:v1", "docker.io/library/hello:v1"),
            ("hello:5000", "docker.io/library/hello:5000"),
            ("acme/hello", "docker.io/acme/hello:latest"),
            ("index.docker.io/acme/hello", "docker.io/acme/hello:latest"),
            ("registry:5000/hello", "registry:5000/hello:latest"),
            ("GHCR.io/acme/a_b__c-d---e.f:V1_2.3-x", "ghcr.io/acme/a_b__c-d---e.f:V1_2.3-x"),
        ];
        for (text, canonical) in table {
            assert_eq!(parsed(text).to_string(), canonical, "{text}");
        }
        assert_eq!(parsed(&format!("a.io/b@{digest}")).to_string(), format!("a.io/b@{digest}"));
        assert_eq!(parsed(&format!("a.io/b:v1@{digest}")).to_string(), format!("a.io/b:v1@{digest}"));
    }

    #[test]
    fn malformed_references_say_why() {
        use ReferenceError as E;
        assert_eq!(error(""), E::Empty);
        assert_eq!(error("https://ghcr.io/a/b"), E::Scheme("https".into()));
        assert_eq!(error("./hello.wasm"), E::Path("./hello.wasm".into()));
        assert_eq!(error("/tmp/hello.wasm"), E::Path("/tmp/hello.wasm".into()));
        assert_eq!(error("ghcr.io/a b"), E::Character(' '));
        assert_eq!(error("ghcr.io/a\n"), E::Character('\n'));
        assert_eq!(error("ghcr.io"), E::NoRepository("ghcr.io".into()));
        assert_eq!(error("ghcr.io/"), E::NoRepository("ghcr.io".into()));
        assert_eq!(error("localhost:5000"), E::NoRepository("localhost:5000".into()));
        assert_eq!(error("ghcr.io/Acme/hello"), E::UpperCase("Acme/hello".into()));
        assert_eq!(error("ghcr.io/a//b"), E::Repository("".into()));
        assert_eq!(error("ghcr.io/a/../b"), E::Repository("..".into()));
        assert_eq!(error("ghcr.io/a___b"), E::Repository("a___b".into()));
        assert_eq!(error("ghcr.io/-a"), E::Repository("-a".into()));
        assert_eq!(error("ghcr.io/a:"), E::Tag("".into()));
        assert_eq!(error("ghcr.io/a:.x"), E::Tag(".x".into()));
        assert_eq!(error("ghcr.io/a:b:c"), E::Tag("b:c".into()));
        assert_eq!(error("a..io/b"), E::Registry("a..io".into()));
        assert_eq!(error("a.io:0/b"), E::Port("0".into()));
        assert_eq!(error("a.io:99999/b"), E::Port("99999".into()));
        assert_eq!(error("a.io:x/b"), E::Port("x".into()));
        assert_eq!(error("[::g]/b"), E::Registry("[::g]".into()));
        assert!(matches!(error("a.io/b@"), E::Digest { .. }));
        assert!(matches!(error("a.io/b@sha256:abc"), E::Digest { source: DigestError::Length { .. }, .. }));
        assert!(matches!(error("a.io/b@md5:abc"), E::Digest { source: DigestError::Algorithm(_), .. }));
        assert_eq!(error(&format!("a.io/{}", "a".repeat(256))), E::TooLong(256));
        assert!(matches!(error(&format!("a.io/b:{}", "a".repeat(129))), E::Tag(_)));
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let alphabet = ['a', 'A', '.', ':', '/', '@', '[', ']', '-', '_', '0', 'é', '\u{202e}', ' '];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if let Ok(reference) = text.parse::<Reference>() {
                // What is accepted survives being printed and read again.
                assert_eq!(reference.to_string().parse::<Reference>().unwrap().to_string(), reference.to_string());
            }
        }
    }

    #[test]
    fn a_repository_has_neither_tag_nor_digest() {
        assert_eq!("ghcr.io/a/b".parse::<Repository>().unwrap().path(), "a/b");
        assert!("ghcr.io/a/b:c".parse::<Repository>().is_err());
    }
}
