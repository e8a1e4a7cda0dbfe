//! Malformed binaries without end: what is valid, or nearly, and then damaged. The same in every run.

use std::path::Path;

use arbitrary::Unstructured;
use wasm_smith::Config;

use super::binary::number;
use super::bombs::Specimen;

/// How often in a hundred a specimen is left as it was made.
const UNDAMAGED: usize = 10;
/// Larger ones take long to compile and try nothing else.
const MAX_RANDOM_BYTES: usize = 4096;

/// The corpus that damage begins with: the components in text in the folder `seeds`.
///
/// # Panics
/// If one of them is not well-formed.
pub fn seeds() -> Vec<Specimen> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of the folder").path()).collect();
    paths.sort();
    let read = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Specimen { name, bytes: wat::parse_file(path).unwrap_or_else(|err| panic!("{err}")) }
    };
    paths.iter().map(|path| read(path)).collect()
}

/// Makes one binary after the other.
#[derive(Debug)]
pub struct Generator {
    random: Random,
    seeds: Vec<Vec<u8>>,
}

impl Generator {
    /// A generator that always makes the same for the same start, which must not be 0.
    pub fn new(start: u64) -> Self {
        Self { random: Random(start), seeds: seeds().into_iter().map(|seed| seed.bytes).collect() }
    }

    fn fresh(&mut self) -> Vec<u8> {
        let made = match self.random.below(4) {
            0 => self.component(),
            1 => self.module(),
            _ => None,
        };
        made.unwrap_or_else(|| {
            let seed = self.random.below(self.seeds.len());
            self.seeds[seed].clone()
        })
    }

    fn component(&mut self) -> Option<Vec<u8>> {
        let bytes = self.random.bytes(MAX_RANDOM_BYTES);
        let component = wasm_smith::Component::new(config(), &mut Unstructured::new(&bytes)).ok()?;
        Some(component.to_bytes())
    }

    fn module(&mut self) -> Option<Vec<u8>> {
        let bytes = self.random.bytes(MAX_RANDOM_BYTES);
        Some(wasm_smith::Module::new(config(), &mut Unstructured::new(&bytes)).ok()?.to_bytes())
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        match self.random.below(9) {
            0 => {
                let at = self.random.below(8 * bytes.len());
                if let Some(byte) = bytes.get_mut(at / 8) {
                    *byte ^= 1 << (at % 8);
                }
            }
            1 => {
                let at = self.random.below(bytes.len());
                let value = self.random.byte();
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
            }
            2 => bytes.truncate(self.random.below(bytes.len())),
            3 => {
                let range = self.range(bytes.len());
                drop(bytes.drain(range));
            }
            4 => {
                let copy = bytes[self.range(bytes.len())].to_vec();
                let at = self.random.below(bytes.len());
                bytes.splice(at..at, copy);
            }
            5 => {
                // Counts, sizes and indices become huge.
                let at = self.random.below(bytes.len());
                let large = number(1 << self.random.below(33));
                bytes.splice(at..(at + 1).min(bytes.len()), large);
            }
            6 => {
                let other = self.fresh();
                let part = other[self.range(other.len())].to_vec();
                let at = self.random.below(bytes.len());
                bytes.splice(at..at, part);
            }
            _ => *bytes = self.shuffled(bytes),
        }
    }

    /// The outermost sections in another order, some twice, some gone.
    fn shuffled(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (header, mut sections) = sections(bytes);
        for _ in 0..=self.random.below(3) {
            if sections.is_empty() {
                break;
            }
            let section = sections.remove(self.random.below(sections.len()));
            for _ in 0..self.random.below(3) {
                sections.insert(self.random.below(sections.len() + 1), section);
            }
        }
        [header, &sections.concat()].concat()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.random.below(length);
        start..(start + self.random.below(64)).min(length)
    }
}

impl Iterator for Generator {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.fresh();
        if self.random.below(100) >= UNDAMAGED {
            for _ in 0..=self.random.below(4) {
                self.damage(&mut bytes);
            }
        }
        Some(bytes)
    }
}

/// Of small size, so that thousands of them are compiled soon.
fn config() -> Config {
    Config { max_instructions: 40, max_funcs: 10, max_memories: 2, max_tables: 2, ..Config::default() }
}

/// The header of a binary, and its outermost sections as far as they are whole. What follows stays with the last.
fn sections(bytes: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (header, mut rest) = bytes.split_at(bytes.len().min(8));
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let length = section_length(rest).filter(|length| *length <= rest.len()).unwrap_or(rest.len());
        let (section, after) = rest.split_at(length);
        sections.push(section);
        rest = after;
    }
    (header, sections)
}

fn section_length(bytes: &[u8]) -> Option<usize> {
    let (mut size, mut shift) = (0_usize, 0);
    for (index, byte) in bytes.iter().enumerate().skip(1).take(5) {
        size |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(index + 1 + size);
        }
    }
    None
}

/// Numbers that are the same in every run (xorshift64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 where nothing is below the limit.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a limit of 64 bits");
        usize::try_from(self.next() % limit).expect("a number below the limit")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        (0..self.below(limit)).map(|_| self.byte()).collect()
    }
}
