//! Which pages of a memory were written, as the kernel tells (`PAGEMAP_SCAN`, Linux 6.7).

#![expect(unsafe_code, reason = "rustix has no function for this request")]

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Runs of pages that one request tells. A guest writes its stack, its data and its heap.
const RUNS: usize = 32;

/// Categories of pages: `PAGE_IS_PRESENT`, `PAGE_IS_SWAPPED` and `PAGE_IS_PFNZERO` of `linux/fs.h`.
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO_PAGE: u64 = 1 << 5;

const REQUEST: Opcode = opcode::read_write::<Request>(b'f', 16);

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct Request {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    runs: u64,
    runs_length: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Run {
    start: u64,
    end: u64,
    categories: u64,
}

/// Asks for pages of this process.
#[derive(Debug)]
pub(super) struct Scanner {
    pagemap: File,
    /// What was opened is that process's for ever, in a fork too.
    process: u32,
}

/// What one request told.
pub(super) struct Written {
    runs: [Run; RUNS],
    /// Up to here it has looked.
    pub(super) seen: usize,
}

impl Scanner {
    /// Refused where the kernel does not know the request.
    pub(super) fn new() -> io::Result<Self> {
        let path = "/proc/self/pagemap";
        let scanner = Self { pagemap: fs_err::File::open(path)?.into_file(), process: std::process::id() };
        // A page that was written, as a question whose answer is known.
        let (written, size) = (Box::new(1_u8), rustix::param::page_size());
        let address = (&raw const *written).addr() / size * size;
        let found = scanner.written(address..address + size, 1)?.runs().next();
        drop(written);
        match found {
            Some(run) if run.contains(&address) => Ok(scanner),
            _ => Err(io::Error::other("the system does not tell which pages were written")),
        }
    }

    /// Runs of pages between two addresses that may hold something other than zeros, up to a number of pages.
    ///
    /// A page that is being moved or is swapped out is not present; it is found all the same, because the kernel counts
    /// what stands in for it as swapped.
    pub(super) fn written(&self, addresses: Range<usize>, most_pages: usize) -> io::Result<Written> {
        if self.process != std::process::id() {
            return Err(io::Error::other("the pages are those of another process"));
        }
        let mut runs = [Run::default(); RUNS];
        let mut request = Request {
            size: size_of::<Request>() as u64,
            start: addresses.start as u64,
            end: addresses.end as u64,
            runs: (&raw mut runs).expose_provenance() as u64,
            runs_length: RUNS as u64,
            max_pages: most_pages as u64,
            category_inverted: ZERO_PAGE,
            category_mask: ZERO_PAGE,
            category_anyof_mask: PRESENT | SWAPPED,
            ..Request::default()
        };
        // SAFETY: the request is laid out as the kernel defines it, and so are the runs that it may write to.
        unsafe { ioctl(&self.pagemap, Updater::<REQUEST, Request>::new(&mut request))? };
        let seen = request.walk_end as usize;
        // Whoever asks for the rest must come to an end.
        if seen <= addresses.start || seen > addresses.end {
            return Err(io::Error::other("the system has looked at other pages than it was asked for"));
        }
        Ok(Written { runs, seen })
    }
}

impl Written {
    /// Addresses of pages.
    pub(super) fn runs(self) -> impl Iterator<Item = Range<usize>> {
        self.runs.into_iter().take_while(|run| run.end > 0).map(|run| run.start as usize..run.end as usize)
    }
}
