//! `wash oci pull`.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{
    ContentKind, Expect, LayerChoice, Layout, Network, PublicKey, PullOptions, PullPolicy, PulledComponent, Source,
};

use crate::cli::{Policy, Pull};
use crate::output_file::{self, OutputFile};
use crate::session::Session;
use crate::{command_error, endpoint};

/// Bytes that are written to stdout at a time.
const CHUNK: usize = 256 << 10;

/// What `-o json` returns; the first fields are the public wash's.
#[derive(Debug, Serialize)]
struct PullData {
    output_path: PathBuf,
    bytes: u64,
    digest: String,
    reference: String,
    content_digest: String,
    media_type: String,
    layout: &'static str,
    kind: &'static str,
    from_cache: bool,
    /// The fingerprints of the keys that signed it, where signatures were demanded.
    verified: Vec<String>,
    annotations: std::collections::BTreeMap<String, String>,
}

/// The body of the command.
pub(crate) fn pull(args: &Pull, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let to_stdout = output_file::is_stdout(&args.path);
    if to_stdout && io::stdout().is_terminal() {
        return Err(command_error::wasm_to_terminal());
    }
    if to_stdout && ui.is_json() {
        return Err(command_error::two_results());
    }
    let mut options = options(args)?;
    let is_special = output_file::is_special(&args.path);
    // Where a download is to be expected, nothing stands beside the file while it lasts.
    let may_be_cached = reference.digest().is_some() || options.policy != PullPolicy::Always;
    let create = || OutputFile::create(&args.path).map_err(command_error::output);
    let early = (may_be_cached && !to_stdout && !is_special).then(create).transpose()?;
    options.copy = early.as_ref().map(OutputFile::share).transpose().map_err(command_error::output)?;
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    ui.status("Pulling", &reference.to_string());
    let pulled = session.run(async {
        session.client.pull_component(&reference, &options, &session.progress).await.map_err(command_error::pull)
    })?;
    if pulled.layout != Layout::Wasm && options.expect == Expect::Wasm {
        ui.warn(&format!("{reference} is packed in {}", pulled.layout));
    }
    if to_stdout {
        return write_to_stdout(pulled.reader());
    }
    if is_special {
        output_file::write_special(&args.path, pulled.reader()).map_err(command_error::output)?;
    } else {
        let mut output = early.map_or_else(create, Ok)?;
        if !pulled.is_copied() {
            output.fill(pulled.reader()).map_err(command_error::output)?;
        }
        output.publish().map_err(command_error::output)?;
    }
    let how = if pulled.source == Source::Cache { "from the cache" } else { "from its registry" };
    ui.status("Pulled", &format!("{} bytes {how}, {}", pulled.size(), pulled.digest));
    let text = args.path.to_string_lossy().into_owned();
    ui.result(&text, "OCI command executed successfully.", data(&pulled, &args.path))
}

/// What fails is either the cache or stdout, and the error says which.
fn write_to_stdout(mut content: impl Read) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = content.read(&mut buffer).map_err(CommandError::failure)?;
        if read == 0 {
            return stdout.flush().map_err(CommandError::stdout);
        }
        stdout.write_all(&buffer[..read]).map_err(CommandError::stdout)?;
    }
}

fn options(args: &Pull) -> Result<PullOptions, CommandError> {
    let network = if args.offline { Network::Offline } else { Network::Online };
    let policy = match args.policy {
        Some(Policy::Always) => PullPolicy::Always,
        Some(Policy::IfNotPresent) => PullPolicy::IfNotPresent,
        Some(Policy::Never) => PullPolicy::Never,
        None if args.offline => PullPolicy::Never,
        None => PullPolicy::Always,
    };
    if args.offline && policy == PullPolicy::Always {
        return Err(command_error::always_offline());
    }
    Ok(PullOptions {
        policy,
        network,
        layer: args.layer.clone().map_or(LayerChoice::Only, LayerChoice::Named),
        expect: if args.raw { Expect::Anything } else { Expect::Wasm },
        keys: public_keys(&args.verify)?,
        copy: None,
    })
}

/// The keys in files.
pub(crate) fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, CommandError> {
    let read = |path: &PathBuf| washlib_registry::configuration::read_public_key(path);
    paths.iter().map(read).collect::<Result<_, _>>().map_err(command_error::key_file)
}

fn data(pulled: &PulledComponent, path: &Path) -> PullData {
    PullData {
        output_path: path.to_owned(),
        bytes: pulled.size(),
        digest: pulled.digest.to_string(),
        reference: pulled.reference.to_string(),
        content_digest: pulled.content_digest.to_string(),
        media_type: pulled.layer.media_type.clone(),
        layout: pulled.layout.name(),
        kind: match pulled.kind {
            ContentKind::Component => "component",
            ContentKind::CoreModule => "core-module",
            ContentKind::Other => "other",
        },
        from_cache: pulled.source == Source::Cache,
        verified: pulled.verified.iter().map(|by| by.key.fingerprint().to_string()).collect(),
        annotations: pulled.annotations.clone(),
    }
}
