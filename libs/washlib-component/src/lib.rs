//! WebAssembly components as bytes: what a file is, whether it is valid, and how a core module becomes a component.
//!
//! Works on `&[u8]` alone: no file system, no network, no runtime. Nothing is ever instantiated, and input is treated
//! as hostile.

mod bounds;
mod encode;
mod identify;
mod validate;

pub use bounds::{
    Excess, MAX_BYTES, MAX_DEFINITIONS, MAX_EXTRA_CONTENTS, MAX_INSTANCES, MAX_NESTING, MAX_PARTS, check_bounds,
    check_length,
};
pub use encode::{Adapter, EncodeError, Encoded, encode};
pub use identify::{Kind, UnrecognizedError, identify};
pub use validate::{InvalidError, validate};
