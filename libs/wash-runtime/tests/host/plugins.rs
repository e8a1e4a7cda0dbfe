//! Plugins of an embedder: when they are called, with what, and what guests see of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wash_runtime::engine::UnresolvedWorkload;
use wash_runtime::engine::workload::{CallError, ResolvedWorkload, WorkloadHandle, WorkloadItem};
use wash_runtime::host::events::HostEvent;
use wash_runtime::host::{BuildError, Host, HostApi, HostBuilder, StartError};
use wash_runtime::plugin::HostPlugin;
use wash_runtime::types::{Component, Service, Workload, WorkloadStartRequest, WorkloadState, WorkloadStopRequest};
use wash_runtime::wit::{WitInterface, WitWorld};
use wasmtime::component::TypedFunc;

use crate::support::from_text;

/// What happens to the plugins of a test, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Where a plugin fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failure {
    Never,
    Start,
    Bind,
    ItemBind,
    Resolved,
    Stop,
    /// It never returns from its stop.
    Hang,
}

/// The error of a plugin of these tests.
#[derive(Debug, Eq, PartialEq)]
struct ToldToFail(Failure);

impl std::fmt::Display for ToldToFail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "told to fail at {:?}", self.0)
    }
}

impl std::error::Error for ToldToFail {}

/// Provides `acme:info/info` in some version, whose `get` returns what is attached to the item that calls it.
struct Recorder {
    id: &'static str,
    provides: &'static str,
    failure: Failure,
    log: Log,
    workload: Mutex<Option<WorkloadHandle>>,
}

/// What the plugin attaches to an item.
struct Number(u32);

impl Recorder {
    fn new(id: &'static str, provides: &'static str, failure: Failure, log: &Log) -> Arc<Self> {
        Arc::new(Self { id, provides, failure, log: log.clone(), workload: Mutex::default() })
    }

    fn at(&self, stage: Failure, line: String) -> anyhow::Result<()> {
        self.log.add(line);
        if self.failure == stage { Err(ToldToFail(stage).into()) } else { Ok(()) }
    }

    fn workload(&self) -> WorkloadHandle {
        self.workload.lock().unwrap().clone().expect("a workload should be resolved")
    }
}

fn wasmtime_failed(err: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{err:#}")
}

/// The interfaces as text, with their names and settings.
fn described(interfaces: &HashSet<WitInterface>) -> String {
    let mut described: Vec<String> = interfaces
        .iter()
        .map(|interface| {
            let mut config: Vec<_> = interface.config.iter().map(|(key, value)| format!("{key}={value}")).collect();
            config.sort();
            format!("{interface} {} [{}]", interface.name.as_deref().unwrap_or("-"), config.join(" "))
        })
        .collect();
    described.sort();
    described.join(", ")
}

#[async_trait]
impl HostPlugin for Recorder {
    fn id(&self) -> &'static str {
        self.id
    }

    fn world(&self) -> WitWorld {
        WitWorld {
            exports: HashSet::from([self.provides.parse().unwrap()]),
            imports: HashSet::from(["acme:app/app".parse().unwrap()]),
        }
    }

    async fn start(&self) -> anyhow::Result<()> {
        self.at(Failure::Start, format!("{} start", self.id))
    }

    async fn on_workload_bind(
        &self,
        workload: &UnresolvedWorkload,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let (id, namespace, name) = (workload.id(), workload.namespace(), workload.name());
        let line = format!("{} bind {id} {namespace}/{name}: {}", self.id, described(&interfaces));
        self.at(Failure::Bind, line)
    }

    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let kind = if item.is_service() { "service" } else { "component" };
        let line = format!("{} {kind} {} of {}: {}", self.id, item.id(), item.workload_id(), described(&interfaces));
        self.at(Failure::ItemBind, line)?;
        let number = item.local_resources().config.get("number").and_then(|number| number.parse().ok());
        item.set_binding(Number(number.unwrap_or_default()));
        for provided in item.world().imports.iter().filter(|import| import.package_name() == "acme:info") {
            let log = self.log.clone();
            let mut interface = item.linker().instance(&provided.to_string()).map_err(wasmtime_failed)?;
            interface
                .func_wrap("get", move |store, (): ()| {
                    let ctx = store.data();
                    let number = ctx.binding::<Number>().expect("it is attached to every item").0;
                    let settings = ctx.local_resources().config.len();
                    log.add(format!("get by {} of {}: {settings} settings", ctx.component_id(), ctx.workload_id()));
                    Ok((number,))
                })
                .map_err(wasmtime_failed)?;
        }
        Ok(())
    }

    async fn on_workload_resolved(&self, workload: &ResolvedWorkload, component_id: &str) -> anyhow::Result<()> {
        *self.workload.lock().unwrap() = Some(workload.handle());
        self.at(Failure::Resolved, format!("{} resolved {component_id} of {}", self.id, workload.id()))
    }

    async fn on_workload_unbind(&self, workload_id: &str, interfaces: HashSet<WitInterface>) -> anyhow::Result<()> {
        self.log.add(format!("{} unbind {workload_id}: {}", self.id, described(&interfaces)));
        Ok(())
    }

    async fn stop(&self) -> anyhow::Result<()> {
        self.at(Failure::Stop, format!("{} stop", self.id))?;
        if self.failure == Failure::Hang { std::future::pending().await } else { Ok(()) }
    }
}

fn interface(text: &str) -> WitInterface {
    text.parse().unwrap()
}

/// A component that exports `acme:app/app`, whose `run` adds up what it imports: `get` of the plugin, a hundred times
/// what a sibling's `run` returns if it has one, and `get` again.
fn app(name: &str, number: u32, info: &str, sibling: Option<(&str, &str)>) -> Component {
    let (import, export) = sibling.map_or((None, "acme:app/app@1.0.0"), |(import, export)| (Some(import), export));
    let (import, lower, with, call) = match import {
        Some(import) => (
            format!(r#"(import "{import}" (instance $sibling (export "run" (func (result u32)))))"#),
            r#"(core func $run (canon lower (func $sibling "run")))"#,
            r#"(export "run" (func $run))"#,
            r#"call $run"#,
        ),
        None => (
            String::new(),
            r#"(core module $none (func (export "run") (result i32) i32.const 0)) (core instance $n (instantiate $none))"#,
            r#"(export "run" (func $n "run"))"#,
            "call $run",
        ),
    };
    let text = format!(
        r#"(component
            (import "{info}" (instance $info (export "get" (func (result u32)))))
            {import}
            (core func $get (canon lower (func $info "get")))
            {lower}
            (core module $m
                (import "host" "get" (func $get (result i32)))
                (import "host" "run" (func $run (result i32)))
                (func (export "run") (result i32)
                    call $get
                    {call}
                    i32.const 100
                    i32.mul
                    i32.add
                    call $get
                    i32.add))
            (core instance $i (instantiate $m (with "host" (instance (export "get" (func $get)) {with}))))
            (func $run-it (result u32) (canon lift (core func $i "run")))
            (instance $app (export "run" (func $run-it)))
            (export "{export}" (instance $app)))"#
    );
    let mut component = Component { name: name.to_string(), bytes: from_text(&text), ..Component::default() };
    component.local_resources.config = HashMap::from([("number".to_string(), number.to_string())]);
    component
}

fn workload(components: Vec<Component>, host_interfaces: Vec<WitInterface>) -> WorkloadStartRequest {
    WorkloadStartRequest {
        workload_id: "w".to_string(),
        workload: Workload {
            namespace: "test".to_string(),
            name: "apps".to_string(),
            components,
            host_interfaces,
            ..Workload::default()
        },
    }
}

async fn host(plugins: &[&Arc<Recorder>]) -> anyhow::Result<Arc<Host>> {
    let add = |builder: HostBuilder, plugin: &&Arc<Recorder>| builder.with_plugin(Arc::clone(plugin));
    plugins.iter().try_fold(HostBuilder::new(), add)?.build()?.start().await
}

async fn run(workload: &WorkloadHandle, component: &str) -> wasmtime::Result<u32> {
    let mut invocation = workload.instantiate(component, Some(Duration::from_secs(60))).await?;
    invocation
        .run(async |store, instance| {
            let app = instance.get_export_index(&mut *store, None, "acme:app/app@1.0.0").unwrap();
            let run = instance.get_export_index(&mut *store, Some(&app), "run").unwrap();
            let run: TypedFunc<(), (u32,)> = instance.get_typed_func(&mut *store, run)?;
            Ok(run.call_async(store, ()).await?.0)
        })
        .await
}

async fn stop(host: &Host, id: &str) {
    host.workload_stop(WorkloadStopRequest { workload_id: id.to_string() }).await.unwrap();
}

#[tokio::test]
async fn a_plugin_is_called_in_order_and_with_what_the_workload_says() {
    let log = Log::default();
    let recorder = Recorder::new("recorder", "acme:info/info", Failure::Never, &log);
    let idle = Recorder::new("idle", "acme:idle/idle", Failure::Never, &log);
    let host = host(&[&recorder, &idle]).await.unwrap();
    assert_eq!(log.take(), ["recorder start", "idle start"]);

    let mut named = interface("acme:info/info@1.0.0");
    named.name = Some("main".to_string());
    named.config = HashMap::from([("backend".to_string(), "x".to_string()), ("a".to_string(), "b".to_string())]);
    let entry = "acme:info/info@1.0.0 main [a=b backend=x]";
    let mut request = workload(vec![app("one", 7, "acme:info/info@1.0.0", None)], vec![named]);
    let bystander = from_text("(component)");
    request.workload.components.push(Component { name: "two".to_string(), bytes: bystander, ..Component::default() });
    let service = app("", 0, "acme:info/info@1.0.0", None).bytes;
    request.workload.service = Some(Service { bytes: service, ..Service::default() });
    host.workload_start(request).await.unwrap();
    assert_eq!(
        log.take(),
        [
            format!("recorder bind w test/apps: {entry}"),
            format!("recorder component one of w: {entry}"),
            format!("recorder service service of w: {entry}"),
            "recorder resolved one of w".to_string(),
            "recorder resolved service of w".to_string(),
        ]
    );
    assert_eq!(run(&recorder.workload(), "one").await.unwrap(), 14);
    assert_eq!(log.take(), ["get by one of w: 1 settings"; 2]);
    stop(&host, "w").await;
    assert_eq!(log.take(), [format!("recorder unbind w: {entry}")]);
    let err = recorder.workload().instantiate("one", None).await.unwrap_err();
    assert!(matches!(err, CallError::Stopped), "{err:?}");
    host.stop().await.unwrap();
    assert_eq!(log.take(), ["idle stop", "recorder stop"]);
}

#[tokio::test]
async fn what_a_plugin_attaches_is_each_components_own() {
    let log = Log::default();
    let recorder = Recorder::new("recorder", "acme:info/info", Failure::Never, &log);
    let host = host(&[&recorder]).await.unwrap();
    let components = vec![
        app("outer", 1, "acme:info/info@1.0.0", Some(("acme:inner/inner@1.0.0", "acme:app/app@1.0.0"))),
        app("inner", 2, "acme:info/info@1.0.0", Some(("acme:core/core@1.0.0", "acme:inner/inner@1.0.0"))),
        app("core", 3, "acme:info/info@1.0.0", Some(("acme:leaf/leaf@1.0.0", "acme:core/core@1.0.0"))),
        Component {
            name: "leaf".to_string(),
            bytes: from_text(
                r#"(component
                    (core module $m (func (export "run") (result i32) i32.const 9))
                    (core instance $i (instantiate $m))
                    (func $run (result u32) (canon lift (core func $i "run")))
                    (instance $leaf (export "run" (func $run)))
                    (export "acme:leaf/leaf@1.0.0" (instance $leaf)))"#,
            ),
            ..Component::default()
        },
    ];
    host.workload_start(workload(components, vec![interface("acme:info/info")])).await.unwrap();
    log.take();
    // 1 + 1 + 100 * (2 + 2 + 100 * (3 + 3 + 100 * 9))
    assert_eq!(run(&recorder.workload(), "outer").await.unwrap(), 2 + 100 * (4 + 100 * (6 + 900)));
    let callers = ["outer", "inner", "core", "core", "inner", "outer"];
    assert_eq!(log.take(), callers.map(|caller| format!("get by {caller} of w: 1 settings")));
}

#[tokio::test]
async fn an_interface_that_the_workload_does_not_ask_for_is_denied() {
    let log = Log::default();
    let recorder = Recorder::new("recorder", "acme:info/info", Failure::Never, &log);
    let host = host(&[&recorder]).await.unwrap();
    let denied = workload(vec![app("one", 7, "acme:info/info@1.0.0", None)], Vec::new());
    let err = host.workload_start(denied.clone()).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "`one` imports acme:info/info@1.0.0, which nothing provides (add to hostInterfaces: {namespace: acme, \
         package: info, interfaces: [info]})"
    );
    // Asking for another version, or another interface of the plugin's, is not asking for this one.
    let mut other = denied.clone();
    other.workload.host_interfaces = vec![interface("acme:info/info@2.0.0")];
    host.workload_start(other).await.unwrap_err();
    let mut other = denied.clone();
    other.workload.host_interfaces = vec![interface("acme:app/app")];
    host.workload_start(other).await.unwrap_err();
    assert_eq!(log.take(), ["recorder start"], "a workload that is refused meets no plugin");
    let mut asking = denied;
    asking.workload.host_interfaces = vec![interface("acme:info/info@1.0.3")];
    host.workload_start(asking).await.unwrap();
}

#[tokio::test]
async fn two_plugins_for_one_interface_are_ambiguous() {
    let log = Log::default();
    let one = Recorder::new("one", "acme:info/info", Failure::Never, &log);
    let two = Recorder::new("two", "acme:info/info@1.0.0", Failure::Never, &log);
    let host = host(&[&one, &two]).await.unwrap();
    let request = workload(vec![app("one", 7, "acme:info/info@1.0.0", None)], vec![interface("acme:info/info")]);
    let err = host.workload_start(request.clone()).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "`one` imports acme:info/info@1.0.0, which is provided by each of plugin one, plugin two"
    );
    // A sibling goes first.
    let mut request = request;
    request.workload.components.push(Component {
        name: "sibling".to_string(),
        bytes: from_text(
            r#"(component
                (core module $m (func (export "get") (result i32) i32.const 50))
                (core instance $i (instantiate $m))
                (func $get (result u32) (canon lift (core func $i "get")))
                (instance $info (export "get" (func $get)))
                (export "acme:info/info@1.0.0" (instance $info)))"#,
        ),
        ..Component::default()
    });
    host.workload_start(request).await.unwrap();
    assert_eq!(run(&one.workload(), "one").await.unwrap(), 100);
}

#[tokio::test]
async fn ids_are_unique() {
    let log = Log::default();
    let one = Recorder::new("same", "acme:info/info", Failure::Never, &log);
    let err = HostBuilder::new().with_plugin(Arc::clone(&one)).unwrap().with_plugin(one).err().unwrap();
    assert_eq!(err.to_string(), "two plugins have the id `same`");
    assert!(matches!(err.downcast_ref(), Some(BuildError::DuplicatePlugin { id: "same" })), "{err:#}");
}

#[tokio::test]
async fn a_plugin_that_does_not_start_stops_those_that_have() {
    let log = Log::default();
    let one = Recorder::new("one", "acme:one/one", Failure::Never, &log);
    // That one of them fails to stop keeps no other from being stopped.
    let two = Recorder::new("two", "acme:two/two", Failure::Stop, &log);
    let three = Recorder::new("three", "acme:three/three", Failure::Start, &log);
    let four = Recorder::new("four", "acme:four/four", Failure::Never, &log);
    let err = host(&[&one, &two, &three, &four]).await.err().unwrap();
    assert_eq!(format!("{err:#}"), "the plugin `three` does not start: told to fail at Start");
    assert_eq!(log.take(), ["one start", "two start", "three start", "two stop", "one stop"]);
}

#[tokio::test]
async fn a_plugin_that_refuses_a_workload_unbinds_those_that_took_it() {
    for failure in [Failure::Bind, Failure::ItemBind, Failure::Resolved] {
        let log = Log::default();
        let before = Recorder::new("before", "acme:before/before", Failure::Never, &log);
        let failing = Recorder::new("failing", "acme:info/info", failure, &log);
        let after = Recorder::new("after", "acme:after/after", Failure::Never, &log);
        let host = host(&[&before, &failing, &after]).await.unwrap();
        let mut events = host.events();
        let entries = ["acme:before/before", "acme:info/info", "acme:after/after"].map(interface);
        let request = workload(vec![app("one", 7, "acme:info/info@1.0.0", None)], entries.into());
        let err = host.workload_start(request).await.unwrap_err();
        let Some(StartError::Plugin { plugin: "failing", source }) = err.downcast_ref() else { panic!("{err:#}") };
        // The plugin's own error is there for those who know it, also on the way over the causes.
        assert_eq!(source.downcast_ref(), Some(&ToldToFail(failure)));
        assert!(err.chain().any(|cause| cause.is::<ToldToFail>()), "{err:#}");
        assert!(format!("{err:#}").ends_with(&format!("told to fail at {failure:?}")), "{err:#}");
        let event = events.recv().await.unwrap();
        assert!(
            matches!(&event, HostEvent::WorkloadFailed { workload_id, reason } if workload_id == "w" && reason.contains("told to")),
            "{event:?}"
        );
        let unbound: Vec<_> = log.take().into_iter().filter(|line| line.contains("unbind")).collect();
        let expected: &[&str] = match failure {
            // Those that come later have never heard of it.
            Failure::Bind | Failure::ItemBind => {
                &["failing unbind w: acme:info/info - []", "before unbind w: acme:before/before - []"]
            }
            _ => &[
                "after unbind w: acme:after/after - []",
                "failing unbind w: acme:info/info - []",
                "before unbind w: acme:before/before - []",
            ],
        };
        assert_eq!(unbound, expected, "{failure:?}");
        let status = wash_runtime::types::WorkloadStatusRequest { workload_id: "w".to_string() };
        let state = host.workload_status(status).await.unwrap().workload_status.workload_state;
        assert_eq!(state, WorkloadState::NotFound);
    }
}

#[tokio::test]
async fn a_stop_that_hangs_is_abandoned_after_three_seconds() {
    let log = Log::default();
    let one = Recorder::new("one", "acme:one/one", Failure::Never, &log);
    let two = Recorder::new("two", "acme:two/two", Failure::Hang, &log);
    let host = host(&[&one, &two]).await.unwrap();
    let begun = Instant::now();
    host.stop().await.unwrap();
    assert!((3.0..10.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert_eq!(log.take(), ["one start", "two start", "two stop", "one stop"]);
}

/// A component that calls the next one, and adds one to what it returns.
fn link(name: &str, import: &str, export: &str) -> Component {
    let bytes = from_text(&format!(
        r#"(component
            (import "{import}" (instance $next (export "call" (func (param "n" u32) (result u32)))))
            (core func $call (canon lower (func $next "call")))
            (core module $m
                (import "next" "call" (func $call (param i32) (result i32)))
                (func (export "call") (param i32) (result i32)
                    (if (result i32) (i32.eqz (local.get 0))
                        (then (i32.const 0))
                        (else
                            (i32.add (i32.const 1) (call $call (i32.sub (local.get 0) (i32.const 1))))))))
            (core instance $i (instantiate $m (with "next" (instance (export "call" (func $call))))))
            (func $call-it (param "n" u32) (result u32) (canon lift (core func $i "call")))
            (instance $link (export "call" (func $call-it)))
            (export "{export}" (instance $link)))"#
    ));
    Component { name: name.to_string(), bytes, ..Component::default() }
}

async fn call(workload: &WorkloadHandle, component: &str, export: &str, n: u32) -> wasmtime::Result<u32> {
    let mut invocation = workload.instantiate(component, Some(Duration::from_secs(60))).await?;
    invocation
        .run(async |store, instance| {
            let link = instance.get_export_index(&mut *store, None, export).unwrap();
            let call = instance.get_export_index(&mut *store, Some(&link), "call").unwrap();
            let call: TypedFunc<(u32,), (u32,)> = instance.get_typed_func(&mut *store, call)?;
            Ok(call.call_async(store, (n,)).await?.0)
        })
        .await
}

#[tokio::test]
async fn components_that_call_each_other_in_a_circle_are_stopped() {
    let log = Log::default();
    let recorder = Recorder::new("recorder", "acme:info/info", Failure::Never, &log);
    let host = host(&[&recorder]).await.unwrap();
    let components = vec![
        link("a", "acme:loop/b@1.0.0", "acme:loop/a@1.0.0"),
        link("b", "acme:loop/a@1.0.0", "acme:loop/b@1.0.0"),
        app("witness", 1, "acme:info/info@1.0.0", None),
    ];
    host.workload_start(workload(components, vec![interface("acme:info/info")])).await.unwrap();
    let workload = recorder.workload();
    let call = async |n| call(&workload, "a", "acme:loop/a@1.0.0", n).await;
    assert_eq!(call(0).await.unwrap(), 0);
    assert_eq!(call(1).await.unwrap(), 1);
    for n in [2, 1_000_000] {
        let err = call(n).await.unwrap_err();
        assert!(format!("{err:?}").contains("component `a` is called while it waits for a call of its own"), "{err:?}");
    }
    assert_eq!(call(1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_chain_of_components_has_an_end() {
    let log = Log::default();
    let recorder = Recorder::new("recorder", "acme:info/info", Failure::Never, &log);
    let host = host(&[&recorder]).await.unwrap();
    let name = |index: usize| {
        format!("acme:chain/link-{}@1.0.0", char::from(b'a' + index as u8 % 26).to_string().repeat(index / 26 + 1))
    };
    let mut components: Vec<_> =
        (0..40).map(|index| link(&format!("link-{index}"), &name(index + 1), &name(index))).collect();
    components.push(Component {
        name: "end".to_string(),
        bytes: from_text(&format!(
            r#"(component
                (core module $m (func (export "call") (param i32) (result i32) unreachable))
                (core instance $i (instantiate $m))
                (func $call (param "n" u32) (result u32) (canon lift (core func $i "call")))
                (instance $end (export "call" (func $call)))
                (export "{}" (instance $end)))"#,
            name(40)
        )),
        ..Component::default()
    });
    components.push(app("witness", 1, "acme:info/info@1.0.0", None));
    host.workload_start(workload(components, vec![interface("acme:info/info")])).await.unwrap();
    let workload = recorder.workload();
    assert_eq!(call(&workload, "link-0", &name(0), 32).await.unwrap(), 32);
    let err = call(&workload, "link-0", &name(0), 33).await.unwrap_err();
    assert!(format!("{err:?}").contains("more than 32 calls between components stand on one another"), "{err:?}");
    assert_eq!(call(&workload, "link-10", &name(10), 29).await.unwrap(), 29);
}
