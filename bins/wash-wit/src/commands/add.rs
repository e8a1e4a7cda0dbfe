//! `wash wit add`.

use semver::Version;
use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{AddAs, Item, ItemKind, ItemPath, PackageSource as _, PlanOptions};

use crate::cli::Add;
use crate::command_error;
use crate::report::SyncData;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct AddData {
    /// What was added, in full.
    item: String,
    world: String,
    /// `import`, `export` or `include`.
    added_as: &'static str,
    #[serde(flatten)]
    sync: SyncData,
}

pub(crate) fn run(session: &Session<'_>, args: &Add) -> Result<(), CommandError> {
    let mut path: ItemPath = args.package.parse().map_err(command_error::name)?;
    let _guard = session.guard()?;
    let mut sources = session.read_sources()?;
    let world = sources.choose_world(args.world.as_deref(), &session.wit_dir, &path.to_string());
    let world = world.map_err(command_error::edit)?;
    if path.package.version.is_none() {
        path.package.version = version(session, &path)?;
    }
    let content = washlib_wit::find(&session.context(), &path.package).map_err(command_error::sync)?;
    let items = washlib_wit::items(&content);
    let item = match &path.item {
        Some(name) => items.iter().find(|item| item.name == *name).ok_or_else(|| no_such_item(&path, &items))?.clone(),
        None => choose(session, &path, &items)?,
    };
    path.item = Some(item.name.clone());
    let add_as = match (item.kind, args.export) {
        (ItemKind::Interface, true) => AddAs::Export,
        (ItemKind::Interface, false) => AddAs::Import,
        (ItemKind::World, false) => AddAs::Include,
        (ItemKind::World, true) => {
            let message = format!("`{path}` is a world, and a world cannot be exported");
            return Err(CommandError::usage(message).hint("leave out `--export` to include it"));
        }
    };
    let is_new = sources.add(&world, add_as, &path);
    let plan = session.plan(sources, PlanOptions::default())?;
    let sync = SyncData::of(session, &plan);
    session.apply(&plan)?;
    let (done, keyword) = match add_as {
        AddAs::Import => ("Imported", "import"),
        AddAs::Export => ("Exported", "export"),
        AddAs::Include => ("Included", "include"),
    };
    sync.show(session);
    if is_new {
        session.ui.status(done, &format!("{path} in world {world}"));
    } else {
        session.ui.status("Unchanged", &format!("world {world} has {path} already"));
    }
    let data = AddData { item: path.to_string(), world, added_as: keyword, sync };
    session.ui.result("", &format!("Added {path}"), data)
}

/// The version that the sources use already, else the newest release, else the newest draft.
fn version(session: &Session<'_>, path: &ItemPath) -> Result<Option<Version>, CommandError> {
    let name = &path.package.name;
    let used = session.read_sources()?.versions(Some(name)).unwrap_or_default();
    if let Some((_, version)) = used.into_iter().max() {
        return Ok(Some(version));
    }
    if session.is_overridden(name) {
        return Ok(None);
    }
    let answer = session.sources.versions(std::slice::from_ref(name)).into_iter().next();
    let Some(answer) = answer else { return Ok(None) };
    let published = answer.map_err(command_error::source)?;
    Ok(published.versions.into_iter().max_by_key(|version| (version.pre.is_empty(), version.clone())))
}

/// Asks, or takes the only item, or the world that stands for all of them.
fn choose(session: &Session<'_>, path: &ItemPath, items: &[Item]) -> Result<Item, CommandError> {
    if let [only] = items {
        return Ok(only.clone());
    }
    let labels: Vec<String> = items
        .iter()
        .map(|item| match item.kind {
            ItemKind::Interface => item.name.clone(),
            ItemKind::World => format!("{} (world)", item.name),
        })
        .collect();
    if session.ui.is_interactive() {
        let chosen = session.ui.select(&format!("What of {path}?"), &labels)?;
        return chosen
            .and_then(|index| items.get(index))
            .cloned()
            .ok_or_else(|| CommandError::failure("nothing was chosen"));
    }
    let all = items.iter().find(|item| item.kind == ItemKind::World && item.name == "imports");
    all.cloned().ok_or_else(|| {
        let example = ItemPath { item: items.first().map(|item| item.name.clone()), ..path.clone() };
        CommandError::usage(format!("`{path}` has several interfaces and worlds: {}", labels.join(", ")))
            .hint(format!("name one: `wash wit add {example}`"))
    })
}

fn no_such_item(path: &ItemPath, items: &[Item]) -> CommandError {
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    let item = path.item.as_deref().unwrap_or_default();
    CommandError::failure(format!("`{}` has no interface or world `{item}`", path.package))
        .hint(format!("it has {}", names.join(", ")))
}
