//! Which components slots are for.

use wasmparser::{BinaryReader, MemorySectionReader};

use crate::engine::split::{Section, Unreadable, sections};

/// Bytes of a component's data, which are copied into each instance and overwritten after it. With 200 KiB a request
/// still takes a quarter less processor time than where the data are mapped; with megabytes, mapping is cheaper.
const MOST_DATA: usize = 256 << 10;

/// Components in one another; none that a tool writes has more.
const MOST_NESTED: usize = 16;

/// Core modules, and instances of them, that one component may have.
const MOST_PARTS: usize = 64;

/// Memories of one core module.
const MOST_MEMORIES: u32 = 4;

/// Pages of 64 KiB that a memory begins with.
const MOST_PAGES: u64 = 256;

/// Bytes of a core module that are neither code nor data. Its instances hold a few times as much.
const MOST_DECLARED: usize = 1 << 20;

/// The first eight bytes of a core module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Numbers of sections.
mod section {
    pub(super) const CUSTOM: u8 = 0;
    pub(super) mod component {
        pub(in super::super) const CORE_MODULE: u8 = 1;
        pub(in super::super) const CORE_INSTANCE: u8 = 2;
        pub(in super::super) const COMPONENT: u8 = 4;
    }
    pub(super) mod module {
        pub(in super::super) const MEMORY: u8 = 5;
        pub(in super::super) const CODE: u8 = 10;
        pub(in super::super) const DATA: u8 = 11;
    }
}

/// Whether instances of a component may live in slots: it has few initial data, which are copied each time, and none of
/// what a pool of a fixed size bounds is large. Of bytes that cannot be read the compiler says what is wrong.
pub(in crate::engine) fn is_for(component: &[u8]) -> bool {
    fits(component).unwrap_or(true)
}

fn fits(component: &[u8]) -> Result<bool, Unreadable> {
    let (mut data, mut parts) = (0, 0);
    for part in sections(component)? {
        match part.id {
            section::component::CORE_MODULE => match data_of(&part)? {
                Some(more) => data += more,
                None => return Ok(false),
            },
            section::component::CORE_INSTANCE => parts += count(part.reader())?,
            // It may be instantiated many times, so it may wrap what is there, and nothing more.
            section::component::COMPONENT if has_core(part.content, MOST_NESTED)? => return Ok(false),
            _ => {}
        }
        if data > MOST_DATA || parts > MOST_PARTS {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes of a module's data; `None` if it is too large in other ways.
fn data_of(module: &Section<'_>) -> Result<Option<usize>, Unreadable> {
    if !module.content.starts_with(MODULE) {
        return Err(Unreadable);
    }
    let (mut data, mut declared) = (0, 0);
    for part in sections(module.content)? {
        match part.id {
            section::module::MEMORY if !are_plain(part.reader())? => return Ok(None),
            section::module::DATA => data += part.content.len(),
            section::module::CODE | section::CUSTOM => {}
            _ => declared += part.content.len(),
        }
    }
    Ok((declared <= MOST_DECLARED).then_some(data))
}

/// Whether memories are few, small at first, of one owner and of 32 bits.
fn are_plain(reader: BinaryReader<'_>) -> Result<bool, Unreadable> {
    let memories = MemorySectionReader::new(reader)?;
    if memories.count() > MOST_MEMORIES {
        return Ok(false);
    }
    for memory in memories {
        let memory = memory?;
        if memory.memory64 || memory.shared || memory.page_size_log2.is_some() || memory.initial > MOST_PAGES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a nested component, or one in it, has core modules or instances of its own.
fn has_core(component: &[u8], depth: usize) -> Result<bool, Unreadable> {
    for part in sections(component)? {
        let has_core = match part.id {
            section::component::CORE_MODULE | section::component::CORE_INSTANCE => true,
            section::component::COMPONENT if depth == 0 => true,
            section::component::COMPONENT => has_core(part.content, depth - 1)?,
            _ => false,
        };
        if has_core {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number that a section begins with: that of its entries.
fn count(mut reader: BinaryReader<'_>) -> Result<usize, Unreadable> {
    usize::try_from(reader.read_var_u32()?).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        is_for(&wat::parse_str(text).unwrap())
    }

    fn module(content: &str) -> bool {
        check(&format!("(component (core module {content}))"))
    }

    #[test]
    fn a_component_with_few_data_and_plain_memories_fits() {
        let with_data = |size: usize| module(&format!(r#"(memory 17) (data (i32.const 8) "{}")"#, "x".repeat(size)));
        assert!(with_data(200_000));
        assert!(!with_data(300_000));
        assert!(check("(component)"));
        assert!(module("(memory 256)"));
        for content in ["(memory 257)", "(memory i64 1)", "(memory 1 1 shared)", "(memory 1 (pagesize 1))"] {
            assert!(!module(content), "{content}");
        }
        assert!(!module(&"(memory 1)".repeat(5)));
        let half = format!(r#"(core module (memory 1) (data (i32.const 8) "{}"))"#, "x".repeat(150_000));
        assert!(check(&format!("(component {half})")) && !check(&format!("(component {half} {half})")));
    }

    #[test]
    fn instances_are_counted_and_nested_components_have_none() {
        let instances = |count: usize| {
            check(&format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(count)))
        };
        assert!(instances(64));
        assert!(!instances(65));
        assert!(check("(component (component (component)))"));
        assert!(!check("(component (component (component (core module))))"));
        let nested = |depth: usize| check(&format!("{}{}", "(component ".repeat(depth), ")".repeat(depth)));
        assert!(nested(10) && !nested(90));
        // Each export is some bytes here, and a reference to a function in every instance.
        let exports = |count: usize| {
            (0..count).map(|index| format!(r#"(export "function-{index}" (func 0))"#)).collect::<String>()
        };
        assert!(module(&format!("(func) {}", exports(1_000))));
        assert!(!module(&format!("(func) {}", exports(70_000))));
    }

    #[test]
    fn what_is_broken_is_left_to_the_compiler() {
        let whole = wat::parse_str("(component (core module (memory 1)) (component (core module)))").unwrap();
        for length in 0..whole.len() {
            is_for(&whole[..length]);
        }
        assert!(is_for(b"\0asm\x0d\0\x01\0\x01\x05short"));
    }
}
