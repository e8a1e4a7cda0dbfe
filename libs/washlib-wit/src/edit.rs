//! Changes .wit sources in place: comments, layout and everything else that is not meant stay as they are.
//!
//! Pure functions over text: a caller resolves the result before it writes anything.

use std::ops::Range;

use semver::Version;
use thiserror::Error;

use crate::references::{Reference, ReferenceKind, Scan, World, scan};
use crate::{ItemPath, PackageId, PackageName};

/// Why an edit cannot be made.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EditError {
    /// There is no world to add to.
    #[error("there is no world in `{wit_dir}` to add `{item}` to")]
    NoWorld {
        /// The folder of the sources.
        wit_dir: String,
        /// What was to be added.
        item: String,
    },
    /// No world has the name asked for.
    #[error("there is no world `{world}`")]
    NoSuchWorld {
        /// The name.
        world: String,
        /// Those that there are.
        worlds: Vec<String>,
    },
    /// Several worlds, and none was named.
    #[error("there are several worlds: {}", worlds.join(", "))]
    AmbiguousWorld {
        /// Their names.
        worlds: Vec<String>,
    },
    /// Nothing names the package.
    #[error("nothing in the sources depends on `{path}`")]
    NotFound {
        /// What was to be removed or updated.
        path: String,
        /// Packages that the sources do depend on.
        known: Vec<String>,
    },
    /// A `use` needs the package: without it the file would be invalid.
    #[error("`{package}` is still needed: {}", places.join(", "))]
    StillUsed {
        /// The package.
        package: String,
        /// File and line of each `use`.
        places: Vec<String>,
    },
}

/// How an item is added to a world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddAs {
    /// `import` of an interface.
    Import,
    /// `export` of an interface.
    Export,
    /// `include` of a world.
    Include,
}

impl AddAs {
    fn keyword(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
            Self::Include => "include",
        }
    }

    fn kind(self) -> ReferenceKind {
        match self {
            Self::Import => ReferenceKind::Import,
            Self::Export => ReferenceKind::Export,
            Self::Include => ReferenceKind::Include,
        }
    }
}

/// Replaces spans of `text`; they must not overlap.
fn replace(text: &str, mut replacements: Vec<(Range<usize>, String)>) -> String {
    replacements.sort_by_key(|(span, _)| span.start);
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for (span, new) in replacements {
        result.push_str(&text[at..span.start]);
        result.push_str(&new);
        at = span.end;
    }
    result.push_str(&text[at..]);
    result
}

/// Gives every reference for which `choose` knows a version that version. `None` when nothing changes.
pub(crate) fn set_versions(text: &str, choose: impl Fn(&PackageId) -> Option<Version>) -> Option<String> {
    let replacements: Vec<(Range<usize>, String)> = scan(text)
        .references
        .into_iter()
        .filter_map(|reference| {
            let version = choose(&reference.package)?;
            (reference.package.version.as_ref() != Some(&version))
                .then(|| (reference.version_span, format!("@{version}")))
        })
        .collect();
    (!replacements.is_empty()).then(|| replace(text, replacements))
}

/// Adds `path` to a world of `text`. `None` when the world has it already.
pub(crate) fn add(text: &str, world_name: &str, add_as: AddAs, path: &ItemPath) -> Option<String> {
    let scan = scan(text);
    let world = scan.worlds.iter().find(|world| world.name == world_name)?;
    let has = |reference: &&Reference| {
        reference.kind == add_as.kind()
            && reference.package.name == path.package.name
            && Some(&reference.item) == path.item.as_ref()
            && world.body.contains(&reference.start)
    };
    if let Some(reference) = scan.references.iter().find(has) {
        let version = path.package.version.clone()?;
        let changed = reference.package.version.as_ref() != Some(&version);
        return changed.then(|| replace(text, vec![(reference.version_span.clone(), format!("@{version}"))]));
    }
    Some(insert(text, world, add_as, &format!("{} {path};", add_as.keyword())))
}

/// After the last statement of its kind, else where such statements usually stand: includes and imports first.
fn insert(text: &str, world: &World, add_as: AddAs, statement: &str) -> String {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let body = &text[world.body.clone()];
    let last_of = |kinds: &[ReferenceKind]| {
        world.items.iter().rev().find(|(kind, _)| kinds.contains(kind)).map(|(_, span)| span.clone())
    };
    let after = match add_as {
        AddAs::Include => last_of(&[ReferenceKind::Include]),
        AddAs::Import => last_of(&[ReferenceKind::Import]).or_else(|| last_of(&[ReferenceKind::Include])),
        AddAs::Export => world.items.last().map(|(_, span)| span.clone()),
    };
    if let Some(span) = after {
        let indent = indentation(text, span.start);
        let on_one_line = !text[world.body.start..span.end].contains('\n');
        if on_one_line {
            return replace(text, vec![(span.end..span.end, format!(" {statement}"))]);
        }
        // A comment at the end of the line belongs to the statement before.
        let at = text[span.end..].find('\n').map_or(text.len(), |length| span.end + length);
        let at = if text[..at].ends_with('\r') { at - 1 } else { at };
        let at = at.min(world.body.end);
        return replace(text, vec![(at..at, format!("{line_end}{indent}{statement}"))]);
    }
    let outer = indentation(text, world.body.start);
    let indent = format!("{outer}{}", first_indentation(text).unwrap_or("  "));
    if body.contains('\n') {
        let at = world.body.start + body.find('\n').unwrap_or(0);
        let at = if text[..at].ends_with('\r') { at - 1 } else { at };
        // A comment right after the brace stays where it is.
        return replace(text, vec![(at..at, format!("{line_end}{indent}{statement}"))]);
    }
    let rest = body.trim();
    let rest = if rest.is_empty() { String::new() } else { format!("{indent}{rest}{line_end}") };
    replace(text, vec![(world.body.clone(), format!("{line_end}{indent}{statement}{line_end}{rest}{outer}"))])
}

/// The blanks that the line of `at` begins with.
fn indentation(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// The blanks of the first line that is indented at all.
fn first_indentation(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let blanks = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        (!blanks.is_empty() && line.len() > blanks.len() && !line.trim_start().starts_with('*')).then_some(blanks)
    })
}

/// What a removal asks for: a package, perhaps at a version, perhaps only one item of it.
pub(crate) fn matches(reference: &Reference, path: &ItemPath) -> bool {
    reference.package.name == path.package.name
        && (path.package.version.is_none() || path.package.version == reference.package.version)
        && path.item.as_ref().is_none_or(|item| *item == reference.item)
}

/// Removes the imports, exports and includes of `path`, whatever their world. `None` when there are none.
pub(crate) fn remove(text: &str, path: &ItemPath) -> Option<String> {
    let references = scan(text).references;
    let removed =
        references.iter().filter(|reference| reference.kind != ReferenceKind::Use && matches(reference, path));
    let spans: Vec<(Range<usize>, String)> =
        removed.map(|reference| (with_line(text, reference.statement.clone()), String::new())).collect();
    (!spans.is_empty()).then(|| replace(text, spans))
}

/// The lines of a statement when nothing else stands on them; the statement alone otherwise.
fn with_line(text: &str, span: Range<usize>) -> Range<usize> {
    let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[span.end..].find('\n').map_or(text.len(), |length| span.end + length + 1);
    let is_blank = |text: &str| text.chars().all(char::is_whitespace);
    let (before, after) = (&text[line_start..span.start], &text[span.end..line_end]);
    match (is_blank(before), is_blank(after)) {
        (true, true) => line_start..line_end,
        // The blank between two statements on a line goes with the second.
        (false, _) => span.start - (before.len() - before.trim_end().len())..span.end,
        // What follows, a comment perhaps, takes the statement's place.
        (true, false) => span.start..span.end + (after.len() - after.trim_start_matches([' ', '\t']).len()),
    }
}

/// The `use` statements of a file that need `name`, with their lines from 1.
pub(crate) fn uses<'a>(scan: &'a Scan, text: &'a str, path: &'a ItemPath) -> impl Iterator<Item = usize> + 'a {
    let needing = scan.references.iter().filter(|reference| reference.kind == ReferenceKind::Use);
    needing.filter(|reference| matches(reference, path)).map(|reference| line_of(text, reference.start))
}

/// The line of a position, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Every package that a file names, in the file's order.
pub(crate) fn packages(text: &str) -> Vec<PackageName> {
    scan(text).references.into_iter().map(|reference| reference.package.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_to(text: &str, add_as: AddAs, path: &str) -> Option<String> {
        add(text, "w", add_as, &path.parse().unwrap())
    }

    #[test]
    fn additions_follow_their_kind_and_layout() {
        let table: &[(&str, AddAs, &str, &str)] = &[
            ("world w {}", AddAs::Import, "a:b/c@1.0.0", "world w {\n  import a:b/c@1.0.0;\n}"),
            ("world w {\n}\n", AddAs::Import, "a:b/c@1.0.0", "world w {\n  import a:b/c@1.0.0;\n}\n"),
            (
                "world w {\n\timport x:y/z; // why\n\n\texport q;\n}\n",
                AddAs::Import,
                "a:b/c@1.0.0",
                "world w {\n\timport x:y/z; // why\n\timport a:b/c@1.0.0;\n\n\texport q;\n}\n",
            ),
            (
                "world w {\n    export q;\n}\n",
                AddAs::Import,
                "a:b/c",
                "world w {\n    import a:b/c;\n    export q;\n}\n",
            ),
            (
                "world w { import x:y/z; }",
                AddAs::Import,
                "a:b/c@1.0.0",
                "world w { import x:y/z; import a:b/c@1.0.0; }",
            ),
            ("world w { type t = u8; }", AddAs::Import, "a:b/c", "world w {\n  import a:b/c;\n  type t = u8;\n}"),
            (
                "world w {\r\n  import x:y/z;\r\n}\r\n",
                AddAs::Export,
                "a:b/c",
                "world w {\r\n  import x:y/z;\r\n  export a:b/c;\r\n}\r\n",
            ),
            (
                "world w { // note\n  import x:y/z;\n}",
                AddAs::Include,
                "a:b/c",
                "world w { // note\n  include a:b/c;\n  import x:y/z;\n}",
            ),
            (
                "world w {\n  import a:b/c@1.0.0;\n}",
                AddAs::Import,
                "a:b/c@1.1.0",
                "world w {\n  import a:b/c@1.1.0;\n}",
            ),
            ("world w {\n  import a:b/c;\n}", AddAs::Import, "a:b/c@1.1.0", "world w {\n  import a:b/c@1.1.0;\n}"),
        ];
        for (text, add_as, path, expected) in table {
            assert_eq!(add_to(text, *add_as, path).as_deref(), Some(*expected), "{text}");
        }
        assert_eq!(add_to("world w { import a:b/c@1.0.0; }", AddAs::Import, "a:b/c@1.0.0"), None);
        assert_eq!(add_to("world other {}", AddAs::Import, "a:b/c@1.0.0"), None);
    }

    #[test]
    fn removals_take_their_lines_and_leave_comments() {
        let table: &[(&str, &str, &str)] = &[
            ("world w {\n  import a:b/c;\n  import x:y/z;\n}\n", "a:b", "world w {\n  import x:y/z;\n}\n"),
            ("world w {\n  /// Doc.\n  @since(version = 1.0.0)\n  import a:b/c;\n}\n", "a:b/c", "world w {\n}\n"),
            ("world w {\n  import a:b/c; // why\n}\n", "a:b", "world w {\n  // why\n}\n"),
            ("world w { import a:b/c; export q; }", "a:b", "world w { export q; }"),
            ("world w { import q; import a:b/c; }", "a:b", "world w { import q; }"),
            (
                "world w {\n  // before\n  include a:b/c@1.0.0;\n  // after\n}\n",
                "a:b@1.0.0",
                "world w {\n  // before\n  // after\n}\n",
            ),
        ];
        for (text, path, expected) in table {
            assert_eq!(remove(text, &path.parse().unwrap()).as_deref(), Some(*expected), "{text}");
        }
        for (text, path) in [("world w { import a:b/c@1.0.0; }", "a:b@2.0.0"), ("world w { import a:b/c; }", "a:b/d")] {
            assert_eq!(remove(text, &path.parse().unwrap()), None);
        }
    }

    #[test]
    fn versions_change_where_they_stand() {
        let text = "package p:q@0.2.0;\nworld w {\n  import a:b/c@0.2.0; // a:b/c@0.2.0\n  export a:b/d@0.2.0;\n}\ninterface i { use a:b/t@0.2.0.{x}; use p:q/r@0.2.0.{y}; }\n";
        let name: PackageName = "a:b".parse().unwrap();
        let changed = set_versions(text, |package| (package.name == name).then(|| Version::new(0, 2, 12))).unwrap();
        assert_eq!(
            changed,
            "package p:q@0.2.0;\nworld w {\n  import a:b/c@0.2.12; // a:b/c@0.2.0\n  export a:b/d@0.2.12;\n}\ninterface i { use a:b/t@0.2.12.{x}; use p:q/r@0.2.0.{y}; }\n"
        );
        assert_eq!(set_versions(text, |_| Some(Version::new(0, 2, 0))), None);
    }

    #[test]
    fn edited_text_parses() {
        let parses = |text: &str| wit_parser::UnresolvedPackageGroup::parse("w.wit", text).is_ok();
        for text in
            ["world w {}", "world w { import x:y/z; }", "world w {\n  // c\n  export x:y/z;\n}", "world w {\n\n\n}"]
        {
            for add_as in [AddAs::Import, AddAs::Export, AddAs::Include] {
                let text = format!("package p:q;\n{text}\n");
                let added = add_to(&text, add_as, "a:b/c@1.0.0").unwrap();
                assert!(parses(&added), "{added}");
                let removed = remove(&added, &"a:b".parse().unwrap()).unwrap();
                assert!(parses(&removed), "{removed}");
            }
        }
    }
}
