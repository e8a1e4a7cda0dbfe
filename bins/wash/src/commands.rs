//! Does what the command line asks for.
//!
//! Chooses between the built-in answers and a tool; the work is theirs.

use std::ffi::OsString;

use crate::failure::Failure;
use crate::invocation::{Action, Invocation};
use crate::json::Json;
use crate::output::{Answer, Document};
use crate::search::Search;
use crate::{completion, drain, exec, help, list};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Answers, or becomes a tool and does not return.
///
/// # Errors
///
/// When there is no such command or its tool cannot be run.
pub(crate) fn perform(invocation: Invocation) -> Result<Answer, Failure> {
    let mut tool_arguments = invocation.forwarded;
    match invocation.action {
        Action::Help => Ok(text(help::of_front_end(&Search::from_environment().tools()))),
        Action::HelpOnCompletion => Ok(text(help::of_completion())),
        Action::HelpOn { command, words } => {
            tool_arguments.extend(words);
            tool_arguments.push(OsString::from("--help"));
            Err(exec::exec(&command, &tool_arguments))
        }
        Action::HelpOnDrain => Ok(text(help::of_drain())),
        Action::Drain { cache } if cache == "all" => drain::all(&tool_arguments, invocation.format),
        Action::Drain { cache } => {
            let Some((command, arguments)) = drain::command_of(&cache) else {
                return Err(Failure::unknown_cache(&cache));
            };
            tool_arguments.extend(arguments);
            Err(exec::exec(&command, &tool_arguments))
        }
        Action::Completion { shell } => completion::script(&shell),
        Action::List => Ok(list::list(&Search::from_environment().tools())),
        Action::Version => Ok(version()),
        Action::Run { command, arguments } => {
            tool_arguments.extend(arguments);
            Err(exec::exec(&command, &tool_arguments))
        }
    }
}

fn text(text: String) -> Answer {
    Answer { text, document: None }
}

fn version() -> Answer {
    let message = format!("wash {VERSION}");
    let data = Json::Object(vec![("version", Json::Text(VERSION.into()))]);
    Answer { text: format!("{message}\n"), document: Some(Document { message, data }) }
}
