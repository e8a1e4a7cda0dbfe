//! `wasi:blobstore@0.2.0-draft`, function by function.
//!
//! What an operation does stands in [`super::binding`].

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::backend::{BlobError, Range};
use super::binding::{IncomingValue, ObjectNames, OpenContainer, OutgoingValue, View, words};
use super::streams::Writer;

mod bindings {
    #![allow(missing_docs, unreachable_pub)]

    wasmtime::component::bindgen!({
        path: "wit/wasi-blobstore",
        world: "wasi:blobstore/host",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:blobstore/types.outgoing-value": crate::plugin::wasi_blobstore::binding::OutgoingValue,
            "wasi:blobstore/types.incoming-value": crate::plugin::wasi_blobstore::binding::IncomingValue,
            "wasi:blobstore/container.container": crate::plugin::wasi_blobstore::binding::OpenContainer,
            "wasi:blobstore/container.stream-object-names": crate::plugin::wasi_blobstore::binding::ObjectNames,
        },
    });
}

pub(super) use bindings::wasi::blobstore::{blobstore, container, types};

type Answer<T> = wasmtime::Result<Result<T, String>>;

impl types::Host for View<'_> {}

impl types::HostOutgoingValue for View<'_> {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        // The function has no error to return.
        let value = self.new_value().await.map_err(wasmtime::Error::msg)?;
        Ok(self.table.push(value)?)
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let value = self.table.get_mut(&value)?;
        if std::mem::replace(&mut value.has_stream, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(Writer(value.staging.clone()));
        Ok(Ok(self.table.push(stream)?))
    }

    async fn finish(&mut self, value: Resource<OutgoingValue>) -> Answer<()> {
        let value = self.table.delete(value)?;
        Ok(value.staging.lock().await.finish().await)
    }

    async fn drop(&mut self, value: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        // The stream may outlive it.
        self.table.delete(value)?.staging.lock().await.abandon();
        Ok(())
    }
}

impl types::HostIncomingValue for View<'_> {
    async fn incoming_value_consume_sync(&mut self, value: Resource<IncomingValue>) -> Answer<Vec<u8>> {
        Ok(self.table.delete(value)?.read_all().await)
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> Answer<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(self.table.delete(value)?.into_stream());
        Ok(Ok(self.table.push(stream)?))
    }

    async fn size(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&value)?.size())
    }

    async fn drop(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}

impl container::Host for View<'_> {}

impl container::HostContainer for View<'_> {
    async fn name(&mut self, container: Resource<OpenContainer>) -> Answer<String> {
        Ok(Ok(self.table.get(&container)?.name.clone()))
    }

    async fn info(&mut self, container: Resource<OpenContainer>) -> Answer<container::ContainerMetadata> {
        let container = self.table.get(&container)?.clone();
        let created_at = container.created_at().await;
        Ok(created_at.map(|created_at| container::ContainerMetadata { name: container.name, created_at }))
    }

    async fn get_data(
        &mut self,
        container: Resource<OpenContainer>,
        name: String,
        start: u64,
        end: u64,
    ) -> Answer<Resource<IncomingValue>> {
        let container = self.table.get(&container)?.clone();
        match container.read(&name, Range { start, end }).await {
            Ok(value) => Ok(Ok(self.table.push(value)?)),
            Err(text) => Ok(Err(text)),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<OpenContainer>,
        name: String,
        value: Resource<OutgoingValue>,
    ) -> Answer<()> {
        let container = self.table.get(&container)?.clone();
        let staging = self.table.get(&value)?.staging.clone();
        Ok(container.assign(name, &staging).await)
    }

    async fn list_objects(&mut self, container: Resource<OpenContainer>) -> Answer<Resource<ObjectNames>> {
        let container = self.table.get(&container)?.clone();
        match container.names().await {
            Ok(names) => Ok(Ok(self.table.push(names)?)),
            Err(text) => Ok(Err(text)),
        }
    }

    async fn delete_object(&mut self, container: Resource<OpenContainer>, name: String) -> Answer<()> {
        container::HostContainer::delete_objects(self, container, vec![name]).await
    }

    async fn delete_objects(&mut self, container: Resource<OpenContainer>, names: Vec<String>) -> Answer<()> {
        let container = self.table.get(&container)?.clone();
        Ok(container.containers().delete_objects(container.actual(), names).await.map_err(words))
    }

    async fn has_object(&mut self, container: Resource<OpenContainer>, name: String) -> Answer<bool> {
        let container = self.table.get(&container)?.clone();
        let info = container.containers().info(container.actual(), &name).await;
        Ok(info.map(|info| info.is_some()).map_err(words))
    }

    async fn object_info(
        &mut self,
        container: Resource<OpenContainer>,
        name: String,
    ) -> Answer<container::ObjectMetadata> {
        let container = self.table.get(&container)?.clone();
        let info = container.containers().info(container.actual(), &name).await;
        Ok(match info {
            Ok(Some(info)) => Ok(container::ObjectMetadata {
                name,
                container: container.name,
                created_at: info.created_at,
                size: info.size,
            }),
            Ok(None) => Err(words(BlobError::NoObject { container: container.name, object: name })),
            Err(err) => Err(words(err)),
        })
    }

    async fn clear(&mut self, container: Resource<OpenContainer>) -> Answer<()> {
        let container = self.table.get(&container)?.clone();
        Ok(container.containers().clear(container.actual()).await.map_err(words))
    }

    async fn drop(&mut self, container: Resource<OpenContainer>) -> wasmtime::Result<()> {
        self.table.delete(container)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for View<'_> {
    async fn read_stream_object_names(
        &mut self,
        names: Resource<ObjectNames>,
        len: u64,
    ) -> Answer<(Vec<String>, bool)> {
        Ok(self.table.get_mut(&names)?.read(len).await)
    }

    async fn skip_stream_object_names(&mut self, names: Resource<ObjectNames>, num: u64) -> Answer<(u64, bool)> {
        Ok(self.table.get_mut(&names)?.skip(num).await)
    }

    async fn drop(&mut self, names: Resource<ObjectNames>) -> wasmtime::Result<()> {
        self.table.delete(names)?;
        Ok(())
    }
}

impl View<'_> {
    fn hand_out(&mut self, container: OpenContainer) -> Answer<Resource<OpenContainer>> {
        Ok(Ok(self.table.push(container)?))
    }
}

impl blobstore::Host for View<'_> {
    async fn create_container(&mut self, name: String) -> Answer<Resource<OpenContainer>> {
        let container = match self.container(name) {
            Ok(container) => container,
            Err(text) => return Ok(Err(text)),
        };
        match container.containers().create(container.actual()).await {
            Ok(()) => self.hand_out(container),
            Err(err) => Ok(Err(words(err))),
        }
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<OpenContainer>> {
        let container = match self.container(name) {
            Ok(container) => container,
            Err(text) => return Ok(Err(text)),
        };
        match container.created_at().await {
            Ok(_) => self.hand_out(container),
            Err(text) => Ok(Err(text)),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        Ok(match self.container(name) {
            Ok(container) => container.containers().delete(container.actual()).await.map_err(words),
            Err(text) => Err(text),
        })
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        Ok(match self.container(name) {
            Ok(container) => {
                let created_at = container.containers().created_at(container.actual()).await;
                created_at.map(|created_at| created_at.is_some()).map_err(words)
            }
            Err(text) => Err(text),
        })
    }

    async fn copy_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Answer<()> {
        Ok(self.copy((src.container, src.object), (dest.container, dest.object)).await)
    }

    async fn move_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Answer<()> {
        Ok(self.relocate((src.container, src.object), (dest.container, dest.object)).await)
    }
}
