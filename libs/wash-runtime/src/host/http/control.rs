//! What a server knows of a connection from outside, and how it tells it to end.
//!
//! It reads and writes nothing: the connection itself reports what it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::limits::Limits;
use super::request_body::BodyWatch;

/// How long a connection that is to end may take for it: to read what is on its way already, to hear the other side.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a connection is to do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Command {
    Serve,
    /// Finish what is in flight, then close.
    Drain,
    /// Close now.
    Close,
}

const DRAIN: u8 = 1;
const CLOSE: u8 = 2;

/// One connection. Times are milliseconds since the server was made; 0 is never.
pub(super) struct Control {
    epoch: Instant,
    command: AtomicU8,
    connection: AtomicWaker,
    in_flight: AtomicUsize,
    seen_request: AtomicBool,
    expects_heads: AtomicBool,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_blocked_since: AtomicU64,
    ending_since: AtomicU64,
    unread_body: AtomicBool,
}

impl Control {
    pub(super) fn new(epoch: Instant) -> Self {
        let control = Self {
            epoch,
            command: AtomicU8::new(0),
            connection: AtomicWaker::new(),
            in_flight: AtomicUsize::new(0),
            seen_request: AtomicBool::new(false),
            expects_heads: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(0),
            ending_since: AtomicU64::new(0),
            unread_body: AtomicBool::new(false),
        };
        control.idle_since.store(control.now(), Relaxed);
        control
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    // From outside.

    /// Tells the connection to end. A stricter command that it has already stays.
    pub(super) fn command(&self, command: Command) {
        let code = match command {
            Command::Serve => return,
            Command::Drain => DRAIN,
            Command::Close => CLOSE,
        };
        self.command.fetch_max(code, SeqCst);
        self.connection.wake();
    }

    /// Ends the connection if it has taken longer for something than it may.
    pub(super) fn enforce(&self, limits: &Limits) {
        let now = self.now();
        let exceeds = |since: &AtomicU64, limit: Option<Duration>| {
            let since = since.load(Relaxed);
            let past = Duration::from_millis(now.saturating_sub(since));
            since > 0 && limit.is_some_and(|limit| past > limit)
        };
        if exceeds(&self.write_blocked_since, limits.write_timeout) {
            return self.command(Command::Close);
        }
        if self.in_flight.load(Relaxed) > 0 {
            // Bodies and guests have limits of their own.
            return;
        }
        let is_ending = self.ending_since.load(Relaxed) > 0;
        let is_overdue = if is_ending {
            exceeds(&self.ending_since, Some(FAREWELL))
        } else if self.seen_request.load(Relaxed) {
            exceeds(&self.head_since, limits.header_timeout)
        } else {
            exceeds(&self.idle_since, limits.header_timeout)
        };
        if is_overdue {
            self.command(Command::Close);
        } else if !is_ending && self.seen_request.load(Relaxed) && exceeds(&self.idle_since, limits.idle_timeout) {
            self.ending_since.store(now, Relaxed);
            self.command(Command::Drain);
        }
    }

    // From the connection.

    /// What to do now. The task that asks is woken when that changes.
    pub(super) fn poll_command(&self, waker: &Waker) -> Command {
        self.connection.register(waker);
        match self.command.load(SeqCst) {
            0 => Command::Serve,
            DRAIN => Command::Drain,
            _ => Command::Close,
        }
    }

    /// From now on bytes that arrive between requests are the beginning of the next one, as in HTTP/1.
    pub(super) fn expect_heads(&self) {
        self.expects_heads.store(true, Relaxed);
    }

    /// A request has arrived. It counts as in flight until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.seen_request.store(true, Relaxed);
        self.head_since.store(0, Relaxed);
        self.unread_body.store(false, Relaxed);
        InFlight { control: Arc::clone(self), body: None }
    }

    /// Bytes have arrived.
    pub(super) fn has_read(&self) {
        if self.in_flight.load(Relaxed) == 0 && self.expects_heads.load(Relaxed) && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// The client has taken bytes.
    pub(super) fn has_written(&self) {
        self.has_flushed();
        if self.in_flight.load(Relaxed) == 0 {
            // The last response is still on its way.
            self.idle_since.store(self.now(), Relaxed);
        }
    }

    /// The client keeps no bytes waiting.
    pub(super) fn has_flushed(&self) {
        if self.write_blocked_since.load(Relaxed) != 0 {
            self.write_blocked_since.store(0, Relaxed);
        }
    }

    /// The client takes no more bytes at the moment.
    pub(super) fn write_is_blocked(&self) {
        if self.write_blocked_since.load(Relaxed) == 0 {
            self.write_blocked_since.store(self.now(), Relaxed);
        }
    }

    /// Whether the client may still be sending the body of a request that has been answered.
    pub(super) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Relaxed)
    }

    /// Nothing more will be written.
    pub(super) fn is_ending(&self) {
        if self.ending_since.load(Relaxed) == 0 {
            self.ending_since.store(self.now(), Relaxed);
        }
    }
}

/// A request between its arrival and the end of its response.
pub(super) struct InFlight {
    control: Arc<Control>,
    body: Option<Arc<BodyWatch>>,
}

impl InFlight {
    /// Joins the request's body, if it has one, so that it is known whether that was read to its end.
    pub(super) fn watch(&mut self, body: Option<Arc<BodyWatch>>) {
        self.body = body;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.body.as_ref().is_some_and(|body| !body.has_ended()) {
            self.control.unread_body.store(true, Relaxed);
        }
        // Before the count, so that nobody sees an idle connection with the idle time of before this request.
        self.control.idle_since.store(self.control.now(), Relaxed);
        self.control.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(past: Duration) -> (Arc<Control>, Limits) {
        let epoch = Instant::now().checked_sub(past).unwrap();
        let control = Control::new(epoch);
        control.idle_since.store(1, Relaxed);
        let limits = Limits {
            header_timeout: Some(Duration::from_secs(10)),
            idle_timeout: Some(Duration::from_secs(20)),
            write_timeout: Some(Duration::from_secs(30)),
            ..Limits::default()
        };
        (Arc::new(control), limits)
    }

    fn enforced(control: &Control, limits: &Limits) -> Command {
        control.enforce(limits);
        control.poll_command(Waker::noop())
    }

    #[test]
    fn each_state_has_its_own_patience() {
        let second = Duration::from_secs(1);
        // Nothing received at all.
        let (control, limits) = after(9 * second);
        assert_eq!(enforced(&control, &limits), Command::Serve);
        let (control, limits) = after(11 * second);
        assert_eq!(enforced(&control, &limits), Command::Close);
        // Idle after a request.
        for (seconds, expected) in [(19, Command::Serve), (21, Command::Drain)] {
            let (control, limits) = after(seconds * second);
            drop(control.begin());
            control.idle_since.store(1, Relaxed);
            assert_eq!(enforced(&control, &limits), expected, "{seconds}");
        }
        // In the middle of a head.
        let (control, limits) = after(11 * second);
        drop(control.begin());
        control.expect_heads();
        control.has_read();
        assert_eq!(enforced(&control, &limits), Command::Serve);
        control.head_since.store(1, Relaxed);
        assert_eq!(enforced(&control, &limits), Command::Close);
        // In the middle of a request, however long.
        let (control, limits) = after(100 * second);
        let _in_flight = control.begin();
        assert_eq!(enforced(&control, &limits), Command::Serve);
        // Even if it came when the connection was about to end.
        control.ending_since.store(1, Relaxed);
        assert_eq!(enforced(&control, &limits), Command::Serve);
        // Unless the client takes nothing.
        control.write_is_blocked();
        control.write_blocked_since.store(1, Relaxed);
        assert_eq!(enforced(&control, &limits), Command::Close);
    }

    #[test]
    fn commands_only_become_stricter() {
        let (control, _) = after(Duration::ZERO);
        control.command(Command::Close);
        control.command(Command::Drain);
        control.command(Command::Serve);
        assert_eq!(control.poll_command(Waker::noop()), Command::Close);
    }
}
