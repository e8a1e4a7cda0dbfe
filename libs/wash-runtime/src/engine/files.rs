//! How many files guests may have open: the system counts them for the whole process, which needs some itself.
//!
//! Which files a guest may open is decided by its mounts, not here.

use std::fs::File;
use std::sync::{Arc, Weak};

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
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

/// Replaces WASI's function that opens files by one that counts.
pub(super) fn limit(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
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

/// The files that the guests of a store have opened, as long as anything of them is left: a stream keeps a file open
/// whose descriptor is gone.
#[derive(Default)]
pub(super) struct OpenFiles(Vec<Weak<File>>);

impl OpenFiles {
    /// Whether there is room for another.
    fn has_room(&mut self) -> bool {
        let most = usize::try_from(allowed_files() / PART_OF_STORE).unwrap_or(usize::MAX);
        if self.0.len() >= most {
            // Only now is it worth to look which of them are closed.
            self.0.retain(|file| file.strong_count() > 0);
        }
        self.0.len() < most
    }
}

/// Whether the store's guests may open another file.
pub(super) fn may_open(ctx: &mut Ctx) -> bool {
    ctx.open_files.has_room()
}

/// Counts a file that has been opened, or closes it if the store or the process has too many of them.
pub(super) fn opened(ctx: &mut Ctx, opened: Resource<Descriptor>) -> wasmtime::Result<Option<Resource<Descriptor>>> {
    let file = match WasiView::ctx(ctx).table.get(&opened)? {
        Descriptor::File(file) => Arc::downgrade(&file.file),
        Descriptor::Dir(directory) => Arc::downgrade(&directory.dir),
    };
    let is_one_too_many = file.upgrade().is_some_and(|file| number(&file) >= allowed_files() / 4 * 3);
    // Others may have been opened meanwhile.
    if is_one_too_many || !may_open(ctx) {
        ctx.table().delete(opened)?;
        return Ok(None);
    }
    ctx.open_files.0.push(file);
    Ok(Some(opened))
}

/// Files that the process may have open.
#[cfg(unix)]
fn allowed_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The system gives the lowest number that is free, so that a number tells how many files the process has open.
#[cfg(unix)]
fn number(file: &File) -> u64 {
    use std::os::fd::AsRawFd;
    u64::try_from(file.as_raw_fd()).unwrap_or(0)
}

#[cfg(not(unix))]
fn allowed_files() -> u64 {
    u64::MAX
}

#[cfg(not(unix))]
fn number(_: &File) -> u64 {
    0
}
