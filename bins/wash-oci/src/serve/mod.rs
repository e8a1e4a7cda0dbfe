//! `wash oci serve`: a registry from its start to its end.
//!
//! What a registry does is the library's affair; here it is set up, told about, and stopped.

mod command_error;
mod credentials;
mod report;
mod requests;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use washlib_cli::{CommandError, Ui};
use washlib_registry_server::{Builder, Credentials, Exposure, RegistryServer, Store, TlsFiles};

use crate::cli::Serve;
pub(crate) use credentials::hide_password;
use report::{Ready, Report};

/// How long the last requests may take to notice that the server has gone.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// How many threads may wait for the disk; a thread for each of many clients would need more memory than time it saves.
const DISK_THREADS: usize = 32;

/// The body of `wash oci serve`.
pub(crate) fn serve(args: &Serve, ui: &Ui) -> Result<(), CommandError> {
    let begun = Instant::now();
    let report = Report::new(ui)?;
    let served = run(args, &report, begun);
    if served.is_ok() {
        report.stopped(begun.elapsed());
    }
    let told = report.finish();
    served.and(told)
}

/// Serves until somebody ends it, which is the normal end.
fn run(args: &Serve, report: &Report, begun: Instant) -> Result<(), CommandError> {
    let credentials = credentials::read(args).map_err(command_error::credentials)?;
    let has_users = credentials.is_some();
    let dir = args.dir.clone().or_else(default_dir).ok_or_else(command_error::no_data_folder)?;
    let store = Store::open(&dir).map_err(command_error::open)?;
    let dir = fs_err::canonicalize(dir).map_err(CommandError::failure)?;
    let builder = configured(args, store, credentials, report)?;
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    listen_for_interrupts(&first, &second)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(DISK_THREADS).build().map_err(CommandError::failure)?;
    let served = runtime.block_on(async {
        let server = builder.bind(args.addr).await.map_err(command_error::bind)?;
        let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
        let (address, elapsed) = (server.address(), begun.elapsed());
        report.ready(&Ready { address, scheme, directory: &dir, has_users, elapsed });
        let stop = async {
            first.notified().await;
            report.stopping();
        };
        tokio::select! {
            () = server.run(stop) => {}
            () = second.notified() => {}
        }
        Ok(())
    });
    runtime.shutdown_timeout(LAST_REQUESTS);
    served
}

fn configured(
    args: &Serve,
    store: Store,
    credentials: Option<Credentials>,
    report: &Report,
) -> Result<Builder, CommandError> {
    let mut builder = RegistryServer::builder(store).with_observer(Arc::new(report.clone()));
    if let Some(credentials) = credentials {
        builder = builder.with_credentials(credentials);
    }
    if args.allow_remote {
        builder = builder.with_exposure(Exposure::Network);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        builder = builder.with_tls(TlsFiles { certificate: certificate.clone(), key: key.clone() });
    } else if args.allow_remote && !args.addr.ip().to_canonical().is_loopback() {
        report.warn("without --tls-cert, passwords and contents cross the network as they are");
    }
    Ok(builder)
}

/// SIGINT, SIGTERM and SIGHUP as two events. The third signal ends the program whatever it is doing.
fn listen_for_interrupts(first: &Arc<Notify>, second: &Arc<Notify>) -> Result<(), CommandError> {
    let mut next = [Arc::clone(first), Arc::clone(second)].into_iter();
    let react = move |_| {
        if let Some(event) = next.next() {
            event.notify_one();
        }
    };
    washlib_cli::on_interrupt(react).map_err(CommandError::failure)
}

/// Where what the user made and did not name a place for is kept: the XDG base directory specification.
fn default_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("wash").join("registry"))
}
