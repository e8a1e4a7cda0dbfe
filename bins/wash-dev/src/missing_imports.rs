//! Explains imports that nobody provides: who wants them, and what to add to the configuration.
//!
//! The runtime finds out what is missing; where that was or could be asked for is known here.

use std::collections::BTreeMap;

use thiserror::Error;
use wash_runtime::host::ImportProblem;
use wash_runtime::standalone::{Names, asked_for};
use wash_runtime::wit::WitInterface;

use crate::report::ComponentWorld;
use crate::settings::Plan;
use crate::syntax::block;

/// The packages that every component may import.
const WASI: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// Imports that cannot be satisfied. The runtime's own text would name a key of Kubernetes documents.
#[derive(Debug, Error)]
#[error("{}", problems.iter().map(message).collect::<Vec<_>>().join("; "))]
pub(crate) struct ImportsError {
    problems: Vec<ImportProblem>,
}

fn message(problem: &ImportProblem) -> String {
    match problem {
        ImportProblem::Missing { component, interface, .. } => {
            format!("`{component}` imports {interface}, which nothing provides")
        }
        problem => problem.to_string(),
    }
}

impl ImportsError {
    pub(crate) fn new(problems: &[ImportProblem]) -> Self {
        Self { problems: problems.to_vec() }
    }

    /// What helps, once for each thing to do.
    pub(crate) fn hints(&self, plan: &Plan, worlds: &[ComponentWorld]) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        let mut add = |hint: String| {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        };
        let mut left_out: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for problem in &self.problems {
            match problem {
                ImportProblem::Missing { component, interface, entry } => {
                    let missing = Missing { component, interface, plan, worlds };
                    // The runtime adds a remark where an entry alone would not help.
                    let is_here = entry.as_ref().is_some_and(|entry| entry.ends_with('}'));
                    match missing.package().filter(|_| is_here) {
                        Some(package) => left_out.entry(package).or_default().push(interface),
                        None => add(missing.hint()),
                    }
                }
                ImportProblem::Ambiguous { .. } => add("keep one of them in dev.components".to_owned()),
                _ => {}
            }
        }
        for interfaces in left_out.values() {
            hints.push(not_asked_for(plan, interfaces));
        }
        hints
    }
}

/// Interfaces that the host's configuration names and the host does not have.
pub(crate) fn unknown_interfaces(interfaces: &[String], plan: &Plan, worlds: &[ComponentWorld]) -> Vec<String> {
    let hint = |interface: &String| {
        let importer = worlds.iter().find_map(|world| {
            let import = world.imports.iter().find(|import| path_of(import) == interface)?;
            Some((world.name.as_str(), import.as_str()))
        });
        let entry = interface.parse::<WitInterface>().ok().and_then(|wanted| {
            let lists_it = |entry: &WitInterface| wanted.interfaces.is_subset(&entry.interfaces);
            plan.entry_for(&wanted).filter(|entry| lists_it(entry.value()))
        });
        match (importer, entry) {
            (Some((component, import)), None) => not_on_this_host(component, import),
            (_, Some(entry)) => format!(
                "remove {interface} from dev.host_interfaces ({}), or run the project on a host that provides it",
                entry.origin()
            ),
            (None, None) => format!("run the project on a host that provides {interface}"),
        }
    };
    interfaces.iter().map(hint).collect()
}

/// An import that this host does not provide, whatever the configuration asks for.
struct Missing<'a> {
    component: &'a str,
    interface: &'a str,
    plan: &'a Plan,
    worlds: &'a [ComponentWorld],
}

impl Missing<'_> {
    fn package(&self) -> Option<String> {
        self.interface.parse::<WitInterface>().ok().map(|wanted| wanted.package_name())
    }

    fn hint(&self) -> String {
        let Self { component, interface, .. } = *self;
        if let Some(hint) = self.other_version_of_sibling().or_else(|| self.other_version_of_host()) {
            return hint;
        }
        if interface.starts_with("wasi:") {
            return not_on_this_host(component, interface);
        }
        self.nobody()
    }

    /// Somebody exports the same interface, but not as it is imported.
    fn other_version_of_sibling(&self) -> Option<String> {
        let Self { component, interface, .. } = *self;
        let (exporter, export) = self.worlds.iter().filter(|world| world.name != component).find_map(|world| {
            let export = world.exports.iter().find(|export| path_of(export) == path_of(interface))?;
            Some((&world.name, export))
        })?;
        (export != interface).then(|| {
            format!("`{exporter}` exports {export}: build `{component}` and `{exporter}` for the same version of it")
        })
    }

    fn other_version_of_host(&self) -> Option<String> {
        let Self { component, interface, .. } = *self;
        let wanted: WitInterface = interface.parse().ok()?;
        let (package, version) = (wanted.package_name(), wanted.version.as_ref()?);
        let is_supported = version.major == 0 && matches!(version.minor, 2 | 3) && version.pre.is_empty();
        if wanted.namespace == "wasi" && WASI.contains(&wanted.package.as_str()) {
            return (!is_supported).then(|| {
                format!(
                    "`{component}` is built for {package}@{version}, and this host has the releases 0.2 and 0.3 of WASI: \
                     import one of them in wit/world.wit, as `wash wit add {package}@0.2.0` fetches it"
                )
            });
        }
        let names = Names { imports: vec![interface.to_owned()], exports: Vec::new() };
        let has_package = !asked_for([&names]).is_empty();
        has_package.then(|| {
            format!(
                "this host has {package}, but not {interface}: import another version or interface of it in \
                 wit/world.wit of `{component}`"
            )
        })
    }

    fn nobody(&self) -> String {
        let Self { component, interface, .. } = *self;
        let syntax = &self.plan.syntax;
        let path = path_of(interface);
        let name = path.rsplit(['/', ':']).next().unwrap_or(path);
        let lines = [syntax.text("name", name), syntax.text("file", &format!("{name}.wasm"))];
        let file = syntax.file();
        format!(
            "add a component that exports {interface} to dev.components in {file}, or remove the import from \
             wit/world.wit of `{component}`:{}",
            block(&syntax.entry("components", &lines))
        )
    }
}

/// The host has these interfaces of one package, and the configuration keeps them from the components.
fn not_asked_for(plan: &Plan, imports: &[&str]) -> String {
    let wanted: Vec<WitInterface> = imports.iter().filter_map(|import| import.parse().ok()).collect();
    let mut names: Vec<&str> = wanted.iter().flat_map(|wanted| &wanted.interfaces).map(String::as_str).collect();
    let Some(first) = wanted.first() else { return format!("{} has to be asked for", imports.join(", ")) };
    let (package, syntax) = (first.package_name(), &plan.syntax);
    let Some(entry) = plan.entry_for(first) else {
        names.sort_unstable();
        names.dedup();
        let lines = [
            syntax.text("namespace", &first.namespace),
            syntax.text("package", &first.package),
            syntax.list("interfaces", &names),
        ];
        let lines = block(&syntax.entry("host_interfaces", &lines));
        return format!("{package} has to be asked for in {}:{lines}", syntax.file());
    };
    let (listed, origin) = (entry.value(), entry.origin());
    let is_listed = listed.interfaces.is_empty() || names.iter().all(|name| listed.interfaces.contains(*name));
    if let Some(version) = listed.version.as_ref().filter(|_| is_listed) {
        let wanted = first.version.as_ref().map(ToString::to_string).unwrap_or_default();
        return format!(
            "the entry for {package} in dev.host_interfaces ({origin}) asks for version {version}: remove its `version`, \
             or change it:{}",
            block(&syntax.text("version", &wanted))
        );
    }
    names.extend(listed.interfaces.iter().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    format!(
        "the entry for {package} in dev.host_interfaces ({origin}) leaves out {}: change its `interfaces`:{}",
        imports.join(", "),
        block(&syntax.list("interfaces", &names))
    )
}

fn not_on_this_host(component: &str, interface: &str) -> String {
    format!(
        "this host has no {interface}: remove the import from wit/world.wit of `{component}`, or run the project on a host \
         that provides it"
    )
}

/// An interface without its version.
fn path_of(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}
