//! Where answers to requests arrive: one unguessable subject per request.
//!
//! It decides nothing about who is asked; it only notices when nobody is left who could answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::broker::{Message, RequestError};
use super::subject::Subject;

const PREFIX: &str = "_INBOX";

/// What a request ends with.
pub(super) type Answer = Result<Message, RequestError>;

/// The inboxes of one broker.
pub(super) struct Inboxes {
    /// Signs the names, so that the broker knows its own without keeping them.
    key: [u8; 32],
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Pending>>>,
}

/// A subject that this broker did not make an inbox.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NotAnInbox;

impl Inboxes {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { key, next: AtomicU64::new(0), open: Mutex::default() }
    }

    /// An inbox that is open until it is dropped.
    pub(super) fn open(&self) -> Inbox<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let pending = Arc::new(Pending(Mutex::new(State { answer: Some(sender), stakes: 0, failure: None })));
        lock(&self.open).insert(number, Arc::clone(&pending));
        Inbox { inboxes: self, number, pending, answer }
    }

    /// Hands an answer to whoever waits for it. One that comes late or second is dropped, as by NATS.
    pub(super) fn deliver(&self, message: Message) -> Result<(), NotAnInbox> {
        let number = self.number_of(&message.subject).ok_or(NotAnInbox)?;
        let pending = lock(&self.open).get(&number).cloned();
        if let Some(pending) = pending {
            pending.answer(Ok(message));
        }
        Ok(())
    }

    /// Whether the subject is an inbox of this broker, open or not.
    pub(super) fn made(&self, subject: &Subject) -> bool {
        self.number_of(subject).is_some()
    }

    #[cfg(test)]
    pub(super) fn open_count(&self) -> usize {
        lock(&self.open).len()
    }

    fn name(&self, number: u64) -> String {
        let tag = blake3::keyed_hash(&self.key, &number.to_le_bytes()).to_hex();
        format!("{PREFIX}.{number}.{}", &tag[..32])
    }

    fn number_of(&self, subject: &Subject) -> Option<u64> {
        let number = subject.as_str().strip_prefix(PREFIX)?.strip_prefix('.')?.split('.').next()?.parse().ok()?;
        // Hashes compare in constant time, so that a name cannot be guessed digit by digit.
        let named = blake3::hash(subject.as_str().as_bytes());
        (named == blake3::hash(self.name(number).as_bytes())).then_some(number)
    }
}

/// One request's inbox.
pub(super) struct Inbox<'a> {
    inboxes: &'a Inboxes,
    number: u64,
    pending: Arc<Pending>,
    answer: oneshot::Receiver<Answer>,
}

impl Inbox<'_> {
    /// # Panics
    /// Never: the name is a valid subject.
    pub(super) fn subject(&self) -> Subject {
        Subject::parse(&self.inboxes.name(self.number)).expect("the name should be a subject")
    }

    pub(super) fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }

    /// The first answer, or the failure of the last who could have answered.
    pub(super) async fn answer(&mut self) -> Answer {
        // The sender lives in `pending`, which this inbox holds.
        (&mut self.answer).await.unwrap_or(Err(RequestError::Unsubscribed))
    }
}

impl Drop for Inbox<'_> {
    fn drop(&mut self) {
        lock(&self.inboxes.open).remove(&self.number);
    }
}

/// A request without an answer yet.
pub(super) struct Pending(Mutex<State>);

struct State {
    answer: Option<oneshot::Sender<Answer>>,
    /// How many may still answer.
    stakes: usize,
    failure: Option<RequestError>,
}

impl Pending {
    /// For one who may answer.
    pub(super) fn stake(self: &Arc<Self>) -> Stake {
        lock(&self.0).stakes += 1;
        Stake { pending: Arc::clone(self), end: End::Failed(RequestError::Unsubscribed) }
    }

    fn answer(&self, answer: Answer) {
        if let Some(sender) = lock(&self.0).answer.take() {
            // Whoever asked may be gone.
            _ = sender.send(answer);
        }
    }

    fn end(&self, failure: Option<RequestError>) {
        let mut state = lock(&self.0);
        state.stakes -= 1;
        state.failure = failure.or(state.failure.take());
        if state.stakes == 0
            && let Some(failure) = state.failure.take()
            && let Some(sender) = state.answer.take()
        {
            // Whoever asked may be gone.
            _ = sender.send(Err(failure));
        }
    }
}

/// Somebody's part in a request. Dropped as it is, it means that the subscription ended before the message was handled.
pub(super) struct Stake {
    pending: Arc<Pending>,
    end: End,
}

enum End {
    Failed(RequestError),
    /// There is nobody to wait for here, and nothing went wrong.
    Withdrawn,
    /// The answer may come at any time, or never.
    Handled,
}

impl Stake {
    pub(super) fn failed(mut self, failure: RequestError) {
        self.end = End::Failed(failure);
    }

    pub(super) fn withdrawn(mut self) {
        self.end = End::Withdrawn;
    }

    pub(super) fn handled(mut self) {
        self.end = End::Handled;
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.end, End::Handled) {
            End::Failed(failure) => self.pending.end(Some(failure)),
            End::Withdrawn => self.pending.end(None),
            End::Handled => {}
        }
    }
}

/// No critical section here can leave its data half changed, so a lock is good after a panic too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
