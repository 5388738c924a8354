//! Feedback as it is sent: parameters as JSON or as a form (docs/src/reference/aps.md, section 5.6).
//!
//! Owns: both encodings. Must never know: what a parameter means, how it was signed.

use serde_json::{Map, Value};

use super::forgery::Forgery;
use crate::scenario::Encoding;

/// Headers and body.
pub(super) fn written(fields: &[(String, String)], encoding: Encoding) -> (Vec<(String, String)>, String) {
    let (content_type, body) = match encoding {
        Encoding::Json => {
            let object: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
            ("application/json; charset=utf-8", Value::Object(object).to_string())
        }
        Encoding::Form => {
            let pairs = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
            ("application/x-www-form-urlencoded", pairs.collect::<Vec<_>>().join("&"))
        }
    };
    (vec![("content-type".to_owned(), content_type.to_owned())], body)
}

/// Forged parameters; where the forgery invents an order, its reference is another.
pub(super) fn forged(
    forgery: Forgery,
    fields: &[(String, String)],
    id: &str,
    invented: &str,
) -> Vec<(String, String)> {
    let renamed = fields.iter().map(|(name, value)| match name.as_str() {
        "merchant_reference" => (name.clone(), value.replace(id, invented)),
        _ => (name.clone(), value.clone()),
    });
    forgery.forge_feedback(renamed.collect())
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_written() {
        let fields = [("a b".to_owned(), "1&ü=+".to_owned()), ("signature".to_owned(), "ff".to_owned())];
        let (headers, body) = written(&fields, Encoding::Form);
        assert_eq!(headers[0].1, "application/x-www-form-urlencoded");
        assert_eq!(body, "a+b=1%26%C3%BC%3D%2B&signature=ff");
        assert_eq!(written(&fields, Encoding::Json).1, "{\"a b\":\"1&ü=+\",\"signature\":\"ff\"}");
    }
}
