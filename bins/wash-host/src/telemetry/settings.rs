//! What the `OTEL_*` variables ask for, as far as the exporters do not read them by themselves.
//!
//! See the OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter Configuration".

use std::time::Duration;

use thiserror::Error;

/// How long an exporter waits for the collector unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }
}

/// How it is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    Grpc,
    HttpProtobuf,
}

/// A variable whose value has no meaning here.
#[derive(Debug, Error)]
#[error("`{value}` in {variable} is not {expected}")]
pub(crate) struct SettingError {
    variable: String,
    value: String,
    expected: &'static str,
}

/// What to send, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Settings {
    pub(super) traces: Option<Transport>,
    pub(super) metrics: Option<Transport>,
    pub(super) logs: Option<Transport>,
    pub(super) timeout: Duration,
    /// Whether a variable names the service.
    pub(super) is_named: bool,
}

impl Settings {
    /// Reads the variables; none where nothing is to be sent. A variable without a value counts as not set.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let mut settings = Self {
            traces: None,
            metrics: None,
            logs: None,
            timeout: timeout(&variable)?,
            is_named: variable("OTEL_SERVICE_NAME").is_some()
                || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|value| value.contains("service.name=")),
        };
        for signal in Signal::ALL {
            let transport = transport(signal, &variable)?;
            match signal {
                Signal::Traces => settings.traces = transport,
                Signal::Metrics => settings.metrics = transport,
                Signal::Logs => settings.logs = transport,
            }
        }
        let wanted = settings.traces.or(settings.metrics).or(settings.logs).is_some();
        Ok(wanted.then_some(settings))
    }
}

/// How a signal is sent; none where nobody asks for it.
fn transport(signal: Signal, variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Transport>, SettingError> {
    let name = signal.name();
    let exporter = format!("OTEL_{name}_EXPORTER");
    let is_asked_for = match variable(&exporter).as_deref() {
        Some("otlp") => true,
        Some("none") => false,
        Some(value) => return Err(invalid(exporter, value, "`otlp` or `none`")),
        None => ["ENDPOINT", "PROTOCOL", "HEADERS"].into_iter().any(|setting| {
            variable(&format!("OTEL_EXPORTER_OTLP_{setting}")).is_some()
                || variable(&format!("OTEL_EXPORTER_OTLP_{name}_{setting}")).is_some()
        }),
    };
    if !is_asked_for {
        return Ok(None);
    }
    for protocol in [format!("OTEL_EXPORTER_OTLP_{name}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()] {
        match variable(&protocol).as_deref() {
            Some("grpc") => return Ok(Some(Transport::Grpc)),
            Some("http/protobuf") => return Ok(Some(Transport::HttpProtobuf)),
            Some(value) => return Err(invalid(protocol, value, "`grpc` or `http/protobuf`")),
            None => {}
        }
    }
    Ok(Some(Transport::HttpProtobuf))
}

fn timeout(variable: &impl Fn(&str) -> Option<String>) -> Result<Duration, SettingError> {
    let name = "OTEL_EXPORTER_OTLP_TIMEOUT";
    let Some(value) = variable(name) else { return Ok(DEFAULT_TIMEOUT) };
    let milliseconds = value.parse().map_err(|_| invalid(name.to_owned(), &value, "a number of milliseconds"))?;
    Ok(Duration::from_millis(milliseconds))
}

fn invalid(variable: String, value: &str, expected: &'static str) -> SettingError {
    SettingError { variable, value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let find =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Settings::read(find).map_err(|err| err.to_string())
    }

    #[test]
    fn off_unless_asked_for() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"), ("OTEL_SDK_DISABLED", "TRUE")],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"),
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_METRICS_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        ] {
            assert_eq!(read(variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn each_signal_has_its_own_way() {
        let http = Some(Transport::HttpProtobuf);
        let all = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")]);
        let all = all.ok().flatten();
        assert_eq!(all.map(|all| (all.traces, all.metrics, all.logs)), Some((http, http, http)));
        let some = read(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=c"),
        ]);
        let expected = Settings {
            traces: Some(Transport::Grpc),
            metrics: None,
            logs: http,
            timeout: Duration::from_millis(250),
            is_named: true,
        };
        assert_eq!(some, Ok(Some(expected)));
    }

    #[test]
    fn values_without_a_meaning_are_errors() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ] {
            let message = read(&[(variable, value)]).unwrap_err();
            assert!(message.starts_with(&format!("`{value}` in {variable} is not ")), "{message}");
        }
    }
}
