//! The schemas of the description: found by name, and changed for where they stand.
//!
//! Owns: references between schemas, and what a schema becomes in a query, a path or a choice. Must never know: verbs,
//! roles, problems.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::control::verbs::{Part, reference, written};

/// Every schema under its name.
#[derive(Default)]
pub(super) struct Schemas(pub(super) BTreeMap<String, Value>);

impl Schemas {
    /// Takes in what a type is made of, and returns the schema that stands for it.
    pub(super) fn add(&mut self, make: fn(&mut Vec<Part>) -> Value) -> Value {
        let mut parts = Vec::new();
        let made = make(&mut parts);
        self.take(parts);
        made
    }

    /// Takes in named schemas.
    pub(super) fn take(&mut self, parts: Vec<Part>) {
        for (name, schema) in parts {
            self.0.insert(name, written(&schema));
        }
    }

    /// The schema that a name or a reference stands for, through all references.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            Some(name) => self.0.get(name).map_or(schema, |found| self.resolve(found)),
            None => schema,
        }
    }

    /// The fields of a request by their names, and which of them must be given.
    pub(super) fn fields(&self, request: &str) -> (Map<String, Value>, BTreeSet<String>) {
        let named = reference(request);
        let schema = self.resolve(&named);
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        (schema["properties"].as_object().cloned().unwrap_or_default(), required)
    }

    /// The schemas that a part of the document names, directly or through others.
    pub(super) fn used_by(&self, part: &Value) -> BTreeMap<&str, &Value> {
        let mut used = BTreeMap::new();
        let mut open = vec![part];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => open.extend(fields.values()),
                Value::Array(items) => open.extend(items),
                Value::String(text) => {
                    let known = text.strip_prefix("#/components/schemas/");
                    if let Some((name, schema)) = known.and_then(|name| self.0.get_key_value(name))
                        && used.insert(name.as_str(), schema).is_none()
                    {
                        open.push(schema);
                    }
                }
                _ => {}
            }
        }
        used
    }
}

/// A query cannot say null.
pub(super) fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let is_null = |value: &Value| *value == json!("null") || value["type"] == json!("null");
    for list in ["type", "oneOf", "enum"] {
        if let Some(choices) = schema[list].as_array_mut() {
            choices.retain(|choice| !is_null(choice) && !choice.is_null());
            if let ([only], "type") = (choices.as_slice(), list) {
                schema[list] = only.clone();
            }
        }
    }
    if let Some([only]) = schema["oneOf"].as_array().map(Vec::as_slice) {
        let mut only = only.clone();
        if let Some(description) = schema.get("description") {
            only["description"] = description.clone();
        }
        return only;
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    schema
}

/// A name in a path that may be left open.
pub(super) fn or_open(schema: &Value, schemas: &Schemas) -> Value {
    let description = schema["description"].as_str().unwrap_or_default();
    let mut open = schemas.resolve(schema).clone();
    open["description"] = format!("{description} `~` leaves it open.").trim_start().into();
    if let Some(pattern) = open["pattern"].as_str() {
        open["pattern"] = format!("({pattern}|^~$)").into();
    }
    open
}

/// A request that is named by a tag around it.
pub(super) fn tagged(tag: &str, schema: &Value) -> Value {
    json!({
        "type": "object",
        "properties": { tag: schema },
        "required": [tag],
        "additionalProperties": false,
    })
}

/// Any one of these.
pub(super) fn one_of(mut schemas: Vec<Value>) -> Value {
    schemas.dedup();
    match schemas.len() {
        1 => schemas.remove(0),
        _ => json!({ "oneOf": schemas }),
    }
}
