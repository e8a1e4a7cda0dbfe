//! `wash host run`: from the command line to what is to be served.
//!
//! All that a person has written is read and judged before anything is built or started.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wash_runtime::engine::code_cache::CodeCache;
use wash_runtime::host::http::TlsConfig;
use wash_runtime::host::lazy::LazyLimits;
use wash_runtime::oci::client::Reference;
use wash_runtime::standalone::{Names, StandardStorage};
use wash_runtime::types::{LocalResources, Volume, VolumeType};
use washlib_build::CancelToken;
use washlib_cli::{CommandError, GlobalArgs, Ui};

use crate::cache;
use crate::cli::{HostOptions, Listening, Run};
use crate::command_error;
use crate::documents::{self, Documents, Later};
use crate::images;
use crate::interrupts::Interrupts;
use crate::lone::LoneComponent;
use crate::options::{self, ComponentSettings, OptionError};
use crate::project::{Freshness, Prepared};
use crate::report::Report;
use crate::routing;
use crate::serve::{self, Plan};
use crate::source::{self, Source};
use crate::startable::{ComponentOrigin, Reading, Startable};
use crate::storage::{self, Backends, Servers};
use crate::telemetry::Telemetry;

/// Sources after everything about them has been read.
struct Sources {
    components: Vec<LoneComponent>,
    projects: Vec<Prepared>,
    references: Vec<Reference>,
    documents: Option<ReadDocuments>,
}

/// Documents, and what the command line says about them.
struct ReadDocuments {
    documents: Documents,
    settings: documents::Settings,
    files: Vec<PathBuf>,
}

/// The body of `wash host run`.
pub(crate) fn run(args: &Run, global: &GlobalArgs, ui: &Ui, telemetry: Option<&Telemetry>) -> Result<(), CommandError> {
    let begun = Instant::now();
    if args.invoke.is_none() {
        // Whoever reads events gets an error as one, too.
        ui.begin_stream();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::failure)?;
    let interrupts = Interrupts::default();
    let scheme = if args.listening.tls_cert_path.is_some() { "https" } else { "http" };
    let report = if args.invoke.is_some() { Report::invoking(ui) } else { Report::serving(ui, scheme, &interrupts)? };
    let result = runtime.block_on(run_until_the_end(args, global, &report, &interrupts, telemetry, begun));
    let told = report.finish();
    // A thread that still waits for something must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    // Where nobody could be told any more, that has ended the rest.
    told.and(result)
}

async fn run_until_the_end(
    args: &Run,
    global: &GlobalArgs,
    report: &Report,
    interrupts: &Interrupts,
    telemetry: Option<&Telemetry>,
    begun: Instant,
) -> Result<(), CommandError> {
    let settings = ComponentSettings::read(&args.component, |name| env::var_os(name)).map_err(command_error::option)?;
    let servers = Servers::read(&args.host, |name| env::var_os(name)).map_err(command_error::option)?;
    let backends = servers.default_backends(&args.host).map_err(command_error::option)?;
    let drain_timeout =
        options::duration("--drain-timeout", &args.host.drain_timeout).map_err(command_error::option)?;
    let lazy_limits = lazy_limits(&args.host).map_err(command_error::option)?;
    let sources = read_sources(args, &backends, global, report)?;
    interrupts.listen()?;
    let sources = pull(sources, args, global, interrupts, report).await?;
    let workloads = build(sources, args, &settings, &backends, interrupts, report).await?;
    for workload in workloads.iter().filter(|_| args.invoke.is_none()) {
        let Some(reason) = routing::unreachable(workload) else { continue };
        let entry = "its `hostInterfaces` have no entry of wasi:http with `incoming-handler`";
        report.warn(&format!("{} {reason}: {entry}", workload.id()));
    }
    let mut host_path_roots: Vec<_> = settings.volumes.iter().filter_map(host_path).collect();
    host_path_roots.extend(args.documents.allow_host_path.iter().cloned());
    let documents = &args.documents.allow_host_path;
    let storage_roots =
        |package| storage::root_of(&backends, package).into_iter().chain(documents.iter().cloned()).collect();
    let plan = Plan {
        http_addr: args.listening.http_addr,
        host_name: args.host.host_name.clone(),
        drain_timeout,
        host_path_roots,
        storage: StandardStorage {
            keyvalue: storage_roots("keyvalue"),
            blobstore: storage_roots("blobstore"),
            postgres: servers.postgres,
            redis: servers.redis,
            nats: servers.nats,
            keyvalue_nats: None,
        },
        tls: tls(&args.listening),
        admin_addr: args.listening.admin_addr,
        max_instances: args.host.max_instances,
        telemetry,
        code_cache: code_cache(&args.host, report)?,
        lazy_limits,
    };
    if let Some(call) = &args.invoke {
        let [workload] =
            <[_; 1]>::try_from(workloads).map_err(|several: Vec<_>| command_error::invoke_needs_one(several.len()))?;
        let timeout = settings.http.get("request-timeout").map(|text| options::duration("--request-timeout", text));
        let timeout = timeout.transpose().map_err(command_error::option)?;
        return serve::invoke(&plan, workload.request, call, timeout, report, interrupts).await;
    }
    let routed = routing::assign_hosts(workloads);
    for (host, one, other) in routing::shared_hosts(&routed) {
        report.warn(&format!("{one} and {other} both answer for `{host}`: its requests go to them in turn"));
    }
    serve::serve(&plan, routed, report, interrupts, begun).await
}

/// When workloads are unloaded that their requests have loaded.
fn lazy_limits(options: &HostOptions) -> Result<LazyLimits, OptionError> {
    let idle_timeout = match options.unload_after.as_str() {
        "never" => None,
        text => Some(options::duration("--unload-after", text)?),
    };
    Ok(LazyLimits { idle_timeout, ..LazyLimits::default() })
}

fn reading(args: &Run) -> Reading {
    if args.host.lazy { Reading::OnDemand } else { Reading::AtStart }
}

/// Where compiled code is kept. Without such a place the host only starts more slowly, unless somebody has named one.
fn code_cache(options: &HostOptions, report: &Report) -> Result<Option<CodeCache>, CommandError> {
    if options.no_cache {
        return Ok(None);
    }
    if let Some(directory) = &options.cache.cache_dir {
        return CodeCache::open(directory).map(Some).map_err(command_error::cache);
    }
    let Some(directory) = cache::default_directory() else { return Ok(None) };
    match CodeCache::open(&directory) {
        Ok(cache) => Ok(Some(cache)),
        Err(err) => {
            report.warn(&format!("compiled code is not kept: {err}"));
            Ok(None)
        }
    }
}

fn tls(listening: &Listening) -> Option<TlsConfig> {
    let (certificate, key) = listening.tls_cert_path.as_ref().zip(listening.tls_key_path.as_ref())?;
    let config = TlsConfig::new(certificate, key);
    Some(match &listening.tls_ca_path {
        Some(authority) => config.with_client_ca(authority),
        None => config,
    })
}

/// The directory of this machine that a volume is.
fn host_path(volume: &Volume) -> Option<PathBuf> {
    match &volume.volume_type {
        VolumeType::HostPath(path) => Some(PathBuf::from(&path.local_path)),
        VolumeType::EmptyDir(_) => None,
    }
}

fn read_sources(
    args: &Run,
    backends: &Backends,
    global: &GlobalArgs,
    report: &Report,
) -> Result<Sources, CommandError> {
    let mut sources = Sources { components: Vec::new(), projects: Vec::new(), references: Vec::new(), documents: None };
    let mut files: Vec<PathBuf> = Vec::new();
    for path in &args.sources {
        match Source::find(path).map_err(command_error::source)? {
            Source::Component(path) => sources.components.push(read_component(&path)?),
            Source::Project(path) => sources.projects.push(Prepared::new(&path, global, report)?),
            Source::Documents(paths) => files.extend(paths),
            Source::Registry(reference) => sources.references.push(reference),
        }
    }
    if sources.components.is_empty()
        && sources.projects.is_empty()
        && sources.references.is_empty()
        && let Some(option) = options::component_option(&args.component)
    {
        return Err(command_error::option(OptionError::DocumentsOnly { option }));
    }
    if !files.is_empty() {
        let settings = options::document_settings(&args.documents, backends.clone());
        let mut settings = settings.map_err(command_error::option)?;
        settings.reading = reading(args);
        settings.pull_policy = images::policy(args.pull_policy);
        let documents = Documents::load(&files).map_err(command_error::document)?;
        sources.documents = Some(ReadDocuments { documents, settings, files });
    }
    Ok(sources)
}

/// Sources of which nothing is in a registry any more, but for what documents want later.
struct Local {
    components: Vec<LoneComponent>,
    projects: Vec<Prepared>,
    documents: Vec<Startable>,
}

/// Pulls what is in registries. Whoever names nothing there has no registry looked for.
async fn pull(
    sources: Sources,
    args: &Run,
    global: &GlobalArgs,
    interrupts: &Interrupts,
    report: &Report,
) -> Result<Local, CommandError> {
    let Sources { mut components, projects, references, documents } = sources;
    let mut registries = None;
    if !references.is_empty() {
        let images = registries.insert(images::registries(global, report)?);
        let policy = images::policy(args.pull_policy).unwrap_or_default();
        components.extend(images::components(images, references, policy, interrupts, report).await?);
    }
    let Some(ReadDocuments { documents, mut settings, files }) = documents else {
        return Ok(Local { components, projects, documents: Vec::new() });
    };
    let (wanted, later) = documents.registry_images(&settings).map_err(command_error::document)?;
    if !wanted.is_empty() || later == Later::Images {
        let images = match registries {
            Some(images) => images,
            None => images::registries(global, report)?,
        };
        settings.pulled = images::of_documents(&images, wanted, &documents, interrupts, report).await?;
        settings.registries = Some(images);
    }
    let documents = resolve_documents(documents, &settings, files, report)?;
    Ok(Local { components, projects, documents })
}

fn read_component(path: &Path) -> Result<LoneComponent, CommandError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = source::read_component(path).map_err(command_error::source)?;
    let path = std::path::absolute(path).map_err(CommandError::failure)?;
    let origin = ComponentOrigin::File(path.into());
    Ok(LoneComponent { name, origin, bytes, digest: None, resources: LocalResources::default() })
}

fn resolve_documents(
    documents: Documents,
    settings: &documents::Settings,
    files: Vec<PathBuf>,
    report: &Report,
) -> Result<Vec<Startable>, CommandError> {
    let (workloads, warnings) = documents.resolve(settings).map_err(command_error::document)?;
    for warning in &warnings {
        report.warn(&warning.to_string());
    }
    if workloads.is_empty() {
        return Err(command_error::document(documents::DocumentError::NoWorkload { files }));
    }
    Ok(workloads)
}

/// Builds the projects, one after another, and puts the requests together. An interrupt ends a build and its programs.
async fn build(
    sources: Local,
    args: &Run,
    settings: &ComponentSettings,
    backends: &Backends,
    interrupts: &Interrupts,
    report: &Report,
) -> Result<Vec<Startable>, CommandError> {
    let freshness = if args.skip_build { Freshness::Existing } else { Freshness::Build };
    let mut components = sources.components;
    for project in sources.projects {
        let cancel = CancelToken::new();
        let (token, reporter) = (cancel.clone(), report.clone());
        // A build is a child process and file access: it blocks.
        let mut building = tokio::task::spawn_blocking(move || project.component(freshness, &token, &reporter));
        let component = loop {
            tokio::select! {
                component = &mut building => break component.map_err(CommandError::failure)??,
                // The first one asks the build to end, the second one kills it; both wait until it has.
                () = interrupts.wait() => cancel.cancel(),
            }
        };
        components.push(component);
    }
    let mut workloads = Vec::with_capacity(components.len() + sources.documents.len());
    for component in components {
        check_component(&component, args)?;
        workloads.push(component.into_startable(settings, backends, reading(args)));
    }
    workloads.extend(sources.documents);
    let mut ids = HashSet::new();
    if let Some(second) = workloads.iter().find(|workload| !ids.insert(workload.id())) {
        return Err(command_error::same_name(second.id()));
    }
    drop(ids);
    Ok(workloads)
}

/// A component by itself that answers no requests would do nothing for ever.
fn check_component(component: &LoneComponent, args: &Run) -> Result<(), CommandError> {
    let names = Names::read(&component.bytes);
    let is_component = !names.exports.is_empty();
    if args.invoke.is_some() || !is_component || names.is_http_handler() {
        return Ok(());
    }
    Err(command_error::nothing_to_serve(&component.name, &names))
}
