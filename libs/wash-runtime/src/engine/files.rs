//! How many files guests may have open: the system counts them for the whole process, which needs some itself.
//!
//! Which files a guest may open is decided by its mounts, not here.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};

use super::ctx::Ctx;

/// The interface as the linker of WASI names it.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Of the files that the process may have open, one store may have this part.
const PART_OF_STORE: u64 = 8;

type Opening = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Replaces WASI's functions that open and close files by ones that count.
pub(super) fn limit(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.resource("descriptor", ResourceType::host::<Descriptor>(), |mut store, rep| {
        let ctx: &mut Ctx = store.data_mut();
        closed(ctx);
        HostDescriptor::drop(&mut ctx.filesystem(), Resource::new_own(rep))
    })?;
    interface.func_wrap_async("[method]descriptor.open-at", |store, opening: Opening| {
        Box::new(async move { Ok((open(store, opening).await?,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn open(
    mut store: StoreContextMut<'_, Ctx>,
    (directory, path_flags, path, open_flags, flags): Opening,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    let ctx = store.data_mut();
    if !may_open(ctx) {
        return Ok(Err(ErrorCode::InsufficientMemory));
    }
    let result = HostDescriptor::open_at(&mut ctx.filesystem(), directory, path_flags, path, open_flags, flags).await;
    let file = match result {
        Ok(file) => file,
        Err(err) => return Ok(Err(err.downcast()?)),
    };
    Ok(opened(ctx, file)?.ok_or(ErrorCode::InsufficientMemory))
}

/// Whether the store's guests may open another file.
pub(super) fn may_open(ctx: &Ctx) -> bool {
    ctx.open_files < allowed_files() / PART_OF_STORE
}

/// Counts a file that has been opened, or closes it if the process has too many of them.
pub(super) fn opened(ctx: &mut Ctx, file: Resource<Descriptor>) -> wasmtime::Result<Option<Resource<Descriptor>>> {
    if number(WasiView::ctx(ctx).table.get(&file)?) >= allowed_files() / 4 * 3 {
        ctx.table().delete(file)?;
        return Ok(None);
    }
    ctx.open_files += 1;
    Ok(Some(file))
}

/// Counts a file that is being closed.
pub(super) fn closed(ctx: &mut Ctx) {
    ctx.open_files = ctx.open_files.saturating_sub(1);
}

/// Files that the process may have open.
#[cfg(unix)]
fn allowed_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The system gives the lowest number that is free, so that a number tells how many files the process has open.
#[cfg(unix)]
fn number(descriptor: &Descriptor) -> u64 {
    use std::os::fd::AsRawFd;
    let number = match descriptor {
        Descriptor::File(file) => file.file.as_raw_fd(),
        Descriptor::Dir(directory) => directory.dir.as_raw_fd(),
    };
    u64::try_from(number).unwrap_or(0)
}

#[cfg(not(unix))]
fn allowed_files() -> u64 {
    u64::MAX
}

#[cfg(not(unix))]
fn number(_: &Descriptor) -> u64 {
    0
}
