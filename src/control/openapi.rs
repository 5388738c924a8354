//! The description of the API for programs: OpenAPI 3.1, made from the table of verbs. It is kept in docs/openapi.json,
//! so that a change of the API is reviewed, and served at `/v1/openapi.json`.
//!
//! Owns: the form of that document. Must never know: any one verb, how a request is carried out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

mod schemas;

use schemas::{Schemas, one_of, or_open, tagged, without_null};

use super::live::EVENT_STREAM;
use super::problem::{Cause, Problem};
use super::verbs::{Entry, Form, JSON, JSON_LINES, Method, Spec, TABLE, named, reference};
use crate::access::Role;

/// Where to find the rest.
const ABOUT: &str = "What `reconciled` knows and can do, for programs. Over the daemon's Unix-domain socket the kernel \
    says who calls, and no token is needed. Over TCP a bearer token says what the caller may do. Each operation names \
    the role that it needs; a role includes those before it: connect, metrics, read, enrol, operate, write-money. \
    Amounts are text, times are RFC 3339. Fields may be added within `/v1`, so ignore those that you do not know.";

/// The classes of problems that every operation has.
const ALWAYS: &[Cause] = &[
    Cause::Malformed,
    Cause::Unauthenticated,
    Cause::Forbidden,
    Cause::TooSlow,
    Cause::TooMany,
    Cause::Internal,
    Cause::Unavailable,
];

/// The classes that every operation has which may have a body.
const WITH_BODY: &[Cause] = &[Cause::TooLarge, Cause::UnsupportedMediaType];

/// What an answer in lines contains.
const ANSWERED_BY_LINE: &str = "One line for each line of the body that is not blank, in the same order. It is sent as \
    soon as that line is stored. If the request ends early, the last line is a Problem: send the lines without an \
    answer again.";

/// A verb with its form.
struct Described {
    spec: Spec,
    form: Form,
}

impl Described {
    fn of(entry: &Entry, schemas: &mut Schemas) -> Described {
        let mut form = (entry.form)();
        schemas.take(std::mem::take(&mut form.parts));
        Described { spec: entry.spec, form }
    }
}

/// The whole document.
pub fn document() -> Value {
    let mut addresses: Vec<(Method, &str)> = Vec::new();
    for Entry { spec, .. } in TABLE {
        if !addresses.contains(&(spec.method, spec.path)) {
            addresses.push((spec.method, spec.path));
        }
    }
    let mut schemas = Schemas::default();
    let problem = schemas.add(named::<Problem>);
    let mut paths = Map::new();
    for (method, path) in addresses {
        let there = TABLE.iter().filter(|entry| entry.spec.method == method && entry.spec.path == path);
        let verbs: Vec<Described> = there.map(|entry| Described::of(entry, &mut schemas)).collect();
        let operation = operation(&verbs, &schemas);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[word(method)] = operation;
    }
    let refusals = refusals(&problem);
    let components = schemas.used_by(&json!([paths, refusals]));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "reconciled",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8490", "description": "`listen` under `[control.tcp]`" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": refusals,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of `tokens` under `[control.tcp]`. Not needed over the socket.",
                },
            },
        },
    })
}

/// The document as it is kept and served.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("its keys are text");
    text.push('\n');
    text
}

fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Put => "put",
        Method::Post => "post",
        Method::Delete => "delete",
    }
}

/// One operation of the API: the verb at an address, or all verbs that share it, each with a tag.
fn operation(verbs: &[Described], schemas: &Schemas) -> Value {
    let first = &verbs[0].spec;
    let role = verbs.iter().map(|verb| verb.spec.role).min().unwrap_or(Role::WriteMoney);
    let mut operation = json!({
        "operationId": operation_id(verbs),
        "tags": [subject(first.path)],
        "summary": if verbs.len() == 1 { first.help.to_owned() } else { format!("Several verbs: {}.", tags(verbs)) },
        "description": verbs.iter().map(|verb| description(&verb.spec)).collect::<Vec<_>>().join("\n"),
        "x-required-role": role.as_str(),
    });
    if role == Role::Connect {
        operation["security"] = json!([{}]);
    }
    let parameters = parameters(&verbs[0], schemas);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let body = body(verbs, schemas);
    let mut causes: Vec<Cause> = ALWAYS.to_vec();
    causes.extend(verbs.iter().flat_map(|verb| verb.spec.refuses));
    if let Some(body) = body {
        operation["requestBody"] = body;
    }
    if matches!(first.method, Method::Put | Method::Post) {
        causes.extend(WITH_BODY);
    }
    if first.path.contains('{') {
        causes.push(Cause::NotFound);
    }
    if first.is_conditional {
        causes.push(Cause::PreconditionFailed);
    }
    operation["responses"] = responses(verbs, &causes);
    operation
}

fn operation_id(verbs: &[Described]) -> String {
    let spec = &verbs[0].spec;
    let words = match spec.operation {
        "" if verbs.len() > 1 || spec.command.is_empty() => subject(spec.path),
        "" => spec.command,
        given => given,
    };
    words.replace(' ', "-")
}

/// The part of a path that says what it is about: `tracked` of `/v1/tracked:batch`.
fn subject(path: &str) -> &str {
    let rest = path.trim_start_matches("/v1").trim_start_matches("/-").trim_start_matches('/');
    rest.split(['/', ':']).next().unwrap_or(rest)
}

fn tags(verbs: &[Described]) -> String {
    verbs.iter().filter_map(|verb| verb.spec.tag).collect::<Vec<_>>().join(", ")
}

fn description(spec: &Spec) -> String {
    let role = format!("Needs the role {}.", spec.role.as_str());
    match spec.tag {
        Some(tag) => format!("- `{tag}`: {} {role}", spec.help),
        None => role,
    }
}

/// What is given in the path and in the query.
fn parameters(verb: &Described, schemas: &Schemas) -> Vec<Value> {
    let (fields, required) = schemas.fields(&verb.form.request);
    let in_path = path_names(verb.spec.path);
    let parameter = |name: &str, place: &str, is_required: bool, mut schema: Value| {
        let description = schema["description"].take();
        if let Some(fields) = schema.as_object_mut() {
            fields.shift_remove("description");
        }
        let mut parameter = json!({ "name": name, "in": place, "required": is_required, "schema": schema });
        if description.is_string() {
            parameter["description"] = description;
        }
        parameter
    };
    let mut found: Vec<Value> = in_path
        .iter()
        .map(|name| {
            let schema = without_null(&fields[*name]);
            let schema = if required.contains(*name) { schema } else { or_open(&schema, schemas) };
            parameter(name, "path", true, schema)
        })
        .collect();
    if matches!(verb.spec.method, Method::Get | Method::Delete) {
        let others = fields.iter().filter(|(name, _)| !in_path.contains(&name.as_str()));
        found.extend(
            others.map(|(name, schema)| {
                parameter(name, "query", required.contains(name), without_null(schema))
            }),
        );
    }
    if let Some(query) = &verb.form.query {
        let (fields, required) = schemas.fields(query);
        found.extend(
            fields.iter().map(|(name, schema)| {
                parameter(name, "query", required.contains(name), without_null(schema))
            }),
        );
    }
    let condition = |name: &str, description: &str| {
        parameter(name, "header", false, json!({ "type": "string", "description": description }))
    };
    if is_tagged(verb) {
        found.push(condition(
            "If-None-Match",
            "The ETag of an answer that you have: 304 if it is still the same.",
        ));
    }
    if verb.form.answer_type == EVENT_STREAM {
        found.push(condition("Last-Event-ID", "The last id that you got: the stream continues after it."));
    }
    if verb.spec.is_conditional {
        let about =
            "The ETag of the object as you read it: 412 if it has changed since, and nothing is done.";
        found.push(condition("If-Match", about));
    }
    if verb.spec.is_conditional && verb.spec.method == Method::Put {
        found.push(condition("If-None-Match", "`*`: only if it is not watched yet, otherwise 412."));
    }
    found
}

/// Whether its answers have an ETag.
fn is_tagged(verb: &Described) -> bool {
    verb.spec.method == Method::Get && verb.form.answer_type == JSON
}

fn path_names(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| Some(segment.strip_prefix('{')?.split_once('}')?.0)).collect()
}

/// The body, if there is one.
fn body(verbs: &[Described], schemas: &Schemas) -> Option<Value> {
    let first = &verbs[0];
    if matches!(first.spec.method, Method::Get | Method::Delete) {
        return None;
    }
    let content = |media_types: &[&str], schema: &Value| {
        let content: Map<String, Value> = media_types
            .iter()
            .map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })))
            .collect();
        json!({ "content": content })
    };
    if let Some((media_types, line)) = &first.form.body {
        let mut body = content(media_types, &json!({ "type": "string" }));
        body["description"] =
            "One object per line, any number of lines. They are read as they arrive.".into();
        for media_type in *media_types {
            body["content"][*media_type]["x-line-schema"] = line.clone();
        }
        return Some(body);
    }
    if first.spec.is_by_address() {
        let (mut fields, _) = schemas.fields(&first.form.request);
        path_names(first.spec.path).iter().for_each(|name| drop(fields.shift_remove(*name)));
        let rest = json!({ "type": "object", "properties": fields });
        return (rest["properties"] != json!({})).then(|| content(&[JSON], &rest));
    }
    let bodies: Vec<Value> = verbs
        .iter()
        .map(|verb| match verb.spec.tag {
            Some(tag) => tagged(tag, &reference(&verb.form.request)),
            None => reference(&verb.form.request),
        })
        .collect();
    let mut body = content(&[JSON], &one_of(bodies));
    let (_, needed) = schemas.fields(&first.form.request);
    if first.spec.tag.is_some() || !needed.is_empty() {
        body["required"] = true.into();
    }
    Some(body)
}

/// What each status of a problem means, by name.
fn refusals(problem: &Value) -> BTreeMap<String, Value> {
    let of_verbs = TABLE.iter().flat_map(|entry| entry.spec.refuses);
    let of_any = [ALWAYS, WITH_BODY, &[Cause::NotFound, Cause::PreconditionFailed]].concat();
    let mut refusals: BTreeMap<String, Value> = BTreeMap::new();
    for cause in of_any.iter().chain(of_verbs) {
        let refusal = refusals.entry(format!("Problem{}", cause.status())).or_insert_with(|| {
            json!({
                "description": "",
                "content": { "application/problem+json": { "schema": problem } },
            })
        });
        let known = refusal["description"].as_str().unwrap_or_default();
        if !known.contains(cause.title()) {
            refusal["description"] = format!("{known} {}.", cause.title()).trim_start().into();
        }
        if cause.retry_after().is_some() {
            refusal["headers"] = json!({
                "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "string" } },
            });
        }
    }
    refusals
}

fn responses(verbs: &[Described], causes: &[Cause]) -> Value {
    let first = &verbs[0].form;
    let answers = verbs.iter().map(|verb| match verb.spec.answer_tag {
        Some(tag) => tagged(tag, &verb.form.answer),
        None => verb.form.answer.clone(),
    });
    let answer = match first.answer_type {
        JSON => json!({ "schema": one_of(answers.collect()) }),
        _ if first.answer["type"] == "string" => json!({ "schema": first.answer }),
        JSON_LINES => {
            let line = one_of(vec![first.answer.clone(), reference("Problem")]);
            json!({ "schema": { "type": "string" }, "x-line-schema": line })
        }
        _ => json!({ "schema": { "type": "string" }, "x-line-schema": first.answer }),
    };
    let mut responses = BTreeMap::new();
    for status in first.statuses {
        let description = match first.answer_type {
            JSON_LINES => ANSWERED_BY_LINE,
            _ if *status == 201 => "It is new.",
            _ => "It was carried out.",
        };
        let response = json!({ "description": description, "content": { first.answer_type: answer } });
        responses.insert(status.to_string(), response);
    }
    if is_tagged(&verbs[0]) {
        responses.insert("304".to_owned(), json!({ "description": "You have it already." }));
        responses.entry("200".to_owned()).and_modify(|response| {
            response["headers"] = json!({
                "ETag": { "description": "Changes with the answer.", "schema": { "type": "string" } },
            });
        });
    }
    for cause in causes {
        let status = cause.status().to_string();
        let refusal = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        responses.insert(status, refusal);
    }
    json!(responses)
}

#[cfg(test)]
mod tests;
