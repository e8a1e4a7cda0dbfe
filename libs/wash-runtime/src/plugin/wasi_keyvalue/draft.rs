//! `wasi:keyvalue@0.2.0-draft`: unsigned increments and numbers for cursors.
//!
//! What an operation does stands in [`super::binding`].

use wasmtime::component::Resource;

use super::binding::{Failure, OpenBucket, View};

mod bindings {
    #![allow(missing_docs, unreachable_pub)]

    wasmtime::component::bindgen!({
        path: "wit/wasi-keyvalue",
        world: "wasi:keyvalue/host",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::plugin::wasi_keyvalue::binding::OpenBucket },
    });
}

pub(super) use bindings::wasi::keyvalue::{atomics, batch, store};

type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

impl From<Failure> for store::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoSuchStore => Self::NoSuchStore,
            Failure::AccessDenied => Self::AccessDenied,
            Failure::Other(text) => Self::Other(text),
        }
    }
}

fn answer<T>(result: Result<T, impl Into<Failure>>) -> Answer<T> {
    Ok(result.map_err(|err| err.into().into()))
}

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<OpenBucket>> {
        match View::open(self, &identifier) {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(failure) => answer(Err(failure)),
        }
    }
}

impl store::HostBucket for View<'_> {
    async fn get(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let bucket = View::get(self, &bucket)?;
        answer(bucket.bucket().get(&key).await.map(|value| value.map(|value| value.bytes.to_vec())))
    }

    async fn set(&mut self, bucket: Resource<OpenBucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let bucket = View::get(self, &bucket)?;
        answer(bucket.bucket().set(&key, value.into()).await)
    }

    async fn delete(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<()> {
        let bucket = View::get(self, &bucket)?;
        answer(bucket.bucket().delete(&key).await)
    }

    async fn exists(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<bool> {
        let bucket = View::get(self, &bucket)?;
        answer(bucket.bucket().exists(&key).await)
    }

    async fn list_keys(&mut self, bucket: Resource<OpenBucket>, cursor: Option<u64>) -> Answer<store::KeyResponse> {
        let bucket = View::get(self, &bucket)?;
        let page = bucket.bucket().list_keys(cursor).await;
        answer(page.map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    async fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.close(bucket)
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, bucket: Resource<OpenBucket>, key: String, delta: u64) -> Answer<u64> {
        let bucket = View::get(self, &bucket)?;
        let bucket = match bucket.atomics() {
            Ok(bucket) => bucket,
            Err(failure) => return answer(Err(failure)),
        };
        let sum = bucket.increment(&key, delta.into(), 0..=u64::MAX.into()).await;
        answer(sum.map(|sum| u64::try_from(sum).unwrap_or(u64::MAX)))
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let pairs = View::get(self, &bucket)?.get_many(keys).await;
        answer(pairs.map(|pairs| pairs.into_iter().map(|(key, value)| Some((key, value?))).collect()))
    }

    async fn set_many(&mut self, bucket: Resource<OpenBucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        answer(View::get(self, &bucket)?.set_many(pairs).await)
    }

    async fn delete_many(&mut self, bucket: Resource<OpenBucket>, keys: Vec<String>) -> Answer<()> {
        answer(View::get(self, &bucket)?.delete_many(keys).await)
    }
}
