//! Turns packages into the texts of `wit/deps`, and proves that the sources are valid together with them.
//!
//! What was rendered once is remembered by the digests of all that took part, so that nothing is decoded or parsed
//! again as long as nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::cache::{Rendered, RenderedPackage};
use crate::compatibility::contradiction;
use crate::deps_dir::{DepsDir, Entry, EntryContent, Owners};
use crate::project::{WitSources, own_packages, parse};
use crate::resolve::{Origin, Resolution};
use crate::source::{Content, SourceError, TextFile, Wanted};
use crate::sync::{Comparison, Context};
use crate::sync_error::SyncError;
use crate::{Digest, PackageId, unify};

/// Changes whenever the same packages give other texts.
const RENDERER: &str = "4, wit-component 0.254";

impl RenderedPackage {
    /// Whether a text says the same: its interfaces and worlds may stand in another order, as wkg may leave them.
    pub(crate) fn is_same(&self, text: &str) -> bool {
        self.text == text || {
            let (ours, theirs) = (blocks(&self.text), blocks(text));
            ours == theirs
        }
    }

    /// The name of the package's folder in `wit/deps`.
    pub(crate) fn folder_name(&self) -> String {
        self.package.replace([':', '@'], "-")
    }

    /// Where the text will stand, for messages.
    fn path(&self) -> String {
        format!("deps/{}/package.wit", self.folder_name())
    }
}

/// The head of a text, and its top-level blocks in the order of the alphabet.
fn blocks(text: &str) -> (&str, Vec<&str>) {
    let (head, body) = text.split_once(";\n").unwrap_or((text, ""));
    let mut blocks: Vec<&str> = body.split("\n}\n").map(str::trim).collect();
    blocks.sort_unstable();
    (head, blocks)
}

/// The texts of `wit/deps`, without what is there by hand; or that what is there must do.
pub(crate) enum Rendering {
    /// The texts.
    Texts(Rendered),
    /// The packages are in place by name and version, but the content of these is not on this machine to compare with.
    Unknown(Vec<PackageId>),
}

/// Renders the packages, as far as that takes no more than `comparison` allows.
///
/// # Errors
///
/// When a package cannot be had or the sources are not valid together with the packages.
pub(crate) fn render(
    context: &Context<'_>,
    sources: &WitSources,
    group: UnresolvedPackageGroup,
    resolution: &mut Resolution,
    deps: &DepsDir,
    owners: &Owners<'_>,
    comparison: Comparison,
) -> Result<Rendering, SyncError> {
    let vendored = deps.vendored(owners);
    let key = key(&group, resolution, &vendored);
    let valid_key = Digest::of_parts(
        std::iter::once(key.hex().as_bytes())
            .chain(sources.files.iter().flat_map(|file| [file.shown.as_bytes(), file.text.as_bytes()])),
    );
    let cached = context.cache.rendering(&key);
    if let Some(cached) = cached {
        if !context.cache.is_valid(&valid_key) {
            let texts = Parts { texts: &[], vendored: &vendored, wit_dir: context };
            texts.validate(&cached.texts, group)?;
            context.cache.put_valid(&valid_key);
        }
        return Ok(Rendering::Texts(cached));
    }
    load_cached(context, resolution);
    load_from_deps(context, resolution, deps);
    if missing(resolution).next().is_some() {
        let unknown = |resolution: &Resolution| in_place(context, &group, resolution, deps);
        if comparison == Comparison::Cached
            && let Some(packages) = unknown(resolution)
        {
            return Ok(Rendering::Unknown(packages));
        }
        match fetch_missing(context, resolution) {
            Ok(()) => {}
            Err(err @ SyncError::Source(SourceError::Offline { .. })) => {
                return unknown(resolution).map(Rendering::Unknown).ok_or(err);
            }
            Err(err) => return Err(err),
        }
    }
    context.check_interrupt()?;
    let rendered = render_all(context, group, resolution, &vendored)?;
    context.cache.put_rendering(&key, &rendered);
    context.cache.put_valid(&valid_key);
    Ok(Rendering::Texts(rendered))
}

/// The packages whose content is unknown, if every package is in place by name and version, and valid there.
fn in_place(
    context: &Context<'_>,
    group: &UnresolvedPackageGroup,
    resolution: &Resolution,
    deps: &DepsDir,
) -> Option<Vec<PackageId>> {
    if !resolution.packages.keys().all(|package| deps.defines(package)) {
        return None;
    }
    let everything: Vec<&Entry> = deps.entries.iter().collect();
    let parts = Parts { texts: &[], vendored: &everything, wit_dir: context };
    parts.validate(&[], group.clone()).ok()?;
    Some(missing(resolution).map(|(package, _)| package.clone()).collect())
}

/// All that the texts depend on.
fn key(group: &UnresolvedPackageGroup, resolution: &Resolution, vendored: &[&Entry]) -> Digest {
    let mut parts = vec![RENDERER.to_owned()];
    for (package, resolved) in &resolution.packages {
        let origin = match &resolved.origin {
            Origin::Registry { version, digest, .. } | Origin::Folder { version, digest, .. } => {
                format!("release {version} {digest}")
            }
            Origin::Location { digest, .. } => format!("location {digest}"),
            Origin::Vendored { entry } => format!("vendored {entry}"),
        };
        parts.push(format!("{package} {} {origin}", resolved.is_direct));
    }
    parts.extend(vendored.iter().map(|entry| format!("{} {}", entry.name.to_string_lossy(), entry.digest())));
    parts.extend(own_packages(group).iter().map(ToString::to_string));
    Digest::of_parts(parts.iter().map(String::as_bytes))
}

/// The packages whose content is still to be found.
fn missing(resolution: &Resolution) -> impl Iterator<Item = (&PackageId, &crate::Resolved)> {
    let needs_content = |resolved: &crate::Resolved| !matches!(resolved.origin, Origin::Vendored { .. });
    resolution.packages.iter().filter(move |(_, resolved)| resolved.content.is_none() && needs_content(resolved))
}

/// Gets the content of every package, from the cache or from where it was published.
pub(crate) fn load_contents(context: &Context<'_>, resolution: &mut Resolution) -> Result<(), SyncError> {
    load_cached(context, resolution);
    if missing(resolution).next().is_some() { fetch_missing(context, resolution) } else { Ok(()) }
}

fn load_cached(context: &Context<'_>, resolution: &mut Resolution) {
    for resolved in resolution.packages.values_mut().filter(|resolved| resolved.content.is_none()) {
        if let Origin::Registry { digest, .. } = &resolved.origin {
            resolved.content = context.cache.content(digest);
        }
    }
}

/// Takes over the binary files of `wit/deps`, as wkg may leave them, that are what the lock says.
fn load_from_deps(context: &Context<'_>, resolution: &mut Resolution, deps: &DepsDir) {
    if missing(resolution).next().is_none() {
        return;
    }
    for entry in &deps.entries {
        let EntryContent::Binary(path) = &entry.content else { continue };
        let Ok(bytes) = crate::read::package(path) else { continue };
        let found = Digest::of(&bytes);
        let is_this = |resolved: &&mut crate::Resolved| {
            resolved.content.is_none()
                && matches!(&resolved.origin, Origin::Registry { digest, .. } if *digest == found)
        };
        if let Some(resolved) = resolution.packages.values_mut().find(is_this) {
            let content = Content::Binary(bytes);
            context.cache.put_content(&content);
            resolved.content = Some(content);
        }
    }
}

/// Fetches the releases that the lock names and the cache does not have.
fn fetch_missing(context: &Context<'_>, resolution: &mut Resolution) -> Result<(), SyncError> {
    let mut packages = Vec::new();
    let mut wanted = Vec::new();
    for (package, resolved) in missing(resolution) {
        if let Origin::Registry { registry, version, digest, .. } = &resolved.origin {
            packages.push(package.clone());
            wanted.push(Wanted::Release {
                package: package.name.clone(),
                version: version.clone(),
                registry: registry.clone(),
                digest: Some(*digest),
            });
        }
    }
    let answers = context.source.fetch(&wanted);
    let mut first_error = None;
    for (package, answer) in packages.into_iter().zip(answers) {
        let fetched = match answer {
            Ok(fetched) => fetched,
            Err(err) => {
                first_error.get_or_insert(err);
                continue;
            }
        };
        let Some(resolved) = resolution.packages.get_mut(&package) else { continue };
        let Origin::Registry { registry, version, digest, .. } = &resolved.origin else { continue };
        let from = fetched.registry.clone().or_else(|| registry.clone()).unwrap_or_default();
        let expected = package.name.at(Some(version.clone()));
        let found = crate::cache::content_digest(&fetched.content);
        if found != *digest {
            return Err(SyncError::LockMismatch {
                package: expected.to_string(),
                locked: *digest,
                holder: format!("`{from}` gave"),
                found,
            });
        }
        check_package(&fetched.content, &package, &expected, &format!("`{from}`"))?;
        context.cache.put_content(&fetched.content);
        context.cache.put_release(&from, &package.name, version, digest);
        resolved.content = Some(fetched.content);
    }
    first_error.map_or(Ok(()), |err| Err(err.into()))
}

/// Checks that content is the package that was asked for, under the name by which the sources know it or in the release
/// that was chosen for it.
pub(crate) fn check_package(
    content: &Content,
    asked: &PackageId,
    release: &PackageId,
    origin: &str,
) -> Result<(), SyncError> {
    let not_a_package = |source: Box<dyn std::error::Error + Send + Sync>| SyncError::NotAPackage {
        package: asked.to_string(),
        origin: origin.to_owned(),
        source,
    };
    let found = match content {
        Content::Binary(bytes) => {
            let (resolve, main) = decode(bytes).map_err(|reason| not_a_package(reason.into()))?;
            PackageId::from(&resolve.packages[main].name)
        }
        Content::Text(files) => {
            let group = parse(files.iter().map(|file| (file.path.as_str(), file.text.as_str())));
            PackageId::from(&group.map_err(|message| not_a_package(message.into()))?.main.name)
        }
    };
    if found == *asked || (found == *release && asked.version.is_some()) {
        Ok(())
    } else {
        Err(SyncError::WrongPackage { asked: asked.to_string(), found: found.to_string(), origin: origin.to_owned() })
    }
}

/// Decodes a package in its binary form.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Resolve, wit_parser::PackageId), String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("it is no WebAssembly".to_owned());
    }
    match wit_component::decode(bytes) {
        Ok(DecodedWasm::WitPackage(resolve, package)) => Ok((resolve, package)),
        Ok(DecodedWasm::Component(..)) => {
            Err("it is a component, which has code, instead of interfaces alone".to_owned())
        }
        Err(err) => Err(format!("{err:#}")),
    }
}

fn render_all(
    context: &Context<'_>,
    group: UnresolvedPackageGroup,
    resolution: &Resolution,
    vendored: &[&Entry],
) -> Result<Rendered, SyncError> {
    let mut texts: Vec<(&PackageId, &[TextFile])> = Vec::new();
    let mut binaries = Vec::new();
    for (package, resolved) in &resolution.packages {
        match &resolved.content {
            Some(Content::Binary(bytes)) => {
                let not_a_package = |reason: String| SyncError::NotAPackage {
                    package: package.to_string(),
                    origin: "the cache".to_owned(),
                    source: reason.into(),
                };
                binaries.push((package, decode(bytes).map_err(not_a_package)?.0));
            }
            Some(Content::Text(files)) => texts.push((package, files)),
            None => {}
        }
    }
    let merged = merge(binaries)?;
    let own = own_packages(&group);
    let mut taken: BTreeSet<PackageId> = own.iter().cloned().collect();
    taken.extend(texts.iter().map(|(package, _)| (*package).clone()));
    taken.extend(vendored.iter().flat_map(|entry| entry.packages.iter().cloned()));
    let printed = print(&merged, |package| !taken.contains(package))?;

    let mut named: BTreeSet<PackageId> = resolution.packages.keys().cloned().collect();
    named.extend(taken);
    named.extend(vendored.iter().flat_map(|entry| entry.references.iter().cloned()));
    let parts = Parts { texts: &texts, vendored, wit_dir: context };
    let is_text = |package: &PackageId| texts.iter().any(|(text, _)| *text == package);
    let whole = |mut rendered: Vec<RenderedPackage>, resolve: &Resolve| -> Result<Vec<RenderedPackage>, SyncError> {
        rendered.extend(print(resolve, is_text)?);
        rendered.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(rendered)
    };
    let unified = unify::unify(&printed, &named);
    let unified = unified.and_then(|unified| Some((parts.validate(&unified, group.clone()).ok()?, unified)));
    let as_published = parts.validate(&printed, group);
    match (unified, as_published) {
        (Some((resolve, unified)), as_published) => {
            let published = as_published.ok().map(|resolve| whole(printed, &resolve)).transpose()?;
            Ok(Rendered { texts: whole(unified, &resolve)?, published: published.unwrap_or_default() })
        }
        // Exactly as written where unifying is impossible.
        (None, as_published) => Ok(Rendered { texts: whole(printed, &as_published?)?, published: Vec::new() }),
    }
}

/// All packages and what they have inside, in one.
fn merge(binaries: Vec<(&PackageId, Resolve)>) -> Result<Resolve, SyncError> {
    let mut merged = Resolve { all_features: true, ..Resolve::default() };
    for (package, resolve) in in_order(binaries) {
        let conflict = |source| SyncError::Conflict { package: package.to_string(), source };
        if let Some(problem) = contradiction(&merged, &resolve) {
            return Err(conflict(problem.into()));
        }
        merged.merge(resolve).map_err(|err| conflict(into_error(err)))?;
    }
    Ok(merged)
}

/// What is inside of others goes first, as with wkg: then a package that is there whole has its own order and its own
/// annotations, not those of a part of it.
fn in_order(binaries: Vec<(&PackageId, Resolve)>) -> Vec<(&PackageId, Resolve)> {
    let places: BTreeMap<&PackageId, usize> =
        binaries.iter().enumerate().map(|(place, (package, _))| (*package, place)).collect();
    let inside = |(_, resolve): &(&PackageId, Resolve)| -> Vec<usize> {
        let names = resolve.packages.iter().map(|(_, package)| PackageId::from(&package.name));
        names.filter_map(|name| places.get(&name).copied()).collect()
    };
    let inside: Vec<Vec<usize>> = binaries.iter().map(inside).collect();
    let mut order = Vec::new();
    let mut seen = vec![false; inside.len()];
    for place in 0..inside.len() {
        visit(place, &inside, &mut seen, &mut order);
    }
    let mut left: Vec<_> = binaries.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| left.get_mut(place)?.take()).collect()
}

/// What is inside of a package, and then the package.
fn visit(place: usize, inside: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    if !std::mem::replace(&mut seen[place], true) {
        inside[place].iter().for_each(|inner| visit(*inner, inside, seen, order));
        order.push(place);
    }
}

/// The texts of the packages of `resolve` that are wanted.
fn print(resolve: &Resolve, wanted: impl Fn(&PackageId) -> bool) -> Result<Vec<RenderedPackage>, SyncError> {
    let mut rendered = Vec::new();
    for (id, package) in &resolve.packages {
        let name = PackageId::from(&package.name);
        if !wanted(&name) {
            continue;
        }
        let mut printer = WitPrinter::default();
        let failed = |err| SyncError::Conflict { package: name.to_string(), source: into_error(err) };
        printer.print(resolve, id, &[]).map_err(failed)?;
        rendered.push(RenderedPackage { package: name.to_string(), text: printer.output.to_string() });
    }
    Ok(rendered)
}

/// What takes part in a validation besides the rendered packages and the sources.
struct Parts<'a> {
    texts: &'a [(&'a PackageId, &'a [TextFile])],
    vendored: &'a [&'a Entry],
    wit_dir: &'a Context<'a>,
}

impl Parts<'_> {
    /// Resolves everything as a toolchain would.
    fn validate(&self, rendered: &[RenderedPackage], group: UnresolvedPackageGroup) -> Result<Resolve, SyncError> {
        let invalid = |message: String| SyncError::Invalid { message };
        let wit_dir = self.wit_dir.project.shown(self.wit_dir.project.wit_dir());
        let mut resolve = Resolve { all_features: true, ..Resolve::default() };
        let mut groups = Vec::new();
        for package in rendered {
            let path = format!("{wit_dir}/{}", package.path());
            groups.push(parse(std::iter::once((path.as_str(), package.text.as_str()))).map_err(invalid)?);
        }
        for (_, files) in self.texts {
            let files = files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
            groups.push(parse(files).map_err(invalid)?);
        }
        for entry in self.vendored {
            match &entry.content {
                EntryContent::Text(files) => {
                    let files = files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
                    groups.push(parse(files).map_err(invalid)?);
                }
                EntryContent::Binary(path) => {
                    let pushed = resolve.push_file(path);
                    pushed.map_err(|err| invalid(format!("{}: {err:#}", path.display())))?;
                }
                EntryContent::Other => {}
            }
        }
        match resolve.push_groups(group, groups) {
            Ok(_) => Ok(resolve),
            Err(err) => Err(invalid(err.render(&resolve.source_map))),
        }
    }
}

fn into_error(err: impl std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{err:#}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_order_of_interfaces_is_the_same_package() {
        let text = "package a:b@1.0.0;\n\n/// One.\ninterface one {\n  enum e {\n    x,\n    y,\n  }\n}\n\ninterface two {\n}\n";
        let package = RenderedPackage { package: "a:b@1.0.0".to_owned(), text: text.to_owned() };
        let swapped = "package a:b@1.0.0;\n\ninterface two {\n}\n\n/// One.\ninterface one {\n  enum e {\n    x,\n    y,\n  }\n}\n";
        assert!(package.is_same(text) && package.is_same(swapped));
        for other in [
            text.replace("    x,\n    y,\n", "    y,\n    x,\n"),
            text.replace("@1.0.0", "@1.0.1"),
            text.replace("interface two {\n}\n", ""),
            String::new(),
        ] {
            assert!(!package.is_same(&other), "{other}");
        }
    }
}
