use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::control::verbs::written;

/// Renewed by: RECONCILED_RENEW=1 cargo test --lib openapi
#[test]
fn the_kept_document_is_what_the_verbs_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let made = text();
    if std::env::var_os("RECONCILED_RENEW").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is out of date. Renew it with `RECONCILED_RENEW=1 cargo test --lib openapi`, and read \
         the difference: it is what programs will notice."
    );
}

#[test]
fn every_verb_is_in_it_with_its_body_and_its_answer() {
    let document = document();
    for Entry { spec, .. } in TABLE {
        let operation = &document["paths"][spec.path][word(spec.method)];
        assert!(operation.is_object(), "{} {}", word(spec.method), spec.path);
        assert!(operation["responses"]["200"]["content"].is_object(), "{}", spec.path);
        let body = operation["requestBody"]["content"][JSON]["schema"].to_string();
        assert!(spec.tag.is_none_or(|tag| body.contains(&format!("\"{tag}\""))), "{} {body}", spec.path);
        for cause in spec.refuses {
            assert!(operation["responses"][cause.status().to_string()].is_object(), "{}", spec.path);
        }
    }
    let listed: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    let addresses: BTreeSet<_> =
        TABLE.iter().map(|entry| (word(entry.spec.method), entry.spec.path)).collect();
    assert_eq!(listed, addresses.len());
}

#[test]
fn no_two_operations_share_a_name() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut names = BTreeSet::new();
    for operation in paths.values().flat_map(|item| item.as_object().unwrap().values()) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "two operations are named {name}");
    }
}

/// The library keeps the last of several types under one name, without a word.
#[test]
fn no_two_types_share_the_name_of_a_schema() {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut parts = Vec::new();
    named::<Problem>(&mut parts);
    parts.extend(TABLE.iter().flat_map(|entry| (entry.form)().parts));
    for (name, schema) in parts {
        let schema = written(&schema);
        let before = known.insert(name.clone(), schema.clone());
        assert!(before.is_none_or(|before| before == schema), "two types are named {name}");
    }
}

#[test]
fn every_reference_leads_to_a_schema() {
    let document = document();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(path)) = fields.get("$ref") {
                    assert!(document.pointer(&path[1..]).is_some(), "{path}");
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

#[test]
fn what_follows_a_name_in_a_path_stays_there() {
    let document = document();
    let run = &document["paths"]["/v1/reports/{day}:run"]["post"];
    assert_eq!(run["parameters"][0]["name"], "day");
    assert_eq!(run["parameters"].as_array().unwrap().len(), 1);
}
