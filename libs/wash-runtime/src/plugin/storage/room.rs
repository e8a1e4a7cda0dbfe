//! Keeps guests from filling the host's disk: what they store leaves a part of it free for everybody else.
//!
//! It knows no tenants: who has stored how much is not counted.

use std::fs::File;
use std::io;

/// The part of a file system that stays free, and the most that this may be.
const RESERVED_PART: u64 = 20;
const MOST_RESERVED: u64 = 1 << 30;

/// Checks that the file system of an open file has room for so many bytes more.
pub(super) fn check(file: &File, more: usize) -> io::Result<()> {
    let Ok(state) = rustix::fs::fstatvfs(file) else {
        // A file system that does not tell refuses by itself what it cannot take.
        return Ok(());
    };
    let bytes = |blocks: u64| blocks.saturating_mul(state.f_frsize);
    if has_room(bytes(state.f_blocks), bytes(state.f_bavail), more as u64) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::StorageFull, "what is left of the disk is not for guests"))
}

fn has_room(total: u64, available: u64, more: u64) -> bool {
    let reserved = (total / RESERVED_PART).min(MOST_RESERVED);
    available.saturating_sub(reserved) >= more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stays_free() {
        const GIB: u64 = 1 << 30;
        assert!(has_room(GIB, GIB, GIB / 2));
        assert!(has_room(GIB, GIB / 2, GIB / 2 - GIB / 20));
        assert!(!has_room(GIB, GIB / 2, GIB / 2 - GIB / 20 + 1));
        assert!(!has_room(GIB, GIB / 20, 1));
        assert!(has_room(1000 * GIB, 2 * GIB, GIB));
        assert!(!has_room(1000 * GIB, GIB, 1));
        assert!(has_room(0, 0, 0));
    }
}
