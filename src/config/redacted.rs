//! The configuration in force, as others may see it.
//!
//! Owns: what is hidden. Must never know: what a key means.
//!
//! Secrets stand in files of their own, and the configuration only names them. What could hold one all the same is
//! hidden, too: addresses, mail addresses, long texts, commands.

use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};

/// What stands in the place of a hidden value.
const HIDDEN: &str = "[set]";

/// Keys that end with one of these words are hidden.
const SECRET_WORDS: &[&str] = &[
    "arguments",
    "authorization",
    "body",
    "command",
    "env",
    "headers",
    "key",
    "password",
    "phrase",
    "secret",
    "template",
    "token",
    "tokens",
];

/// The longest text that is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// A section as others may see it.
pub(super) fn table(table: &Table) -> Map<String, Json> {
    table.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect()
}

fn shown(key: &str, value: &Value) -> Json {
    let last_word = key.rsplit(['_', '-']).next().unwrap_or(key);
    if SECRET_WORDS.contains(&last_word) {
        return json!(HIDDEN);
    }
    match value {
        Value::String(text) if is_harmless(text) => json!(text),
        Value::String(_) => json!(HIDDEN),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(flag) => json!(flag),
        Value::Datetime(at) => json!(at.to_string()),
        Value::Array(items) => items.iter().map(|item| shown(key, item)).collect(),
        Value::Table(inner) => Json::Object(table(inner)),
    }
}

/// Whether a text is neither the name of a secret nor an address that could hold one.
fn is_harmless(text: &str) -> bool {
    let is_address = text.contains("://") || text.trim_start_matches('@').contains('@');
    let is_reference = text.starts_with("credential:") || text.starts_with("file:");
    !is_address && !is_reference && !text.contains('\n') && text.chars().count() <= SHOWN_CHARACTERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_secret_is_hidden_and_the_rest_is_shown() {
        let text = r#"
            [control]
            operate = ["@reconciled-operators", "alice", 1000]
            [control.tcp]
            listen = "127.0.0.1:8490"
            tokens = { read = "credential:read-token" }
            [[account]]
            name = "shop"
            public_key_id = "LIVE-AEXAMPLE"
            private_key = "credential:shop-private-key"
            endpoint = "https://user:word@proxy.example/x"
            [[alert]]
            url = "file:/etc/x"
            to = ["owner@example.com"]
            command = ["/usr/bin/notify", "--pass=hunter2"]
            long = "SECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRET"
        "#;
        let shown = Json::Object(table(&toml::from_str(text).unwrap()));
        assert_eq!(shown["control"]["operate"], json!(["@reconciled-operators", "alice", 1000]));
        assert_eq!(shown["control"]["tcp"], json!({ "listen": "127.0.0.1:8490", "tokens": HIDDEN }));
        assert_eq!(
            shown["account"][0],
            json!({
                "name": "shop",
                "public_key_id": "LIVE-AEXAMPLE",
                "private_key": HIDDEN,
                "endpoint": HIDDEN,
            })
        );
        let alert = json!({ "url": HIDDEN, "to": [HIDDEN], "command": HIDDEN, "long": HIDDEN });
        assert_eq!(shown["alert"][0], alert);
    }
}
