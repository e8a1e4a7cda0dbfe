//! Which files are sources: the project's, without what is ignored and what tools and builds write.
//!
//! It knows names and ignore files; what is in a source is the business of [`crate::snapshot`].

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use crate::links::{self, Links};
use crate::settings::Watching;

/// Folders that hold what tools write, wherever they are, and whether or not `.gitignore` names them.
const TOOL_FOLDERS: [&str; 4] = [".git", ".hg", "node_modules", "__pycache__"];

/// What Cargo writes is in a folder of this name beside its manifest. A module may have the name too.
const CARGO_FOLDER: &str = "target";

/// Where `wash wit` keeps what it has fetched.
const FETCHED: [&str; 2] = ["wit", "deps"];

/// The folder of the project's configuration.
const CONFIG_FOLDER: &str = ".wash";

/// Which files are sources.
#[derive(Clone, Debug)]
pub(crate) struct SourceRules {
    root: PathBuf,
    watching: Watching,
    ignored: Arc<Gitignore>,
    /// Whether ignore files above the root count. Where they ignore all that is in it, the project is in a scratch folder
    /// of somebody else's, and they say nothing about its sources.
    parents: bool,
    /// Absolute paths that builds write: files, or folders with all that is in them.
    outputs: Vec<PathBuf>,
    /// Where links among the sources lead, outside of them.
    links: Links,
    /// Files and folders that hold all sources.
    places: Vec<PathBuf>,
}

impl SourceRules {
    /// The rules for the project in `root`.
    pub(crate) fn new(root: &Path, watching: &Watching) -> Self {
        // The root itself comes first, ignored or not.
        let parents = walk(root).max_depth(Some(1)).build().flatten().nth(1).is_some();
        let mut ignored = GitignoreBuilder::new(root);
        for line in &watching.ignore {
            // A line that is no pattern has been refused with the configuration.
            _ = ignored.add_line(None, line);
        }
        let ignored = Arc::new(ignored.build().unwrap_or_else(|_| Gitignore::empty()));
        let (root, watching) = (root.to_path_buf(), watching.clone());
        let places = own_places(&root, &watching);
        Self { root, watching, ignored, parents, outputs: Vec::new(), links: Links::default(), places }
    }

    /// The same outputs and links, with what the configuration says now.
    pub(crate) fn with_watching(self, watching: &Watching) -> Self {
        if self.watching == *watching {
            return self;
        }
        let rules = Self { outputs: self.outputs, ..Self::new(&self.root, watching) };
        // What was refused may have become smaller.
        rules.with_links(Links { refused: Vec::new(), ..self.links })
    }

    /// Files and folders that hold all sources.
    pub(crate) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    fn with_links(mut self, links: Links) -> Self {
        self.places = own_places(&self.root, &self.watching);
        self.places.extend(links.followed.iter().cloned());
        self.links = links;
        self
    }

    /// The rules that also follow links among the sources, each with its target; `None` when these do. A target must have
    /// no link in its own path.
    pub(crate) fn following<'t>(&self, links: impl Iterator<Item = (&'t Path, &'t Path)>) -> Option<Self> {
        let own = own_places(&self.root, &self.watching);
        // What holds the project itself leads back to where the link is.
        let is_outside =
            |target: &Path| !self.root.starts_with(target) && !own.iter().any(|place| target.starts_with(place));
        let mut rest: Vec<_> = links.filter(|(_, target)| is_outside(target)).collect();
        // What lies outside keeps nothing watched by links to itself: a link of the project has to lead there.
        let mut reached: BTreeSet<&Path> = BTreeSet::new();
        loop {
            let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(link, _)| {
                own.iter().any(|place| link.starts_with(place)) || link.ancestors().any(|part| reached.contains(part))
            });
            if now.is_empty() {
                break;
            }
            reached.extend(now.into_iter().map(|(_, target)| target));
            rest = later;
        }
        // A target that is away, perhaps while a build replaces it, is waited for.
        let away = self.links.followed.iter().map(PathBuf::as_path).filter(|target| !target.exists());
        let links = self.links.with(reached.into_iter().chain(away), |target| self.size_of(target));
        (links != self.links).then(|| self.clone().with_links(links))
    }

    /// Targets of links that hold too much to be watched.
    pub(crate) fn refused_links(&self) -> &[PathBuf] {
        &self.links.refused
    }

    /// How many files and folders a link leads to, and bytes in them, counted no further than it matters.
    fn size_of(&self, target: &Path) -> (usize, u64) {
        let alone = Links { followed: vec![target.to_path_buf()], refused: Vec::new() };
        let entries = self.clone().with_links(alone).entries(target).take(links::MAX_ENTRIES + 1);
        entries.fold((0, 0), |(entries, bytes), entry| {
            let file = entry.metadata().ok().filter(|metadata| metadata.is_file());
            (entries + 1, bytes + file.map_or(0, |file| file.len()))
        })
    }

    /// Adds the place of a component: the file, and the whole folder when it is one that only builds use.
    pub(crate) fn add_output(&mut self, component: &Path) {
        let folder = component
            .parent()
            .filter(|folder| *folder != self.root && !self.root.starts_with(folder) && !folder.join("src").exists());
        let only_for_builds = folder.and_then(Path::file_name).is_some_and(|name| name == "build" || name == "dist");
        let output = if only_for_builds { folder.unwrap_or(component) } else { component };
        if !self.outputs.iter().any(|known| known == output) {
            self.outputs.push(output.to_path_buf());
        }
    }

    /// Whether a folder may hold sources.
    pub(crate) fn is_source_folder(&self, folder: &Path) -> bool {
        let is_place = self.places.iter().any(|place| place == folder);
        is_place || (!is_of_tools(folder, &self.root) && !self.is_output(folder) && !self.is_ignored(folder, true))
    }

    /// Whether a path is in a folder that may hold sources and is no output itself.
    pub(crate) fn may_be_source(&self, path: &Path) -> bool {
        let inside = self.places.iter().find_map(|place| Some((place, path.strip_prefix(place).ok()?)));
        let Some((place, inside)) = inside else { return false };
        !self.is_output(path)
            && !is_tools_path(place, inside)
            && !is_fetched(path, &self.root)
            && !self.is_ignored(path, false)
    }

    /// The sources, as they are now: files, and symbolic links to anything that is there.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        // A link to nothing is how some editors lock a file.
        let is_file = |entry: &DirEntry| match entry.file_type() {
            Some(kind) if kind.is_symlink() => entry.path().exists(),
            Some(kind) => kind.is_file(),
            None => false,
        };
        self.places.iter().flat_map(|place| self.entries(place).filter(is_file).map(DirEntry::into_path)).collect()
    }

    /// All that is in a place and may be a source, with its folders.
    fn entries(&self, place: &Path) -> impl Iterator<Item = DirEntry> + use<> {
        let filter = self.clone();
        let keep = move |entry: &DirEntry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            if is_folder { filter.is_source_folder(entry.path()) } else { filter.may_be_source(entry.path()) }
        };
        // Whoever links to a folder wants it, whatever is ignored around it.
        let is_linked = self.links.followed.iter().any(|target| target == place);
        let parents = !is_linked && (place != self.root || self.parents);
        walk(place).parents(parents).filter_entry(keep).build().flatten()
    }

    fn is_output(&self, path: &Path) -> bool {
        self.outputs.iter().chain(&self.watching.data).any(|output| path.starts_with(output))
    }

    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        path.starts_with(&self.root) && self.ignored.matched_path_or_any_parents(path, is_folder).is_ignore()
    }
}

/// Those places that are sources without any link.
fn own_places(root: &Path, watching: &Watching) -> Vec<PathBuf> {
    if watching.only.is_empty() {
        return vec![root.to_path_buf()];
    }
    watching.only.iter().cloned().chain([root.join(CONFIG_FOLDER)]).collect()
}

fn is_of_tools(folder: &Path, root: &Path) -> bool {
    let is_tools = folder.file_name().is_some_and(is_tools_name) || is_cargos(folder);
    is_tools || folder == root.join(CARGO_FOLDER) || is_fetched(folder, root)
}

fn is_tools_path(place: &Path, inside: &Path) -> bool {
    let mut folder = place.to_path_buf();
    inside.components().enumerate().any(|(depth, part)| {
        folder.push(part);
        is_tools_name(part.as_os_str()) || (depth == 0 && part.as_os_str() == CARGO_FOLDER) || is_cargos(&folder)
    })
}

fn is_cargos(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == CARGO_FOLDER) && folder.with_file_name("Cargo.toml").exists()
}

fn is_tools_name(name: &OsStr) -> bool {
    TOOL_FOLDERS.iter().any(|tool| name == *tool)
}

fn is_fetched(path: &Path, root: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else { return false };
    let parts: Vec<_> = inside.components().map(Component::as_os_str).collect();
    parts.windows(FETCHED.len()).any(|names| names.iter().zip(FETCHED).all(|(name, fetched)| *name == fetched))
}

/// A walk that knows what is ignored.
fn walk(place: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(place);
    walk.hidden(false).require_git(false);
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        folder
    }

    fn sources(root: &Path, only: &[&str], ignore: &[&str]) -> Vec<String> {
        let watching = Watching {
            only: only.iter().map(|path| root.join(path)).collect(),
            ignore: ignore.iter().map(ToString::to_string).collect(),
            data: vec![root.join("data")],
        };
        let rules = SourceRules::new(root, &watching);
        let files = rules.files();
        assert!(files.iter().all(|file| rules.may_be_source(file)), "{files:?}");
        let relative = |file: PathBuf| file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let mut files: Vec<_> = files.into_iter().map(relative).collect();
        files.sort();
        files
    }

    #[test]
    fn what_tools_and_the_configuration_leave_out() {
        let files = [
            ".wash/config.yaml",
            "data/of/guests",
            "docs/a.md",
            "src/lib.rs",
            "src/gen/x.rs",
            "wit/deps/a/b.wit",
            "wit/world.wit",
        ];
        let folder = tree(&files);
        let root = folder.path();
        let all = [".wash/config.yaml", "docs/a.md", "src/gen/x.rs", "src/lib.rs", "wit/world.wit"];
        assert_eq!(sources(root, &[], &[]), all);
        assert_eq!(sources(root, &[], &["docs/", "gen", "!src"]), [".wash/config.yaml", "src/lib.rs", "wit/world.wit"]);
        assert_eq!(sources(root, &["src"], &["gen"]), [".wash/config.yaml", "src/lib.rs"]);
        assert_eq!(sources(root, &["src/lib.rs", "missing"], &[]), [".wash/config.yaml", "src/lib.rs"]);
    }

    #[test]
    fn a_module_may_have_the_name_of_cargos_folder() {
        let folder =
            tree(&["target/a", "src/target/mod.rs", "tool/Cargo.toml", "tool/target/b", "node_modules/c/d.js"]);
        assert_eq!(sources(folder.path(), &[], &[]), ["src/target/mod.rs", "tool/Cargo.toml"]);
    }

    #[test]
    fn places_outside_the_project_can_be_watched() {
        let folder = tree(&["app/src/lib.rs", "shared/x.rs", "other/y.rs"]);
        let root = folder.path().join("app");
        let watching =
            Watching { only: vec![root.join("../shared"), root.join("src")], ignore: Vec::new(), data: Vec::new() };
        let rules = SourceRules::new(&root, &watching);
        assert_eq!(rules.files().len(), 2);
        assert!(rules.may_be_source(&root.join("../shared/x.rs")));
        assert!(!rules.may_be_source(&folder.path().join("other/y.rs")));
    }
}
