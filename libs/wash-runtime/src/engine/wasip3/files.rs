//! The limit of open files, for the functions of WASI 0.3.
//!
//! The limit itself is that of [`crate::engine::files`].

use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptorWithStore, OpenFlags, PathFlags,
};

use crate::engine::ctx::Ctx;
use crate::engine::files;

/// The interface as the linker of WASI names it.
const INTERFACE: &str = "wasi:filesystem/types@0.3.0";

type Opening = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Replaces WASI's function that opens files by one that counts.
pub(super) fn limit(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap_concurrent("[method]descriptor.open-at", |accessor, opening: Opening| {
        Box::pin(async move { Ok((open(accessor, opening).await?,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn open(
    accessor: &Accessor<Ctx>,
    (directory, path_flags, path, open_flags, flags): Opening,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    if !accessor.with(|mut access| files::may_open(access.data_mut())) {
        return Ok(Err(ErrorCode::InsufficientMemory));
    }
    let filesystem = accessor.with_getter::<WasiFilesystem>(WasiFilesystemView::filesystem);
    let opened = WasiFilesystem::open_at(&filesystem, directory, path_flags, path, open_flags, flags).await;
    let file = match opened {
        Ok(file) => file,
        Err(err) => return Ok(Err(err.downcast()?)),
    };
    accessor.with(|mut access| Ok(files::opened(access.data_mut(), file)?.ok_or(ErrorCode::InsufficientMemory)))
}
