//! Messages over NATS: publishing, requests, and subscriptions of components.
//!
//! Everything goes through the server, so that it comes to each subscriber once, whichever host that is on. What belongs to
//! hosts and brokers is closed to components here too. An inbox that somebody else's request names is shown to components
//! under a signed name, which is good for an answer and for nothing else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, PublishErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use uuid::Uuid;

use super::broker::{Counters, Limits, Message, PublishError, RequestError, parse_subject};
use super::queue::{self, Deliveries, Queue};
use super::subject::{Pattern, Subject};
use crate::plugin::nats::{Connection, Nats};

/// What signed names of inboxes begin with.
const SIGNED: &str = "_INBOX.wash.";
const TAG_DIGITS: usize = 32;

/// How long the server may take to hand back what it was sent.
const ROUND_TRIP: Duration = Duration::from_secs(10);

/// A NATS server for the messages of components.
pub(super) struct NatsBroker {
    nats: Nats,
    signer: Arc<Signer>,
    limits: Limits,
    counters: Arc<Counters>,
}

/// What brings messages to a subscriber. Dropping it ends that, once those that are here have been handed on.
pub(super) struct NatsRoute {
    _end: watch::Sender<()>,
}

impl NatsBroker {
    pub(super) fn new(nats: Nats, signer: Arc<Signer>, limits: Limits, counters: Arc<Counters>) -> Self {
        Self { nats, signer, limits, counters }
    }

    /// Sends a message for a component.
    pub(super) async fn publish(
        &self,
        subject: &str,
        body: Vec<u8>,
        reply_to: Option<&str>,
    ) -> Result<(), PublishError> {
        let subject = self.signer.outgoing(parse_subject(subject)?)?;
        let reply_to = reply_to.map(|reply_to| self.signer.outgoing(parse_subject(reply_to)?)).transpose()?;
        let body = self.body(body)?;
        let size = body.len();
        let publish = |Connection { client, .. }: Connection| async move {
            let sent = match reply_to {
                Some(reply_to) => client.publish_with_reply(subject, reply_to, body).await,
                None => client.publish(subject, body).await,
            };
            // What the server would refuse, the client refuses.
            sent.map_err(|err| match err.kind() {
                PublishErrorKind::MaxPayloadExceeded => io::Error::new(io::ErrorKind::FileTooLarge, err),
                _ => io::Error::other(err),
            })
        };
        match self.nats.once(publish).await {
            Ok(()) => Ok(()),
            Err(err) if err.kind() == io::ErrorKind::FileTooLarge => Err(self.too_large(size).await),
            Err(err) => Err(unavailable(&err)),
        }
    }

    /// Sends a message for a component and waits for the first answer.
    pub(super) async fn request(
        &self,
        subject: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        let subject = parse_subject(subject)?;
        if subject.is_reserved() {
            return Err(PublishError::Reserved { subject: subject.to_string() }.into());
        }
        let body = self.body(body)?;
        let size = body.len();
        let asked = subject.to_string();
        let ask = |Connection { client, .. }: Connection| async move {
            let request = Request::new().payload(body).timeout(Some(timeout));
            Ok(client.send_request(asked, request).await)
        };
        let answer = self.nats.once(ask).await.map_err(|err| unavailable(&err))?;
        match answer {
            Ok(answer) => self
                .signer
                .incoming(answer)
                .ok_or_else(|| PublishError::Unavailable { reason: "the answer is no message".to_string() }.into()),
            Err(err) => Err(match err.kind() {
                RequestErrorKind::TimedOut => RequestError::Timeout(timeout),
                RequestErrorKind::NoResponders => RequestError::NoResponders { subject: subject.to_string() },
                RequestErrorKind::MaxPayloadExceeded => self.too_large(size).await.into(),
                _ => PublishError::Unavailable { reason: err.to_string() }.into(),
            }),
        }
    }

    /// Gets every message that one of the patterns covers, once, until the route is dropped. Of the subscribers that share
    /// a group, on whatever host, one gets it.
    pub(super) async fn subscribe(
        &self,
        patterns: &[Pattern],
        group: Option<&str>,
    ) -> io::Result<(NatsRoute, Deliveries)> {
        let subscribe = |Connection { client, .. }: Connection| async move {
            let mut subscribers = Vec::new();
            for pattern in patterns {
                let subscriber = match group {
                    Some(group) => client.queue_subscribe(pattern.to_string(), group.to_string()).await,
                    None => client.subscribe(pattern.to_string()).await,
                };
                subscribers.push(subscriber.map_err(io::Error::other)?);
            }
            make_sure(&client).await.map(|()| subscribers)
        };
        let subscribers = self.nats.once(subscribe).await?;
        let (queue, deliveries) = queue::bounded(self.limits.queued_messages, self.limits.queued_bytes);
        let (queue, end) = (Arc::new(queue), watch::Sender::new(()));
        for (index, subscriber) in subscribers.into_iter().enumerate() {
            let forwarder = Forwarder {
                signer: Arc::clone(&self.signer),
                counters: Arc::clone(&self.counters),
                queue: Arc::clone(&queue),
                // A group gets each message once, whichever of its patterns cover it.
                taken_by_others: if group.is_some() { Vec::new() } else { patterns[..index].to_vec() },
            };
            tokio::spawn(forwarder.run(subscriber, end.subscribe()));
        }
        Ok((NatsRoute { _end: end }, deliveries))
    }

    fn body(&self, body: Vec<u8>) -> Result<Bytes, PublishError> {
        if body.len() > self.limits.body {
            return Err(PublishError::TooLarge { size: body.len(), limit: self.limits.body });
        }
        self.counters.count_published();
        Ok(body.into())
    }

    async fn too_large(&self, size: usize) -> PublishError {
        let limit =
            self.nats.once(|connection: Connection| std::future::ready(Ok(connection.client.max_payload()))).await;
        PublishError::TooLarge { size, limit: limit.unwrap_or(self.limits.body) }
    }
}

/// Waits until the server has seen what was sent so far: it hands back what was sent last.
async fn make_sure(client: &Client) -> io::Result<()> {
    let inbox = client.new_inbox();
    let mut back = client.subscribe(inbox.clone()).await.map_err(io::Error::other)?;
    client.publish(inbox, Bytes::new()).await.map_err(io::Error::other)?;
    match tokio::time::timeout(ROUND_TRIP, back.next()).await {
        Ok(Some(_)) => Ok(()),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn unavailable(err: &io::Error) -> PublishError {
    PublishError::Unavailable { reason: err.to_string() }
}

/// Takes what comes for one pattern to the subscriber's queue.
struct Forwarder {
    signer: Arc<Signer>,
    counters: Arc<Counters>,
    queue: Arc<Queue>,
    /// Patterns whose own subscriptions bring what they cover.
    taken_by_others: Vec<Pattern>,
}

impl Forwarder {
    async fn run(self, mut subscriber: Subscriber, mut end: watch::Receiver<()>) {
        let mut is_ending = false;
        loop {
            tokio::select! {
                message = subscriber.next() => match message {
                    Some(message) => self.forward(message),
                    None => return,
                },
                _ = end.changed(), if !is_ending => {
                    is_ending = true;
                    // What has come already still does.
                    if subscriber.unsubscribe().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn forward(&self, message: async_nats::Message) {
        let Some(message) = self.signer.incoming(message) else { return };
        // Whoever subscribes to everything does not mean what belongs to hosts and brokers.
        let is_another_s = self.taken_by_others.iter().any(|pattern| pattern.covers(&message.subject));
        if message.subject.is_reserved() || is_another_s {
            return;
        }
        if self.queue.offer(&message, None) {
            self.counters.count_delivered();
        } else {
            self.counters.count_shed();
            self.queue.report_shed(&message.subject);
        }
    }
}

/// Shows components the inboxes of others' requests under names that only this host can make, so that a name that a
/// component thinks of itself is never one.
pub(super) struct Signer([u8; 32]);

impl Signer {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(key)
    }

    /// The subject that a component's subject stands for, if it may use it.
    fn outgoing(&self, subject: Subject) -> Result<String, PublishError> {
        if !subject.is_reserved() {
            return Ok(subject.to_string());
        }
        let signed = subject.as_str().strip_prefix(SIGNED).and_then(|signed| signed.split_once('.'));
        match signed {
            // Hashes compare in constant time, so that a tag cannot be guessed digit by digit.
            Some((tag, inbox)) if blake3::hash(tag.as_bytes()) == blake3::hash(self.tag(inbox).as_bytes()) => {
                Ok(inbox.to_string())
            }
            _ => Err(PublishError::Reserved { subject: subject.to_string() }),
        }
    }

    /// A message as a component may see it.
    fn incoming(&self, message: async_nats::Message) -> Option<Message> {
        let subject = Subject::parse(&message.subject).ok()?;
        let reply_to = message.reply.and_then(|reply| self.reply_to(&reply));
        Some(Message { subject, body: message.payload, reply_to })
    }

    /// What a component is told to answer to; nothing if that would be what it may not use.
    fn reply_to(&self, text: &str) -> Option<Subject> {
        let subject = Subject::parse(text).ok()?;
        if !subject.is_reserved() {
            return Some(subject);
        }
        if !subject.is_inbox() {
            return None;
        }
        Subject::parse(&format!("{SIGNED}{}.{text}", self.tag(text))).ok()
    }

    fn tag(&self, inbox: &str) -> String {
        blake3::keyed_hash(&self.0, inbox.as_bytes()).to_hex()[..TAG_DIGITS].to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inboxes_are_good_for_an_answer_and_nothing_reserved_is_open() {
        let (signer, other) = (Signer::new(), Signer::new());
        let shown = |reply: &str| signer.reply_to(reply);
        let open = |signer: &Signer, subject: &str| signer.outgoing(Subject::parse(subject).unwrap());
        for inbox in ["_INBOX.abc.1", "_R_.x", "_GR_.a.b._INBOX.c", "_INBOX.wash.forged.runtime.host"] {
            let shown = shown(inbox).unwrap();
            assert!(shown.is_reserved());
            assert_eq!(open(&signer, shown.as_str()), Ok(inbox.to_string()));
            assert!(open(&other, shown.as_str()).is_err());
            assert!(open(&signer, inbox).is_err());
        }
        assert_eq!(shown("answers.here").unwrap().as_str(), "answers.here");
        for closed in ["runtime.host.x.workload.start", "$JS.API.STREAM.DELETE.x", "$SYS.REQ", "a..b", ""] {
            assert_eq!(shown(closed), None, "{closed}");
        }
        for closed in ["runtime.x", "$JS.ACK.x", "_INBOX.wash.0.runtime.x", "_INBOX.wash", "_INBOX.wash.x"] {
            assert!(matches!(open(&signer, closed), Err(PublishError::Reserved { .. })), "{closed}");
        }
        assert_eq!(open(&signer, "orders.1"), Ok("orders.1".to_string()));
        let long = format!("_INBOX.{}", "x".repeat(1010));
        assert_eq!(shown(&long), None);
    }
}
