//! The broker's rules, with subscribers that are plain tasks.

use std::sync::Arc;
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn broker() -> Arc<Broker> {
    Arc::new(Broker::new(Limits::default()))
}

fn subscribe(broker: &Arc<Broker>, patterns: &[&str], group: Option<&str>) -> Subscription {
    let patterns = patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect();
    broker.subscribe(patterns, group.map(Into::into))
}

fn publish(broker: &Broker, subject: &str, body: &str) -> Routed {
    broker.publish(subject, body.into(), None).unwrap()
}

/// Everything that waits for a subscriber now.
fn waiting(subscription: &mut Subscription) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(Some(delivery)) = futures_util::FutureExt::now_or_never(subscription.next()) {
        bodies.push(String::from_utf8(delivery.message.body.to_vec()).unwrap());
        delivery.handled();
    }
    bodies
}

/// Answers every request with its own body behind the name.
fn answering(broker: &Arc<Broker>, name: &'static str, mut subscription: Subscription) -> tokio::task::JoinHandle<()> {
    let broker = Arc::clone(broker);
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            let reply_to = delivery.message.reply_to.clone().unwrap();
            let body = [name.as_bytes(), &delivery.message.body].concat();
            broker.publish(reply_to.as_str(), body, None).unwrap();
            delivery.handled();
        }
    })
}

#[test]
fn every_subscriber_of_a_subject_gets_its_messages_in_order() {
    let broker = broker();
    let mut one = subscribe(&broker, &["a.*"], None);
    let mut two = subscribe(&broker, &["a.>", "a.b", "c"], None);
    assert_eq!(publish(&broker, "a.b", "1"), Routed { wanted: 2, taken: 2 });
    assert_eq!(publish(&broker, "a.b.c", "2"), Routed { wanted: 1, taken: 1 });
    assert_eq!(publish(&broker, "c", "3"), Routed { wanted: 1, taken: 1 });
    assert_eq!(publish(&broker, "d", "4"), Routed::default());
    assert_eq!(waiting(&mut one), ["1"]);
    assert_eq!(waiting(&mut two), ["1", "2", "3"], "once each, though two patterns cover the first");
    let expected = MessagingStatistics { published: 4, delivered: 4, shed: 0, failed: 0 };
    assert_eq!(broker.statistics(), expected);
}

#[test]
fn a_group_shares_its_messages() {
    let broker = broker();
    let mut members = [
        subscribe(&broker, &["a"], Some("g")),
        subscribe(&broker, &["a"], Some("g")),
        subscribe(&broker, &["*"], Some("g")),
    ];
    let mut other = subscribe(&broker, &["a"], Some("h"));
    let mut single = subscribe(&broker, &["a"], None);
    for number in 0..30 {
        assert_eq!(publish(&broker, "a", &number.to_string()), Routed { wanted: 3, taken: 3 });
    }
    let shares = members.each_mut().map(|member| waiting(member).len());
    assert_eq!(shares.iter().sum::<usize>(), 30);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    assert_eq!((waiting(&mut other).len(), waiting(&mut single).len()), (30, 30));
}

#[test]
fn a_member_without_room_passes_on_to_the_next() {
    let broker = Arc::new(Broker::new(Limits { queued_messages: 2, ..Limits::default() }));
    let mut members = [subscribe(&broker, &["a"], Some("g")), subscribe(&broker, &["a"], Some("g"))];
    for _ in 0..4 {
        assert_eq!(publish(&broker, "a", "x"), Routed { wanted: 1, taken: 1 });
    }
    assert_eq!(publish(&broker, "a", "lost"), Routed { wanted: 1, taken: 0 });
    assert_eq!(broker.statistics().shed, 1);
    assert_eq!(members.each_mut().map(|member| waiting(member).len()), [2, 2]);
    assert_eq!(publish(&broker, "a", "y"), Routed { wanted: 1, taken: 1 });
}

#[test]
fn a_full_queue_loses_messages_of_its_owner_only() {
    let broker = Arc::new(Broker::new(Limits { queued_bytes: 4096, ..Limits::default() }));
    let mut slow = subscribe(&broker, &["a"], None);
    let mut quick = subscribe(&broker, &["a"], None);
    let body = "x".repeat(3000);
    assert_eq!(publish(&broker, "a", &body), Routed { wanted: 2, taken: 2 });
    assert_eq!(waiting(&mut quick).len(), 1);
    assert_eq!(publish(&broker, "a", &body), Routed { wanted: 2, taken: 1 });
    assert_eq!((waiting(&mut quick).len(), waiting(&mut slow).len()), (1, 1));
    assert_eq!(publish(&broker, "a", &body), Routed { wanted: 2, taken: 2 }, "what is handled makes room");
}

#[test]
fn what_is_in_work_counts_until_it_is_done() {
    let broker = Arc::new(Broker::new(Limits { queued_bytes: 4096, ..Limits::default() }));
    let mut subscription = subscribe(&broker, &["a"], None);
    let body = "x".repeat(3000);
    publish(&broker, "a", &body);
    let delivery = futures_util::FutureExt::now_or_never(subscription.next()).unwrap().unwrap();
    assert_eq!(publish(&broker, "a", &body).taken, 0);
    delivery.handled();
    assert_eq!(publish(&broker, "a", &body).taken, 1);
}

#[test]
fn a_dropped_subscription_gets_nothing_and_leaves_the_others() {
    let broker = broker();
    let one = subscribe(&broker, &["a.*", "b"], Some("g"));
    let mut two = subscribe(&broker, &["a.*", "b"], Some("g"));
    drop(one);
    for _ in 0..5 {
        assert_eq!(publish(&broker, "b", "x"), Routed { wanted: 1, taken: 1 });
    }
    assert_eq!(waiting(&mut two).len(), 5);
    drop(two);
    assert_eq!(publish(&broker, "a.b", "x"), Routed::default());
}

#[test]
fn what_components_must_not_send_is_refused() {
    let broker = Arc::new(Broker::new(Limits { body: 10, ..Limits::default() }));
    let mut all = subscribe(&broker, &[">"], None);
    let reserved = |subject: &str| PublishError::Reserved { subject: subject.to_string() };
    for subject in ["runtime.host.x.workload.start", "$SYS.REQ.SERVER.PING", "$JS.API.STREAM.LIST", "_INBOX.a.b"] {
        assert_eq!(broker.publish(subject, vec![], None), Err(reserved(subject)));
        assert_eq!(broker.publish("a", vec![], Some(subject)), Err(reserved(subject)), "not by an answerer's hand");
    }
    let invalid = |subject: &str, source| PublishError::Subject { subject: subject.to_string(), source };
    assert_eq!(broker.publish("a.*", vec![], None), Err(invalid("a.*", InvalidSubject::Wildcard)));
    assert_eq!(broker.publish("a", vec![], Some("")), Err(invalid("", InvalidSubject::Empty)));
    assert_eq!(broker.publish("a\nb", vec![], None), Err(invalid(r"a\nb", InvalidSubject::Character)));
    assert_eq!(broker.publish("a", vec![0; 11], None), Err(PublishError::TooLarge { size: 11, limit: 10 }));
    assert_eq!(waiting(&mut all), [""; 0]);
    broker.publish("a", vec![0; 10], Some("b")).unwrap();
    assert_eq!(waiting(&mut all).len(), 1);
}

#[tokio::test]
async fn a_request_is_answered() {
    let broker = broker();
    answering(&broker, "one:", subscribe(&broker, &["ask.*"], Some("g")));
    answering(&broker, "two:", subscribe(&broker, &["ask.*"], Some("g")));
    let mut all = subscribe(&broker, &[">"], None);
    for number in 0..20 {
        let body = number.to_string();
        let answer = broker.request("ask.me", body.clone().into(), PATIENCE).await.unwrap();
        assert!(answer.body.ends_with(body.as_bytes()) && answer.reply_to.is_none());
    }
    let seen = waiting(&mut all);
    assert_eq!(seen.len(), 20, "requests are seen by other subscribers, answers never: {seen:?}");
}

#[tokio::test]
async fn requests_at_the_same_time_get_their_own_answers() {
    let broker = broker();
    answering(&broker, "re:", subscribe(&broker, &["ask"], None));
    let requests = (0..200).map(|number| {
        let broker = &broker;
        async move {
            let body = number.to_string();
            let answer = broker.request("ask", body.clone().into(), PATIENCE).await.unwrap();
            assert_eq!(answer.body, format!("re:{body}"));
        }
    });
    futures_util::future::join_all(requests).await;
}

#[tokio::test]
async fn without_a_subscriber_a_request_fails_at_once() {
    let broker = broker();
    let err = broker.request("ask", vec![], PATIENCE).await.unwrap_err();
    assert_eq!(err.to_string(), "no responders: nobody is subscribed to `ask`");
}

#[tokio::test]
async fn without_an_answer_a_request_times_out_and_a_late_answer_is_dropped() {
    let broker = broker();
    let mut subscription = subscribe(&broker, &["ask"], None);
    let err = broker.request("ask", vec![], Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(err.to_string(), "timeout: no answer within 20ms");
    let delivery = subscription.next().await.unwrap();
    let reply_to = delivery.message.reply_to.clone().unwrap();
    assert_eq!(broker.publish(reply_to.as_str(), b"late".to_vec(), None), Ok(Routed::default()));
}

#[tokio::test]
async fn an_inbox_cannot_be_guessed() {
    let broker = broker();
    let mut subscription = subscribe(&broker, &["ask"], None);
    let request = broker.request("ask", vec![], PATIENCE);
    let guess = async {
        let delivery = subscription.next().await.unwrap();
        let inbox = delivery.message.reply_to.clone().unwrap().to_string();
        let (head, last) = inbox.split_at(inbox.len() - 1);
        let guessed = format!("{head}{}", if last == "0" { "1" } else { "0" });
        for subject in [guessed, "_INBOX.0".to_string(), "_INBOX.0.x".to_string(), format!("{inbox}.x")] {
            assert_eq!(broker.publish(&subject, vec![], None), Err(PublishError::Reserved { subject }));
        }
        let elsewhere = Broker::new(Limits::default());
        assert!(elsewhere.publish(&inbox, vec![], None).is_err(), "another broker's inbox is none of ours");
        broker.publish(&inbox, b"right".to_vec(), None).unwrap();
        delivery.handled();
    };
    let (answer, ()) = tokio::join!(request, guess);
    assert_eq!(answer.unwrap().body, "right");
}

#[tokio::test]
async fn a_request_fails_with_the_last_who_could_answer() {
    let broker = broker();
    let mut one = subscribe(&broker, &["ask"], None);
    let mut two = subscribe(&broker, &["ask"], None);
    let request = broker.request("ask", vec![], PATIENCE);
    let failures = async {
        one.next().await.unwrap().failed(RequestError::Handler("one".to_string()));
        two.next().await.unwrap().failed(RequestError::Handler("two".to_string()));
    };
    let (answer, ()) = tokio::join!(request, failures);
    assert_eq!(answer, Err(RequestError::Handler("two".to_string())));

    let request = broker.request("ask", vec![], PATIENCE);
    let one_answers = async {
        two.next().await.unwrap().failed(RequestError::Handler("two".to_string()));
        let delivery = one.next().await.unwrap();
        let reply_to = delivery.message.reply_to.clone().unwrap();
        broker.publish(reply_to.as_str(), b"one".to_vec(), None).unwrap();
        delivery.failed(RequestError::Handler("after it answered".to_string()));
    };
    let (answer, ()) = tokio::join!(request, one_answers);
    assert_eq!(answer.unwrap().body, "one");
}

#[tokio::test]
async fn a_request_fails_when_the_subscription_ends_or_has_no_room() {
    let broker = Arc::new(Broker::new(Limits { queued_messages: 1, ..Limits::default() }));
    let subscription = subscribe(&broker, &["ask"], None);
    let request = broker.request("ask", vec![], PATIENCE);
    let overload = async {
        assert_eq!(broker.request("ask", vec![], PATIENCE).await, Err(RequestError::Overloaded));
        drop(subscription);
    };
    let (answer, ()) = tokio::join!(request, overload);
    assert_eq!(answer, Err(RequestError::Unsubscribed));
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing() {
    let broker = broker();
    let _subscription = subscribe(&broker, &["ask"], None);
    let given_up = tokio::time::timeout(Duration::ZERO, broker.request("ask", vec![], PATIENCE)).await;
    assert!(given_up.is_err());
    assert_eq!(broker.inboxes.open_count(), 0);
}
