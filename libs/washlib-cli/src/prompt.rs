//! Questions to a person at the terminal, which is left as it was, whoever ends them.
//!
//! Knows the terminal's settings; what is asked is the caller's business.

use std::io::{self, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::interrupt::Question;

/// Asks in a dialog, which may hide the cursor and take single keys.
pub(crate) fn dialog<T: Send + 'static>(ask: impl FnOnce() -> dialoguer::Result<T> + Send + 'static) -> io::Result<T> {
    let question = Question::begin()?;
    let terminal = Terminal::keep()?;
    let answer = question.wait(|| ask().map_err(|dialoguer::Error::IO(err)| err));
    let answer = question.close(answer);
    if answer.as_ref().is_err_and(|err| err.kind() == io::ErrorKind::Interrupted) {
        terminal.restore();
        // The cursor comes back, and what is said next begins a line. With the terminal gone nobody misses it.
        let _ = io::stderr().write_all(b"\x1b[?25h\n");
    }
    answer
}

/// Asks for a line that is not shown; with `repeated`, until two are the same.
pub(crate) fn secret(prompt: &str, repeated: Option<&str>) -> io::Result<String> {
    // First, or a signal could end the program in between.
    let question = Question::begin()?;
    let terminal = Terminal::keep()?;
    terminal.hide_typing()?;
    let answer = secret_line(&question, prompt, repeated);
    terminal.restore();
    question.close(answer)
}

fn secret_line(question: &Question<String>, prompt: &str, repeated: Option<&str>) -> io::Result<String> {
    loop {
        let secret = line(question, prompt)?;
        match repeated {
            Some(again) if line(question, again)? != secret => writeln!(io::stderr(), "they differ")?,
            _ => return Ok(secret),
        }
    }
}

fn line(question: &Question<String>, prompt: &str) -> io::Result<String> {
    write!(io::stderr(), "{prompt}: ")?;
    let answer = question.wait(|| {
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the question was not answered"));
        }
        Ok(line)
    });
    // The person's own line feed is not shown. With the terminal gone nobody misses it.
    let _ = writeln!(io::stderr());
    Ok(answer?.trim_end_matches(['\r', '\n']).to_owned())
}

/// The settings of the terminal that answers come from.
struct Terminal(Termios);

impl Terminal {
    fn keep() -> io::Result<Self> {
        Ok(Self(tcgetattr(io::stdin())?))
    }

    fn hide_typing(&self) -> io::Result<()> {
        let mut hidden = self.0.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        Ok(tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?)
    }

    fn restore(&self) {
        // Without what has been typed so far, which may be the beginning of a secret. A terminal that has gone needs no
        // settings.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
