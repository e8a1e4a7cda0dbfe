//! The command line of `wash oci`. Its comments are the help, the man pages and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

#[path = "serve/cli.rs"]
mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use washlib_cli::{GlobalArgs, PruneArgs, RegistryArgs};

pub(crate) use serve::Serve;

/// Push, pull, copy, sign and serve WebAssembly components in OCI registries
///
/// Credentials are found where Docker and Podman keep them, with their credential helpers, in `WASH_REG_USER` and
/// `WASH_REG_PASSWORD`, and with `--user`. Registries on this machine's loopback are spoken to in plain HTTP unless they
/// speak HTTPS. What is special about a registry, such as mirrors and certificates, stands in the section `oci` of the
/// configuration.
#[derive(Debug, Parser)]
#[command(name = "wash-oci", bin_name = "wash oci", version, after_help = AFTER_HELP)]
pub(crate) struct Oci {
    #[command(subcommand)]
    pub(crate) command: OciCommand,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OciCommand {
    Push(Push),
    Pull(Pull),
    Copy(Copy),
    Tag(Tag),
    List(List),
    Info(Info),
    Delete(Delete),
    Login(Login),
    Logout(Logout),
    Attach(Attach),
    Referrers(Referrers),
    Sign(Sign),
    Verify(Verify),
    GenerateKey(GenerateKey),
    Serve(Serve),
    #[command(subcommand)]
    Cache(Cache),
}

/// Push a component, a WIT package or a core module to a registry
///
/// The same bytes give the same digest: without `SOURCE_DATE_EPOCH` no date of today gets into the artifact.
/// Annotations come from the component's own metadata. What the repository has already is not sent again, nor what its
/// registry can take over from a repository that was pushed to or pulled from before. The digest is printed on stdout.
#[derive(Args, Debug)]
pub(crate) struct Push {
    /// Where to push to, such as `ghcr.io/acme/hello:1.2.0`
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The file to push; `-` reads stdin
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// Push under this tag too; can be given several times
    #[arg(short, long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,

    /// Note this in the manifest; can be given several times. An empty value removes what the component says
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) annotation: Vec<(String, String)>,

    /// Who made it, if the component does not say it
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,

    /// How to pack it
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t)]
    pub(crate) profile: Profile,

    /// Send nothing; print what the digest would be
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write into an OCI image layout in this folder instead of sending
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    pub(crate) layout: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// How an artifact is packed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Profile {
    /// As the CNCF describes it: for wash, wkg, containerd and others
    #[default]
    Standard,
    /// As Envoy and Istio expect it, for registries that refuse the standard media types
    Envoy,
}

/// Pull a component from a registry
///
/// Accepts what wash, wkg, wasmCloud 1, Envoy, Istio, runwasi and others have pushed. Every byte is checked against its
/// digest, and the file is written whole or not at all. The path is printed on stdout.
#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// What to pull: a tag or a digest
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The file to write; `-` writes to stdout, but never to a terminal
    #[arg(value_name = "PATH", default_value = "component.wasm")]
    pub(crate) path: PathBuf,

    /// When to ask the registry [default: always; with `--offline` never]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) policy: Option<Policy>,

    /// Use the cache alone
    #[arg(long)]
    pub(crate) offline: bool,

    /// Pull only what the owner of this public key has signed; can be given several times, and one must have
    #[arg(long, value_name = "KEY")]
    pub(crate) verify: Vec<PathBuf>,

    /// The layer to take: its place from 0, its title or its media type
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,

    /// Take the layer as it is, whatever it is
    #[arg(long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// When a registry is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Policy {
    /// Each time
    Always,
    /// When the cache does not have it
    #[value(alias = "ifNotPresent")]
    IfNotPresent,
    /// Never
    Never,
}

/// Copy an artifact between repositories, registries and image layouts
///
/// Nothing changes on the way: the digest stays the same. Within a registry nothing is sent. An image layout is named
/// `layout:DIR` or `layout:DIR:TAG`.
#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// What to copy
    #[arg(value_name = "FROM")]
    pub(crate) from: String,

    /// Where to copy it to; without a tag, the one that it has
    #[arg(value_name = "TO")]
    pub(crate) to: String,

    /// Give the copy this tag too; can be given several times
    #[arg(short, long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,

    /// Copy what refers to it too: signatures, provenance, bills of materials
    #[arg(long)]
    pub(crate) referrers: bool,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Give an artifact more tags, without pulling it
#[derive(Args, Debug)]
pub(crate) struct Tag {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The tags
    #[arg(value_name = "TAG", required = true)]
    pub(crate) tags: Vec<String>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// List the tags of a repository, the newest version first
#[derive(Args, Debug)]
pub(crate) struct List {
    /// The repository, such as `ghcr.io/acme/hello`
    #[arg(value_name = "REPOSITORY")]
    pub(crate) repository: String,

    /// List tags of signatures and the like too
    #[arg(long)]
    pub(crate) all: bool,

    /// List so many at most
    #[arg(long, value_name = "NUMBER")]
    pub(crate) limit: Option<usize>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Show what an artifact is: manifest, configuration, annotations and what refers to it
///
/// Its content is not pulled.
#[derive(Args, Debug)]
pub(crate) struct Info {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Delete a tag, or with a digest the artifact and all its tags
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// What to delete
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Log in to a registry
///
/// The credentials are checked, then kept where Docker keeps them: with its credential helper, or in its configuration
/// file.
#[derive(Args, Debug)]
pub(crate) struct Login {
    /// The registry, such as `ghcr.io`
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Log out of a registry: forget its credentials
#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// The registry, such as `ghcr.io`
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub(crate) name: String,
}

/// Attach a document to an artifact, such as a bill of materials
///
/// The digest of what was attached is printed on stdout.
#[derive(Args, Debug)]
pub(crate) struct Attach {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The document
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What it is, such as `application/spdx+json` [default: by the file's content or name, where that is known]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) artifact_type: Option<String>,

    /// Note this in its manifest; can be given several times
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) annotation: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// List what refers to an artifact
#[derive(Args, Debug)]
pub(crate) struct Referrers {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// Only of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) artifact_type: Option<String>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Sign an artifact with a private key, in a form that cosign verifies
///
/// The password of the key is read from `COSIGN_PASSWORD`, or asked for. No service is needed.
#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The private key: encrypted as `generate-key` and cosign do it, or in PKCS #8
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// In which form; can be given several times
    #[arg(long, value_name = "FORM", value_enum, default_value = "bundle")]
    pub(crate) format: Vec<SignatureForm>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// In which form a signature is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SignatureForm {
    /// A Sigstore bundle that refers to the artifact: for cosign 3
    Bundle,
    /// Under a tag of its own: for cosign 2, skopeo and Podman
    Tag,
}

/// Verify that an artifact is signed
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The artifact
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,

    /// The public key; can be given several times, and one must have signed [default: the rules of the configuration]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Make a key pair for signing
///
/// Writes `PREFIX.key`, encrypted with the password in `COSIGN_PASSWORD` or one that is asked for, and `PREFIX.pub`.
/// Files that exist are not replaced.
#[derive(Args, Debug)]
pub(crate) struct GenerateKey {
    /// What the names of the files begin with
    #[arg(value_name = "PREFIX", default_value = "cosign")]
    pub(crate) prefix: PathBuf,
}

/// Look after the cache that all tools share
#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// List what is in it, the last used first
    List,
    /// Remove what was not used for long, and what interrupted pulls have left
    Prune(PruneArgs),
    /// Remove everything
    #[command(alias = "clear")]
    Clean,
    /// Print where it is
    Path,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

const AFTER_HELP: &str = "\
Examples:
  wash oci serve                                 A registry on localhost:5000
  wash oci push ghcr.io/acme/hello:1.2.0 hello.wasm --tag latest
  wash oci pull ghcr.io/acme/hello:1.2.0 hello.wasm
  wash oci copy ghcr.io/acme/hello:1.2.0 localhost:5000/hello --referrers
  wash oci list ghcr.io/acme/hello
  echo $TOKEN | wash oci login ghcr.io --user ada --password-stdin
  wash oci generate-key && wash oci sign ghcr.io/acme/hello:1.2.0 --key cosign.key
  wash oci pull ghcr.io/acme/hello:1.2.0 --verify cosign.pub

Environment:
  WASH_REG_USER, WASH_REG_PASSWORD, WASH_REG_URL   Credentials, and the registry that they are for
  DOCKER_CONFIG, DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE   Where credentials are
  WASMCLOUD_OCI_ALLOWED_INSECURE   Registries that speak plain HTTP, separated by commas
  WASH_OCI_CA_PATHS                Certificates of authorities to trust too, separated by commas
  WASH_OCI_CACHE_DIR               Where pulled artifacts are kept
  SOURCE_DATE_EPOCH                The date that a pushed artifact bears, in seconds since 1970
  COSIGN_PASSWORD                  The password of a private key

Exit status:
  0    done
  1    the registry, the artifact or a file was not as it should be, or the answer is no
  2    the command line or the configuration is wrong
  130  interrupted; nothing half-made is left";
