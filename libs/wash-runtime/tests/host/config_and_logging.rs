//! Values and log messages of real components: `wasi:config` and `wasi:logging`.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::plugin::wasi_config::DynamicConfig;
use wash_runtime::plugin::wasi_logging::TracingLogger;
use wash_runtime::plugin::wasmcloud_messaging::InMemoryMessaging;
use wash_runtime::types::{LocalResources, WorkloadStartRequest};

use crate::messaging::{entry, messenger, other_entries, post};
use crate::support::{Answer, TestHost, environment, get, part_component, request, workload_of};

async fn host(config: DynamicConfig) -> TestHost {
    let builder = HostBuilder::new()
        .with_plugin(Arc::new(config))
        .unwrap()
        .with_plugin(Arc::new(TracingLogger::default()))
        .unwrap()
        .with_plugin(Arc::new(InMemoryMessaging::default()))
        .unwrap();
    TestHost::build(builder).await
}

/// The messenger, with one value of its own in each place.
fn workload(name: &str) -> WorkloadStartRequest {
    let config = [("entry-and-config", "config"), ("everywhere", "config")];
    let resources = LocalResources {
        config: config.map(|(key, value)| (key.to_string(), value.to_string())).into(),
        ..environment(&[("everywhere", "environment"), ("VARIABLE", "environment")])
    };
    let mut request = request(name, messenger(), resources);
    request.workload.name = name.to_string();
    request.workload.host_interfaces = other_entries();
    request.workload.host_interfaces.push(entry("wasmcloud:messaging/consumer", &[]));
    let values = [("entry", "entry"), ("entry-and-config", "entry"), ("everywhere", "entry")];
    request.workload.host_interfaces[1] = entry("wasi:config/store", &values);
    request
}

#[tokio::test]
async fn later_places_of_a_value_win() {
    for (config, everywhere, variable) in [
        (DynamicConfig::new(false), r#"Some("config")"#, "None"),
        (DynamicConfig::new(true), r#"Some("environment")"#, r#"Some("environment")"#),
    ] {
        let host = host(config).await;
        host.host.workload_start(workload("values")).await.unwrap();
        for (key, expected) in [
            ("entry", r#"Some("entry")"#),
            ("entry-and-config", r#"Some("config")"#),
            ("everywhere", everywhere),
            ("VARIABLE", variable),
            ("missing", "None"),
        ] {
            assert_eq!(host.get(&format!("/value/{key}")).await, Answer::ok(expected), "{key}");
        }
    }
}

#[tokio::test]
async fn all_values_are_listed_and_are_the_components_own() {
    let host = host(DynamicConfig::new(false)).await;
    host.host.workload_start(workload("values")).await.unwrap();
    let all = r#"[("entry", "entry"), ("entry-and-config", "config"), ("everywhere", "config")]"#;
    assert_eq!(host.get("/values").await, Answer::ok(all));

    let mut other = workload("other");
    other.workload.components[0].local_resources.config = HashMap::new();
    other.workload.host_interfaces[1] = entry("wasi:config/store", &[("own", "1")]);
    host.host.workload_start(other).await.unwrap();
    assert_eq!(host.get("/values").await, Answer::ok(r#"[("own", "1")]"#));
}

#[tokio::test]
async fn older_versions_of_the_interfaces_are_linked() {
    let host = host(DynamicConfig::new(false)).await;
    let component = wat::parse_str(
        r#"(component
            (import "wasi:logging/logging" (instance
                (type $declared (enum "trace" "debug" "info" "warn" "error" "critical"))
                (export "level" (type $level (eq $declared)))
                (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
            (import "wasi:config/runtime@0.2.0-draft" (instance
                (type $declared (variant (case "upstream" string) (case "io" string)))
                (export "config-error" (type $error (eq $declared)))
                (export "get" (func (param "key" string) (result (result (option string) (error $error)))))
                (export "get-all"
                    (func (result (result (list (tuple string string)) (error $error)))))))
        )"#,
    );
    let mut older = request("older", component.unwrap().into(), LocalResources::default());
    older.workload.host_interfaces = vec![entry("wasi:logging/logging", &[]), entry("wasi:config/runtime", &[])];
    host.host.workload_start(older).await.unwrap();
}

/// What guests have logged, and the host about them, by the name of their workload.
static LOGGED: LazyLock<Mutex<HashMap<String, Vec<Fields>>>> = LazyLock::new(Mutex::default);

type Fields = HashMap<String, String>;

/// Collects events. There is one subscriber for the whole process, as guests run on threads of the host.
struct Collector;

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().fields().field("workload").is_none() {
            return;
        }
        let mut fields = Record(Fields::from([("level".to_string(), event.metadata().level().to_string())]));
        event.record(&mut fields);
        let workload = fields.0.remove("workload").unwrap();
        LOGGED.lock().unwrap().entry(workload).or_default().push(fields.0);
    }
}

struct Record(Fields);

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_string(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_string(), value.to_string());
    }
}

fn collect() {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Collector)).unwrap();
    });
}

fn logged(workload: &str) -> Vec<Fields> {
    LOGGED.lock().unwrap().remove(workload).unwrap_or_default()
}

#[tokio::test]
async fn messages_become_events_with_their_origin() {
    collect();
    let host = host(DynamicConfig::new(false)).await;
    host.host.workload_start(workload("logs")).await.unwrap();
    for (level, expected) in [
        ("trace", "TRACE"),
        ("debug", "DEBUG"),
        ("info", "INFO"),
        ("warn", "WARN"),
        ("error", "ERROR"),
        ("critical", "ERROR"),
    ] {
        assert_eq!(post(&host, &format!("/log/{level}"), "said").await, Answer::ok(""));
        let mut fields: Fields = [
            ("level", expected),
            ("namespace", "test"),
            ("component", "component"),
            ("context", "context"),
            ("message", "said"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into();
        if level == "critical" {
            fields.insert("critical".to_string(), "true".to_string());
        }
        assert_eq!(logged("logs"), [fields]);
    }
}

#[tokio::test]
async fn a_message_cannot_pose_as_several_or_fill_the_record() {
    collect();
    let host = host(DynamicConfig::new(false)).await;
    host.host.workload_start(workload("liar")).await.unwrap();
    assert_eq!(post(&host, "/log/info", "one\n2026-01-01 ERROR two\u{1b}[2K").await, Answer::ok(""));
    assert_eq!(logged("liar")[0]["message"], r"one\n2026-01-01 ERROR two\u{1b}[2K");
    assert_eq!(post(&host, "/log/info", &"x".repeat(1 << 20)).await, Answer::ok(""));
    let message = &logged("liar")[0]["message"];
    assert!(message.ends_with("x [1032192 more bytes]") && message.len() < 17_000, "{} bytes", message.len());
}

#[tokio::test]
async fn a_flood_of_one_component_leaves_the_others_their_share() {
    collect();
    let host = host(DynamicConfig::new(false)).await;
    host.host.workload_start(workload("flooding")).await.unwrap();
    assert_eq!(host.get("/flood").await, Answer::ok(""));
    let recorded = logged("flooding");
    assert!((1_000..5_000).contains(&recorded.len()), "{} of 5000 messages", recorded.len());
    host.host.workload_start(workload("quiet")).await.unwrap();
    assert_eq!(post(&host, "/log/info", "heard").await, Answer::ok(""));
    assert_eq!(logged("quiet").len(), 1);
}

#[tokio::test]
async fn a_response_that_is_cut_off_is_logged_once_with_what_it_lacks() {
    collect();
    let host = TestHost::start().await;
    for (name, path, missing) in [("early", "/early", 991), ("forgotten", "/promised?10", 5)] {
        let mut request = workload_of(name, vec![part_component("greedy", LocalResources::default())]);
        request.workload.name = name.to_string();
        host.deploy(request).await;
        if let Ok(response) = host.connect().await.send(get(path)).await {
            assert!(Answer::of(response).await.is_err(), "{path}");
        }
        let message = format!(
            "a response was cut off, {missing} bytes before its content-length: the component did not finish its body"
        );
        let fields = [("level", "ERROR"), ("workload_id", name), ("message", message.as_str())];
        let fields: Fields = fields.map(|(name, value)| (name.to_string(), value.to_string())).into();
        assert_eq!(logged(name), [fields]);
        host.end(name).await;
    }
}
