//! How requests and answers are encoded: fields in the path, in the query, or as JSON in the body.
//!
//! Owns: that encoding. Must never know: any one verb, sockets.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;
use reqwest::Url;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::{Entry, Incoming, JSON, Method, Outgoing, Reply, Verb};
use crate::control::problem::{Cause, Problem};
use crate::control::service::Answer;

/// In a path, stands for a field that is left open.
const OPEN: &str = "~";

/// The name in a segment of a path, and the text that follows it.
fn placeholder(segment: &str) -> Option<(&str, &str)> {
    segment.strip_prefix('{')?.split_once('}')
}

/// Puts the fields that the path names into the path. The others become the query of a GET, or else the JSON body.
pub(super) fn write<V: Verb>(verb: &V) -> Outgoing {
    let mut outgoing =
        Outgoing { path: V::SPEC.path.to_owned(), query: Vec::new(), media_type: JSON, body: Vec::new() };
    if V::SPEC.is_by_address() {
        let mut fields = match serde_json::to_value(verb).expect("messages have text keys only") {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        outgoing.path = filled(V::SPEC.path, &mut fields);
        if V::SPEC.method == Method::Get {
            outgoing.query = fields.into_iter().map(|(key, value)| (key, plain(&value))).collect();
        } else if !fields.is_empty() {
            outgoing.body = json(&fields);
        }
    } else {
        outgoing.body = match V::SPEC.tag {
            Some(tag) => json(&BTreeMap::from([(tag, verb)])),
            None => json(verb),
        };
    }
    outgoing
}

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages have text keys only")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Names have no character that needs escaping in a path. Only `.` and `..` are a problem: HTTP clients remove them,
/// both plain and escaped. So they are escaped twice.
fn filled(path: &str, fields: &mut Map<String, Value>) -> String {
    let segments = path.split('/').map(|segment| match placeholder(segment) {
        Some((name, rest)) => {
            let value = fields.remove(name).map_or_else(|| OPEN.to_owned(), |value| plain(&value));
            let is_folded = matches!(value.as_str(), "." | "..");
            format!("{}{rest}", if is_folded { value.replace('.', "%252E") } else { value })
        }
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The inverse of [`write()`].
pub(super) fn read<V: Verb>(incoming: &Incoming) -> Answer<V> {
    if V::SPEC.is_by_address() {
        return pairs(named::<V>(incoming)?, &incoming.query, &remedy::<V>());
    }
    match V::SPEC.tag {
        None => body(&incoming.body, &remedy::<V>()),
        Some(tag) => {
            let mut tagged: BTreeMap<String, V> = body(&incoming.body, &remedy::<V>())?;
            tagged.remove(tag).ok_or_else(|| {
                Problem::new(Cause::Malformed, format!("the body lacks {tag:?}"), remedy::<V>())
            })
        }
    }
}

fn remedy<V: Verb>() -> String {
    match V::SPEC.command {
        "" => format!("see the path {}", V::SPEC.path),
        command => format!("see `reconciled {command} --help`"),
    }
}

/// The fields that the path names, as text, without those that are left open.
pub(super) fn named<V: Verb>(incoming: &Incoming) -> Answer<Vec<(&'static str, String)>> {
    let mut fields = Vec::new();
    for (name, rest) in V::SPEC.path.split('/').filter_map(placeholder) {
        let value = incoming.parameters.iter().find(|(known, _)| known == name);
        let value = value.and_then(|(_, value)| value.strip_suffix(rest)).ok_or_else(|| {
            Problem::new(Cause::NotFound, "there is no such path", format!("it is {}", V::SPEC.path))
        })?;
        if value != OPEN {
            // `%2E` is a dot that was escaped twice. No id contains a percent sign.
            fields.push((name, value.replace("%2E", ".")));
        }
    }
    Ok(fields)
}

/// Reads the fields of the query, and those that the path names.
pub(super) fn pairs<T: DeserializeOwned>(
    named: Vec<(&'static str, String)>,
    query: &str,
    remedy: &str,
) -> Answer<T> {
    let malformed = |what: String| Problem::new(Cause::Malformed, what, remedy);
    let place = if named.is_empty() { "the query" } else { "the path" };
    let mut url = Url::parse(&format!("http://localhost/?{query}"))
        .map_err(|bad| malformed(format!("{place}: {bad}")))?;
    if !named.is_empty() {
        url.query_pairs_mut().extend_pairs(named);
    }
    let uri: Uri = format!("/?{}", url.query().unwrap_or_default())
        .parse()
        .map_err(|bad| malformed(format!("{place}: {bad}")))?;
    Query::try_from_uri(&uri).map(|Query(read)| read).map_err(|bad| {
        let text = bad.body_text();
        let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        malformed(format!("{place}: {why}"))
    })
}

/// Reads a JSON body. An empty body counts as `{}`.
pub(super) fn body<T: DeserializeOwned>(body: &[u8], remedy: &str) -> Answer<T> {
    let text = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|bad| Problem::new(Cause::Malformed, format!("the body: {bad}"), remedy))
}

/// The verb whose tag is the only key of the body.
pub(super) fn meant<'a>(entries: &[&'a Entry], body: &[u8]) -> Result<&'a Entry, Problem> {
    let tags: Vec<&str> = entries.iter().filter_map(|entry| entry.spec.tag).collect();
    let remedy = format!("its only key must be one of {}", tags.join(", "));
    let keys: BTreeMap<String, IgnoredAny> = self::body(body, &remedy)?;
    let mut keys = keys.keys();
    match (keys.next(), keys.next()) {
        (Some(key), None) => {
            entries.iter().find(|entry| entry.spec.tag == Some(key)).copied().ok_or_else(|| {
                Problem::new(Cause::Malformed, format!("the body: unknown key {key:?}"), &*remedy)
            })
        }
        _ => Err(Problem::new(Cause::Malformed, "the body must have exactly one key", &*remedy)),
    }
}

pub(super) fn reply<V: Verb>(answer: &V::Answer) -> Reply {
    let body = match V::SPEC.answer_tag {
        Some(tag) => json(&BTreeMap::from([(tag, answer)])),
        None => json(answer),
    };
    Reply::new(200, JSON, body)
}

pub(super) fn understand<V: Verb>(body: &[u8]) -> Result<V::Answer, String> {
    match V::SPEC.answer_tag {
        Some(tag) => {
            let read = serde_json::from_slice::<BTreeMap<String, V::Answer>>(body);
            read.map_err(|bad| bad.to_string())?.remove(tag).ok_or_else(|| format!("it lacks {tag:?}"))
        }
        None => serde_json::from_slice(body).map_err(|bad| bad.to_string()),
    }
}
