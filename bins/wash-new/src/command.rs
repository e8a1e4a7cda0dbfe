//! `wash new` itself: finds the template, plans the project, writes it, and sees to the template's set-up command.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use washlib_cli::{CommandError, Progress, Tool, Ui};
use washlib_template::{FetchProgress, PlanRequest, Source};

use crate::cli::New;
use crate::setup_command::{self, Ended};
use crate::{command_error, project_name};

impl Tool for New {
    fn global(&self) -> &washlib_cli::GlobalArgs {
        &self.global
    }
}

/// What `-o json` returns; the first fields are those of the public wash.
#[derive(Debug, Serialize)]
struct NewData {
    name: String,
    /// Where the template came from, without credentials; `null` for a built-in template.
    repository: Option<String>,
    subfolder: Option<PathBuf>,
    /// Absolute.
    output_dir: PathBuf,
    /// The built-in template's name.
    template: Option<String>,
    /// The template's set-up command.
    command: Option<String>,
    command_run: bool,
    /// What of the template was left out, and why.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ListData {
    templates: Vec<TemplateData>,
}

#[derive(Debug, Serialize)]
struct TemplateData {
    name: String,
    language: &'static str,
    description: String,
}

/// The body of `main`.
pub(crate) fn new(args: New, ui: &Ui) -> Result<(), CommandError> {
    if args.list {
        return list(ui);
    }
    let given = args.source.as_deref().ok_or_else(command_error::no_source)?;
    let parent = args.global.start_dir().map_err(command_error::start_dir)?;
    let source = Source::parse(given, &parent, args.git_ref.as_deref()).map_err(command_error::source)?;
    let name = name(&args, &source)?;
    // Before anything is fetched for nothing.
    washlib_template::check_absent(&parent, &name).map_err(command_error::write)?;

    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    washlib_cli::on_interrupt(move |_| flag.store(true, Ordering::Relaxed)).map_err(command_error::interrupts)?;

    let created = create(&args, &source, &parent, &name, ui, &interrupted)?;
    // As a person would write it from where they are.
    let shown = args.global.directory.as_deref().unwrap_or(Path::new("")).join(&name);
    ui.status("Created", &format!("project `{name}` from {source}"));

    let command = setup_command::find(&created.output_dir, ui);
    let command_run = match &command {
        Some(command) => set_up(command, &created.output_dir, &shown, args.allow_commands, ui, &interrupted)?,
        None => false,
    };
    ui.hint(&format!("cd {} && wash dev", quoted(&shown.to_string_lossy())));
    let template = matches!(&source, Source::Builtin(_)).then(|| source.to_string());
    let data = NewData {
        repository: template.is_none().then(|| source.to_string()),
        subfolder: args.subfolder,
        output_dir: created.output_dir,
        template,
        command,
        command_run,
        warnings: created.warnings,
        name,
    };
    let message = format!("Successfully created project {}", data.name);
    ui.result(&shown.to_string_lossy(), &message, data)
}

struct Created {
    output_dir: PathBuf,
    warnings: Vec<String>,
}

fn create(
    args: &New,
    source: &Source,
    parent: &Path,
    name: &str,
    ui: &Ui,
    interrupted: &AtomicBool,
) -> Result<Created, CommandError> {
    let request = PlanRequest {
        project: name,
        subfolder: args.subfolder.as_deref().unwrap_or(Path::new("")),
        git_ref: args.git_ref.as_deref(),
    };
    if matches!(source, Source::RemoteRepository(_)) {
        ui.status("Fetching", &source.to_string());
    }
    let progress = UiProgress(ui.progress("Reading the template"));
    let plan = washlib_template::plan(source, request, &progress, interrupted).map_err(command_error::plan)?;
    drop(progress);
    let warnings: Vec<String> = plan.skipped().iter().map(ToString::to_string).collect();
    warnings.iter().for_each(|warning| ui.warn(warning));
    let output_dir = washlib_template::write(&plan, parent, name, interrupted).map_err(command_error::write)?;
    Ok(Created { output_dir, warnings })
}

fn name(args: &New, source: &Source) -> Result<String, CommandError> {
    let of_subfolder = || Some(args.subfolder.as_deref()?.file_name()?.to_str()?.to_owned());
    let name = args.name.clone().or_else(of_subfolder).or_else(|| source.default_name());
    let name = name.ok_or_else(command_error::no_default_name)?;
    project_name::check(&name).map_err(command_error::name)?;
    Ok(name)
}

/// Shows the template's command and runs it if that is wanted; returns whether it ran.
fn set_up(
    command: &str,
    folder: &Path,
    shown_folder: &Path,
    allowed: bool,
    ui: &Ui,
    interrupted: &AtomicBool,
) -> Result<bool, CommandError> {
    let shown = setup_command::shown(command);
    let project = shown_folder.to_string_lossy();
    ui.warn(&format!("the template brings a command to set the project up: `{shown}`"));
    if !allowed && !agreed(&format!("Run `{shown}` in `{project}`?"), ui)? {
        ui.hint(&format!("the command has not been run; to run it: cd {} && {shown}", quoted(&project)));
        return Ok(false);
    }
    ui.status("Running", &format!("`{shown}`"));
    let failed = |how: &str| command_error::setup_command(how, &project, &shown);
    match setup_command::run(command, folder, ui.is_interactive(), interrupted) {
        Ok(Ended::Exited(status)) if status.success() => Ok(true),
        Ok(Ended::Exited(status)) => Err(failed(&how_it_ended(status))),
        Ok(Ended::Interrupted) => Err(CommandError::interrupted()),
        Err(err) => Err(failed(&format!("could not be started ({err})"))),
    }
}

/// Asks; where nobody can be asked, as with stderr in a file, the answer is no.
fn agreed(question: &str, ui: &Ui) -> Result<bool, CommandError> {
    match ui.confirm(question) {
        Ok(answer) => Ok(answer),
        Err(err) if err.kind() == io::ErrorKind::Interrupted => Err(CommandError::interrupted()),
        Err(_) => Ok(false),
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("failed ({status})"),
    }
}

/// `text` as one word of a shell command.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@');
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn list(ui: &Ui) -> Result<(), CommandError> {
    let templates: Vec<TemplateData> = washlib_template::list()
        .into_iter()
        .map(|template| TemplateData {
            name: template.name,
            language: template.language,
            description: template.description,
        })
        .collect();
    let width = |column: fn(&TemplateData) -> &str| templates.iter().map(|t| column(t).len()).max().unwrap_or_default();
    let (name_width, language_width) = (width(|t| &t.name), width(|t| t.language));
    let row = |t: &TemplateData| format!("{:name_width$}  {:language_width$}  {}\n", t.name, t.language, t.description);
    let text: String = templates.iter().map(row).collect();
    ui.result(&text, "Built-in templates", ListData { templates })
}

/// Draws what the library reports.
struct UiProgress(Progress);

impl FetchProgress for UiProgress {
    fn message(&self, text: &str) {
        self.0.set_message(text);
    }

    fn position(&self, done: u64, total: Option<u64>) {
        self.0.set_position(done, total);
    }
}
