//! A message broker in memory: who gets a message, and what becomes of requests.
//!
//! It runs no component. Whoever subscribes takes deliveries from a queue of its own; a full queue loses messages rather
//! than holding up who publishes, as with NATS.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::inbox::{Inboxes, Pending};
use super::queue::{self, Deliveries, Queue};
use super::subject::{InvalidSubject, Pattern, Subject};
use super::subject_tree::SubjectTree;

/// What travels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) subject: Subject,
    pub(super) body: Bytes,
    pub(super) reply_to: Option<Subject>,
}

/// Why a message was not sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// The subject is none.
    #[error("`{subject}` is not a subject")]
    Subject {
        /// The text that should be one, cut if it is long.
        subject: String,
        /// What is wrong with it.
        source: InvalidSubject,
    },
    /// The subject belongs to hosts and brokers, or to somebody else's request.
    #[error("`{subject}` is reserved: components may not use it")]
    Reserved {
        /// The subject.
        subject: String,
    },
    /// The body is larger than the broker takes.
    #[error("a message of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Bytes of the body.
        size: usize,
        /// Bytes a body may have.
        limit: usize,
    },
    /// The server cannot be reached, or did not take the message.
    #[error("the broker is not available: {reason}")]
    Unavailable {
        /// What the system or the server said.
        reason: String,
    },
}

/// Why a request got no answer.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent.
    #[error("cannot send the request")]
    Publish(#[from] PublishError),
    /// Nobody is subscribed to the subject.
    #[error("no responders: nobody is subscribed to `{subject}`")]
    NoResponders {
        /// The subject.
        subject: String,
    },
    /// Nobody answered in time.
    #[error("timeout: no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// Whoever got the request has more than it can take.
    #[error("every subscriber is overloaded")]
    Overloaded,
    /// Whoever got the request stopped before it handled it.
    #[error("the subscriber stopped")]
    Unsubscribed,
    /// Whoever got the request reported that it failed.
    #[error("the subscriber failed: {0}")]
    Handler(String),
}

/// What a broker counted since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MessagingStatistics {
    /// Messages that components sent, answers to requests included.
    pub published: u64,
    /// Messages put into the queues of subscribers; one that several get counts for each.
    pub delivered: u64,
    /// Messages that a subscriber had no room for, or did not begin in time.
    pub shed: u64,
    /// Messages whose handler reported an error or trapped.
    pub failed: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    published: AtomicU64,
    delivered: AtomicU64,
    shed: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    pub(super) fn count_published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> MessagingStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MessagingStatistics {
            published: read(&self.published),
            delivered: read(&self.delivered),
            shed: read(&self.shed),
            failed: read(&self.failed),
        }
    }

    pub(super) fn count_shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a broker allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one message's body.
    pub(super) body: usize,
    /// Messages that one subscriber may have waiting.
    pub(super) queued_messages: usize,
    /// Bytes that one subscriber may have waiting or in work.
    pub(super) queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 16 << 20, queued_messages: 10_000, queued_bytes: 64 << 20 }
    }
}

pub(super) struct Broker {
    limits: Limits,
    routes: RwLock<SubjectTree<Arc<Subscriber>>>,
    inboxes: Inboxes,
    next_subscriber: AtomicU64,
    /// Where the choice among the members of a queue group comes from.
    turn: AtomicU64,
    counters: Arc<Counters>,
}

/// A subscription as the broker sees it.
struct Subscriber {
    id: u64,
    group: Option<Arc<str>>,
    queue: Queue,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Routed {
    /// Subscribers it was for; a queue group counts as one.
    pub(super) wanted: usize,
    /// Those who got it.
    pub(super) taken: usize,
}

impl Broker {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            routes: RwLock::default(),
            inboxes: Inboxes::new(),
            next_subscriber: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            counters: Arc::default(),
        }
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn statistics(&self) -> MessagingStatistics {
        self.counters.statistics()
    }

    /// Gets every message that one of the patterns covers, once, until the subscription is dropped. Of the subscribers
    /// that share a group, one gets it.
    pub(super) fn subscribe(self: &Arc<Self>, patterns: Vec<Pattern>, group: Option<Arc<str>>) -> Subscription {
        let (queue, deliveries) = queue::bounded(self.limits.queued_messages, self.limits.queued_bytes);
        let id = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(Subscriber { id, group, queue });
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        for pattern in &patterns {
            routes.insert(pattern, Arc::clone(&subscriber));
        }
        drop(routes);
        Subscription { deliveries, route: Route { broker: Arc::clone(self), id, patterns } }
    }

    /// Sends a message for a component.
    pub(super) fn publish(&self, subject: &str, body: Vec<u8>, reply_to: Option<&str>) -> Result<Routed, PublishError> {
        let subject = self.subject(subject)?;
        let reply_to = reply_to.map(|reply_to| self.subject(reply_to)).transpose()?;
        let message = self.message(subject, body, reply_to)?;
        if !message.subject.is_reserved() {
            return Ok(self.route(&message, None));
        }
        let reserved = message.subject.to_string();
        self.inboxes.deliver(message).map_err(|_| PublishError::Reserved { subject: reserved })?;
        Ok(Routed::default())
    }

    /// Sends a message for a component and waits for the first answer.
    pub(super) async fn request(
        &self,
        subject: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        let subject = self.subject(subject)?;
        if subject.is_reserved() {
            return Err(PublishError::Reserved { subject: subject.to_string() }.into());
        }
        let mut inbox = self.inboxes.open();
        let message = self.message(subject, body, Some(inbox.subject()))?;
        // Holds the request open until all are asked, whoever fails meanwhile.
        let own = inbox.pending().stake();
        match self.route(&message, Some(inbox.pending())) {
            Routed { wanted: 0, .. } => own.failed(RequestError::NoResponders { subject: message.subject.to_string() }),
            Routed { taken: 0, .. } => own.failed(RequestError::Overloaded),
            Routed { .. } => own.withdrawn(),
        }
        match tokio::time::timeout(timeout, inbox.answer()).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::Timeout(timeout)),
        }
    }

    /// A subject that a component may use, if only to answer a request.
    fn subject(&self, text: &str) -> Result<Subject, PublishError> {
        let subject = parse_subject(text)?;
        if subject.is_reserved() && !self.inboxes.made(&subject) {
            return Err(PublishError::Reserved { subject: subject.to_string() });
        }
        Ok(subject)
    }

    fn message(&self, subject: Subject, body: Vec<u8>, reply_to: Option<Subject>) -> Result<Message, PublishError> {
        if body.len() > self.limits.body {
            return Err(PublishError::TooLarge { size: body.len(), limit: self.limits.body });
        }
        self.counters.count_published();
        Ok(Message { subject, body: body.into(), reply_to })
    }

    fn route(&self, message: &Message, pending: Option<&Arc<Pending>>) -> Routed {
        let subscribers = self.subscribers_of(&message.subject);
        let mut groups: BTreeMap<&str, Vec<&Subscriber>> = BTreeMap::new();
        let mut routed = Routed::default();
        for subscriber in &subscribers {
            match &subscriber.group {
                Some(group) => groups.entry(group).or_default().push(subscriber),
                None => self.offer(&[subscriber], message, pending, &mut routed),
            }
        }
        for members in groups.values() {
            self.offer(members, message, pending, &mut routed);
        }
        routed
    }

    /// Each subscriber once, even if several of its patterns cover the subject.
    fn subscribers_of(&self, subject: &Subject) -> Vec<Arc<Subscriber>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut subscribers: Vec<_> = routes.matching(subject).into_iter().cloned().collect();
        subscribers.sort_unstable_by_key(|subscriber| subscriber.id);
        subscribers.dedup_by_key(|subscriber| subscriber.id);
        subscribers
    }

    /// Gives the message to one of the members, as good as any, or to the next that has room for it.
    fn offer(&self, members: &[&Subscriber], message: &Message, pending: Option<&Arc<Pending>>, routed: &mut Routed) {
        routed.wanted += 1;
        let first = self.any_below(members.len());
        let taken = (0..members.len())
            .map(|step| members[(first + step) % members.len()])
            .any(|member| member.queue.offer(message, pending));
        if taken {
            routed.taken += 1;
            self.counters.count_delivered();
        } else {
            self.counters.count_shed();
            members[0].queue.report_shed(&message.subject);
        }
    }

    /// A number that follows no pattern, as turns that are simply counted do when several groups take them.
    fn any_below(&self, bound: usize) -> usize {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (turn ^ (turn >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        // The remainder is below a `usize`.
        ((mixed >> 32) % bound as u64) as usize
    }

    fn unsubscribe(&self, patterns: &[Pattern], id: u64) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        for pattern in patterns {
            routes.remove(pattern, |subscriber| subscriber.id == id);
        }
    }
}

/// What a component writes as a subject.
pub(super) fn parse_subject(text: &str) -> Result<Subject, PublishError> {
    Subject::parse(text).map_err(|source| {
        let subject = crate::plugin::guest_text::printable(text, 256).into_owned();
        PublishError::Subject { subject, source }
    })
}

/// A subscription as its owner sees it. Dropping it ends it; what waits in its queue is lost then.
pub(super) struct Subscription {
    // Routes go before the queue, so that nothing new comes in while that is emptied.
    route: Route,
    deliveries: Deliveries,
}

impl Subscription {
    /// The next message; `None` never comes while the subscription lives.
    #[cfg(test)]
    pub(super) async fn next(&mut self) -> Option<queue::Delivery> {
        self.deliveries.next().await
    }

    /// The route, which brings messages for as long as it lives, and those that it has brought.
    pub(super) fn into_parts(self) -> (Route, Deliveries) {
        (self.route, self.deliveries)
    }
}

/// What brings messages to a subscriber. Dropping it ends that; the queue then ends with what is in it.
pub(super) struct Route {
    broker: Arc<Broker>,
    id: u64,
    patterns: Vec<Pattern>,
}

impl Drop for Route {
    fn drop(&mut self) {
        self.broker.unsubscribe(&self.patterns, self.id);
    }
}

#[cfg(test)]
mod tests;
