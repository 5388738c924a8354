//! Requests over the control socket.

use std::fmt::Debug;

use reconciled::control::enrolment_request::{from_json, texts_of};
use reconciled::control::messages::{
    AlertsRequest, BackupRequest, BatchRelease, BatchSubmission, CallWanted, ListRequest, PollRequest,
    RedeliverRequest, Selector, TestRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::promises::{choice, is_shown, survives};

/// Words of requests.
pub const WORDS: &[&str] = &[
    "\"objects\":[",
    "\"all\":true",
    "\"dry_run\":",
    "\"account\":",
    "\"kind\":",
    "\"id\":",
    "\"keys\":",
    "\"all_dead\":",
    "\"target\":",
    "\"to\":",
    "\"reference\":",
    "\"operation\":",
    "\"parameters\":{",
    "\"content\":",
    "\"amount\":\"1.00\"",
    "~",
    "/",
    "null",
    "{}",
    "[]",
    "\\u0000",
    "18446744073709551616",
    "-1",
    "\"phase\":\"moving\"",
    "\"limit\":",
];

/// The first byte chooses the message.
pub fn messages(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 12) else { return };
    match which {
        0 => message::<PollRequest>(bytes),
        1 => message::<BatchSubmission>(bytes),
        2 => message::<RedeliverRequest>(bytes),
        3 => message::<TestRequest>(bytes),
        4 => message::<BackupRequest>(bytes),
        5 => message::<ListRequest>(bytes),
        6 => message::<AlertsRequest>(bytes),
        7 => match from_json(bytes, 7) {
            Ok(enrolment_request) => {
                let again = from_json(enrolment_request.to_json().as_bytes(), 1).map(|again| again.details);
                assert_eq!(again.as_ref(), Ok(&enrolment_request.details), "{}", enrolment_request.to_json());
            }
            Err(reason) => is_shown(&reason),
        },
        8 => {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            match text.parse::<Selector>() {
                Ok(selector) => assert_eq!(selector.to_string().parse(), Ok(selector)),
                Err(reason) => assert!(!reason.is_empty()),
            }
        }
        9 => {
            let Ok(map) = serde_json::from_slice(bytes) else { return };
            if let Err(reason) = texts_of(&map).and_then(|(texts, _)| texts.read(0)) {
                is_shown(&reason);
            }
        }
        10 => message::<BatchRelease>(bytes),
        _ => message::<CallWanted>(bytes),
    }
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<T>(bytes) {
        survives(&message);
    }
}
