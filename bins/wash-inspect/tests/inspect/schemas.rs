//! What is printed with `-o json`, against the published schemas.

use std::path::Path;

use serde_json::Value;
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect};

/// Where a value breaks its schema. Knows the words that our schemas use, and refuses others.
fn problem(value: &Value, schema: &Value, root: &Value) -> Option<String> {
    let schema = schema.as_object().expect("a schema is an object");
    for (word, rule) in schema {
        let found = match word.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                problem(value, &root["$defs"][name], root)
            }
            "anyOf" | "oneOf" => {
                let fits = rule.as_array().unwrap().iter().any(|schema| problem(value, schema, root).is_none());
                (!fits).then(|| format!("{value} is none of {rule}"))
            }
            "type" => {
                let fits = match rule {
                    Value::Array(names) => names.iter().any(|name| is_of(value, name)),
                    name => is_of(value, name),
                };
                (!fits).then(|| format!("{value} is no {rule}"))
            }
            "const" => (value != rule).then(|| format!("{value} is not {rule}")),
            "enum" => (!rule.as_array().unwrap().contains(value)).then(|| format!("{value} is not in {rule}")),
            "required" => {
                let missing = rule.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                missing.filter(|_| value.is_object()).map(|name| format!("{name} is missing"))
            }
            "properties" => value.as_object().and_then(|object| {
                object.iter().find_map(|(name, value)| match rule.get(name) {
                    Some(schema) => problem(value, schema, root).map(|problem| format!("{name}: {problem}")),
                    None => Some(format!("{name} has no schema")),
                })
            }),
            "items" => value.as_array().into_iter().flatten().find_map(|value| problem(value, rule, root)),
            "prefixItems" => {
                let mut pairs = value.as_array().into_iter().flatten().zip(rule.as_array().unwrap());
                pairs.find_map(|(value, schema)| problem(value, schema, root))
            }
            "$schema" | "$defs" | "title" | "description" | "format" | "minimum" | "maximum" | "minItems"
            | "maxItems" => None,
            "additionalProperties" => (rule != true).then(|| "the schema closes an object".to_owned()),
            other => Some(format!("the schema has the word `{other}`, which this test does not know")),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("the schema has the type `{other}`, which this test does not know"),
    }
}

#[test]
fn every_command_prints_what_its_schema_says() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    sandbox.write("other.wasm", component(&WIT.replace("price: u32", "price: u64")));
    sandbox.write("shop.wit", WIT);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    let mut seen = 0;
    let commands: [(&str, &[&str]); 16] = [
        ("inspect", &["shop.wasm"]),
        ("inspect", &["shop.wit"]),
        ("inspect-check", &["check", "shop.wasm", "--host", "wash"]),
        ("inspect-check-list-hosts", &["check", "--list-hosts"]),
        ("inspect-deps", &["deps", "shop.wasm"]),
        ("inspect-deps", &["deps", "shop.wasm", "--sbom", "cyclonedx"]),
        ("inspect-deps", &["deps", "shop.wasm", "--sbom", "spdx"]),
        ("inspect-diff", &["diff", "shop.wasm", "other.wasm"]),
        ("inspect-graph", &["graph", "shop.wasm"]),
        ("inspect-metadata", &["metadata", "shop.wasm"]),
        ("inspect-size", &["size", "shop.wasm"]),
        ("inspect-size-diff", &["size", "shop.wasm", "--diff", "other.wasm"]),
        ("inspect-validate", &["validate", "shop.wasm"]),
        ("inspect-wat", &["wat", "shop.wasm"]),
        ("inspect-written", &["strip", "shop.wasm", "--to", "small.wasm"]),
        // A failure is a document of the same schema.
        ("inspect", &["none.wasm"]),
    ];
    for (name, arguments) in commands {
        let text = std::fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let document = inspect(&sandbox, &[&["-o", "json"], arguments].concat()).json();
        assert_eq!(problem(&document, &schema, &schema), None, "{arguments:?}\n{document:#}");
        seen += 1;
    }
    assert!(seen > std::fs::read_dir(folder).unwrap().filter(|entry| is_ours(entry.as_ref().unwrap())).count());
}

fn is_ours(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with("inspect")
}
