//! Values that documents share: `ConfigMap`s, `Secret`s, and the layers that refer to them.
//!
//! A secret's value never stands in an error or a warning.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::DocumentError;
use super::reader::{Field, Origin, Placed, Table};

/// A document's namespace and name.
pub(crate) type Key = (String, String);

/// A `ConfigMap` or a `Secret`.
#[derive(Debug)]
pub(crate) struct ValueSet {
    pub(crate) origin: Origin,
    values: BTreeMap<String, Value>,
}

/// Text where it is text, and what to refuse where it is not.
#[derive(Debug)]
enum Value {
    Text(String),
    Binary,
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or(Self::Binary, Self::Text)
    }
}

impl ValueSet {
    /// A `ConfigMap`: `data`, and `binaryData` in base64.
    pub(crate) fn read_config_map(document: &mut Table<'_>) -> Result<Self, DocumentError> {
        let mut values = BTreeMap::new();
        for (key, text) in document.text_map("data")? {
            values.insert(key, Value::Text(text));
        }
        for (key, field) in document.optional("binaryData").map_or(Ok(Vec::new()), |field| field.entries())? {
            if values.contains_key(&key) {
                return Err(field.placed(()).invalid("stands in `data` as well"));
            }
            values.insert(key, decode(&field)?);
        }
        check_immutable(document)?;
        Ok(Self { origin: document.origin().clone(), values })
    }

    /// A `Secret`: `data` in base64, and `stringData`, which comes first.
    pub(crate) fn read_secret(document: &mut Table<'_>) -> Result<Self, DocumentError> {
        let mut values = BTreeMap::new();
        for (key, field) in document.optional("data").map_or(Ok(Vec::new()), |field| field.entries())? {
            values.insert(key, decode(&field)?);
        }
        for (key, text) in document.text_map("stringData")? {
            values.insert(key, Value::Text(text));
        }
        if let Some(kind) = document.optional("type") {
            kind.text()?;
        }
        check_immutable(document)?;
        Ok(Self { origin: document.origin().clone(), values })
    }
}

impl ValueSet {
    /// A value, if it is there and text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            Value::Binary => None,
        }
    }
}

fn check_immutable(document: &mut Table<'_>) -> Result<(), DocumentError> {
    // Nothing changes a document while the host runs.
    document.optional("immutable").map_or(Ok(()), |field| field.boolean().map(drop))
}

fn decode(field: &Field<'_>) -> Result<Value, DocumentError> {
    let encoded = match field.text() {
        Ok(text) => text.value,
        Err(DocumentError::Invalid { .. }) => String::new(),
        Err(err) => return Err(err),
    };
    // Folded over several lines, as some tools write it.
    let compact: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(compact).map_err(|_| field.placed(()).invalid("must be in base64"))?;
    Ok(Value::from(bytes))
}

/// The `ConfigMap`s and `Secret`s that layers can refer to.
#[derive(Debug, Default)]
pub(crate) struct ValueSets {
    pub(crate) config_maps: BTreeMap<Key, ValueSet>,
    pub(crate) secrets: BTreeMap<Key, ValueSet>,
}

/// Values from several sources: those written here count least, those of secrets most, whatever their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigLayer {
    config: BTreeMap<String, String>,
    config_from: Vec<Placed<String>>,
    secret_from: Vec<Placed<String>>,
}

impl ConfigLayer {
    /// Reads the three fields out of a table that may have more.
    pub(crate) fn read(table: &mut Table<'_>) -> Result<Self, DocumentError> {
        Ok(Self {
            config: table.text_map("config")?,
            config_from: references(table.list("configFrom")?)?,
            secret_from: references(table.list("secretFrom")?)?,
        })
    }

    /// All values, for a workload of this namespace.
    pub(crate) fn resolve(self, namespace: &str, sets: &ValueSets) -> Result<BTreeMap<String, String>, DocumentError> {
        let mut values = self.config;
        for reference in &self.config_from {
            collect(&mut values, "ConfigMap", namespace, reference, &sets.config_maps)?;
        }
        for reference in &self.secret_from {
            collect(&mut values, "Secret", namespace, reference, &sets.secrets)?;
        }
        Ok(values)
    }
}

/// References to other documents by their name: `- name: x`.
fn references(items: Vec<Field<'_>>) -> Result<Vec<Placed<String>>, DocumentError> {
    items.iter().map(reference).collect()
}

/// A reference to another document by its name: `name: x`.
pub(crate) fn reference(field: &Field<'_>) -> Result<Placed<String>, DocumentError> {
    let mut table = field.table()?;
    let name = table.required("name")?.text()?;
    table.finish()?;
    Ok(name)
}

fn collect(
    values: &mut BTreeMap<String, String>,
    kind: &'static str,
    namespace: &str,
    reference: &Placed<String>,
    sets: &BTreeMap<Key, ValueSet>,
) -> Result<(), DocumentError> {
    let name = &reference.value;
    let set = sets.get(&(namespace.to_owned(), name.clone())).ok_or_else(|| DocumentError::NotFound {
        origin: reference.origin.clone(),
        kind,
        name: format!("{namespace}/{name}"),
        known: sets.keys().map(|(namespace, name)| format!("{namespace}/{name}")).collect(),
    })?;
    for (key, value) in &set.values {
        let Value::Text(text) = value else {
            return Err(DocumentError::NotText {
                origin: set.origin.clone(),
                kind,
                name: name.clone(),
                key: key.clone(),
            });
        };
        values.insert(key.clone(), text.clone());
    }
    Ok(())
}
