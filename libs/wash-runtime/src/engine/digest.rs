//! What identifies a component: the digest of its bytes, computed once for bytes that come again.
//!
//! It reads no file, and takes no digest that it did not compute: code is found by it, so a wrong one would run one
//! component in another's place.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that are remembered at a time. Whoever registers the same component thousands of times does so in a row.
const REMEMBERED: usize = 64;

/// The BLAKE3 digest of a component's bytes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ComponentDigest([u8; 32]);

impl ComponentDigest {
    /// Computes the digest: about 0.1 ms for a component of 250 kB.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComponentDigest({self})")
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Digests of buffers that are in use.
///
/// It knows a buffer by address and length, and holds a share of each. So the memory is neither freed nor written
/// while it is remembered, and no other bytes can appear at that address.
#[derive(Default)]
pub(super) struct DigestMemo {
    buffers: Mutex<Vec<(Bytes, ComponentDigest)>>,
}

impl DigestMemo {
    pub(super) fn digest(&self, bytes: &Bytes) -> ComponentDigest {
        // Bytes that nobody else holds do not come again, and are not to be kept for it.
        if bytes.is_unique() {
            return ComponentDigest::of(bytes);
        }
        let is_same = |(known, _): &&(Bytes, _)| known.as_ptr() == bytes.as_ptr() && known.len() == bytes.len();
        if let Some((_, digest)) = self.lock().iter().find(is_same) {
            return *digest;
        }
        let digest = ComponentDigest::of(bytes);
        let mut buffers = self.lock();
        if buffers.len() == REMEMBERED {
            buffers.remove(0);
        }
        buffers.push((bytes.clone(), digest));
        digest
    }

    /// Lets go of buffers that nobody else holds.
    pub(super) fn sweep(&self) {
        self.lock().retain(|(bytes, _)| !bytes.is_unique());
    }

    /// Nothing that is done under the lock can leave the list half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Bytes, ComponentDigest)>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_bytes_wherever_they_are() {
        let memo = DigestMemo::default();
        let bytes = Bytes::from(vec![7; 1000]);
        for part in [bytes.clone(), bytes.slice(..500), bytes.slice(1..), Bytes::from(vec![7; 1000]), bytes] {
            assert_eq!(memo.digest(&part), ComponentDigest::of(&part));
        }
    }

    #[test]
    fn a_buffer_is_remembered_only_while_somebody_holds_it() {
        let memo = DigestMemo::default();
        let held = Bytes::from(vec![1; 10]);
        memo.digest(&held.clone());
        memo.digest(&Bytes::from(vec![2; 10]));
        assert_eq!(memo.lock().len(), 1);
        memo.sweep();
        assert_eq!(memo.lock().len(), 1);
        drop(held);
        memo.sweep();
        assert_eq!(memo.lock().len(), 0);
    }

    #[test]
    fn the_number_of_remembered_buffers_is_bounded() {
        let memo = DigestMemo::default();
        let buffers: Vec<_> = (0..200u8).map(|byte| Bytes::from(vec![byte; 10])).collect();
        for bytes in buffers.iter().chain(&buffers) {
            // Held twice, as a buffer that comes again is.
            let bytes = bytes.clone();
            assert_eq!(memo.digest(&bytes), ComponentDigest::of(&bytes));
        }
        assert_eq!(memo.lock().len(), REMEMBERED);
    }
}
