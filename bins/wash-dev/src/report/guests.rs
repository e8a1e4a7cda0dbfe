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
        report.ui.line(&format!("{component} | {line}"));
        let stream = if stream == GuestStream::Stdout { "stdout" } else { "stderr" };
        report.feed(&Event::GuestOutput { component, stream, line });
    }))
}
