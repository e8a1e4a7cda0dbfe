//! Every error that a library gives `wash oci`, with the hint that helps and the exit code.

use std::io;
use std::path::Path;

use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};
use washlib_registry::configuration::{ConfigurationError, KeyFileError};
use washlib_registry::credentials::StoreError;
use washlib_registry::{
    ArtifactError, CopyError, KeyError, LayerError, LayoutError, PullError, Reference, ReferenceError, RegistryError,
    SignError, VerifyError,
};

use crate::output_file::OutputError;

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    CommandError::failure(err)
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn settings(err: ConfigurationError) -> CommandError {
    CommandError::usage(err)
}

pub(crate) fn reference(err: ReferenceError, given: &str) -> CommandError {
    let hint = match &err {
        ReferenceError::Scheme(_) => {
            let rest = given.split_once("://").map_or("", |(_, rest)| rest);
            Some(format!("write `{}`; `--insecure` is for registries without TLS", rest.escape_debug()))
        }
        ReferenceError::UpperCase(path) => Some(format!("write `{}`", path.to_lowercase())),
        ReferenceError::NoRepository(registry) => Some(format!("a reference is written `{registry}/name:tag`")),
        ReferenceError::Path(_) => Some("the reference comes first, the file after it".to_owned()),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn registry(err: RegistryError) -> CommandError {
    let hint = err.hint();
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn login(err: RegistryError) -> CommandError {
    // That one should log in helps nobody who does.
    let hint = if matches!(err, RegistryError::Denied { .. }) { None } else { err.hint() };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn delete(err: RegistryError, reference: &Reference) -> CommandError {
    let is_tag = reference.digest().is_none();
    let hint = match &err {
        RegistryError::Status { status: 400 | 405, .. } if is_tag => {
            Some(format!("this registry deletes no tags; `wash oci info {reference}` tells the digest to delete"))
        }
        RegistryError::Status { status: 405, .. } => Some("this registry is set up to delete nothing".to_owned()),
        err => err.hint(),
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn pull(err: PullError) -> CommandError {
    let hint = match &err {
        PullError::Registry { source, .. } => source.hint(),
        PullError::NotCached { .. } | PullError::AlwaysOffline { .. } => {
            Some("pull it once with the network: `--policy if-not-present`, without `--offline`".to_owned())
        }
        PullError::Layer { source: LayerError::Several(_), .. } => Some("choose one with `--layer`".to_owned()),
        PullError::Layer { source: LayerError::NoWasm(_) | LayerError::Provider, .. } | PullError::Content { .. } => {
            Some("`--raw` takes a layer as it is".to_owned())
        }
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn copy(err: CopyError) -> CommandError {
    match err {
        CopyError::Registry(err) => registry(err),
        CopyError::Layout(err) => layout(err),
        err => CommandError::failure(err),
    }
}

pub(crate) fn layout(err: LayoutError) -> CommandError {
    CommandError::failure(err)
}

pub(crate) fn sign(err: SignError) -> CommandError {
    let hint = match &err {
        SignError::Registry { source, .. } => source.hint(),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn verify(err: VerifyError) -> CommandError {
    let hint = match &err {
        VerifyError::Registry { source, .. } => source.hint(),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn artifact(err: ArtifactError, path: &Path) -> CommandError {
    match err {
        ArtifactError::Content(err) => {
            CommandError::failure(format!("{}: {err}", path.display())).hint("`wash build` makes a component")
        }
        ArtifactError::Created => source_date(),
        err => CommandError::failure(err),
    }
}

pub(crate) fn output(err: OutputError) -> CommandError {
    CommandError::failure(err)
}

pub(crate) fn store(err: StoreError) -> CommandError {
    CommandError::failure(err)
}

pub(crate) fn key_file(err: KeyFileError) -> CommandError {
    CommandError::usage(err)
}

pub(crate) fn private_key(err: KeyError, path: &Path) -> CommandError {
    let hint = (err == KeyError::NeedsPassword).then_some("set `COSIGN_PASSWORD`, or run it at a terminal");
    CommandError::failure(format!("{}: {err}", path.display())).hint_if_some(hint)
}

pub(crate) fn read(err: io::Error, path: &Path) -> CommandError {
    if path == Path::new("-") {
        return CommandError::failure(format!("cannot read stdin: {err}"));
    }
    CommandError::failure(err)
}

pub(crate) fn push_folder(path: &Path) -> CommandError {
    CommandError::failure(format!("{} is a folder, and one file is pushed", path.display()))
        .hint("name the component's file; `wash build` prints where it has written it")
}

pub(crate) fn too_large(path: &Path) -> CommandError {
    CommandError::failure(format!("{} is larger than 4 GiB", path.display()))
}

pub(crate) fn source_date() -> CommandError {
    CommandError::usage("SOURCE_DATE_EPOCH is not a number of seconds since 1970")
}

pub(crate) fn push_by_digest() -> CommandError {
    CommandError::usage("what is pushed gets its digest from its content").hint("give the reference a tag instead")
}

pub(crate) fn wasm_to_terminal() -> CommandError {
    CommandError::usage("a component is not written to a terminal").hint("name a file, or redirect stdout")
}

pub(crate) fn two_results() -> CommandError {
    CommandError::usage("stdout cannot hold both the component and JSON").hint("name a file instead of `-`")
}

pub(crate) fn always_offline() -> CommandError {
    CommandError::usage("`--policy always` asks the registry each time, and `--offline` forbids that")
        .hint("leave out one of them")
}

pub(crate) fn delete_what() -> CommandError {
    CommandError::usage("what is to be deleted must be named: a tag or a digest")
        .hint("write `:latest` if you mean that")
}

pub(crate) fn no_user() -> CommandError {
    CommandError::usage("there is nobody to ask for the user").hint("add `--user <USER>`")
}

pub(crate) fn no_home() -> CommandError {
    CommandError::usage("neither HOME nor a variable of its own says where to keep that")
}

pub(crate) fn no_keys() -> CommandError {
    CommandError::usage("there is no key to verify with")
        .hint("name one with `--key`, or write a rule into `oci.verification` of the configuration")
}

pub(crate) fn key_exists(path: &Path) -> CommandError {
    CommandError::usage(format!("{} exists already", path.display())).hint("choose another prefix, or move it away")
}

pub(crate) fn no_key_password() -> CommandError {
    CommandError::usage("there is nobody to ask for a password").hint("set `COSIGN_PASSWORD`; it may be empty")
}

pub(crate) fn media_type(given: &str) -> CommandError {
    CommandError::usage(format!("`{}` is no media type", given.escape_debug()))
        .hint("one is written like `application/spdx+json`")
}

pub(crate) fn no_type() -> CommandError {
    CommandError::usage("the document does not tell what it is")
        .hint("name its type, as in `--type application/spdx+json`")
}
