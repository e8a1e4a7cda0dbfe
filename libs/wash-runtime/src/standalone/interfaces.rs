//! The entries of `host_interfaces` that components need: what a component imports or exports is what it asks for.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Names;
use crate::wit::WitInterface;

/// A WIT package's namespace and name.
pub type Package = (&'static str, &'static str);

/// Packages whose interfaces a host provides only to those who ask.
const ASKED_FOR: [Package; 6] = [
    ("wasi", "blobstore"),
    ("wasi", "config"),
    ("wasi", "http"),
    ("wasi", "keyvalue"),
    ("wasi", "logging"),
    ("wasmcloud", "messaging"),
];

/// The interfaces that these components have to ask for, by package.
pub fn asked_for<'a>(components: impl IntoIterator<Item = &'a Names>) -> BTreeMap<Package, HashSet<String>> {
    let mut packages: BTreeMap<Package, HashSet<String>> = BTreeMap::new();
    for name in components.into_iter().flat_map(|names| names.imports.iter().chain(&names.exports)) {
        let Some((package, interface)) = split(name) else { continue };
        packages.entry(package).or_default().insert(interface.to_owned());
    }
    packages
}

/// An entry for each package that these components have to ask for, with what `config` says about it.
pub fn host_interfaces<'a>(
    components: impl IntoIterator<Item = &'a Names>,
    config: impl Fn(Package) -> HashMap<String, String>,
) -> Vec<WitInterface> {
    let entry = |(package, interfaces): (Package, HashSet<String>)| WitInterface {
        namespace: package.0.to_owned(),
        package: package.1.to_owned(),
        interfaces,
        // Whatever version the component was built for.
        version: None,
        config: config(package),
        name: None,
    };
    asked_for(components).into_iter().map(entry).collect()
}

/// The package and the interface of a name such as `wasi:keyvalue/store@0.2.0`, if it has to be asked for.
fn split(name: &str) -> Option<(Package, &str)> {
    let path = name.split('@').next()?;
    let (package, interface) = path.split_once('/')?;
    let (namespace, package) = package.split_once(':')?;
    let known = ASKED_FOR.into_iter().find(|known| *known == (namespace, package))?;
    Some((known, interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_what_the_components_import() {
        let names = |imports: &[&str], exports: &[&str]| Names {
            imports: imports.iter().map(ToString::to_string).collect(),
            exports: exports.iter().map(ToString::to_string).collect(),
        };
        let front = names(
            &["wasi:io/poll@0.2.0", "wasi:keyvalue/store@0.2.0", "plain", "x:y/z"],
            &["wasi:http/incoming-handler@0.2.0"],
        );
        let back = names(&["wasi:keyvalue/atomics@0.2.0"], &["example:own/thing"]);
        let entries = host_interfaces([&front, &back], |(_, package)| {
            [("of".to_owned(), package.to_owned())].into_iter().collect()
        });
        let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["wasi:http/incoming-handler", "wasi:keyvalue/atomics,store"]);
        assert_eq!(entries[0].config["of"], "http");
        assert_eq!(entries[1].config["of"], "keyvalue");
    }
}
