//! WebAssembly binaries from their parts, well-formed or not (core specification and component model, binary format).

/// Sections of a core module.
pub mod core {
    #![allow(missing_docs, reason = "the specification's own words")]
    pub const TYPE: u8 = 1;
    pub const FUNCTION: u8 = 3;
    pub const TABLE: u8 = 4;
    pub const MEMORY: u8 = 5;
    pub const ELEMENT: u8 = 9;
    pub const CODE: u8 = 10;
    pub const DATA: u8 = 11;
}

/// Sections of a component.
pub mod component {
    #![allow(missing_docs, reason = "the specification's own words")]
    pub const MODULE: u8 = 1;
    pub const COMPONENT: u8 = 4;
    pub const TYPE: u8 = 7;
}

/// A core module of these sections.
pub fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// A component of these sections.
pub fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
}

/// A section with this content.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// A section that holds a list.
pub fn list(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
    section(id, &[number(items.len()), items.concat()].concat())
}

/// An unsigned number as LEB128.
pub fn number(value: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (value, Vec::new());
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// `i32.const` and the end of the expression.
pub fn i32_const(value: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (value, vec![0x41]);
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        // The sixth bit of the last byte is the sign.
        if rest == 0 && low & 0x40 == 0 {
            bytes.extend([low, 0x0b]);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
