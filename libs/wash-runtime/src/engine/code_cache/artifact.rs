//! The format of a cache entry: machine code, then a trailer that says what it is and proves who wrote it.
//!
//! It knows files only as something to read from; which file it is, and whose, is for the directory to say.
//!
//! ```text
//! machine code, an ELF image          so it has to come first
//! magic                        8
//! format version               4      little-endian, as all numbers
//! zero                         4
//! key of the entry            32
//! digest of the component     32
//! length of the machine code   8
//! length of the component      8
//! checksum                    32      BLAKE3 over all before it, keyed with the directory's secret
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::EntryKey;
use crate::engine::digest::ComponentDigest;

const MAGIC: &[u8; 8] = b"washcode";

/// Raised when the format changes; entries of other versions are recompiled.
const VERSION: u32 = 1;

const CHECKSUM_LENGTH: usize = 32;
const TRAILER_LENGTH: usize = 8 + 4 + 4 + 32 + 32 + 8 + 8 + CHECKSUM_LENGTH;

/// Bytes that are read at a time while an entry is checked: fits the second-level cache beside what else is there.
const READ_LENGTH: usize = 128 << 10;

/// What only this directory's owner knows. It keeps code apart that somebody else put there.
pub(super) type Secret = [u8; 32];

/// What a trailer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Description {
    pub(super) key: EntryKey,
    pub(super) component: ComponentDigest,
    pub(super) code_length: u64,
    pub(super) component_length: u64,
}

/// Why a file is no entry, as a clause.
pub(super) type Flaw = &'static str;

/// The bytes that follow the machine code.
pub(super) fn trailer(secret: &Secret, code: &[u8], description: &Description) -> [u8; TRAILER_LENGTH] {
    let mut trailer = Vec::with_capacity(TRAILER_LENGTH);
    trailer.extend_from_slice(MAGIC);
    trailer.extend_from_slice(&VERSION.to_le_bytes());
    trailer.extend_from_slice(&[0; 4]);
    trailer.extend_from_slice(description.key.as_bytes());
    trailer.extend_from_slice(description.component.as_bytes());
    trailer.extend_from_slice(&description.code_length.to_le_bytes());
    trailer.extend_from_slice(&description.component_length.to_le_bytes());
    let checksum = blake3::Hasher::new_keyed(secret).update(code).update(&trailer).finalize();
    trailer.extend_from_slice(checksum.as_bytes());
    let mut bytes = [0; TRAILER_LENGTH];
    bytes.copy_from_slice(&trailer);
    bytes
}

/// Reads what a file claims to be. Nothing is proven yet.
pub(super) fn describe(file: &File) -> io::Result<Result<Description, Flaw>> {
    let length = file.metadata()?.len();
    let Some(code_length) = length.checked_sub(TRAILER_LENGTH as u64) else {
        return Ok(Err("it is too short"));
    };
    let mut trailer = [0; TRAILER_LENGTH];
    file.read_exact_at(&mut trailer, code_length)?;
    Ok(parse(&trailer, code_length))
}

fn parse(trailer: &[u8; TRAILER_LENGTH], code_length: u64) -> Result<Description, Flaw> {
    let mut rest = trailer.as_slice();
    if take::<8>(&mut rest) != *MAGIC {
        return Err("it does not end like an entry");
    }
    if u32::from_le_bytes(take(&mut rest)) != VERSION || take::<4>(&mut rest) != [0; 4] {
        return Err("it has another format version");
    }
    let description = Description {
        key: EntryKey::from_bytes(take(&mut rest)),
        component: ComponentDigest::from_bytes(take(&mut rest)),
        code_length: u64::from_le_bytes(take(&mut rest)),
        component_length: u64::from_le_bytes(take(&mut rest)),
    };
    if description.code_length != code_length {
        return Err("it has another length than it says");
    }
    Ok(description)
}

/// The next bytes of a trailer. All callers together take no more than a trailer has.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let (taken, remaining) = rest.split_at(N.min(rest.len()));
    bytes[..taken.len()].copy_from_slice(taken);
    *rest = remaining;
    bytes
}

/// Proves that the file is the entry `key`, written by somebody who knows the secret.
pub(super) fn check(file: &File, secret: &Secret, key: &EntryKey) -> io::Result<Result<Description, Flaw>> {
    let description = match describe(file)? {
        Ok(description) if description.key == *key => description,
        Ok(_) => return Ok(Err("it belongs under another key")),
        Err(flaw) => return Ok(Err(flaw)),
    };
    let checked_length = description.code_length + (TRAILER_LENGTH - CHECKSUM_LENGTH) as u64;
    let mut hasher = blake3::Hasher::new_keyed(secret);
    let mut buffer = vec![0; READ_LENGTH];
    let mut offset = 0;
    while offset < checked_length {
        let wanted = usize::try_from(checked_length - offset).map_or(READ_LENGTH, |left| left.min(READ_LENGTH));
        file.read_exact_at(&mut buffer[..wanted], offset)?;
        hasher.update(&buffer[..wanted]);
        offset += wanted as u64;
    }
    let mut checksum = [0; CHECKSUM_LENGTH];
    file.read_exact_at(&mut checksum, checked_length)?;
    // This comparison takes the same time wherever the difference is.
    let proven = hasher.finalize() == checksum;
    Ok(if proven { Ok(description) } else { Err("its checksum is wrong") })
}

/// The same for a copy of the file in memory. Returns the machine code.
pub(super) fn check_copy<'a>(copy: &'a [u8], secret: &Secret, key: &EntryKey) -> Option<&'a [u8]> {
    let (content, checksum) = copy.split_last_chunk::<CHECKSUM_LENGTH>()?;
    let (code, _) = copy.split_last_chunk::<TRAILER_LENGTH>()?;
    let trailer: &[u8; TRAILER_LENGTH] = copy.last_chunk()?;
    let description = parse(trailer, code.len() as u64).ok()?;
    let proven = blake3::Hasher::new_keyed(secret).update(content).finalize() == *checksum;
    (proven && description.key == *key).then_some(code)
}
