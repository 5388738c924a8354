//! Requests as parameters, whether they came as JSON or as a form, and answers (docs/src/reference/aps.md,
//! sections 1 and 2).
//!
//! Owns: both encodings. Must never know: what a parameter means.

use serde_json::{Map, Value};

use crate::exchange::{Incoming, Outgoing};

/// The parameters of a request, in the order received, and its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) fields: Vec<(String, String)>,
    pub(super) file: Option<File>,
}

/// A file part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `None` when it is neither a JSON object of texts and numbers nor a form.
    pub(super) fn read(incoming: &Incoming) -> Option<Message> {
        let content_type = incoming.header("content-type").unwrap_or_default();
        match content_type.split_once("boundary=") {
            Some((kind, boundary)) if kind.starts_with("multipart/form-data") => {
                form(&incoming.body, boundary.trim().trim_matches('"'))
            }
            _ if content_type.starts_with("application/json") => json(&incoming.body),
            _ => None,
        }
    }
}

fn json(body: &[u8]) -> Option<Message> {
    let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            Value::String(text) => fields.push((name, text)),
            Value::Number(number) => fields.push((name, number.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        }
    }
    Some(Message { fields, file: None })
}

fn form(body: &[u8], boundary: &str) -> Option<Message> {
    let fence = format!("--{boundary}");
    let mut message = Message::default();
    let mut rest = body.strip_prefix(fence.as_bytes())?;
    let fence = format!("\r\n{fence}");
    loop {
        if rest.starts_with(b"--") {
            return Some(message);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..head_end]).ok()?;
        let content = &rest[head_end + 4..];
        let end = find(content, fence.as_bytes())?;
        let name = attribute(head, "name")?;
        match attribute(head, "filename") {
            Some(file) if name == "file" => {
                message.file = Some(File { name: file, bytes: content[..end].to_vec() });
            }
            Some(_) => return None,
            None => message.fields.push((name, String::from_utf8(content[..end].to_vec()).ok()?)),
        }
        rest = &content[end + fence.len()..];
    }
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let start = line.find(&format!("; {name}=\""))? + name.len() + 4;
    Some(line[start..].split('"').next()?.to_owned())
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

/// Fields as a JSON answer. Every value is a text, numbers too (section 2.3).
pub(super) fn answer(fields: &[(String, String)]) -> Outgoing {
    let object: Map<String, Value> =
        fields.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    Outgoing::new(200, "application/json;charset=UTF-8", Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(content_type: &str, body: &[u8]) -> Incoming {
        Incoming {
            method: "POST".to_owned(),
            host: "sbpaymentservices.payfort.com".to_owned(),
            path: "/FortAPI/upload/".to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.to_vec(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_form_of_the_documentation_is_read() {
        let body = b"--XBOUND\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--XBOUND\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"test.csv\"\r\nContent-Type: text/csv\r\n\r\n\
            a,b\r\n\n\r\n--XBOUND--\r\n";
        let message = Message::read(&incoming("multipart/form-data; boundary=XBOUND", body)).unwrap();
        assert_eq!(message.get("language"), Some("en"));
        let file = message.file.unwrap();
        assert_eq!((file.name.as_str(), file.bytes.as_slice()), ("test.csv", &b"a,b\r\n\n"[..]));
    }

    #[test]
    fn what_is_neither_is_not_read() {
        let read = |content_type: &str, body: &[u8]| Message::read(&incoming(content_type, body));
        assert_eq!(read("application/json", b"[]"), None);
        assert_eq!(read("application/json", b"{\"a\":{}}"), None);
        assert_eq!(read("text/plain", b"{}"), None);
        assert_eq!(read("multipart/form-data; boundary=X", b"--X\r\nbroken"), None);
        assert!(read("application/json; charset=utf-8", b"{\"a\":1}").is_some());
    }
}
