//! Decompresses blocks of LZ4, as the build has made them of the completion scripts.
//!
//! The front-end stands on the standard library alone, and LZ4's blocks need little more than copying.

/// The bytes that a block stands for, or none if it is damaged. Source: LZ4 Block Format Description, "Compressed block
/// format".
pub(crate) fn decompress(block: &[u8]) -> Option<Vec<u8>> {
    let mut input = block.iter().copied();
    let mut output = Vec::new();
    loop {
        let token = input.next()?;
        for _ in 0..length(token >> 4, &mut input)? {
            output.push(input.next()?);
        }
        // The last sequence has literals alone.
        let Some(low) = input.next() else { return Some(output) };
        let distance = u16::from_le_bytes([low, input.next()?]);
        let start = output.len().checked_sub(usize::from(distance))?;
        let matched = length(token & 0xF, &mut input)? + 4;
        // What is copied may be what the same copy has written.
        for at in start..start + matched {
            output.push(*output.get(at)?);
        }
    }
}

/// A length whose first four bits are in the token, and the rest in as many bytes as it takes.
fn length(bits: u8, input: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut length = usize::from(bits);
    let mut goes_on = bits == 0xF;
    while goes_on {
        let more = input.next()?;
        length += usize::from(more);
        goes_on = more == 0xFF;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_reach_back_and_overlap() {
        assert_eq!(decompress(&[0x30, b'a', b'b', b'c']), Some(b"abc".to_vec()));
        assert_eq!(decompress(&[0x11, b'a', 1, 0, 0x10, b'z']), Some(b"aaaaaaz".to_vec()));
        let long = [[0xF0, 0xFF, 0x01].to_vec(), vec![b'x'; 271]].concat();
        assert_eq!(decompress(&long), Some(vec![b'x'; 271]));
    }

    #[test]
    fn damage_is_noticed() {
        for damaged in [&[][..], &[0x10], &[0xF0, 0xFF], &[0x11, b'a', 1], &[0x11, b'a', 2, 0], &[0x11, b'a', 0, 0]] {
            assert_eq!(decompress(damaged), None, "{damaged:?}");
        }
    }
}
