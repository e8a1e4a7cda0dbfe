//! Bills of materials: CycloneDX 1.6 and SPDX 2.3, as JSON.
//!
//! The documents hold what the binary records and nothing else; two of the same binary are equal, so they carry no serial
//! number and no time of their making but the epoch.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use washlib_component::Part;

use crate::metadata;
use crate::output::{Dependency, DepsData};
use crate::source::Source;

/// A crate or package, once for each name, version and source.
struct Package<'a> {
    reference: String,
    dependency: &'a Dependency,
}

/// All packages, and the references that each depends on.
fn packages(data: &DepsData) -> (Vec<Package<'_>>, BTreeMap<String, Vec<String>>) {
    let mut packages: BTreeMap<String, Package<'_>> = BTreeMap::new();
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in &data.modules {
        for dependency in &module.packages {
            let key = reference(dependency);
            let needs = edges.entry(key.clone()).or_default();
            needs.extend(dependency.dependencies.iter().filter_map(|i| module.packages.get(*i)).map(reference));
            needs.sort();
            needs.dedup();
            packages.entry(key.clone()).or_insert(Package { reference: key, dependency });
        }
    }
    (packages.into_values().collect(), edges)
}

/// The package URL (<https://github.com/package-url/purl-spec>). Only crates are recorded so far.
fn reference(dependency: &Dependency) -> String {
    let part = |text: &str| {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
    };
    let origin = match dependency.source.as_str() {
        "crates.io" => String::new(),
        other => format!("?source={}", part(other)),
    };
    format!("pkg:cargo/{}@{}{origin}", part(&dependency.name), part(&dependency.version))
}

fn name_of(source: &Source, root: &Part<'_>) -> String {
    let file = || source.name.rsplit('/').next().unwrap_or(&source.name).to_owned();
    root.name.clone().unwrap_or_else(file)
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// A CycloneDX document.
pub(crate) fn cyclonedx(source: &Source, root: &Part<'_>, data: &DepsData) -> Value {
    let metadata = metadata::of_part(root);
    let (packages, edges) = packages(data);
    let components: Vec<Value> = packages
        .iter()
        .map(|package| {
            json!({
                "type": "library",
                "bom-ref": package.reference,
                "name": package.dependency.name,
                "version": package.dependency.version,
                "purl": package.reference,
                "scope": if package.dependency.kind == "build" { "excluded" } else { "required" },
            })
        })
        .collect();
    let roots: Vec<_> = packages.iter().filter(|package| package.dependency.root).map(|p| &p.reference).collect();
    let mut dependencies = vec![json!({ "ref": "wasm", "dependsOn": roots })];
    dependencies.extend(edges.iter().map(|(reference, needs)| json!({ "ref": reference, "dependsOn": needs })));
    let mut component = json!({
        "type": "application",
        "bom-ref": "wasm",
        "name": name_of(source, root),
        "hashes": [{ "alg": "SHA-256", "content": sha256(source.bytes()) }],
        "properties": data.producers.iter().map(|producer| json!({
            "name": format!("wasm:producer:{}", producer.field),
            "value": format!("{} {}", producer.name, producer.version).trim_end(),
        })).collect::<Vec<_>>(),
    });
    if let Some(version) = &metadata.version {
        component["version"] = json!(version);
    }
    if let Some(licenses) = &metadata.licenses {
        component["licenses"] = json!([{ "expression": licenses }]);
    }
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": component,
            "tools": { "components": [
                { "type": "application", "name": "wash-inspect", "version": env!("CARGO_PKG_VERSION") },
            ] },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// An SPDX document.
pub(crate) fn spdx(source: &Source, root: &Part<'_>, data: &DepsData) -> Value {
    let metadata = metadata::of_part(root);
    let (packages, edges) = packages(data);
    let ids: BTreeMap<&str, String> = packages
        .iter()
        .enumerate()
        .map(|(number, package)| (package.reference.as_str(), format!("SPDXRef-Package-{number}")))
        .collect();
    let license = |text: Option<&String>| text.map_or("NOASSERTION", String::as_str).to_owned();
    let digest = sha256(source.bytes());
    let mut documents = vec![json!({
        "SPDXID": "SPDXRef-Wasm",
        "name": name_of(source, root),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseDeclared": license(metadata.licenses.as_ref()),
        "checksums": [{ "algorithm": "SHA256", "checksumValue": digest }],
        "primaryPackagePurpose": "APPLICATION",
    })];
    if let Some(version) = &metadata.version {
        documents[0]["versionInfo"] = json!(version);
    }
    documents.extend(packages.iter().map(|package| {
        json!({
            "SPDXID": ids[package.reference.as_str()],
            "name": package.dependency.name,
            "versionInfo": package.dependency.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": package.reference,
            }],
        })
    }));
    let relation = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Wasm")];
    for package in packages.iter().filter(|package| package.dependency.root) {
        relations.push(relation("SPDXRef-Wasm", "DEPENDS_ON", &ids[package.reference.as_str()]));
    }
    for (reference, needs) in &edges {
        for need in needs {
            if let (Some(from), Some(to)) = (ids.get(reference.as_str()), ids.get(need.as_str())) {
                relations.push(relation(from, "DEPENDS_ON", to));
            }
        }
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name_of(source, root),
        // Unique to the content, as the specification wants it.
        "documentNamespace": format!("urn:sha256:{digest}"),
        "creationInfo": {
            "created": "1970-01-01T00:00:00Z",
            "creators": [format!("Tool: wash-inspect-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": documents,
        "relationships": relations,
    })
}
