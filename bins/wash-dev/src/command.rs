//! `wash dev` itself: sets up what serves, what watches and what tells, and lets the loop run until somebody ends it.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wash_runtime::host::http::OwnPages;
use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};
use washlib_config::{Environment, Project};

use crate::cli::Dev;
use crate::command_error;
use crate::configuration::Configuration;
use crate::development::{Development, Parties};
use crate::filesystem;
use crate::interrupts::Interrupts;
use crate::keys::{self, Keys};
use crate::neighbour::Presence;
use crate::page::{self, Pages};
use crate::report::{Feed, Report, RequestLog, Staleness, guest_output, tell_of_services};
use crate::served::{Served, Surroundings};
use crate::watch::{POLL_INTERVAL, WatchMode};

impl Tool for Dev {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn dev(args: Dev, ui: &Ui) -> Result<(), CommandError> {
    // Whoever reads events gets an error as one, too.
    ui.begin_stream();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::failure)?;
    let result = runtime.block_on(serve(&args, ui, Instant::now()));
    // A thread that still waits for something must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(args: &Dev, ui: &Ui, started: Instant) -> Result<(), CommandError> {
    let start_dir = args.global.start_dir().map_err(CommandError::usage)?;
    let project = Project::discover(&start_dir).map_err(command_error::discover)?;
    let environment: Environment = env::vars_os().collect();
    let configuration = Configuration::new(args, ui, project.clone(), environment);
    let settings = configuration.load()?;
    let interrupts = Interrupts::listen()?;
    let feed = (!args.no_ui).then(Arc::<Feed>::default);
    let events = if ui.is_json() {
        let interrupts = interrupts.clone();
        // Whoever was to be told has gone.
        Some(ui.event_queue(move || interrupts.interrupt())?)
    } else {
        None
    };
    let report = Report::new(ui, project.root(), feed.clone(), events);
    let report = if settings.host.tls.is_some() { report.with_tls() } else { report };
    let staleness = Staleness::default();
    let surroundings = Surroundings {
        output: guest_output(&report, project.name()),
        observer: RequestLog::start(&report, staleness.clone()),
        pages: feed.map(|feed| Pages::new(feed) as Arc<dyn OwnPages>),
    };
    let served =
        Served::start(&settings.host, surroundings).await.map_err(|err| command_error::listen(err, &settings.host))?;
    report.listening(served.address());
    for (name, address) in served.ports() {
        report.publishing(name, *address);
    }
    if !args.no_ui {
        report.watching_page(&format!("{}{}", report.url(served.address()), page::PATH));
    }
    let presence = Presence::announce(project.root(), &report.url(served.address()));
    if let Some(neighbour) = presence.neighbour() {
        report.warn(&format!("{neighbour} works on this project too: the two build one after the other"));
    }
    tokio::spawn(tell_of_services(report.clone(), served.events()));
    let mode = watch_mode(args, project.root(), &report);
    let keys = Keys::listen(ui, &interrupts, report.url(served.address()));
    if keys.are_heard() {
        report.explain_keys(keys::HELP);
    }
    let parties = Parties { report, interrupts: &interrupts, staleness, presence, keys };
    let mut development = Development::new(args, configuration, served, parties, started);
    let result = development.run(settings, mode).await;
    if result.is_ok() {
        development.report().stopping();
    }
    let report = development.report().clone();
    let stopped = tokio::select! {
        stopped = development.stop() => stopped,
        // Whoever asks twice does not want to wait.
        () = interrupts.wait() => {
            report.warn("ending without waiting for the requests in flight");
            Ok(())
        }
    };
    let told = report.finish();
    result.and(stopped.map_err(|err| CommandError::failure(err.into_boxed_dyn_error()))).and(told)
}

fn watch_mode(args: &Dev, root: &Path, report: &Report) -> WatchMode {
    if args.no_watch || args.once {
        return WatchMode::Off;
    }
    if args.poll {
        return WatchMode::Polling;
    }
    match filesystem::without_notifications(root) {
        None => WatchMode::Notified,
        Some(kind) => {
            let every = POLL_INTERVAL.as_millis();
            report.warn(&format!(
                "the project is on {kind}, which does not tell of every change: looking for changes every {every} ms"
            ));
            WatchMode::Polling
        }
    }
}
