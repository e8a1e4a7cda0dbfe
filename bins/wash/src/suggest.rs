//! The nearest name to one that was mistyped.
//!
//! Compares names and nothing else; where the names come from is the caller's business.

/// The name nearest to `typed`, when it is near enough to be what was meant. Of equally near ones the first.
pub(crate) fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    // One slip in a short name, one for every three letters of a longer one, and never a whole different name.
    let limit = (typed.len().max(3) / 3).min(typed.len().saturating_sub(1));
    names
        .into_iter()
        .filter_map(|name| {
            let letters: Vec<char> = name.to_lowercase().chars().collect();
            if letters.len().abs_diff(typed.len()) > limit {
                return None;
            }
            Some((edit_distance(&typed, &letters), name)).filter(|&(distance, _)| distance <= limit)
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn `left` into `right`
/// (optimal string alignment).
fn edit_distance(left: &[char], right: &[char]) -> usize {
    // Three rows of the matrix: swapping neighbours looks two rows back.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, &b) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(left: &str, right: &str) -> usize {
        edit_distance(&left.chars().collect::<Vec<_>>(), &right.chars().collect::<Vec<_>>())
    }

    #[test]
    fn distances() {
        let table = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("build", "build", 0),
            ("biuld", "build", 1),
            ("buld", "build", 1),
            ("builld", "build", 1),
            ("byild", "build", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("жук", "жуки", 1),
        ];
        for (left, right, expected) in table {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["new", "build", "dev", "help", "completion", "c"];
        let table = [
            ("biuld", Some("build")),
            ("bulid", Some("build")),
            ("BUILD", Some("build")),
            ("nwe", Some("new")),
            ("complection", Some("completion")),
            ("deploy", None),
            ("xyz", None),
            ("x", None),
            ("", None),
        ];
        for (typed, expected) in table {
            assert_eq!(nearest(typed, names), expected, "{typed}");
        }
    }

    #[test]
    fn the_first_of_equally_near_names_wins() {
        assert_eq!(nearest("dex", ["dev", "den"]), Some("dev"));
        assert_eq!(nearest("dex", ["den", "dev"]), Some("den"));
    }

    #[test]
    fn a_huge_name_costs_nothing() {
        assert_eq!(nearest(&"x".repeat(1 << 22), ["build"]), None);
    }
}
