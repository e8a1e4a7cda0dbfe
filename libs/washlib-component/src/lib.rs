//! WebAssembly components as bytes: what a file is and consists of, whether it is valid, what its WIT is, how it differs
//! from another, and how a core module becomes a component.
//!
//! Works on `&[u8]` alone: no file system, no network, no runtime. Nothing is ever instantiated, and input is treated
//! as hostile.

mod bounds;
mod decode;
mod difference;
mod encode;
mod entries;
mod guard;
mod identify;
mod limits;
mod outline;
mod render;
mod validate;
mod wit_text;

pub use bounds::{
    Excess, MAX_BYTES, MAX_DEFINITIONS, MAX_EXTRA_CONTENTS, MAX_INSTANCES, MAX_NESTING, MAX_PARTS, check_bounds,
    check_length,
};
pub use decode::{DecodeError, Decoded, Root, decode, parse_wit};
pub use difference::{Action, Change, CompareError, Difference, Direction, Impact, Item, Subject, compare};
pub use encode::{Adapter, EncodeError, Encoded, encode};
pub use entries::{producers, unreadable};
pub use guard::{UnexpectedError, guarded};
pub use identify::{Kind, UnrecognizedError, identify};
pub use limits::LimitError;
pub use outline::{Outline, Part, Section, Stopped, outline};
pub use render::{function_text, type_text, value_text};
pub use validate::{InvalidError, validate};
pub use wit_text::WitBounds;
