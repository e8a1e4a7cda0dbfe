//! Calls between the components of one workload: an import of one is linked to the export of another.
//!
//! Both live in one store, so that resources, and the streams of `wasi:io`, can pass between them. The sibling is
//! instantiated when it is first called. A service's store lives long while components keep no state between
//! invocations: its calls get a fresh store each, unless they pass resources.

mod handles;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Func, Instance, LinkerInstance, ResourceType, Val};

use self::handles::{Handles, SiblingResource, drop_resource, walk};
use super::ctx::{Ctx, MAX_CALL_DEPTH, new_store};
use super::linked::{Linked, Role};
use super::schedule::Schedule;
use super::sibling_types::{fits, is_plain, own_resources};

/// An interface that a component exports to its siblings.
pub(crate) struct SiblingInterface<'a> {
    /// The exporting item.
    pub(crate) item: usize,
    pub(crate) component: &'a Component,
    /// The name under which it is exported.
    pub(crate) export: &'a str,
    /// The component that imports it, and under which name.
    pub(crate) imported: (&'a Component, &'a str),
    pub(crate) sharing: Sharing,
}

/// What a component and the sibling that it calls have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// A store: everything can pass between them.
    Store,
    /// A store where handles pass between them. Otherwise each call gets one of its own.
    StoreForHandles,
    /// Values. In a store where several tasks go on at once, nobody could tell whose code calls the host.
    Values,
}

/// One function of such an interface.
pub(super) struct SiblingFunction {
    item: usize,
    export: ComponentExportIndex,
    /// The interface and the function, as the importer names them.
    import: Arc<str>,
    name: Arc<str>,
    /// The interface's own resources.
    resources: Arc<[ComponentExportIndex]>,
    /// Whether it takes and returns values alone, which need no exchange of handles.
    plain: bool,
    place: Place,
}

/// Which store a sibling runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Callers,
    Fresh,
}

/// What a sibling's call takes over from the store that it comes from.
pub(super) struct Caller {
    linked: Arc<Linked>,
    schedule: Arc<Schedule>,
    /// Stores of their own that calls between siblings have led through.
    depth: usize,
    /// Whether the workload's service waits for the call.
    for_service: bool,
    /// Whether it is the service itself, which may go on while other components take its siblings' places.
    is_service: bool,
}

impl Caller {
    pub(super) fn of(ctx: &Ctx) -> Self {
        Self {
            linked: Arc::clone(ctx.linked()),
            schedule: Arc::clone(ctx.schedule()),
            depth: ctx.depth,
            for_service: ctx.works_for_service(),
            is_service: ctx.item().role == Role::Service,
        }
    }
}

/// A chain of calls between siblings has become too long.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_CALL_DEPTH} calls between components stand on one another")]
struct CallsTooDeep;

/// Components call each other in a circle. An instance cannot be entered while it waits for a call of its own.
#[derive(Debug, thiserror::Error)]
#[error("component `{component}` is called while it waits for a call of its own")]
struct CallsInCircle {
    component: Arc<str>,
}

/// Whether every function of an interface passes values alone, so that whoever calls it keeps nothing of the sibling.
pub(crate) fn passes_values_alone(component: &Component, export: &str) -> bool {
    let engine = component.engine();
    let exported = component.component_type().get_export(engine, export).map(|export| export.ty);
    let Ok(exported) = interface(exported, export) else { return false };
    exported.exports(engine).all(|(_, item)| match item.ty {
        ComponentItem::ComponentFunc(function) => is_plain(&function),
        _ => true,
    })
}

/// Defines a sibling's interface in the linker of the component that imports it.
pub(crate) fn link(linker: &mut LinkerInstance<'_, Ctx>, sibling: &SiblingInterface<'_>) -> wasmtime::Result<()> {
    let engine = sibling.component.engine();
    let imported = imported_interface(sibling)?;
    let exported = exported_interface(sibling)?;
    let Some(parent) = sibling.component.get_export_index(None, sibling.export) else {
        wasmtime::bail!("`{}` is not exported", sibling.export);
    };
    let index = |name: &str| {
        sibling
            .component
            .get_export_index(Some(&parent), name)
            .ok_or_else(|| wasmtime::format_err!("`{name}` is not exported"))
    };
    let own = own_resources(sibling.component, &exported);
    let resources = own.iter().map(|name| index(name)).collect::<wasmtime::Result<Arc<[_]>>>()?;
    for name in &own {
        let item = sibling.item;
        linker.resource_async(name, ResourceType::host::<SiblingResource>(), move |store, rep| {
            Box::new(drop_resource(store, item, rep))
        })?;
    }
    let import_name: Arc<str> = sibling.imported.1.into();
    for (name, import) in imported.exports(engine) {
        let ComponentItem::ComponentFunc(wanted) = import.ty else { continue };
        let Some(ComponentItem::ComponentFunc(function)) = exported.get_export(engine, name).map(|export| export.ty)
        else {
            wasmtime::bail!("`{}` has no function `{name}`", sibling.export);
        };
        // Nothing else compares them: to the linker this is a function that takes what comes.
        if !fits(&wanted, &function) {
            wasmtime::bail!("`{name}` of `{}` has other parameters or results", sibling.export);
        }
        let plain = is_plain(&function);
        let place = match sibling.sharing {
            Sharing::Values if !plain => wasmtime::bail!(
                "`{name}` of `{}` takes or returns resources, streams or futures, which cannot pass to or from a \
                 component of WASI 0.3; they can within one component that the two are composed into",
                sibling.export
            ),
            Sharing::Values => Place::Fresh,
            Sharing::StoreForHandles if plain => Place::Fresh,
            Sharing::StoreForHandles | Sharing::Store => Place::Callers,
        };
        let function = Arc::new(SiblingFunction {
            item: sibling.item,
            export: index(name)?,
            import: import_name.clone(),
            name: name.into(),
            resources: Arc::clone(&resources),
            plain,
            place,
        });
        #[cfg(feature = "wasip3")]
        if sibling.sharing == Sharing::Values {
            super::wasip3::siblings::link(linker, name, &wanted, function)?;
            continue;
        }
        linker.func_new_async(name, move |store, _, parameters, results| {
            let function = Arc::clone(&function);
            Box::new(async move { function.call(store, parameters, results).await })
        })?;
    }
    Ok(())
}

/// The interface as its importer declares it.
pub(super) fn imported_interface(sibling: &SiblingInterface<'_>) -> wasmtime::Result<ComponentInstance> {
    let (importer, import) = sibling.imported;
    let component_type = importer.component_type();
    let item = component_type.get_import(importer.engine(), import);
    interface(item.map(|import| import.ty), import)
}

/// The interface as its exporter has it.
pub(super) fn exported_interface(sibling: &SiblingInterface<'_>) -> wasmtime::Result<ComponentInstance> {
    let component_type = sibling.component.component_type();
    let item = component_type.get_export(sibling.component.engine(), sibling.export);
    interface(item.map(|export| export.ty), sibling.export)
}

fn interface(item: Option<ComponentItem>, name: &str) -> wasmtime::Result<ComponentInstance> {
    match item {
        Some(ComponentItem::ComponentInstance(interface)) => Ok(interface),
        _ => wasmtime::bail!("`{name}` is not an interface"),
    }
}

impl SiblingFunction {
    async fn call(
        &self,
        mut store: StoreContextMut<'_, Ctx>,
        parameters: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let caller = Caller::of(store.data());
        if self.place == Place::Fresh {
            return self.call_fresh(&caller, parameters, results).await;
        }
        // A sibling's call is an invocation like a request's, and stands in the same line.
        let _place = caller.linked.item(self.item).admission.admit_within(&caller.schedule).await?;
        enter(&mut store, self.item)?;
        let result = self.call_in_store(&mut store, parameters, results).await;
        leave(&mut store)?;
        result
    }

    async fn call_in_store(
        &self,
        store: &mut StoreContextMut<'_, Ctx>,
        parameters: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let instance = instance_of(store, self.item).await?;
        let function = function_of(instance, self.export, &mut *store)?;
        if self.plain {
            return function.call_async(&mut *store, parameters, results).await;
        }
        let mut handles = Handles::of(self);
        let mut arguments = parameters.to_vec();
        for argument in &mut arguments {
            walk(argument, &mut |resource| handles.for_sibling(store, resource))?;
        }
        function.call_async(&mut *store, &arguments, results).await?;
        for resource in handles.take_borrowed() {
            resource.resource_drop_async(&mut *store).await?;
        }
        for result in results {
            walk(result, &mut |resource| handles.for_caller(store, instance, resource))?;
        }
        Ok(())
    }

    /// Calls it in a store of its own.
    pub(super) async fn call_fresh(
        &self,
        caller: &Caller,
        parameters: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let linked = if caller.is_service { caller.linked.newest() } else { Arc::clone(&caller.linked) };
        let (item, export) = if Arc::ptr_eq(&caller.linked, &linked) {
            (self.item, self.export)
        } else {
            linked.service_function(&self.import, &self.name)?
        };
        let _place = linked.item(item).admission.admit_within(&caller.schedule).await?;
        if caller.depth >= MAX_CALL_DEPTH {
            return Err(CallsTooDeep.into());
        }
        let schedule = Arc::new(Schedule::new(linked.engine().call_timeout()));
        let (_memory, mut fresh) = new_store(&linked, item, Arc::clone(&schedule))?;
        fresh.data_mut().depth = caller.depth + 1;
        if caller.for_service {
            fresh.data_mut().work_for_service();
        }
        let call = schedule.drive(async {
            let instance = linked.item(item).pre.instantiate_async(&mut fresh).await?;
            fresh.data_mut().set_instance(item, instance);
            let function = function_of(instance, export, &mut fresh)?;
            function.call_async(&mut fresh, parameters, results).await
        });
        // One that computes meets the deadline itself, one that waits does not.
        match schedule.deadline() {
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), call).await {
                Ok(result) => result,
                Err(_) => Err(schedule.exceeded().into()),
            },
            None => call.await,
        }
    }
}

fn function_of(
    instance: Instance,
    export: ComponentExportIndex,
    store: impl wasmtime::AsContextMut,
) -> wasmtime::Result<Func> {
    instance
        .get_func(store, export)
        .ok_or_else(|| wasmtime::format_err!("a component does not export what it said it would"))
}

/// Makes an item the active one, and remembers who has called it.
fn enter(store: &mut StoreContextMut<'_, Ctx>, item: usize) -> wasmtime::Result<()> {
    let ctx = store.data_mut();
    if ctx.callers.len() >= MAX_CALL_DEPTH {
        return Err(CallsTooDeep.into());
    }
    let caller = ctx.activate(item)?;
    if caller == item || ctx.callers.contains(&item) {
        ctx.activate(caller)?;
        return Err(CallsInCircle { component: Arc::clone(&ctx.linked().item(item).id) }.into());
    }
    ctx.callers.push(caller);
    Ok(())
}

/// Makes the caller the active item again.
fn leave(store: &mut StoreContextMut<'_, Ctx>) -> wasmtime::Result<()> {
    let ctx = store.data_mut();
    if let Some(caller) = ctx.callers.pop() {
        ctx.activate(caller)?;
    }
    Ok(())
}

/// The store's instance of an item, made if there is none yet.
async fn instance_of(store: &mut StoreContextMut<'_, Ctx>, item: usize) -> wasmtime::Result<Instance> {
    if let Some(instance) = store.data().instance(item) {
        return Ok(instance);
    }
    store.data().add_instance()?;
    let pre = store.data().linked().item(item).pre.clone();
    let instance = pre.instantiate_async(&mut *store).await?;
    store.data_mut().set_instance(item, instance);
    Ok(instance)
}
