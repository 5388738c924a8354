//! Hostile answers: what a broken gateway, a bad proxy or an attacker would send.
//!
//! Owns: their bytes. Must never know: when they are sent.

use super::exchange::Outgoing;

/// The size of an oversized body, bytes.
pub const OVERSIZED_BYTES: u64 = 50 * 1024 * 1024;

/// A gateway's error page.
pub const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>503 Service Temporarily Unavailable</title></head>\
    <body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>\n";

/// A state word that no manual lists.
pub const UNKNOWN_STATE: &str = "UnderTelepathicReview";

/// A reason word that no manual lists.
pub const UNKNOWN_REASON: &str = "SolarFlare";

/// Which word of an answer is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The object's own id.
    Id,
    /// Its state.
    State,
    /// Its reason code.
    Reason,
}

/// The usual content type of the two formats.
pub fn content_type(is_xml: bool) -> &'static str {
    if is_xml { "text/xml" } else { "application/json" }
}

/// An error in the provider's own format, as its gateway would send it (docs/src/reference/amazon-pay-v2.md 8.2,
/// docs/src/reference/amazon-pay-mws.md 6.1 and 6.2).
pub fn error(status: u16, is_xml: bool) -> Outgoing {
    let (json_code, xml_code, party) = match status {
        401 => ("UnauthorizedAccess", "AccessDenied", "Sender"),
        403 => ("InvalidAuthentication", "InvalidAccessKeyId", "Sender"),
        503 => ("ServiceUnavailable", "ServiceUnavailable", "Receiver"),
        _ => ("InternalServerError", "InternalError", "Receiver"),
    };
    let body = if is_xml {
        format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"http://mws.amazonservices.com/schema/\
             OffAmazonPayments/2013-01-01\"><Error><Type>{party}</Type><Code>{xml_code}</Code>\
             <Message>An injected fault.</Message></Error>\
             <RequestID>00000000-0000-0000-0000-000000000000</RequestID></ErrorResponse>"
        )
    } else {
        format!("{{\"reasonCode\":\"{json_code}\",\"message\":\"An injected fault.\"}}")
    };
    Outgoing::new(status, content_type(is_xml), body)
}

/// The piece that oversized and endless bodies repeat.
pub fn filler(is_xml: bool) -> Outgoing {
    let piece = if is_xml { "<Padding>0123456789</Padding>" } else { "[\"0123456789\"," };
    Outgoing::new(200, content_type(is_xml), piece.repeat(512))
}

/// Entities that would expand to 3 GB (XML), or 100,000 levels of nesting (JSON).
pub fn bomb(is_xml: bool) -> Outgoing {
    if !is_xml {
        return Outgoing::new(200, content_type(false), "[".repeat(100_000));
    }
    let mut body = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [\n<!ENTITY lol0 \"lol\">\n");
    for level in 1..10 {
        let inner = format!("&lol{};", level - 1).repeat(10);
        body.push_str(&format!("<!ENTITY lol{level} \"{inner}\">\n"));
    }
    body.push_str("]>\n<GetAuthorizationDetailsResponse>&lol9;</GetAuthorizationDetailsResponse>");
    Outgoing::new(200, content_type(true), body)
}

/// 330 kB that claim to be gzip and unpack to 50 MB of zeros: one literal, then the longest
/// back-reference again and again, in the fixed code of RFC 1951 section 3.2.6.
pub fn gzip_bomb(is_xml: bool) -> Outgoing {
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], filled: 0, current: 0 };
    bits.push(&[1, 1, 0]);
    bits.push(&[0, 0, 1, 1, 0, 0, 0, 0]);
    for _ in 0..OVERSIZED_BYTES / 258 {
        bits.push(&[1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.push(&[0, 0, 0, 0, 0, 0, 0, 0]);
    Outgoing::new(200, content_type(is_xml), bits.bytes).with_header("content-encoding", "gzip")
}

/// Bits packed from the lowest of each byte upwards.
struct Bits {
    bytes: Vec<u8>,
    current: u8,
    filled: u32,
}

impl Bits {
    fn push(&mut self, bits: &[u8]) {
        for bit in bits {
            self.current |= bit << self.filled;
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.current);
                self.current = 0;
                self.filled = 0;
            }
        }
    }
}

/// The same answer under the wrong content type.
pub fn retyped(mut answer: Outgoing) -> Outgoing {
    answer.headers.retain(|(name, _)| name != "content-type");
    answer.with_header("content-type", "text/html; charset=iso-8859-1")
}

/// The same answer with 10,000 headers more.
pub fn with_many_headers(mut answer: Outgoing) -> Outgoing {
    answer.headers.extend((0..10_000).map(|number| (format!("x-padding-{number}"), "0".to_owned())));
    answer
}

/// The answer with one word replaced by one that does not belong there; `None` when it has no such word.
pub fn replace_word(answer: Outgoing, word: Word) -> Option<Outgoing> {
    let text = String::from_utf8(answer.body.clone()).ok()?;
    let replaced = if text.trim_start().starts_with('<') {
        replace_in_xml(&text, word)
    } else {
        replace_in_json(&text, word)
    }?;
    Some(Outgoing { body: replaced.into_bytes(), ..answer })
}

fn replace_in_json(text: &str, word: Word) -> Option<String> {
    let mut document: serde_json::Value = serde_json::from_str(text).ok()?;
    let object = document.as_object_mut()?;
    match word {
        Word::Id => {
            let id = ["refundId", "chargeId", "chargePermissionId"]
                .into_iter()
                .find(|key| object.contains_key(*key))?;
            let other = other_id(object.get(id)?.as_str()?);
            object.insert(id.to_owned(), other.into());
        }
        Word::State => {
            object.get_mut("statusDetails")?.as_object_mut()?.insert("state".into(), UNKNOWN_STATE.into());
        }
        Word::Reason => {
            let status = object.get_mut("statusDetails")?.as_object_mut()?;
            if status.contains_key("reasons") {
                let reason = serde_json::json!([{"reasonCode": UNKNOWN_REASON, "reasonDescription": null}]);
                status.insert("reasons".into(), reason);
            } else {
                status.insert("reasonCode".into(), UNKNOWN_REASON.into());
            }
        }
    }
    Some(document.to_string())
}

fn replace_in_xml(text: &str, word: Word) -> Option<String> {
    let (elements, other): (&[&str], fn(&str) -> String) = match word {
        Word::Id => (
            &[
                "AmazonRefundId",
                "AmazonCaptureId",
                "AmazonAuthorizationId",
                "AmazonBillingAgreementId",
                "AmazonOrderReferenceId",
            ],
            other_id,
        ),
        Word::State => (&["State"], |_| UNKNOWN_STATE.to_owned()),
        Word::Reason => (&["ReasonCode", "ReasonDescription"], |_| UNKNOWN_REASON.to_owned()),
    };
    elements.iter().find_map(|element| {
        let opening = format!("<{element}>");
        let from = text.find(&opening)? + opening.len();
        let until = from + text[from..].find('<')?;
        Some(format!("{}{}{}", &text[..from], other(&text[from..until]), &text[until..]))
    })
}

/// An id of the same shape that is not this one.
fn other_id(id: &str) -> String {
    let turned: String = id
        .chars()
        .rev()
        .scan(false, |done, letter| {
            let turn = !*done && letter.is_ascii_digit();
            *done |= turn;
            Some(if turn { if letter == '9' { '0' } else { '9' } } else { letter })
        })
        .collect();
    turned.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, word: Word, expected: &str) {
        let replaced = replace_word(Outgoing::new(200, "x", body), word).expect("the word is there");
        assert_eq!(String::from_utf8(replaced.body).expect("text stays text"), expected);
    }

    #[test]
    fn words_are_replaced_where_they_stand() {
        let charge = r#"{"chargeId":"S01-C123","statusDetails":{"state":"Captured","reasonCode":null}}"#;
        check(
            charge,
            Word::Id,
            r#"{"chargeId":"S01-C129","statusDetails":{"state":"Captured","reasonCode":null}}"#,
        );
        check(
            charge,
            Word::State,
            r#"{"chargeId":"S01-C123","statusDetails":{"state":"UnderTelepathicReview","reasonCode":null}}"#,
        );
        check(
            charge,
            Word::Reason,
            r#"{"chargeId":"S01-C123","statusDetails":{"state":"Captured","reasonCode":"SolarFlare"}}"#,
        );
        let capture = "<R><AmazonCaptureId>P01-C9</AmazonCaptureId><State>Pending</State></R>";
        check(capture, Word::Id, "<R><AmazonCaptureId>P01-C0</AmazonCaptureId><State>Pending</State></R>");
        check(
            capture,
            Word::State,
            "<R><AmazonCaptureId>P01-C9</AmazonCaptureId><State>UnderTelepathicReview</State></R>",
        );
        assert!(replace_word(Outgoing::new(200, "x", "<R/>"), Word::Id).is_none());
        assert!(replace_word(Outgoing::new(200, "x", "[]"), Word::State).is_none());
    }

    #[test]
    fn the_gzip_bomb_is_small_and_says_it_is_gzip() {
        let bomb = gzip_bomb(false);
        assert!(bomb.body.len() < 400_000 && bomb.body.starts_with(&[0x1f, 0x8b, 8]));
        assert_eq!(bomb.header("content-encoding"), Some("gzip"));
    }

    #[test]
    fn the_entity_bomb_has_ten_levels() {
        let body = String::from_utf8(bomb(true).body).expect("it is text");
        assert!(body.contains("<!ENTITY lol9 ") && body.len() < 2_000);
        assert_eq!(bomb(false).body.len(), 100_000);
    }

    #[test]
    fn errors_speak_the_providers_format() {
        assert!(error(401, false).body.starts_with(b"{\"reasonCode\":\"UnauthorizedAccess\""));
        let refused = String::from_utf8(error(403, true).body).expect("it is text");
        assert!(refused.contains("<Code>InvalidAccessKeyId</Code>"));
    }
}
