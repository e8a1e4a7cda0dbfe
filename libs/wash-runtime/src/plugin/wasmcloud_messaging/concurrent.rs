//! `wasmcloud:messaging@0.3.0`, whose functions are asynchronous: one component has several of them under way.
//!
//! It only translates; the broker decides.

use std::future::poll_fn;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::{Accessor, HasData, Instance, Linker};

use self::bindings::wasmcloud::messaging::{consumer, types};
use super::broker::{Message, PublishError, RequestError};
use super::consumer::{Sender, with_causes};
use super::transport::Transport;
use crate::engine::Ctx;

mod bindings {
    //! Generated from the WIT of `wasmcloud:messaging@0.3.0`.

    wasmtime::component::bindgen!({
        path: "wit/wasmcloud-messaging-0.3",
        world: "messaging",
        imports: { default: trappable },
        require_store_data_send: true,
    });
}

pub(super) use bindings::MessagingIndices;

struct Messaging;

impl HasData for Messaging {
    type Data<'a> = View<'a>;
}

/// The host's side of the interface for one call.
pub(super) struct View<'a>(&'a mut Ctx);

pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    consumer::add_to_linker::<Ctx, Messaging>(linker, |ctx| View(ctx))
}

impl types::Host for View<'_> {}

impl consumer::Host for View<'_> {}

impl View<'_> {
    fn transport(&self) -> wasmtime::Result<Transport> {
        let sender = self.0.binding::<Sender>();
        // Both are done together when the component is bound.
        let sender = sender.ok_or_else(|| wasmtime::Error::msg("the component is linked but not bound to a broker"))?;
        Ok(sender.0.clone())
    }
}

impl<T: Send> consumer::HostWithStore<T> for Messaging {
    async fn request(
        store: &Accessor<T, Self>,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<types::BrokerMessage, types::Error>> {
        let transport = store.with(|mut access| access.get().transport())?;
        let answer = transport.request(&subject, body, Duration::from_millis(timeout_ms.into())).await;
        Ok(answer.map(to_guest).map_err(|err| request_error(&err)))
    }

    async fn publish(
        store: &Accessor<T, Self>,
        message: types::BrokerMessage,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        let types::BrokerMessage { subject, body, reply_to } = message;
        let transport = store.with(|mut access| access.get().transport())?;
        let sent = transport.publish(&subject, body, reply_to.as_deref()).await;
        Ok(sent.map_err(|err| publish_error(&err)))
    }
}

fn to_guest(message: Message) -> types::BrokerMessage {
    types::BrokerMessage {
        subject: message.subject.to_string(),
        body: message.body.into(),
        reply_to: message.reply_to.map(|reply_to| reply_to.to_string()),
    }
}

fn publish_error(err: &PublishError) -> types::Error {
    match err {
        PublishError::Subject { .. } => types::Error::SubjectInvalid,
        PublishError::Reserved { .. } => types::Error::AccessDenied,
        PublishError::TooLarge { .. } => types::Error::MessageTooLarge,
        PublishError::Unavailable { .. } => types::Error::BrokerUnavailable,
    }
}

fn request_error(err: &RequestError) -> types::Error {
    match err {
        RequestError::Publish(err) => publish_error(err),
        RequestError::NoResponders { .. } => types::Error::BrokerUnavailable,
        RequestError::Timeout(_) => types::Error::Timeout,
        err => types::Error::Other(with_causes(err)),
    }
}

/// Hands a message to an instance, and waits until the guest has nothing more to do. The inner error is the guest's.
pub(super) async fn handle(
    handler: &MessagingIndices,
    store: &mut Store<Ctx>,
    instance: &Instance,
    message: Message,
) -> wasmtime::Result<Result<(), String>> {
    let guest = handler.load(&mut *store, instance)?;
    let handled = store.run_concurrent(async |accessor: &Accessor<Ctx>| {
        let handled = guest.wasmcloud_messaging_handler().call_handle_message(accessor, to_guest(message)).await?;
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        wasmtime::Result::Ok(handled)
    });
    Ok(handled.await.flatten()?.map_err(words))
}

fn words(err: types::Error) -> String {
    match err {
        types::Error::Other(text) => text,
        err => err.to_string(),
    }
}
