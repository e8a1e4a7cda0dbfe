//! What changed in size between two builds.

use std::collections::BTreeMap;

use crate::output::{SizeChange, SizeData, SizeDiffData};

/// Compares two measurements; at most `top` functions and crates.
pub(super) fn compare(old: &SizeData, new: &SizeData, top: usize) -> SizeDiffData {
    let mut functions = changes(function_sizes(old), function_sizes(new));
    functions.truncate(top);
    let mut crates = changes(crate_sizes(old), crate_sizes(new));
    crates.truncate(top);
    SizeDiffData {
        old: old.reference.clone(),
        new: new.reference.clone(),
        size_before: old.size,
        size: new.size,
        sections: changes(section_sizes(old), section_sizes(new)),
        crates,
        functions,
    }
}

type Sizes = BTreeMap<String, u64>;

/// Functions of one name in one module count as one: instances of a generic function often share it.
fn function_sizes(data: &SizeData) -> Sizes {
    let mut sizes = Sizes::new();
    for function in &data.functions {
        let module = function.module.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let name = function.name.clone().unwrap_or_else(|| "functions without a name".to_owned());
        *sizes.entry(format!("{module}{name}")).or_default() += function.size;
    }
    sizes
}

fn section_sizes(data: &SizeData) -> Sizes {
    let mut sizes = Sizes::new();
    for part in &data.parts {
        for section in &part.sections {
            let part = part.name.as_deref().unwrap_or(part.kind);
            *sizes.entry(format!("{part}: {}", section.name)).or_default() += section.size;
        }
    }
    sizes
}

fn crate_sizes(data: &SizeData) -> Sizes {
    data.crates.iter().map(|krate| (krate.name.clone(), krate.size)).collect()
}

fn changes(old: Sizes, mut new: Sizes) -> Vec<SizeChange> {
    let mut changes = Vec::new();
    for (name, before) in old {
        let after = new.remove(&name).unwrap_or_default();
        changes.push(SizeChange { name, before, after });
    }
    changes.extend(new.into_iter().map(|(name, after)| SizeChange { name, before: 0, after }));
    changes.retain(|change| change.before != change.after);
    changes.sort_by_key(|change| std::cmp::Reverse(change.before.abs_diff(change.after)));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_change_comes_first() {
        let sizes = |entries: &[(&str, u64)]| entries.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        let changes = changes(sizes(&[("a", 10), ("b", 5), ("c", 1)]), sizes(&[("a", 12), ("c", 1), ("d", 9)]));
        let shown: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.before, change.after)).collect();
        assert_eq!(shown, [("d", 0, 9), ("b", 5, 0), ("a", 10, 12)]);
    }
}
