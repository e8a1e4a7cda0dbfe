//! Messages between real components: `wasmcloud:messaging` with the broker in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::plugin::wasmcloud_messaging::{InMemoryMessaging, MessagingConfigError, MessagingStatistics};
use wash_runtime::types::{LocalResources, WorkloadStartRequest};
use wash_runtime::wit::WitInterface;

use crate::support::{Answer, TestHost, component_of, environment, hello, request, within_patience};

static MESSENGER: LazyLock<Bytes> = LazyLock::new(|| component_of("tests/guests/messenger"));

/// The component that sends, receives, reads values and logs.
pub(crate) fn messenger() -> Bytes {
    MESSENGER.clone()
}

/// An entry of `host_interfaces`.
pub(crate) fn entry(interface: &str, settings: &[(&str, &str)]) -> WitInterface {
    let config: HashMap<_, _> = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    WitInterface { config, ..interface.parse().unwrap() }
}

/// What the messenger imports beside messaging, and what it answers HTTP with.
pub(crate) fn other_entries() -> Vec<WitInterface> {
    ["wasi:http/incoming-handler", "wasi:config/store", "wasi:logging/logging"]
        .map(|interface| entry(interface, &[]))
        .into()
}

/// Sends a body along a path, each time on a connection of its own.
pub(crate) async fn post(host: &TestHost, path: &str, body: &str) -> Answer {
    let request =
        Request::post(path).header("host", "test.example").body(Full::<Bytes>::from(body.to_string())).unwrap();
    Answer::of(host.connect().await.send(request).await.unwrap()).await.unwrap()
}

/// A host with messaging, and the workload that the tests send with.
struct Messages {
    host: TestHost,
    messaging: Arc<InMemoryMessaging>,
}

impl Messages {
    async fn start() -> Self {
        Self::with(InMemoryMessaging::default()).await
    }

    async fn with(messaging: InMemoryMessaging) -> Self {
        let messaging = Arc::new(messaging);
        let builder = HostBuilder::new()
            .with_plugin(Arc::clone(&messaging))
            .unwrap()
            .with_plugin(Arc::new(wash_runtime::plugin::wasi_config::DynamicConfig::new(false)))
            .unwrap()
            .with_plugin(Arc::new(wash_runtime::plugin::wasi_logging::TracingLogger::default()))
            .unwrap();
        Self { host: TestHost::build(builder).await, messaging }
    }

    /// Runs a messenger that calls itself by its id.
    async fn run(&self, id: &str, settings: &[(&str, &str)]) {
        self.host.host.workload_start(workload(id, settings)).await.unwrap();
    }

    /// Runs the messenger that the test sends with. The router sends requests to the workload that came last.
    async fn run_sender(&self) {
        self.run("sender", &[]).await;
    }

    async fn publish(&self, subject: &str, body: &str) {
        assert_eq!(post(&self.host, &format!("/publish/{subject}"), body).await, Answer::ok(""));
    }

    async fn request(&self, subject: &str, body: &str) -> Answer {
        post(&self.host, &format!("/request/{subject}"), body).await
    }

    /// Waits for so many lines of guests.
    async fn lines(&mut self, number: usize) -> Vec<String> {
        let mut text = String::new();
        while text.matches('\n').count() < number {
            text += &self.host.output.next().await.2;
        }
        let mut lines: Vec<_> = text.lines().map(str::to_string).collect();
        lines.sort_unstable();
        lines
    }

    fn statistics(&self) -> MessagingStatistics {
        self.messaging.statistics()
    }
}

/// A workload of its own name.
fn workload(id: &str, settings: &[(&str, &str)]) -> WorkloadStartRequest {
    let mut request = request(id, messenger(), environment(&[("NAME", id)]));
    request.workload.name = id.to_string();
    request.workload.host_interfaces = other_entries();
    request.workload.host_interfaces.push(entry("wasmcloud:messaging/consumer,handler", settings));
    request
}

fn failed(text: &str) -> Answer {
    Answer { status: 502, body: text.to_string() }
}

#[tokio::test]
async fn a_message_reaches_everyone_who_is_subscribed() {
    let mut messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "a.*, b.print")]).await;
    messages.run("two", &[("subscriptions", "a.>")]).await;
    messages.run("three", &[("subscriptions", ">,b.print"), ("consumer_group", "broadcast")]).await;
    messages.run_sender().await;
    messages.publish("a.print", "1").await;
    assert_eq!(messages.lines(3).await, ["one got 1", "three got 1", "two got 1"]);
    messages.publish("a.b.print", "2").await;
    assert_eq!(messages.lines(2).await, ["three got 2", "two got 2"]);
    messages.publish("b.print", "3").await;
    assert_eq!(messages.lines(2).await, ["one got 3", "three got 3"]);
    messages.publish("c.print", "4").await;
    assert_eq!(messages.lines(1).await, ["three got 4"]);
    assert_eq!(messages.statistics().delivered, 8);
}

#[tokio::test]
async fn a_group_of_workloads_gets_each_message_once() {
    let mut messages = Messages::start().await;
    let group = [("subscriptions", "jobs.*"), ("consumer_group", "workers")];
    messages.run("one", &group).await;
    messages.run("two", &group).await;
    messages.run_sender().await;
    assert_eq!(post(&messages.host, "/publish-many/jobs.print", "").await, Answer::ok(""));
    let lines = messages.lines(100).await;
    let numbers: HashSet<_> = lines.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!((lines.len(), numbers.len()), (100, 100), "{lines:?}");
    for name in ["one got", "two got"] {
        assert!(lines.iter().any(|line| line.starts_with(name)), "{name} its share");
    }
}

#[tokio::test]
async fn replicas_of_a_workload_are_a_group_unless_told_otherwise() {
    let mut messages = Messages::start().await;
    for (subject, settings) in [("shared", None), ("all", Some(("consumer_group", "broadcast")))] {
        for id in ["one", "two"] {
            let subscription = format!("{subject}.>");
            let settings: Vec<_> = [("subscriptions", subscription.as_str())].into_iter().chain(settings).collect();
            let mut replica = workload(&format!("{subject}-{id}"), &settings);
            replica.workload.name = subject.to_string();
            messages.host.host.workload_start(replica).await.unwrap();
        }
    }
    messages.run_sender().await;
    messages.publish("shared.print", "1").await;
    assert_eq!(messages.lines(1).await.len(), 1);
    messages.publish("all.print", "2").await;
    assert_eq!(messages.lines(2).await, ["all-one got 2", "all-two got 2"]);
    assert_eq!(messages.statistics().delivered, 3);
}

#[tokio::test]
async fn a_request_is_answered_by_another_workload() {
    let messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "one.*")]).await;
    messages.run("two", &[("subscriptions", "two.*")]).await;
    messages.run_sender().await;
    assert_eq!(messages.request("one.answer", "hello").await, Answer::ok("one:hello"));
    assert_eq!(messages.request("one.relay", "two.answer").await, Answer::ok("two:relayed"));
    assert_eq!(messages.request("one.pass-on", "two.answer").await, Answer::ok("two:two.answer"));
}

#[tokio::test]
async fn a_request_without_an_answer_says_why() {
    let messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "one.*")]).await;
    messages.run_sender().await;
    let unanswered = failed("no responders: nobody is subscribed to `nobody.there`");
    assert_eq!(messages.request("nobody.there", "").await, unanswered);
    let brief = post(&messages.host, "/request-briefly/one.ignore", "").await;
    assert_eq!(brief, failed("timeout: no answer within 20ms"));
    assert_eq!(messages.request("one.fail", "").await, failed(r"the subscriber failed: one does not like\nit"));
    let trapped = failed("the subscriber failed: it ended before it had handled the message");
    assert_eq!(messages.request("one.trap", "").await, trapped);
    assert_eq!(messages.statistics().failed, 2);
    assert_eq!(messages.request("one.answer", "still").await, Answer::ok("one:still"));
}

#[tokio::test]
async fn components_cannot_touch_what_belongs_to_hosts() {
    let messages = Messages::start().await;
    messages.run("all", &[("subscriptions", ">")]).await;
    messages.run_sender().await;
    for subject in ["runtime.host.x.workload.start", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.0.guessed"] {
        let refused = failed(&format!("`{subject}` is reserved: components may not use it"));
        for way in ["publish", "reply-to"] {
            assert_eq!(post(&messages.host, &format!("/{way}/{subject}"), "").await, refused);
        }
        let refused = failed(&format!("cannot send the request: {}", refused.body));
        assert_eq!(messages.request(subject, "").await, refused);
    }
    for (subject, why) in [
        ("a.*", "a wildcard is for subscriptions only"),
        ("a..b", "a subject must not have an empty token"),
        ("", "a subject must not be empty"),
    ] {
        let refused = failed(&format!("`{subject}` is not a subject: {why}"));
        assert_eq!(post(&messages.host, &format!("/publish/{subject}"), "").await, refused);
    }
    assert_eq!(messages.statistics().published, 0);
}

#[tokio::test]
async fn a_message_has_a_largest_size() {
    let mut messages = Messages::with(InMemoryMessaging::with_message_limit(100_000)).await;
    messages.run("one", &[("subscriptions", "one.*")]).await;
    messages.run_sender().await;
    let refused = failed("a message of 100001 bytes is larger than the limit of 100000");
    assert_eq!(post(&messages.host, "/publish-large/one.print", "100001").await, refused);
    assert_eq!(post(&messages.host, "/publish-large/one.print", "100000").await, Answer::ok(""));
    assert_eq!(messages.lines(1).await[0].len(), "one got ".len() + 100_000);
}

#[tokio::test]
async fn messages_are_handled_side_by_side_up_to_the_limit() {
    let mut messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "one.*"), ("max_in_flight", "3")]).await;
    messages.run_sender().await;
    for _ in 0..9 {
        messages.publish("one.slow", "200").await;
    }
    let (mut inside, mut most, mut left) = (0, 0, 0);
    while left < 9 {
        let text = messages.host.output.next().await.2;
        for line in text.lines() {
            match line {
                "enter" => inside += 1,
                _ => (inside, left) = (inside - 1, left + 1),
            }
            most = most.max(inside);
        }
    }
    assert_eq!(most, 3);
}

#[tokio::test]
async fn what_waits_too_long_is_lost() {
    let mut messages = Messages::start().await;
    let settings = [("subscriptions", "one.*"), ("max_in_flight", "1"), ("admission_wait", "500ms")];
    messages.run("one", &settings).await;
    messages.run_sender().await;
    messages.publish("one.slow", "2000").await;
    assert_eq!(messages.host.output.next().await.2, "enter\n");
    assert_eq!(messages.request("one.answer", "late").await, failed("every subscriber is overloaded"));
    assert_eq!(messages.statistics().shed, 1);
}

#[tokio::test]
async fn a_handler_that_never_ends_is_ended() {
    let messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "one.*"), ("handler_timeout", "300ms")]).await;
    messages.run_sender().await;
    let ended = failed("the subscriber failed: it ended before it had handled the message");
    assert_eq!(messages.request("one.never", "").await, ended);
}

#[tokio::test]
async fn a_workload_that_stops_finishes_what_it_handles_and_gets_no_more() {
    let mut messages = Messages::start().await;
    messages.run("one", &[("subscriptions", "one.*"), ("max_in_flight", "1")]).await;
    messages.run_sender().await;
    messages.publish("one.slow", "200").await;
    assert_eq!(messages.host.output.next().await.2, "enter\n");
    messages.publish("one.print", "waiting in the queue").await;
    within_patience(messages.host.end("one")).await;
    assert_eq!(messages.host.output.next().await.2, "leave\n");
    let unanswered = failed("no responders: nobody is subscribed to `one.answer`");
    assert_eq!(messages.request("one.answer", "").await, unanswered);
    messages.run("two", &[("subscriptions", "two.*")]).await;
    messages.run("one", &[("subscriptions", "one.*")]).await;
    assert_eq!(messages.request("one.answer", "again").await, Answer::ok("one:again"));
}

/// A host whose messages go over a server.
async fn over_nats(server: &washlib_test::Nats) -> Messages {
    let nats = wash_runtime::plugin::nats::Nats::new(&server.url()).unwrap();
    Messages::with(InMemoryMessaging::default().with_nats(&nats)).await
}

/// A client that is no host.
async fn outsider(server: &washlib_test::Nats) -> async_nats::Client {
    let (address, user, password) = server.parts();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_string(), password.to_string());
    options.connect(address).await.unwrap()
}

#[tokio::test]
async fn messages_over_nats_cross_hosts_and_come_once() {
    let server = washlib_test::Nats::without_jetstream();
    let (mut here, mut there) = (over_nats(&server).await, over_nats(&server).await);
    let nats = ("backend", "nats");
    // Patterns that overlap, alone and in a group.
    here.run("one", &[nats, ("subscriptions", "a.*, a.print"), ("consumer_group", "broadcast")]).await;
    there.run("two", &[nats, ("subscriptions", "a.>, a.print, two.*")]).await;
    there.run("all", &[nats, ("subscriptions", "a.>"), ("consumer_group", "broadcast")]).await;
    here.run("sender", &[nats]).await;
    here.publish("a.print", "1").await;
    assert_eq!(here.lines(1).await, ["one got 1"]);
    assert_eq!(there.lines(2).await, ["all got 1", "two got 1"]);
    here.publish("a.b.print", "2").await;
    assert_eq!(there.lines(2).await, ["all got 2", "two got 2"]);
    assert_eq!((here.statistics().delivered, there.statistics().delivered), (1, 4));
    assert_eq!(here.request("nobody.answer.x", "?").await.status, 502);
    assert_eq!(here.request("two.answer", "?").await, Answer::ok("two:?"));
    let outsider = outsider(&server).await;
    let answer = outsider.request("two.answer", "from outside".into()).await.unwrap();
    assert_eq!(answer.payload, "two:from outside");
}

#[tokio::test]
async fn a_group_on_two_hosts_gets_each_message_over_nats_once() {
    let server = washlib_test::Nats::without_jetstream();
    let (mut here, mut there) = (over_nats(&server).await, over_nats(&server).await);
    let settings = [("backend", "nats"), ("subscriptions", "jobs.*"), ("consumer_group", "workers")];
    here.run("one", &settings).await;
    there.run("two", &settings).await;
    there.run("last", &[("backend", "nats"), ("subscriptions", "last.*")]).await;
    here.run("sender", &[("backend", "nats")]).await;
    assert_eq!(post(&here.host, "/publish-many/jobs.print", "").await, Answer::ok(""));
    // What the server hands on after the others shows that it has handed on those.
    here.publish("last.print", "end").await;
    let mut lines = Vec::new();
    while lines.len() < 101 {
        tokio::select! {
            line = here.lines(1) => lines.extend(line),
            line = there.lines(1) => lines.extend(line),
        }
    }
    let numbers: HashSet<_> = lines.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!((lines.len(), numbers.len()), (101, 101), "{lines:?}");
}

#[tokio::test]
async fn what_belongs_to_hosts_stays_closed_over_nats() {
    let server = washlib_test::Nats::without_jetstream();
    let mut here = over_nats(&server).await;
    here.run("all", &[("backend", "nats"), ("subscriptions", ">")]).await;
    for subject in ["runtime.host.x.workload.start", "$JS.API.INFO", "_INBOX.guessed"] {
        let refused = post(&here.host, &format!("/publish/{subject}"), "x").await;
        assert!(refused.status == 502 && refused.body.contains("is reserved"), "{subject}: {refused:?}");
        assert!(here.request(subject, "x").await.body.contains("is reserved"), "{subject}");
    }
    let outsider = outsider(&server).await;
    let mut control = outsider.subscribe("runtime.>").await.unwrap();
    outsider.publish("runtime.print", "secret".into()).await.unwrap();
    // An answer would be a command.
    outsider.publish_with_reply("any.answer", "runtime.host.x.workload.start", "x".into()).await.unwrap();
    outsider.publish("any.print", "end".into()).await.unwrap();
    assert_eq!(here.lines(1).await.last().unwrap(), "all got end");
    outsider.flush().await.unwrap();
    assert_eq!(futures_util::StreamExt::next(&mut control).await.unwrap().payload, "secret");
    assert_eq!(here.statistics().published, 0);
}

#[tokio::test]
async fn messages_go_on_when_a_nats_server_is_back() {
    let mut server = washlib_test::Nats::without_jetstream();
    let mut here = over_nats(&server).await;
    here.run("one", &[("backend", "nats"), ("subscriptions", "one.*")]).await;
    server.kill();
    let refused = post(&here.host, "/publish/one.print", "lost").await;
    assert!(refused.status == 502 && refused.body.contains("the broker is not available"), "{refused:?}");
    server.start_again();
    // Subscriptions are made anew with the connection.
    assert_eq!(here.request("one.answer", "back").await, Answer::ok("one:back"));
    here.publish("one.print", "again").await;
    assert_eq!(here.lines(1).await, ["one got again"]);
}

#[tokio::test]
async fn settings_that_do_not_hold_keep_a_workload_from_starting() {
    let messages = Messages::start().await;
    for (settings, expected) in [
        ([("backend", "kafka")], MessagingConfigError::Backend("kafka".to_string())),
        ([("backend", "nats")], MessagingConfigError::MissingUrl("nats")),
        ([("subscriptions", "runtime.>")], MessagingConfigError::Reserved("runtime.>".to_string())),
        ([("max_in_flight", "0")], MessagingConfigError::MaxInFlight("0".to_string())),
    ] {
        let err = messages.host.host.workload_start(workload("one", &settings)).await.unwrap_err();
        assert_eq!(err.root_cause().to_string(), expected.to_string());
    }
    let mut deaf = request("deaf", hello(), LocalResources::default());
    deaf.workload.host_interfaces = vec![entry("wasmcloud:messaging/handler", &[("subscriptions", "a")])];
    let err = messages.host.host.workload_start(deaf).await.unwrap_err();
    assert_eq!(err.root_cause().to_string(), MessagingConfigError::NoHandler.to_string());
}
