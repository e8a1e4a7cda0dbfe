//! The templates that are part of the program, and what makes one of them the user's own project.
//!
//! A built-in template is a complete project that builds as it stands, so it has no placeholders: its own name, in
//! kebab and snake spelling, is what gets replaced. Templates from elsewhere are never changed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use rust_embed::RustEmbed;

use crate::cargo_name;
use crate::plan::{Contents, Plan, PlanError};
use crate::plan_builder::PlanBuilder;

#[derive(RustEmbed)]
#[folder = "../../templates"]
#[exclude = "*/target/*"]
struct Templates;

/// A template that works without a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BuiltinTemplate {
    /// What to type.
    pub name: String,
    /// The language of its source code.
    pub language: &'static str,
    /// What it gives, in one sentence: the first of its README.
    pub description: String,
}

/// The built-in templates, by name.
pub fn list() -> Vec<BuiltinTemplate> {
    names()
        .into_iter()
        .map(|name| BuiltinTemplate { language: language(&name), description: description(&name), name })
        .collect()
}

pub(crate) fn names() -> BTreeSet<String> {
    Templates::iter().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect()
}

/// The files of a built-in template under the name of the project they become.
pub(crate) fn plan(template: &str, project: &str, subfolder: &Path) -> Result<Plan, PlanError> {
    if Templates::get(&format!("{template}/Cargo.toml")).is_some() {
        cargo_name::check(project, &text(template, "Cargo.lock").replace(&format!("\"{template}\""), "\"\""))?;
    }
    let mut builder = PlanBuilder::default();
    let prefix = format!("{template}/");
    for path in Templates::iter().filter(|path| path.starts_with(&prefix)) {
        let Some(file) = Templates::get(&path) else { continue };
        let inside = Path::new(&path[prefix.len()..]);
        let Ok(relative) = inside.strip_prefix(subfolder) else { continue };
        let contents = renamed(inside, &file.data, template, project);
        if builder.visit(relative)? {
            builder.file(relative, false, contents.len() as u64, Contents::Memory(contents))?;
        }
    }
    builder.finish(None)
}

fn renamed(path: &Path, data: &[u8], template: &str, project: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(data) else { return data.to_vec() };
    let text = text.replace(template, project).replace(&snake(template), &snake(project));
    // Cargo keeps the packages of a lock file in order, and calls it outdated when they are not.
    if path == Path::new("Cargo.lock") { sorted_lock(&text).into_bytes() } else { text.into_bytes() }
}

fn sorted_lock(lock: &str) -> String {
    const SEPARATOR: &str = "\n[[package]]\n";
    let mut parts = lock.trim_end().split(SEPARATOR);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<&str> = parts.map(str::trim_end).collect();
    packages.sort_by_key(|package| package.lines().next().map(|line| line.trim_end_matches('"').to_owned()));
    let mut sorted = head.to_owned();
    for (index, package) in packages.iter().enumerate() {
        // A blank line stands before every package; the header brings the first one's along.
        sorted.push_str(if index == 0 { "" } else { "\n" });
        sorted.push_str(SEPARATOR);
        sorted.push_str(package);
    }
    sorted.push('\n');
    sorted
}

fn snake(name: &str) -> String {
    name.replace('-', "_")
}

fn language(template: &str) -> &'static str {
    let has = |file: &str| Templates::get(&format!("{template}/{file}")).is_some();
    match () {
        () if has("Cargo.toml") => "Rust",
        () if has("go.mod") => "Go",
        () if has("tsconfig.json") => "TypeScript",
        () if has("package.json") => "JavaScript",
        () if has("pyproject.toml") => "Python",
        () => "other",
    }
}

fn description(template: &str) -> String {
    let readme = text(template, "README.md");
    readme.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default().to_owned()
}

fn text(template: &str, file: &str) -> String {
    let data = Templates::get(&format!("{template}/{file}")).map_or(Cow::Borrowed(&[][..]), |file| file.data);
    String::from_utf8_lossy(&data).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_introduces_itself() {
        let templates = list();
        assert!(!templates.is_empty());
        for template in templates {
            assert_ne!(template.language, "other", "{}", template.name);
            assert!(template.description.ends_with('.'), "{}: {}", template.name, template.description);
        }
    }

    #[test]
    fn build_output_is_not_embedded() {
        assert!(!Templates::iter().any(|path| path.contains("/target/")));
    }

    #[test]
    fn an_unchanged_lock_file_stays_as_it_is() {
        for template in names() {
            let lock = text(&template, "Cargo.lock");
            assert_eq!(sorted_lock(&lock), lock, "{template}");
        }
    }

    #[test]
    fn a_renamed_package_moves_to_its_place_in_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"zz\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\n";
        let sorted = "version = 4\n\n[[package]]\nname = \"b\"\n\n[[package]]\nname = \"zz\"\nversion = \"1.0.0\"\n";
        assert_eq!(sorted_lock(lock), sorted);
    }
}
