//! A pretend chat: a Slack incoming webhook and a generic JSON receiver.
//!
//! Owns: what they accept, what they answer, what they received. Must never know: what is alerted, or why.

mod slack;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::{Incoming, Outgoing};
use super::provider::Random;
use super::scenario::ChatSettings;

/// Headers that a receiver may want to compare; no other is kept.
const KEPT_HEADERS: [&str; 7] = [
    "content-type",
    "idempotency-key",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-request-id",
];

/// A message that the chat accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// When it arrived.
    pub at: Timestamp,
    /// The path that it was posted to.
    pub path: String,
    /// Those of its headers that a receiver looks at, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

/// How often the chat answered what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChatCounts {
    /// Messages accepted and kept.
    pub accepted: u64,
    /// Messages refused because they break the receiver's rules.
    pub refused: u64,
    /// Messages answered with 429.
    pub throttled: u64,
    /// Messages answered with 500.
    pub failed: u64,
    /// Accepted messages that could not be written to the file.
    pub unwritten: u64,
}

/// The pretend chat.
#[derive(Debug)]
pub(super) struct Chat {
    settings: ChatSettings,
    messages: Vec<ChatMessage>,
    counts: ChatCounts,
}

impl Chat {
    pub(super) fn new(settings: ChatSettings) -> Chat {
        Chat { settings, messages: Vec::new(), counts: ChatCounts::default() }
    }

    pub(super) fn claims(incoming: &Incoming) -> bool {
        incoming.path.starts_with("/services/") || is_hook(&incoming.path)
    }

    pub(super) fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    pub(super) fn counts(&self) -> ChatCounts {
        self.counts
    }

    /// Messages that were answered so far, whatever the answer.
    pub(super) fn answered(&self) -> u64 {
        self.counts.accepted + self.counts.refused + self.counts.throttled + self.counts.failed
    }

    pub(super) fn answer(
        &mut self,
        incoming: &Incoming,
        since_start: Duration,
        is_calm: bool,
        random: &mut Random,
    ) -> Outgoing {
        if !is_calm && let Some(failure) = self.failure(since_start, random) {
            return failure;
        }
        match self.accept(incoming) {
            Ok(message) => {
                self.keep(message);
                if is_hook(&incoming.path) {
                    Outgoing::new(200, "application/json", "{\"ok\":true}")
                } else {
                    Outgoing::new(200, "text/html", "ok")
                }
            }
            Err((status, word)) => {
                self.counts.refused += 1;
                Outgoing::new(status, "text/html", word)
            }
        }
    }

    fn failure(&mut self, since_start: Duration, random: &mut Random) -> Option<Outgoing> {
        let mut windows = self.settings.throttled_windows.iter();
        let in_window = windows.any(|(from, until)| (*from..*until).contains(&since_start));
        let throttled = random.share(self.settings.throttled_share);
        let failed = random.share(self.settings.failure_share);
        if in_window || throttled {
            self.counts.throttled += 1;
            let answer = Outgoing::new(429, "text/html", "rate_limited");
            return Some(answer.with_header("retry-after", self.settings.retry_after_s.to_string()));
        }
        failed.then(|| {
            self.counts.failed += 1;
            Outgoing::new(500, "text/html", "rollup_error")
        })
    }

    fn accept(&self, incoming: &Incoming) -> Result<ChatMessage, (u16, &'static str)> {
        if incoming.method != "POST" {
            return Err((405, "method_not_allowed"));
        }
        if !incoming.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err((400, "invalid_payload"));
        }
        let body: Value = serde_json::from_slice(&incoming.body).map_err(|_| (400, "invalid_payload"))?;
        if !is_hook(&incoming.path) {
            slack::check_path(&incoming.path)?;
            slack::check_message(&body)?;
        }
        Ok(ChatMessage {
            at: incoming.at,
            path: incoming.path.clone(),
            headers: incoming
                .headers
                .iter()
                .filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()))
                .cloned()
                .collect(),
            body,
        })
    }

    fn keep(&mut self, message: ChatMessage) {
        self.counts.accepted += 1;
        if let Some(file) = &self.settings.file {
            let line = json!({
                "at": message.at.to_string(),
                "receiver": if is_hook(&message.path) { "json" } else { "slack" },
                "body": message.body,
            });
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let written = opened.and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()));
            self.counts.unwritten += u64::from(written.is_err());
        }
        self.messages.push(message);
    }
}

fn is_hook(path: &str) -> bool {
    path == "/hooks/json" || path.starts_with("/hooks/json/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: &str = "/services/T0/B0/secret";

    fn post(path: &str, body: &str) -> Incoming {
        Incoming {
            method: "POST".into(),
            host: "localhost".into(),
            path: path.into(),
            query: String::new(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("authorization".into(), "Bearer x".into()),
                ("webhook-id".into(), "key-1".into()),
            ],
            body: body.into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn status(chat: &mut Chat, incoming: &Incoming, second: u64) -> u16 {
        chat.answer(incoming, Duration::from_secs(second), false, &mut Random::new(1)).status
    }

    #[test]
    fn what_is_accepted_is_kept_and_written_without_secrets() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("alerts.jsonl");
        let mut chat = Chat::new(ChatSettings { file: Some(file.clone()), ..ChatSettings::default() });
        assert_eq!(status(&mut chat, &post(SLACK, r#"{"text":"hello"}"#), 0), 200);
        assert_eq!(status(&mut chat, &post("/hooks/json", r#"{"any":1}"#), 0), 200);
        assert_eq!(chat.messages().len(), 2);
        assert!(chat.messages()[0].headers.iter().all(|(name, _)| name != "authorization"));
        let text = std::fs::read_to_string(file).expect("the file is there");
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains("secret") && text.contains("hello"));
        assert_eq!(chat.counts(), ChatCounts { accepted: 2, ..ChatCounts::default() });
    }

    #[test]
    fn refusals_are_not_kept() {
        let mut chat = Chat::new(ChatSettings::default());
        let mut plain = post(SLACK, "{}");
        plain.headers.clear();
        let mut get = post(SLACK, "{}");
        get.method = "GET".into();
        for (incoming, expected) in [
            (post(SLACK, "not json"), 400),
            (post(SLACK, "{}"), 400),
            (post("/services/T0", r#"{"text":"x"}"#), 404),
            (plain, 400),
            (get, 405),
        ] {
            assert_eq!(status(&mut chat, &incoming, 0), expected);
        }
        assert!(chat.messages().is_empty());
        assert_eq!(chat.answered(), 5);
    }

    #[test]
    fn windows_throttle_and_shares_fail() {
        let window = (Duration::from_secs(5), Duration::from_secs(6));
        let mut chat = Chat::new(ChatSettings {
            throttled_windows: vec![window],
            retry_after_s: 30,
            ..ChatSettings::default()
        });
        let message = post(SLACK, r#"{"text":"x"}"#);
        assert_eq!(status(&mut chat, &message, 4), 200);
        let answer = chat.answer(&message, window.0, false, &mut Random::new(1));
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("30")));
        assert_eq!(chat.answer(&message, window.0, true, &mut Random::new(1)).status, 200);
        assert_eq!(status(&mut chat, &message, 6), 200);
        let mut broken = Chat::new(ChatSettings { failure_share: 1.0, ..ChatSettings::default() });
        assert_eq!(status(&mut broken, &message, 0), 500);
    }
}
