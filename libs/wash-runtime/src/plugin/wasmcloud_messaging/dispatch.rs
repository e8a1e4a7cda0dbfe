//! Hands the messages of a subscription to a component, each to a fresh instance.
//!
//! It decides how many run at once and what becomes of those that fail; who gets a message was the broker's decision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use wasmtime::Store;
use wasmtime::component::Instance;

use super::bindings::MessagingIndices;
use super::broker::{Counters, Message, RequestError};
use super::consumer::to_guest;
use super::queue::{Deliveries, Delivery};
use super::settings::SubscriptionSettings;
use crate::engine::Ctx;
use crate::engine::workload::{CallError, WorkloadHandle};
use crate::plugin::guest_text::printable;
use crate::plugin::token_bucket::TokenBucket;

/// Bytes of a handler's error text that are kept.
const LONGEST_ERROR: usize = 1024;

/// Failures of one component that are recorded at once, beyond which one in a second is.
const RECORDED_FAILURES: u32 = 10;

/// The component that handles messages.
pub(super) struct Receiver {
    pub(super) workload: WorkloadHandle,
    pub(super) workload_name: String,
    pub(super) component_id: String,
    pub(super) handler: Handler,
}

/// What the component exports.
#[derive(Clone)]
pub(super) enum Handler {
    Plain(MessagingIndices),
    #[cfg(feature = "wasip3")]
    Concurrent(super::concurrent::MessagingIndices),
}

impl Handler {
    /// Hands the message over. The inner error is the guest's.
    async fn call(
        &self,
        store: &mut Store<Ctx>,
        instance: &Instance,
        message: Message,
    ) -> wasmtime::Result<Result<(), String>> {
        match self {
            Self::Plain(handler) => {
                let guest = handler.load(&mut *store, instance)?;
                guest.wasmcloud_messaging_handler().call_handle_message(store, &to_guest(message)).await
            }
            #[cfg(feature = "wasip3")]
            Self::Concurrent(handler) => super::concurrent::handle(handler, store, instance, message).await,
        }
    }
}

/// What brings messages to a queue, for as long as it lives.
pub(super) type Route = Box<dyn Send + Sync>;

/// What a subscription consists of: what brings messages, those that it has brought, and where they are counted.
pub(super) struct Subscribed {
    pub(super) route: Route,
    pub(super) deliveries: Deliveries,
    pub(super) counters: Arc<Counters>,
}

/// A subscription in operation. Dropping it ends it; messages that are being handled go on.
pub(super) struct Dispatcher {
    /// What brings messages; none once nothing new is to come.
    route: Option<Route>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Takes no more messages; those that wait are handled.
    pub(super) fn finish(&mut self) {
        self.route = None;
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // The route goes before the queue, so that nothing new comes in while that is emptied.
        self.route = None;
        self.task.abort();
    }
}

/// Handles messages until the dispatcher is told to finish, or dropped.
pub(super) fn start(subscribed: Subscribed, receiver: Receiver, settings: &SubscriptionSettings) -> Dispatcher {
    let in_flight = Arc::new(Semaphore::new(settings.max_in_flight));
    let dispatch = Arc::new(Dispatch {
        receiver,
        counters: subscribed.counters,
        admission_wait: settings.admission_wait,
        handler_timeout: settings.handler_timeout,
        records: TokenBucket::new(RECORDED_FAILURES, Duration::from_secs(1), Instant::now()),
    });
    let task = tokio::spawn(dispatch.run(subscribed.deliveries, in_flight));
    Dispatcher { route: Some(subscribed.route), task }
}

struct Dispatch {
    receiver: Receiver,
    counters: Arc<Counters>,
    admission_wait: Duration,
    handler_timeout: Duration,
    records: TokenBucket,
}

/// Why a message was not handled.
enum Failure {
    /// The component had no time for it.
    Overloaded,
    /// The workload stops.
    Stopped,
    /// The component reported an error.
    Reported(String),
    /// The component trapped or took too long.
    Ended(wasmtime::Error),
}

impl Dispatch {
    async fn run(self: Arc<Self>, mut deliveries: Deliveries, in_flight: Arc<Semaphore>) {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await {
            let Some(delivery) = deliveries.next().await else { return };
            if delivery.age() > self.admission_wait {
                self.end(delivery, Err(Failure::Overloaded));
                continue;
            }
            tokio::spawn(Arc::clone(&self).handle(delivery, permit));
        }
    }

    async fn handle(self: Arc<Self>, delivery: Delivery, _permit: OwnedSemaphorePermit) {
        let result = self.invoke(&delivery).await;
        self.end(delivery, result);
    }

    async fn invoke(&self, delivery: &Delivery) -> Result<(), Failure> {
        let receiver = &self.receiver;
        let instantiated = receiver.workload.instantiate(&receiver.component_id, Some(self.handler_timeout)).await;
        let mut invocation = instantiated.map_err(|err| match err {
            CallError::Busy { .. } => Failure::Overloaded,
            CallError::Stopped => Failure::Stopped,
            err => Failure::Ended(wasmtime::Error::new(err)),
        })?;
        let message = delivery.message.clone();
        let handled =
            invocation.run(async |store, instance| receiver.handler.call(store, instance, message).await).await;
        match handled {
            Ok(Ok(())) => Ok(()),
            Ok(Err(text)) => Err(Failure::Reported(text)),
            Err(err) if matches!(err.downcast_ref(), Some(CallError::Stopped)) => Err(Failure::Stopped),
            Err(err) => Err(Failure::Ended(err)),
        }
    }

    fn end(&self, delivery: Delivery, result: Result<(), Failure>) {
        let failure = match result {
            Ok(()) => return delivery.handled(),
            Err(failure) => failure,
        };
        match &failure {
            Failure::Overloaded => self.counters.count_shed(),
            Failure::Stopped => {}
            Failure::Reported(_) | Failure::Ended(_) => self.counters.count_failed(),
        }
        self.record(&delivery, &failure);
        delivery.failed(match failure {
            Failure::Overloaded => RequestError::Overloaded,
            Failure::Stopped => RequestError::Unsubscribed,
            Failure::Reported(text) => RequestError::Handler(printable(&text, LONGEST_ERROR).into_owned()),
            // What went wrong inside is for the host's record, not for other workloads.
            Failure::Ended(_) => RequestError::Handler("it ended before it had handled the message".to_string()),
        });
    }

    fn record(&self, delivery: &Delivery, failure: &Failure) {
        if !self.records.take(Instant::now()) {
            return;
        }
        let (workload, component) = (&self.receiver.workload_name, &self.receiver.component_id);
        let subject = &delivery.message.subject;
        match failure {
            Failure::Overloaded => {
                tracing::warn!(workload, component, %subject, "a message waited too long and is lost");
            }
            Failure::Stopped => {
                tracing::debug!(workload, component, %subject, "a message is lost because the workload stops");
            }
            Failure::Reported(text) => {
                let error = printable(text, LONGEST_ERROR);
                tracing::warn!(workload, component, %subject, %error, "the handler of a message failed");
            }
            Failure::Ended(err) => {
                tracing::error!(workload, component, %subject, "the handler of a message ended: {err:#}");
            }
        }
    }
}
