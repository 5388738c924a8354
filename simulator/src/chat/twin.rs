//! What every simulated target has in common.
//!
//! Owns: the interface between the pretended chat (scripts, counts, what is kept) and one target, and small readers
//! that several targets need. Must never know: a target by name.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::Shown;

/// One target. What it decides follows from the request and from what was kept before.
#[derive(Debug)]
pub(super) struct Twin {
    /// The name as scenarios spell it.
    pub(super) name: &'static str,
    /// Whether this request is for this target. The first that claims a request gets it.
    pub(super) claims: fn(&Incoming) -> bool,
    /// Takes a message, or refuses it in the target's own words.
    pub(super) read: fn(&Incoming, &[ChatMessage]) -> Result<Taken, Outgoing>,
    /// The target's own words for an error status.
    pub(super) refused: fn(u16) -> Outgoing,
    /// The target's own way of saying "too many"; without the wait it says nothing about how long.
    pub(super) throttled: fn(Option<Wait>) -> Outgoing,
    /// A failure under a success status, where the target has one.
    pub(super) error_in_200: Option<fn() -> Outgoing>,
}

/// How long a client should wait, and when that is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) time: Duration,
    pub(super) now: Timestamp,
}

impl Wait {
    /// Whole seconds, rounded up.
    pub(super) fn seconds(self) -> u64 {
        self.time.as_secs().saturating_add(u64::from(self.time.subsec_nanos() > 0))
    }

    /// When the wait ends.
    pub(super) fn end(self) -> Timestamp {
        self.now.checked_add(self.time).unwrap_or(Timestamp::MAX)
    }
}

/// An accepted message.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) shown: Shown,
    pub(super) body: Value,
    pub(super) key: Option<String>,
    pub(super) effect: Effect,
    pub(super) answer: Outgoing,
    /// The answer when the message is lost inside the target; `None`: the same as for a good one.
    pub(super) answer_when_lost: Option<Outgoing>,
}

impl Taken {
    /// A message that people see, without a key.
    pub(super) fn new(shown: Shown, body: Value, answer: Outgoing) -> Taken {
        Taken { shown, body, key: None, effect: Effect::New, answer, answer_when_lost: None }
    }
}

/// What an accepted message does to what people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// People see something new.
    New,
    /// It joins an open alert with the same key: nobody is alerted again.
    Joined,
    /// It acknowledges the open alert with the same key.
    Acknowledged,
    /// It resolves the open alert with the same key.
    Resolved,
    /// It replaces the text of the message with the same key.
    Edited,
    /// The target says yes and does nothing.
    Dropped,
}

/// Whether an alert with this key is open at this target, which counts from the messages kept so far.
pub(super) fn is_open(kept: &[ChatMessage], target: &str, key: &str) -> bool {
    let mut same =
        kept.iter().rev().filter(|message| message.target == target && message.key.as_deref() == Some(key));
    same.find(|message| message.effect != Effect::Dropped)
        .is_some_and(|last| matches!(last.effect, Effect::New | Effect::Joined | Effect::Acknowledged))
}

/// The body of a request that says that it is JSON and is.
pub(super) fn json_body(incoming: &Incoming) -> Option<Value> {
    let is_json = has_content_type(incoming, "application/json");
    is_json.then(|| serde_json::from_slice(&incoming.body).ok()).flatten()
}

/// Whether the request says that its body has this type, whatever the parameters.
pub(super) fn has_content_type(incoming: &Incoming, expected: &str) -> bool {
    let kind = incoming.header("content-type").unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// The parts of a path.
pub(super) fn parts(incoming: &Incoming) -> Vec<&str> {
    incoming.path.split('/').skip(1).collect()
}

/// The length that servers written in JavaScript, Java or C# count: UTF-16 code units. It is never below the number
/// of characters, so it is the strict choice where a manual says only "characters".
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The parameters of a query or of a form, decoded; pieces that are not UTF-8 are left out.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|piece| !piece.is_empty());
    pairs
        .filter_map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// The first parameter of this name that is not empty.
pub(super) fn parameter(text: &str, name: &str) -> Option<String> {
    parameters(text)
        .into_iter()
        .find(|(known, value)| known == name && !value.is_empty())
        .map(|(_, value)| value)
}

fn decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, more @ ..] = rest {
        rest = more;
        match (byte, more) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, more @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                decoded.push(u8::from_str_radix(digits, 16).ok()?);
                rest = more;
            }
            (b'%', _) => return None,
            (plain, _) => decoded.push(*plain),
        }
    }
    String::from_utf8(decoded).ok()
}

/// An id that looks random, the same for the same words.
pub(super) fn id_of(words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.join("\u{1f}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// An id in the form of a UUID, the same for the same words.
pub(super) fn uuid_of(words: &[&str]) -> String {
    let (high, low) = (id_of(words), id_of(&[&words.concat(), "low"]));
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    format!("{first:08x}-{second:04x}-4{third:03x}-8{:03x}-{:012x}", low >> 52, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let read = parameters("a=1+2&b=%E2%82%AC&c&d=%zz&e=%4");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("a", "1 2"), pair("b", "€"), pair("c", "")]);
        assert_eq!(parameter("a=&a=2", "a").as_deref(), Some("2"));
    }

    #[test]
    fn ids_follow_from_their_words() {
        let id = uuid_of(&["a", "b"]);
        assert_eq!(id, uuid_of(&["a", "b"]));
        assert_ne!(id, uuid_of(&["a", "c"]));
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
