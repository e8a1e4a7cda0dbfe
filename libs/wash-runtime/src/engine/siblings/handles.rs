//! Handles of resources, where they pass between two components.
//!
//! It calls no function of either but the one that drops a resource.

use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, Resource, ResourceAny, ResourceType, Val};

use super::{SiblingFunction, enter, leave};
use crate::engine::ctx::Ctx;

/// A resource of a sibling, as the component that imports it sees it.
pub(super) struct SiblingResource {
    resource: ResourceAny,
    item: usize,
}

/// Exchanges handles at the border between two components.
pub(super) struct Handles<'a> {
    sibling: &'a SiblingFunction,
    /// The types of the sibling's own resources, once they are asked for.
    own: Option<Vec<ResourceType>>,
    /// Handles that are lent to the sibling for the time of the call.
    borrowed: Vec<ResourceAny>,
}

impl<'a> Handles<'a> {
    /// For one call.
    pub(super) fn of(sibling: &'a SiblingFunction) -> Self {
        Self { sibling, own: None, borrowed: Vec::new() }
    }

    /// Handles that were lent for the call, which is over.
    pub(super) fn take_borrowed(&mut self) -> Vec<ResourceAny> {
        std::mem::take(&mut self.borrowed)
    }

    /// A handle of the caller becomes one of the sibling.
    pub(super) fn for_sibling(
        &mut self,
        store: &mut StoreContextMut<'_, Ctx>,
        resource: ResourceAny,
    ) -> wasmtime::Result<ResourceAny> {
        if resource.ty() != ResourceType::host::<SiblingResource>() {
            if !resource.owned() {
                self.borrowed.push(resource);
            }
            return Ok(resource);
        }
        let handle: Resource<SiblingResource> = resource.try_into_resource(&mut *store)?;
        let table = store.data_mut().table();
        let resource = table.get(&handle)?;
        if resource.item != self.sibling.item {
            // Of a third component, which both know under the same name.
            let resource = ResourceAny::try_from_resource(handle, store)?;
            if !resource.owned() {
                self.borrowed.push(resource);
            }
            return Ok(resource);
        }
        if handle.owned() { Ok(table.delete(handle)?.resource) } else { Ok(resource.resource) }
    }

    /// A handle that the sibling returned becomes one of the caller.
    pub(super) fn for_caller(
        &mut self,
        store: &mut StoreContextMut<'_, Ctx>,
        instance: Instance,
        resource: ResourceAny,
    ) -> wasmtime::Result<ResourceAny> {
        let own = self.own.get_or_insert_with(|| {
            self.sibling.resources.iter().filter_map(|index| instance.get_resource(&mut *store, *index)).collect()
        });
        if !own.contains(&resource.ty()) {
            return Ok(resource);
        }
        let handle = store.data_mut().table().push(SiblingResource { resource, item: self.sibling.item })?;
        ResourceAny::try_from_resource(handle, store)
    }
}

/// The importing component has dropped its handle.
pub(super) async fn drop_resource(mut store: StoreContextMut<'_, Ctx>, item: usize, rep: u32) -> wasmtime::Result<()> {
    let dropped = store.data_mut().table().delete(Resource::<SiblingResource>::new_own(rep))?;
    enter(&mut store, item)?;
    let result = dropped.resource.resource_drop_async(&mut store).await;
    leave(&mut store)?;
    result
}

/// Replaces every handle in a value.
pub(super) fn walk(
    value: &mut Val,
    exchange: &mut dyn FnMut(ResourceAny) -> wasmtime::Result<ResourceAny>,
) -> wasmtime::Result<()> {
    match value {
        Val::Resource(resource) => *resource = exchange(*resource)?,
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => {
            for value in values {
                walk(value, exchange)?;
            }
        }
        Val::Map(entries) => {
            for (key, value) in entries {
                walk(key, exchange)?;
                walk(value, exchange)?;
            }
        }
        Val::Record(fields) => {
            for (_, value) in fields {
                walk(value, exchange)?;
            }
        }
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) => walk(value, exchange)?,
        Val::Result(Ok(Some(value)) | Err(Some(value))) => walk(value, exchange)?,
        _ => {}
    }
    Ok(())
}
