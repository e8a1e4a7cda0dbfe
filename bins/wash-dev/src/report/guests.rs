//! What guests write: whole lines, with the name of the component before each.

use std::sync::Arc;

use wash_runtime::host::guest_output::{GuestOutput, GuestStream, OutputSource};
use wash_runtime::standalone::GuestLines;

use super::{Event, Report};

/// Takes what guests write. The project's own component goes by the project's name.
pub(crate) fn guest_output(report: &Report, project_name: &str) -> Arc<dyn GuestOutput> {
    let (report, project_name) = (report.clone(), project_name.to_owned());
    Arc::new(GuestLines::new(move |source: &OutputSource, stream: GuestStream, line: &str| {
        let component = match source.component_name.as_str() {
            "wash-dev-component" => project_name.as_str(),
            other => other,
        };
        report.ui.line(&format!("{component} | {}", harmless(line)));
        let stream = if stream == GuestStream::Stdout { "stdout" } else { "stderr" };
        report.feed(&Event::GuestOutput { component, stream, line });
    }))
}

/// A line of a guest as a terminal may show it: with colours, and without what moves the cursor, sets titles or does other
/// things of which the person there should be asked.
fn harmless(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match char {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    let mut parameters = String::new();
                    for char in rest.by_ref() {
                        parameters.push(char);
                        if !matches!(char, '\u{20}'..='\u{3f}') {
                            break;
                        }
                    }
                    if parameters.ends_with('m') {
                        shown.push_str("\u{1b}[");
                        shown.push_str(&parameters);
                    }
                }
                // Texts for the terminal, up to their end.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    for char in rest.by_ref() {
                        if char == '\u{7}' || char == '\u{1b}' {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => shown.push(char),
            char if char.is_control() => {}
            char => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_get_through_and_nothing_else() {
        let colored = "\u{1b}[1;31mred\u{1b}[0m\tplain é";
        assert_eq!(harmless(colored), colored);
        for line in
            ["\u{1b}]0;title\u{7}text", "\u{1b}[2J\u{1b}[Htext", "te\u{8}xt", "\u{1b}Ptext\u{1b}\\text", "\u{9b}text"]
        {
            assert!(!harmless(line).contains(['\u{1b}', '\u{7}', '\u{8}', '\u{9b}']), "{line:?}");
        }
        assert_eq!(harmless("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(harmless("\u{1b}[2Jtext"), "text");
        assert_eq!(harmless("text\u{1b}["), "text");
    }
}
