//! How many bytes a compiler lays out for memories and tables as they begin.
//!
//! Two bytes of data, far apart, make an image of all that lies between; a table of a million entries takes a few bytes
//! of text. Where a compiler would not lay them out densely, less is counted.

use std::collections::BTreeMap;

use wasmparser::{BinaryReaderError, ConstExpr, DataKind, Operator, SectionLimited};

/// Memories are laid out whole up to this size, however little data there is, and beyond it where at least half is data
/// (wasmtime's rule).
const DENSE_IMAGE: u64 = 16 << 20;
/// Larger tables are not laid out (wasmtime's rule).
const DENSE_TABLE: u64 = 1 << 20;
/// What an entry of a table takes at least.
const ENTRY: u64 = 4;

/// From the first to the last byte of data in one memory.
struct Span {
    start: u64,
    end: u64,
    data: u64,
}

/// What was counted so far, and the memories of the module that is being read.
#[derive(Default)]
pub(super) struct Contents {
    bytes: u64,
    memories: BTreeMap<u32, Span>,
}

impl Contents {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn add_tables(
        &mut self,
        section: SectionLimited<'_, wasmparser::Table<'_>>,
    ) -> Result<(), BinaryReaderError> {
        for table in section {
            let entries = table?.ty.initial;
            if entries <= DENSE_TABLE {
                self.bytes = self.bytes.saturating_add(entries * ENTRY);
            }
        }
        Ok(())
    }

    pub(super) fn add_data(
        &mut self,
        section: SectionLimited<'_, wasmparser::Data<'_>>,
    ) -> Result<(), BinaryReaderError> {
        for data in section {
            let data = data?;
            let DataKind::Active { memory_index, offset_expr } = data.kind else { continue };
            let Some(start) = constant(&offset_expr) else { continue };
            let length = u64::try_from(data.data.len()).unwrap_or(u64::MAX);
            if length == 0 {
                continue;
            }
            let end = start.saturating_add(length);
            let span = self.memories.entry(memory_index).or_insert(Span { start, end, data: 0 });
            span.start = span.start.min(start);
            span.end = span.end.max(end);
            span.data = span.data.saturating_add(length);
        }
        Ok(())
    }

    /// Counts what the module's data came to.
    pub(super) fn end_module(&mut self) {
        for span in std::mem::take(&mut self.memories).into_values() {
            let dense = DENSE_IMAGE.max(span.data.saturating_mul(2));
            self.bytes = self.bytes.saturating_add((span.end - span.start).min(dense));
        }
    }
}

/// The value of an expression that is one constant; others are known only when the module is instantiated.
fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    match expression.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Some(u64::from(value.cast_unsigned())),
        Ok(Operator::I64Const { value }) => Some(value.cast_unsigned()),
        _ => None,
    }
}
