//! `wash build` itself: loads the configuration, fetches, builds, and reports.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use washlib_build::{Adapter, BuildRequest, Built, CancelToken, Purpose, Reporter};
use washlib_cli::{CommandError, Tool, Ui};
use washlib_config::{Config, Project, Sourced, Sources};

use crate::cli::Build;
use crate::{command_error, fetch};

impl Tool for Build {
    fn global(&self) -> &washlib_cli::GlobalArgs {
        &self.global
    }
}

/// What `-o json` returns; the first two fields are those of the public wash.
#[derive(Debug, Serialize)]
struct BuildData {
    component_path: PathBuf,
    project_path: PathBuf,
    /// Bytes.
    size: u64,
    command: String,
    toolchain: Option<String>,
    /// The adapter that a core module was wrapped with.
    adapter: Option<String>,
    elapsed_ms: u64,
}

/// The body of `main`.
pub(crate) fn build(args: Build, ui: &Ui) -> Result<(), CommandError> {
    let start_dir = args.global.start_dir().map_err(CommandError::usage)?;
    let project = Project::discover(&start_dir).map_err(command_error::discover)?;
    let mut flags = Config::default();
    if args.skip_fetch {
        flags.wit.skip_fetch = Some(Sourced::from_flag("--skip-fetch", true));
    }
    let environment = env::vars_os().collect();
    let sources = Sources { user_config: args.global.user_config.as_deref(), environment: &environment, flags };
    let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
    for warning in &loaded.warnings {
        ui.warn(&warning.to_string());
    }
    for file in &loaded.files {
        ui.detail(&format!("configuration: {}", file.path().display()));
    }

    let cancel = CancelToken::new();
    let interrupted = Arc::new(AtomicBool::new(false));
    let (cancel_on_interrupt, flag) = (cancel.clone(), Arc::clone(&interrupted));
    let react = move |_| {
        flag.store(true, Ordering::Relaxed);
        cancel_on_interrupt.cancel();
    };
    washlib_cli::on_interrupt(react).map_err(CommandError::failure)?;
    if !loaded.config.wit.skip_fetch_or_default().value() {
        fetch::fetch(&project, &loaded.config, &environment, &interrupted, ui)?;
    }

    let request = BuildRequest::new(&project, &loaded.config, Purpose::Release);
    ui.status("Building", &format!("{} ({})", project.name(), project.root().display()));
    let built = washlib_build::build(&request, &cancel, &UiReporter(ui)).map_err(command_error::build)?;
    report(ui, project.root(), built)
}

fn report(ui: &Ui, project_path: &Path, built: Built) -> Result<(), CommandError> {
    let path = built.component_path.display().to_string();
    let seconds = built.elapsed.as_secs_f64();
    ui.status("Finished", &format!("{path} ({} kB) in {seconds:.1}s", built.size.div_ceil(1000)));
    let data = BuildData {
        component_path: built.component_path,
        project_path: project_path.to_path_buf(),
        size: built.size,
        command: built.command,
        toolchain: built.toolchain.map(|toolchain| toolchain.to_string()),
        adapter: built.wrapped.map(|adapter| adapter.to_string()),
        elapsed_ms: u64::try_from(built.elapsed.as_millis()).unwrap_or(u64::MAX),
    };
    ui.result(&path, "Successfully built component", data)
}

/// Tells a person what the build does.
struct UiReporter<'a>(&'a Ui);

impl Reporter for UiReporter<'_> {
    fn running(&self, command_line: &str) {
        self.0.status("Running", &format!("`{command_line}`"));
    }

    fn wrapped(&self, adapter: Adapter) {
        self.0.status("Wrapped", &format!("the core module in a component (WASI preview-1 adapter: {adapter})"));
    }
}
