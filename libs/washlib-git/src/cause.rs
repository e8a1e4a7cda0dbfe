//! What a lower layer said about a failure, as a chain of texts that is safe to show.
//!
//! The texts of remote programs and network libraries may hold control characters and the credentials of a URL: both are
//! gone here. Nothing can be matched on; the errors that matter have variants of their own.

use std::error::Error;
use std::fmt;

use crate::RepositoryUrl;

/// One link of the chain; the next one is its `source`.
#[derive(Debug)]
pub struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// The chain of everything `err` knows, without the credentials of `url`.
    pub(crate) fn of_gix(err: &gix::Error, url: Option<&RepositoryUrl>) -> Self {
        let mut messages: Vec<String> = Vec::new();
        for err in err.iter_errors() {
            let text = err.to_string();
            let text = url.map_or_else(|| text.clone(), |url| url.redact(&text));
            let text = without_control_characters(&text);
            if !text.is_empty() && !messages.iter().any(|message| message.contains(&text)) {
                messages.push(text);
            }
        }
        let chain = messages
            .into_iter()
            .rev()
            .fold(None, |source, message| Some(Self { message, source: source.map(Box::new) }));
        chain.unwrap_or_else(|| Self::text("no reason was given"))
    }

    /// A chain of one link.
    pub fn text(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// `text` on one line, and unable to steer a terminal.
pub fn without_control_characters(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.trim().to_owned()
}
