//! Finds the places of a WIT file that name packages: its own, and those it depends on.
//!
//! Knows just enough of the grammar for edits that leave everything else as it is. Whether the file is valid is
//! wit-parser's to say.

use std::ops::Range;

use semver::Version;

use crate::lexer::{Kind, Token, tokens, version_end};
use crate::{PackageId, PackageName};

/// What a statement does with the package that it names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferenceKind {
    /// `import` in a world.
    Import,
    /// `export` in a world.
    Export,
    /// `include` in a world.
    Include,
    /// `use`, anywhere.
    Use,
}

/// A statement that names a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reference {
    pub(crate) kind: ReferenceKind,
    pub(crate) package: PackageId,
    /// The interface or world.
    pub(crate) item: String,
    /// Where the version stands, or would stand: from the `@` on.
    pub(crate) version_span: Range<usize>,
    /// The whole statement, with its documentation, its attributes and the semicolon.
    pub(crate) statement: Range<usize>,
    /// The statement's first word.
    pub(crate) start: usize,
}

/// A `package` line, or the head of a nested package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) package: PackageId,
}

/// A world and the statements of it that have a place of their own among the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct World {
    pub(crate) name: String,
    /// What is between the braces.
    pub(crate) body: Range<usize>,
    /// Every `import`, `export` and `include`, of whatever.
    pub(crate) items: Vec<(ReferenceKind, Range<usize>)>,
}

/// What a file names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// The file's own package, then nested ones.
    pub(crate) headers: Vec<Header>,
    pub(crate) references: Vec<Reference>,
    pub(crate) worlds: Vec<World>,
}

/// Looks through a file.
pub(crate) fn scan(text: &str) -> Scan {
    let tokens = tokens(text);
    let mut scanner =
        Scanner { text, tokens: &tokens, at: 0, pending: None, world: None, depth: 0, scan: Scan::default() };
    while scanner.step() {}
    scanner.scan
}

struct Scanner<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    /// Where the documentation and attributes of the next statement began.
    pending: Option<usize>,
    /// The world that is open, with the depth of its braces.
    world: Option<(World, usize)>,
    depth: usize,
    scan: Scan,
}

/// A path such as `wasi:http/types@0.2.0`, and the index of the token after it.
struct FoundPath {
    package: PackageId,
    item: String,
    version_span: Range<usize>,
    next: usize,
}

impl<'a> Scanner<'a> {
    /// Takes the next token or statement; false at the end.
    fn step(&mut self) -> bool {
        let Some(token) = self.tokens.get(self.at) else { return false };
        let start = token.span.start;
        match token.kind {
            Kind::Documentation => {
                self.pending.get_or_insert(start);
            }
            Kind::Punctuation(b'@') => {
                self.pending.get_or_insert(start);
                self.skip_attribute();
            }
            Kind::Punctuation(b'{') => {
                self.depth += 1;
                self.pending = None;
            }
            Kind::Punctuation(b'}') => {
                self.close(start);
                self.pending = None;
            }
            Kind::Punctuation(b';') => self.pending = None,
            Kind::Word => return self.word(start),
            Kind::Punctuation(_) | Kind::Comment | Kind::Text => {}
        }
        self.at += 1;
        true
    }

    fn word(&mut self, start: usize) -> bool {
        let statement_start = self.pending.unwrap_or(start);
        match self.text_at(self.at) {
            "package" => self.package(),
            "world" => self.open_world(),
            "use" => self.path_statement(ReferenceKind::Use, self.at + 1, statement_start, start),
            "include" => self.path_statement(ReferenceKind::Include, self.at + 1, statement_start, start),
            word @ ("import" | "export") => {
                let kind = if word == "import" { ReferenceKind::Import } else { ReferenceKind::Export };
                // `import name: a:b/c;` gives the import a name of its own.
                let is_named = self.path(self.at + 1).is_none() && self.is_punctuation(self.next(self.at + 1), b':');
                let path_at = if is_named { self.next(self.next(self.at + 1)) } else { self.at + 1 };
                self.path_statement(kind, path_at, statement_start, start);
            }
            _ => self.at += 1,
        }
        true
    }

    /// `package a:b@1.0.0` and the `;` or `{` after it.
    fn package(&mut self) {
        self.pending = None;
        self.at += 1;
        let namespace_at = self.skip_comments(self.at);
        let Some((name, after)) = self.package_name(namespace_at) else { return };
        let (version, next, _) = self.version(after);
        self.scan.headers.push(Header { package: name.at(version) });
        self.at = next;
    }

    fn open_world(&mut self) {
        self.pending = None;
        let name_at = self.skip_comments(self.at + 1);
        let brace_at = self.next(name_at);
        if self.world.is_none() && self.is_punctuation(brace_at, b'{') {
            let name = self.text_at(name_at).trim_start_matches('%').to_owned();
            let body_start = self.tokens[brace_at].span.end;
            self.depth += 1;
            self.world = Some((World { name, body: body_start..self.text.len(), items: Vec::new() }, self.depth));
            self.at = brace_at + 1;
        } else {
            self.at += 1;
        }
    }

    fn close(&mut self, at: usize) {
        if let Some((mut world, depth)) = self.world.take() {
            if depth == self.depth {
                world.body.end = at;
                self.scan.worlds.push(world);
            } else {
                self.world = Some((world, depth));
            }
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// A statement whose path, if it has one, begins at the token `path_at`.
    fn path_statement(&mut self, kind: ReferenceKind, path_at: usize, statement_start: usize, start: usize) {
        let path = self.path(path_at);
        let search_from = path.as_ref().map_or(self.at + 1, |path| path.next);
        let (end, next) = self.statement_end(search_from);
        let statement = statement_start..end;
        if kind != ReferenceKind::Use
            && let Some((world, _)) = &mut self.world
        {
            world.items.push((kind, statement.clone()));
        }
        if let Some(path) = path {
            let FoundPath { package, item, version_span, .. } = path;
            self.scan.references.push(Reference { kind, package, item, version_span, statement, start });
            self.at = next;
        } else {
            // The body of `import a: interface { use b:c/d.{e}; }` is looked through too.
            self.at += 1;
        }
        self.pending = None;
    }

    /// The end of a statement in bytes, and the index of the token after it: at its `;`, or at the `}` that closes what
    /// it opened when no `;` follows.
    fn statement_end(&self, from: usize) -> (usize, usize) {
        let mut depth = 0_usize;
        let mut at = from;
        while let Some(token) = self.tokens.get(at) {
            match token.kind {
                Kind::Punctuation(b';') if depth == 0 => return (token.span.end, at + 1),
                Kind::Punctuation(b'{') => depth += 1,
                Kind::Punctuation(b'}') if depth == 0 => return (token.span.start, at),
                Kind::Punctuation(b'}') => {
                    depth -= 1;
                    if depth == 0 && !self.is_punctuation(self.next(at), b';') {
                        return (token.span.end, at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        (self.text.len(), self.tokens.len())
    }

    /// The path `a:b/c@1.0.0` at a token. One without a package names nothing foreign.
    fn path(&self, at: usize) -> Option<FoundPath> {
        let at = self.skip_comments(at);
        let (name, slash_at) = self.package_name(at)?;
        if !self.is_punctuation(slash_at, b'/') {
            return None;
        }
        let item_at = self.next(slash_at);
        let item = self.word_at(item_at)?;
        let (version, next, version_span) = self.version(item_at + 1);
        let version_span = version_span.unwrap_or_else(|| {
            let end = self.tokens[item_at].span.end;
            end..end
        });
        Some(FoundPath { package: name.at(version), item: item.to_owned(), version_span, next })
    }

    /// `a:b` at a token, and the index of the token after it.
    fn package_name(&self, at: usize) -> Option<(PackageName, usize)> {
        let namespace = self.word_at(at)?;
        let colon_at = self.next(at);
        if !self.is_punctuation(colon_at, b':') {
            return None;
        }
        let name_at = self.next(colon_at);
        let name = self.word_at(name_at)?;
        Some((PackageName::new(namespace, name), self.next(name_at)))
    }

    /// `@1.0.0` at a token: the version, the index of the token after it, and where it stands.
    fn version(&self, at: usize) -> (Option<Version>, usize, Option<Range<usize>>) {
        let at = self.skip_comments(at);
        if !self.is_punctuation(at, b'@') {
            return (None, at, None);
        }
        let start = self.tokens[at].span.end;
        let end = version_end(self.text, start);
        let Ok(version) = self.text[start..end].parse::<Version>() else { return (None, at, None) };
        let after = self.tokens[at..].iter().position(|token| token.span.start >= end);
        (Some(version), after.map_or(self.tokens.len(), |offset| at + offset), Some(start - 1..end))
    }

    /// `@since(version = 0.2.0)`: leaves the scanner on the last token of it.
    fn skip_attribute(&mut self) {
        let open_at = self.next(self.next(self.at));
        if self.word_at(self.next(self.at)).is_some() && self.is_punctuation(open_at, b'(') {
            let close = self.tokens[open_at..].iter().position(|token| token.kind == Kind::Punctuation(b')'));
            self.at = close.map_or(self.at, |offset| open_at + offset);
        }
    }

    fn skip_comments(&self, mut at: usize) -> usize {
        while self.tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Comment | Kind::Documentation)) {
            at += 1;
        }
        at
    }

    /// The token after `at` that is no comment.
    fn next(&self, at: usize) -> usize {
        self.skip_comments(at + 1)
    }

    fn is_punctuation(&self, at: usize, byte: u8) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Punctuation(byte))
    }

    fn text_at(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.text[token.span.clone()])
    }

    /// The identifier at a token, without its `%`.
    fn word_at(&self, at: usize) -> Option<&'a str> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Word)?;
        Some(self.text[token.span.clone()].trim_start_matches('%'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
/// Of the package.
package acme:app@1.0.0;

use wasi:io/streams@0.2.0 as s;

interface api {
  /// Not `use a:b/c;` but
  use wasi:http/types@0.2.1.{request, response as answer};
  use local.{t};
  @since(version = 0.2.0)
  f: func(a: list<u8>) -> result<_, string>;
}

world app {
  // import no:thing/here@1.0.0;
  import wasi:cli/environment@0.2.0; // why
  /// Documented.
  @unstable(feature = x)
  export wasi:http /* c */ / incoming-handler@0.2.0-draft.1;
  import log: func(text: string);
  import inline: interface { use acme:other/types.{a}; }
  import named: wasi:clocks/monotonic-clock@0.2.0;
  export api;
  include wasi:cli/imports@0.2.0 with { a as b }
  include %world2;
}

package acme:nested@2.0.0 {
  world inner { import acme:app/api@1.0.0; }
}
"#;

    #[test]
    fn every_reference_is_found() {
        let scan = scan(FILE);
        let found: Vec<String> = scan
            .references
            .iter()
            .map(|reference| format!("{:?} {} {}", reference.kind, reference.package, reference.item))
            .collect();
        assert_eq!(
            found,
            [
                "Use wasi:io@0.2.0 streams",
                "Use wasi:http@0.2.1 types",
                "Import wasi:cli@0.2.0 environment",
                "Export wasi:http@0.2.0-draft.1 incoming-handler",
                "Use acme:other types",
                "Import wasi:clocks@0.2.0 monotonic-clock",
                "Include wasi:cli@0.2.0 imports",
                "Import acme:app@1.0.0 api",
            ]
        );
        let headers: Vec<String> = scan.headers.iter().map(|header| header.package.to_string()).collect();
        assert_eq!(headers, ["acme:app@1.0.0", "acme:nested@2.0.0"]);
    }

    #[test]
    fn statements_hold_their_documentation_and_attributes() {
        let scan = scan(FILE);
        let export = scan.references.iter().find(|reference| reference.kind == ReferenceKind::Export).unwrap();
        let text = &FILE[export.statement.clone()];
        assert!(text.starts_with("/// Documented.") && text.ends_with("draft.1;"), "{text}");
        assert_eq!(&FILE[export.version_span.clone()], "@0.2.0-draft.1");
        let include = scan.references.iter().find(|reference| reference.kind == ReferenceKind::Include).unwrap();
        assert!(FILE[include.statement.clone()].ends_with("with { a as b }"));
    }

    #[test]
    fn worlds_know_their_items() {
        let scan = scan(FILE);
        let names: Vec<&str> = scan.worlds.iter().map(|world| world.name.as_str()).collect();
        assert_eq!(names, ["app", "inner"]);
        let kinds: Vec<ReferenceKind> = scan.worlds[0].items.iter().map(|(kind, _)| *kind).collect();
        use ReferenceKind::{Export, Import, Include};
        assert_eq!(kinds, [Import, Export, Import, Import, Import, Export, Include, Include]);
        assert!(FILE[scan.worlds[0].body.clone()].trim_end().ends_with("%world2;"));
    }

    #[test]
    fn the_parser_finds_the_same() {
        let wasi = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wash-runtime/wit");
        let mut files = 0;
        let mut open = vec![wasi];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|extension| extension == "wit") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let Ok(group) = wit_parser::UnresolvedPackageGroup::parse(&path, &text) else { continue };
                    let mut expected: Vec<PackageId> = group.main.foreign_deps.keys().map(PackageId::from).collect();
                    let mut found: Vec<PackageId> =
                        scan(&text).references.into_iter().map(|reference| reference.package).collect();
                    // A reference to the file's own package is none to a foreign one.
                    found.retain(|package| *package != PackageId::from(&group.main.name));
                    expected.sort();
                    found.sort();
                    found.dedup();
                    assert_eq!(found, expected, "{}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files > 5, "{files} files");
    }

    #[test]
    fn damaged_text_never_panics() {
        for position in 0..FILE.len() {
            if FILE.is_char_boundary(position) {
                let _ = scan(&FILE[..position]);
                let _ = scan(&FILE[position..]);
                let _ = scan(&format!("{}{{@;:/}}{}", &FILE[..position], &FILE[position..]));
            }
        }
    }
}
