//! What carries a component's messages: the broker in memory, or a server.
//!
//! It only chooses.

use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, Message, PublishError, RequestError};
#[cfg(feature = "nats")]
use super::nats::NatsBroker;

#[derive(Clone)]
pub(super) enum Transport {
    Memory(Arc<Broker>),
    #[cfg(feature = "nats")]
    Nats(Arc<NatsBroker>),
}

impl Transport {
    pub(super) async fn publish(
        &self,
        subject: &str,
        body: Vec<u8>,
        reply_to: Option<&str>,
    ) -> Result<(), PublishError> {
        match self {
            Self::Memory(broker) => broker.publish(subject, body, reply_to).map(|_| ()),
            #[cfg(feature = "nats")]
            Self::Nats(broker) => broker.publish(subject, body, reply_to).await,
        }
    }

    pub(super) async fn request(
        &self,
        subject: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        match self {
            Self::Memory(broker) => broker.request(subject, body, timeout).await,
            #[cfg(feature = "nats")]
            Self::Nats(broker) => broker.request(subject, body, timeout).await,
        }
    }
}
