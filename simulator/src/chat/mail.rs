//! A mail: its headers, its parts, and what a person would see.
//!
//! Owns: the form of a message (RFC 5322, MIME) as a strict mail server wants it. Must never know: the dialogue that
//! brought it.
//!
//! The standard demands `From` and `Date`; large providers demand `Message-ID` too, so it is demanded here.

use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};

use super::mail_encoding::{encoded_words, html_links, transfer_decoded};
use super::shown::Shown;

/// The longest line without its end, octets.
pub(super) const MOST_LINE_BYTES: usize = 998;

/// Headers that may occur once only.
const SINGLE: [&str; 11] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
];

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The message, lines ended by CR LF, without the dots of the dialogue.
    pub(crate) content: Vec<u8>,
    /// Whether headers may be UTF-8.
    pub(crate) is_utf8: bool,
}

/// What was read of a mail.
#[derive(Debug)]
pub(super) struct ReadMail {
    pub(super) message_id: String,
    pub(super) body: Value,
    pub(super) shown: Shown,
}

type Headers = Vec<(String, String)>;

/// Reads a mail, or says what is wrong with it.
pub(super) fn read(mail: &Mail) -> Result<ReadMail, String> {
    let text = std::str::from_utf8(&mail.content).map_err(|_| "the message is no UTF-8".to_owned())?;
    if text.contains('\0') || text.replace("\r\n", "").contains(['\r', '\n']) {
        return Err("a line ends with something other than CR LF, or has a NUL".to_owned());
    }
    if text.split("\r\n").any(|line| line.len() > MOST_LINE_BYTES) {
        return Err("a line is longer than 998 octets".to_owned());
    }
    let (headers, body) = split(text)?;
    if !mail.is_utf8 && headers.iter().any(|(name, value)| !(name.is_ascii() && value.is_ascii())) {
        return Err("a header is not ASCII".to_owned());
    }
    for name in SINGLE {
        if headers.iter().filter(|(known, _)| known == name).count() > 1 {
            return Err(format!("the header {name} occurs twice"));
        }
    }
    let header = |name: &str| value(&headers, name);
    for name in ["from", "date", "message-id"] {
        if header(name).is_empty() {
            return Err(format!("the header {name} is missing"));
        }
    }
    rfc2822::parse(header("date")).map_err(|_| "the header date is no date".to_owned())?;
    let message_id = header("message-id").trim().to_owned();
    if !(message_id.starts_with('<') && message_id.ends_with('>') && message_id.contains('@')) {
        return Err("the header message-id is no id".to_owned());
    }
    let mut parts = Vec::new();
    collect(&headers, body, 0, &mut parts)?;
    let first = |kind: &str| parts.iter().find(|(known, _)| known == kind).map(|(_, text)| text.as_str());
    let (plain, html) = (first("text/plain"), first("text/html"));
    if parts.first().map(|(kind, _)| kind.as_str()) == Some("text/html") && plain.is_some() {
        return Err("the text must come before the HTML".to_owned());
    }
    let mut shown = Shown::default();
    shown.plain_line(&encoded_words(header("subject")));
    shown.plain_line(plain.or(html).unwrap_or_default().trim_end());
    shown.links = html.map(html_links).unwrap_or_default();
    let named: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.clone(), encoded_words(value).into())).collect();
    let body = json!({"from": mail.from, "to": mail.to, "headers": named, "text": plain, "html": html});
    Ok(ReadMail { message_id, body, shown })
}

/// The text parts, in order. Nested alternatives are opened.
fn collect(
    headers: &Headers,
    body: &str,
    depth: usize,
    parts: &mut Vec<(String, String)>,
) -> Result<(), String> {
    let kind = match value(headers, "content-type") {
        "" => "text/plain",
        kind => kind,
    };
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !media.starts_with("multipart/") {
        let encoding = value(headers, "content-transfer-encoding").trim().to_ascii_lowercase();
        let bytes = transfer_decoded(&encoding, body)?;
        if media.starts_with("text/") {
            let charset =
                parameter(kind, "charset").unwrap_or_else(|| "us-ascii".to_owned()).to_ascii_lowercase();
            let text = String::from_utf8(bytes).map_err(|_| "a part is no UTF-8".to_owned())?;
            if !text.is_ascii() && charset != "utf-8" {
                return Err(format!("a part has other letters than its charset {charset}"));
            }
            parts.push((media, text));
        }
        return Ok(());
    }
    if depth > 3 {
        return Err("the parts are nested too deeply".to_owned());
    }
    let boundary = parameter(kind, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
    let boundary = boundary.ok_or_else(|| "a multipart has no boundary".to_owned())?;
    let text = format!("\r\n{body}");
    let line = format!("\r\n--{boundary}");
    let mut pieces = text.split(line.as_str());
    pieces.next();
    let mut is_closed = false;
    for piece in pieces {
        if piece.starts_with("--") {
            is_closed = true;
            break;
        }
        let piece = piece.trim_start_matches([' ', '\t']).strip_prefix("\r\n");
        let piece = piece.ok_or_else(|| "a boundary is not alone on its line".to_owned())?;
        let (headers, body) = split(piece)?;
        collect(&headers, body, depth + 1, parts)?;
    }
    if is_closed { Ok(()) } else { Err("a multipart is not closed".to_owned()) }
}

/// Headers, unfolded, names in lower case; and the body.
fn split(text: &str) -> Result<(Headers, &str), String> {
    if let Some(body) = text.strip_prefix("\r\n") {
        return Ok((Headers::new(), body));
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.trim_end_matches("\r\n"), ""));
    let mut headers = Headers::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().ok_or("the first header is a continuation")?;
            value.push_str(line);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no header"))?;
        let is_name = !name.is_empty() && name.bytes().all(|letter| (33..127).contains(&letter));
        if !is_name {
            return Err(format!("`{name}` is no name of a header"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok((headers, body))
}

fn value<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

/// A parameter of a header, such as the charset.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|piece| {
        let (known, value) = piece.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "From: a@b.example\r\nTo: c@d.example\r\nDate: Thu, 15 Jan 2026 09:30:00 +0000\r\n\
                        Message-ID: <1@b.example>\r\nSubject: =?utf-8?B?w6Q=?= x\r\n";

    fn mail(content: &str) -> Mail {
        let to = vec!["c@d.example".to_owned()];
        Mail { from: "a@b.example".into(), to, content: content.into(), is_utf8: false }
    }

    #[test]
    fn alternatives_are_read_and_links_found() {
        let content = format!(
            "{HEAD}MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"xy\"\r\n\r\n--xy\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             14 =E2=82=AC=\r\n due\r\n--xy\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nPGEgaHJlZj0iaHR0cHM6Ly94Ij55PC9hPg==\r\n--xy--\r\n"
        );
        let read = read(&mail(&content)).expect("it is good");
        assert_eq!(read.shown.text, "ä x\n14 € due");
        assert_eq!(read.shown.links, ["https://x"]);
        assert_eq!(read.message_id, "<1@b.example>");
        assert_eq!(read.body["html"], "<a href=\"https://x\">y</a>");
        assert_eq!(read.body["headers"]["subject"], "ä x");
    }

    #[test]
    fn what_a_strict_server_refuses() {
        let multipart =
            |parts: &str| format!("{HEAD}Content-Type: multipart/alternative; boundary=xy\r\n\r\n{parts}");
        let html = "--xy\r\nContent-Type: text/html\r\n\r\n<p>\r\n";
        for (content, problem) in [
            (HEAD.replace("From: a@b.example\r\n", ""), "the header from is missing"),
            (HEAD.replace("Date", "X-Date"), "the header date is missing"),
            (HEAD.replace("Message-ID", "X-Id"), "the header message-id is missing"),
            (HEAD.replace("<1@b.example>", "1"), "the header message-id is no id"),
            (HEAD.replace("Thu, 15 Jan 2026", "soon"), "the header date is no date"),
            (format!("{HEAD}Subject: twice\r\n"), "the header subject occurs twice"),
            (format!("{HEAD}X-A: ä\r\n"), "a header is not ASCII"),
            (format!("{HEAD}no header\r\n"), "`no header` is no header"),
            (format!("{HEAD}X A: b\r\n"), "`X A` is no name of a header"),
            (format!("{HEAD}\r\na\nb"), "a line ends with something other than CR LF, or has a NUL"),
            (format!("{HEAD}\r\n{}", "x".repeat(999)), "a line is longer than 998 octets"),
            (format!("{HEAD}\r\nä"), "a part has other letters than its charset us-ascii"),
            (multipart(html), "a multipart is not closed"),
            (
                multipart(&format!("{html}--xy\r\nContent-Type: text/plain\r\n\r\nx\r\n--xy--\r\n")),
                "the text must come before the HTML",
            ),
        ] {
            assert_eq!(read(&mail(&content)).map(|_| ()), Err(problem.to_owned()));
        }
        assert!(read(&mail(&format!("{HEAD}\r\n{}", "x".repeat(998)))).is_ok());
    }
}
