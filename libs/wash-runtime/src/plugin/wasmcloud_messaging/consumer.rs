//! What components call to send: `wasmcloud:messaging/consumer`.
//!
//! It only translates; brokers decide.

use std::error::Error;
use std::time::Duration;

use wasmtime::component::{HasData, Linker};

use super::bindings::wasmcloud::messaging::{consumer, types};
use super::broker::Message;
use super::transport::Transport;
use crate::engine::Ctx;

/// What a component sends by.
pub(super) struct Sender(pub(super) Transport);

/// The host's side of the interface for one call.
pub(super) struct ConsumerView<'a>(&'a mut Ctx);

struct HasConsumer;

impl HasData for HasConsumer {
    type Data<'a> = ConsumerView<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    consumer::add_to_linker::<Ctx, HasConsumer>(linker, |ctx| ConsumerView(ctx))
}

impl ConsumerView<'_> {
    fn transport(&self) -> wasmtime::Result<Transport> {
        let sender = self.0.binding::<Sender>();
        // Both are done together when the component is bound.
        let sender = sender.ok_or_else(|| wasmtime::Error::msg("the component is linked but not bound to a broker"))?;
        Ok(sender.0.clone())
    }
}

impl types::Host for ConsumerView<'_> {}

impl consumer::Host for ConsumerView<'_> {
    async fn request(
        &mut self,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<types::BrokerMessage, String>> {
        let timeout = Duration::from_millis(timeout_ms.into());
        let answer = self.transport()?.request(&subject, body, timeout).await;
        Ok(answer.map(to_guest).map_err(|err| with_causes(&err)))
    }

    async fn publish(&mut self, message: types::BrokerMessage) -> wasmtime::Result<Result<(), String>> {
        let types::BrokerMessage { subject, body, reply_to } = message;
        let sent = self.transport()?.publish(&subject, body, reply_to.as_deref()).await;
        Ok(sent.map_err(|err| with_causes(&err)))
    }
}

pub(super) fn to_guest(message: Message) -> types::BrokerMessage {
    types::BrokerMessage {
        subject: message.subject.to_string(),
        body: message.body.into(),
        reply_to: message.reply_to.map(|reply_to| reply_to.to_string()),
    }
}

/// All that a guest learns is one text.
pub(super) fn with_causes(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text = format!("{text}: {err}");
        cause = err.source();
    }
    text
}
