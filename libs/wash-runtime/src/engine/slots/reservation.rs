//! Stretches of address space of which parts are memory.

#![expect(unsafe_code, reason = "address space is the system's, and no library that we know maps parts of a stretch")]

use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};

#[cfg(target_os = "linux")]
const GIVE_BACK: Advice = Advice::LinuxDontNeed;
/// Not used: only Linux has the scan.
#[cfg(not(target_os = "linux"))]
const GIVE_BACK: Advice = Advice::DontNeed;

/// Address space that nobody else uses. Nothing in it can be read or written until it is made accessible, and then it is
/// zero. It knows no contents: who hands out parts of it answers for who uses them.
#[derive(Debug)]
pub(super) struct Reservation {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: it is a range of addresses that no thread has a claim to; all of its functions are system calls.
unsafe impl Send for Reservation {}
// SAFETY: as above.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// The length is one of whole pages.
    pub(super) fn new(length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, placed where the system wants it, changes no other.
        let start = unsafe {
            mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)?
        };
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("the system mapped the address zero"))?;
        Ok(Self { start, length })
    }

    /// The address of a place in it.
    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().cast::<u8>().wrapping_add(offset.min(self.length))
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Lets whole pages be read and written, or lets nobody touch them.
    pub(super) fn set_accessible(&self, pages: Range<usize>, accessible: bool) -> io::Result<()> {
        let flags = if accessible { MprotectFlags::READ | MprotectFlags::WRITE } else { MprotectFlags::empty() };
        let (start, length) = self.within(&pages)?;
        // SAFETY: the pages are this mapping's own.
        unsafe { mprotect(start, length, flags)? };
        Ok(())
    }

    /// Gives whole pages back to the system. What is read there next is zero.
    pub(super) fn give_back(&self, pages: Range<usize>) -> io::Result<()> {
        let (start, length) = self.within(&pages)?;
        // SAFETY: the pages are this mapping's own, and whoever owns it has asked for their loss.
        unsafe { madvise(start, length, GIVE_BACK)? };
        Ok(())
    }

    /// Writes zeros over accessible bytes.
    ///
    /// # Safety
    /// The bytes have been made accessible, and nobody uses them.
    pub(super) unsafe fn overwrite(&self, bytes: Range<usize>) -> io::Result<()> {
        let (start, length) = self.within(&bytes)?;
        // SAFETY: within the mapping; the caller answers for the rest.
        unsafe { ptr::write_bytes(start.cast::<u8>(), 0, length) };
        Ok(())
    }

    fn within(&self, range: &Range<usize>) -> io::Result<(*mut c_void, usize)> {
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.length);
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok((self.start.as_ptr().wrapping_byte_add(range.start), length))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and whoever used parts of it has kept this value until now.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.length) };
        if unmapped.is_err() {
            // Its addresses are lost until the process ends, its memory need not be.
            _ = self.give_back(0..self.length);
        }
    }
}
