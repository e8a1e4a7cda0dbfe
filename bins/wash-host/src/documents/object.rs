//! The documents themselves: which kinds there are, their metadata, and what stands around a workload's `spec`.
//!
//! `metadata` alone is read leniently: clusters and tools write much into it that concerns nobody else.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use washlib_config::tree;

use super::error::DocumentError;
use super::images::ImageSpec;
use super::reader::{Field, Origin, Placed, Table};
use super::spec::{self, WorkloadSpec};
use super::values::{Key, ValueSet, ValueSets, reference};
use super::{Warning, Warnings, is_dns_label, is_dns_name};

/// The operator's API.
const API: &str = "runtime.wasmcloud.dev/v1alpha1";

/// The group of that API in any version.
const API_GROUP: &str = "runtime.wasmcloud.dev/";

/// Kinds of the operator's API that mean something here.
const KINDS: [&str; 4] = ["Workload", "WorkloadReplicaSet", "WorkloadDeployment", "Artifact"];

/// Lists in lists make no sense; a bound ends them before the stack does.
const LIST_DEPTH: usize = 8;

/// All documents of all files.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(super) workloads: Vec<WorkloadDocument>,
    /// Where each workload stands.
    known: HashMap<Key, Origin>,
    pub(super) artifacts: BTreeMap<Key, ImageSpec>,
    pub(super) sets: ValueSets,
    pub(super) warnings: Warnings,
}

/// A document that asks for a workload.
#[derive(Debug)]
pub(super) struct WorkloadDocument {
    pub(super) origin: Origin,
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) replicas: u32,
    pub(super) spec: WorkloadSpec,
    /// Names of images, each with the `Artifact` that says what it is.
    pub(super) artifacts: Vec<(Placed<String>, Placed<String>)>,
}

/// Who a document is.
struct Metadata {
    namespace: String,
    name: String,
    annotations: BTreeMap<String, String>,
}

/// What surrounds the `spec` of the workloads that a document makes.
struct Template {
    replicas: u32,
    annotations: BTreeMap<String, String>,
    spec: WorkloadSpec,
    artifacts: Vec<(Placed<String>, Placed<String>)>,
}

impl Documents {
    /// Reads one document.
    pub(super) fn add(&mut self, document: &Field<'_>) -> Result<(), DocumentError> {
        self.add_nested(document, LIST_DEPTH)
    }

    fn add_nested(&mut self, document: &Field<'_>, depth: usize) -> Result<(), DocumentError> {
        let mut table = document.table()?;
        let api_field = table.required("apiVersion")?;
        let api = api_field.text()?.value;
        let kind_field = table.required("kind")?;
        let kind = kind_field.text()?.value;
        let own = api.starts_with(API_GROUP);
        if own && api != API {
            return Err(api_field.invalid_value(&api, API));
        }
        match kind.as_str() {
            "List" | "WorkloadList" | "WorkloadReplicaSetList" | "WorkloadDeploymentList" | "ArtifactList" => {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(kind_field.placed(()).invalid("nests lists too deep"));
                };
                self.add_list(table, depth)
            }
            "ConfigMap" if api == "v1" => {
                let metadata = Metadata::read(&mut table)?;
                let set = ValueSet::read_config_map(&mut table)?;
                table.finish()?;
                insert(&mut self.sets.config_maps, metadata, set, "ConfigMap")
            }
            "Secret" if api == "v1" => {
                let metadata = Metadata::read(&mut table)?;
                let set = ValueSet::read_secret(&mut table)?;
                table.finish()?;
                insert(&mut self.sets.secrets, metadata, set, "Secret")
            }
            "Artifact" if own => self.add_artifact(table),
            "Workload" if own => self.add_workload("Workload", table),
            "WorkloadReplicaSet" if own => self.add_workload("WorkloadReplicaSet", table),
            "WorkloadDeployment" if own => self.add_workload("WorkloadDeployment", table),
            "Host" | "HostList" if own => {
                self.warnings.add(&kind_field, "Host is the operator's own record, and has no effect");
                Ok(())
            }
            _ if own => Err(unknown_kind(&kind_field, kind, api)),
            // Written for this host, but under the API of something else.
            _ if KINDS.contains(&kind.as_str()) => Err(api_field.invalid_value(&api, API)),
            "ConfigMap" | "Secret" => Err(api_field.invalid_value(&api, "v1")),
            _ => {
                self.warnings.add(&kind_field, &format!("{kind} ({api}) means nothing to a standalone host"));
                Ok(())
            }
        }
    }

    fn add_list(&mut self, mut table: Table<'_>, depth: usize) -> Result<(), DocumentError> {
        if let Some(metadata) = table.optional("metadata") {
            metadata.table()?;
        }
        for item in table.list("items")? {
            self.add_nested(&item, depth)?;
        }
        table.finish()
    }

    fn add_artifact(&mut self, mut table: Table<'_>) -> Result<(), DocumentError> {
        let metadata = Metadata::read(&mut table)?;
        let mut spec = table.required("spec")?.table()?;
        let image = ImageSpec::read(&mut spec)?;
        spec.finish()?;
        status(&mut table, &mut self.warnings);
        table.finish()?;
        let key = (metadata.namespace, metadata.name);
        let origin = image.name.origin.clone();
        if let Some(first) = self.artifacts.get(&key) {
            let first = first.name.origin.clone();
            return Err(DocumentError::Duplicate { origin, kind: "Artifact", name: key.1, first });
        }
        self.artifacts.insert(key, image);
        Ok(())
    }

    fn add_workload(&mut self, kind: &'static str, mut table: Table<'_>) -> Result<(), DocumentError> {
        let origin = table.origin().clone();
        let metadata = Metadata::read(&mut table)?;
        let spec = table.required("spec")?;
        let template = match kind {
            "Workload" => Template {
                replicas: 1,
                annotations: BTreeMap::new(),
                spec: WorkloadSpec::read(&spec, &mut self.warnings)?,
                artifacts: Vec::new(),
            },
            _ => Template::read(kind, &spec, &mut self.warnings)?,
        };
        status(&mut table, &mut self.warnings);
        table.finish()?;
        let Metadata { namespace, name, mut annotations } = metadata;
        // A host knows workloads by namespace and name alone.
        match self.known.entry((namespace.clone(), name.clone())) {
            Entry::Vacant(vacant) => _ = vacant.insert(origin.clone()),
            Entry::Occupied(first) => {
                return Err(DocumentError::Duplicate { origin, kind, name, first: first.get().clone() });
            }
        }
        annotations.extend(template.annotations);
        let Template { replicas, spec, artifacts, .. } = template;
        self.workloads.push(WorkloadDocument { origin, kind, namespace, name, annotations, replicas, spec, artifacts });
        Ok(())
    }
}

/// What a cluster has noted on a document that was exported from it.
fn status(table: &mut Table<'_>, warnings: &mut Warnings) {
    if let Some(field) = table.optional("status") {
        warnings.add(&field, "is the cluster's own record, and has no effect");
    }
}

fn insert(
    sets: &mut BTreeMap<Key, ValueSet>,
    metadata: Metadata,
    set: ValueSet,
    kind: &'static str,
) -> Result<(), DocumentError> {
    let key = (metadata.namespace, metadata.name);
    if let Some(first) = sets.get(&key) {
        let (origin, first) = (set.origin, first.origin.clone());
        return Err(DocumentError::Duplicate { origin, kind, name: key.1, first });
    }
    sets.insert(key, set);
    Ok(())
}

fn unknown_kind(field: &Field<'_>, kind: String, api_version: String) -> DocumentError {
    let nearest = tree::nearest(&kind, KINDS.into_iter()).map(str::to_owned);
    DocumentError::UnknownKind { origin: field.origin().clone(), kind, api_version, nearest }
}

impl Metadata {
    fn read(document: &mut Table<'_>) -> Result<Self, DocumentError> {
        let mut table = document.required("metadata")?.table()?;
        let name_field = table.required("name")?;
        let name = name_field.text()?.value;
        if !is_dns_name(&name) {
            return Err(name_field.invalid_value(&name, "a DNS name of lower-case letters, digits, hyphens and dots"));
        }
        let namespace = match table.optional("namespace") {
            Some(field) => {
                let namespace = field.text()?.value;
                if !is_dns_label(&namespace) {
                    return Err(field.invalid_value(&namespace, "a name of lower-case letters, digits and hyphens"));
                }
                namespace
            }
            None => "default".to_owned(),
        };
        // Everything else in it is somebody's own.
        Ok(Self { namespace, name, annotations: table.text_map("annotations")? })
    }
}

impl Template {
    fn read(kind: &'static str, spec: &Field<'_>, warnings: &mut Warnings) -> Result<Self, DocumentError> {
        let mut table = spec.table()?;
        let replicas = read_replicas(&mut table, warnings)?;
        let mut artifacts = Vec::new();
        if kind == "WorkloadDeployment" {
            if let Some(field) = table.optional("deployPolicy") {
                field.one_of(&["RollingUpdate", "Recreate"])?;
                warnings.add(&field, "needs a cluster: nothing is rolled out here");
            }
            for item in table.list("artifacts")? {
                let mut artifact = item.table()?;
                let name = artifact.required("name")?.text()?;
                artifacts.push((name, reference(&artifact.required("artifactFrom")?)?));
                artifact.finish()?;
            }
            spec::kubernetes(&mut table, warnings)?;
        }
        let mut template = table.required("template")?.table()?;
        let mut annotations = template.text_map("annotations")?;
        template.text_map("labels")?;
        // The reference has both beside `spec`, the guide below `metadata`.
        if let Some(metadata) = template.optional("metadata") {
            annotations.extend(metadata.table()?.text_map("annotations")?);
        }
        let spec = WorkloadSpec::read(&template.required("spec")?, warnings)?;
        template.finish()?;
        table.finish()?;
        Ok(Self { replicas, annotations, spec, artifacts })
    }
}

fn read_replicas(table: &mut Table<'_>, warnings: &mut Warnings) -> Result<u32, DocumentError> {
    let Some(field) = table.optional("replicas") else { return Ok(1) };
    let replicas = field.integer::<u32>("a whole number from 0")?.value;
    if replicas > 1 {
        warnings.add(&field, &format!("asks for {replicas}: this host runs one, and more of them need a cluster"));
    }
    Ok(replicas)
}

impl Warnings {
    /// Notes a document that starts nothing.
    pub(super) fn not_started(&mut self, document: &WorkloadDocument) {
        let text = format!("{} `{}` asks for no replica and is not started", document.kind, document.name);
        self.push(Warning { origin: document.origin.clone(), text });
    }
}
