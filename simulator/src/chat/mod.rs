//! The pretended targets of alerts and events: chats, pagers, receivers.
//!
//! Owns: which targets there are, whose turn a scripted answer is, what was received. Must never know: what is alerted,
//! or why; a target's formats.
//!
//! A target is a file with a `TWIN` and a line in `TWINS`. It takes exactly what the real one takes. Where its manual
//! is silent it is strict, so that a client that pleases the twin pleases the real one too.

mod adaptive_card;
mod alertmanager;
mod connector;
mod discord;
mod discord_embed;
mod google_chat;
mod json_hook;
mod mail;
mod mail_encoding;
mod mail_target;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod rocket_chat;
mod script;
mod shown;
mod slack;
mod smtp;
mod teams;
mod telegram;
mod telegram_markup;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_support;
mod twin;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bucket::Bucket;
use super::exchange::{Carriage, Incoming, Outgoing};
use super::provider::{Quota, Random};
use super::scenario::ChatSettings;
use twin::{Taken, Twin, Wait};

pub(super) use mail::Mail;
pub use script::{MailStage, Script, ScriptedAnswer, WaitHint};
pub(super) use smtp::{MailAnswer, Session, Step};
pub use smtp::{MailOptions, MailSecurity};
pub use twin::Effect;

/// Every target that takes HTTP requests. The first that claims a request gets it.
const TWINS: &[&Twin] = &[
    &slack::TWIN,
    &json_hook::TWIN,
    &teams::TWIN,
    &connector::TWIN,
    &discord::TWIN,
    &google_chat::TWIN,
    &mattermost::TWIN,
    &rocket_chat::TWIN,
    &telegram::TWIN,
    &pagerduty::TWIN,
    &opsgenie::TWIN,
    &alertmanager::TWIN,
    // Last, because any word is a topic.
    &ntfy::TWIN,
];

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
    /// The target's name, such as `slack`.
    pub target: &'static str,
    /// The path that it was posted to.
    pub path: String,
    /// Those of its headers that a receiver looks at, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; of a message that is no JSON, its parts as JSON.
    pub body: Value,
    /// What a person sees. A mention that fires is `⟦@name⟧`, a link behind another text `⟦text → address⟧`.
    pub shown: String,
    /// Who is alerted by name, such as `everyone`.
    pub mentions: Vec<String>,
    /// Addresses behind a link whose text is another.
    pub links: Vec<String>,
    /// What the target recognises a repetition by, where it does.
    pub key: Option<String>,
    /// What it did to what people see.
    pub effect: Effect,
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
    /// Messages that a script kept from their usual answer otherwise.
    pub scripted: u64,
    /// Accepted messages that could not be written to the file.
    pub unwritten: u64,
    /// Connections to the mail server.
    pub mail_connections: u64,
}

/// The simulated chat.
#[derive(Debug)]
pub(super) struct Chat {
    settings: ChatSettings,
    messages: Vec<ChatMessage>,
    counts: ChatCounts,
    buckets: Vec<(String, Bucket)>,
}

impl Chat {
    pub(super) fn new(settings: ChatSettings) -> Chat {
        let full = |(target, quota): &(String, Quota)| (target.clone(), Bucket::new(*quota, Duration::ZERO));
        let buckets = settings.limits.iter().map(full).collect();
        Chat { settings, messages: Vec::new(), counts: ChatCounts::default(), buckets }
    }

    pub(super) fn claims(incoming: &Incoming) -> bool {
        twin_of(incoming).is_some()
    }

    pub(super) fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    pub(super) fn counts(&self) -> ChatCounts {
        self.counts
    }

    /// Messages that were answered so far, whatever the answer.
    pub(super) fn answered(&self) -> u64 {
        let counts = self.counts;
        counts.accepted + counts.refused + counts.throttled + counts.failed + counts.scripted
    }

    /// Adds answers for the messages to come.
    pub(super) fn add_script(&mut self, script: Script) {
        self.settings.scripts.push(script);
    }

    pub(super) fn answer(
        &mut self,
        incoming: &Incoming,
        since_start: Duration,
        is_calm: bool,
        random: &mut Random,
    ) -> Outgoing {
        let Some(twin) = twin_of(incoming) else {
            return Outgoing::new(404, "text/plain", "No target is here.\n");
        };
        if let Some(time) = self.wait_of_limit(twin.name, since_start) {
            self.counts.throttled += 1;
            return (twin.throttled)(Some(Wait { time, now: incoming.at }));
        }
        if is_calm {
            return self.answer_scripted(twin, incoming, ScriptedAnswer::Accept);
        }
        if let Some(failure) = self.failure(twin, incoming, since_start, random) {
            return failure;
        }
        let answer = script::next(&mut self.settings.scripts, twin.name, &incoming.path, MailStage::Message);
        self.answer_scripted(twin, incoming, answer)
    }

    fn failure(
        &mut self,
        twin: &Twin,
        incoming: &Incoming,
        since_start: Duration,
        random: &mut Random,
    ) -> Option<Outgoing> {
        let throttled = self.is_throttled(since_start, random);
        let failed = random.share(self.settings.failure_share);
        if throttled {
            self.counts.throttled += 1;
            let time = Duration::from_secs(self.settings.retry_after_s);
            return Some((twin.throttled)(Some(Wait { time, now: incoming.at })));
        }
        failed.then(|| {
            self.counts.failed += 1;
            (twin.refused)(500)
        })
    }

    /// How long until the target takes another message, when it takes none now.
    fn wait_of_limit(&mut self, target: &str, since_start: Duration) -> Option<Duration> {
        let (_, bucket) = self.buckets.iter_mut().find(|(known, _)| known == target)?;
        let is_taken = bucket.take(since_start);
        (!is_taken).then(|| bucket.wait(since_start).unwrap_or(Duration::MAX))
    }

    fn is_throttled(&self, since_start: Duration, random: &mut Random) -> bool {
        let mut windows = self.settings.throttled_windows.iter();
        let in_window = windows.any(|(from, until)| (*from..*until).contains(&since_start));
        random.share(self.settings.throttled_share) || in_window
    }

    fn answer_scripted(&mut self, twin: &Twin, incoming: &Incoming, answer: ScriptedAnswer) -> Outgoing {
        let silent = |carriage| Outgoing::new(200, "text/plain", "").carried(carriage);
        match answer {
            ScriptedAnswer::Accept => return self.accept(twin, incoming),
            ScriptedAnswer::Hang { is_kept: true } => {
                self.accept(twin, incoming);
                return silent(Carriage::Hang);
            }
            ScriptedAnswer::Reset { is_kept: true } => {
                self.accept(twin, incoming);
                return silent(Carriage::Reset);
            }
            ScriptedAnswer::Throttle { wait, hint } => {
                self.counts.throttled += 1;
                return throttled(twin, Wait { time: wait, now: incoming.at }, hint);
            }
            _ => {}
        }
        self.counts.scripted += 1;
        match answer {
            ScriptedAnswer::Refuse { status, body, .. } => {
                let usual = (twin.refused)(status);
                Outgoing { body: body.map_or_else(|| usual.body.clone(), String::into_bytes), ..usual }
            }
            ScriptedAnswer::ErrorIn200 => {
                twin.error_in_200.map_or_else(|| (twin.refused)(500), |answer| answer())
            }
            ScriptedAnswer::Lose => match (twin.read)(incoming, &self.messages) {
                Ok(taken) => taken.answer_when_lost.unwrap_or(taken.answer),
                Err(refusal) => refusal,
            },
            ScriptedAnswer::Reset { .. } => silent(Carriage::Reset),
            _ => silent(Carriage::Hang),
        }
    }

    fn accept(&mut self, twin: &Twin, incoming: &Incoming) -> Outgoing {
        match (twin.read)(incoming, &self.messages) {
            Ok(taken) => {
                let answer = taken.answer.clone();
                self.keep(message(twin, incoming, taken));
                answer
            }
            Err(refusal) => {
                self.counts.refused += 1;
                refusal
            }
        }
    }

    fn keep(&mut self, message: ChatMessage) {
        self.counts.accepted += 1;
        if let Some(file) = &self.settings.file {
            let line =
                json!({"at": message.at.to_string(), "receiver": message.target, "body": message.body});
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let written = opened.and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()));
            self.counts.unwritten += u64::from(written.is_err());
        }
        self.messages.push(message);
    }
}

/// A message as it is kept.
fn message(twin: &Twin, incoming: &Incoming, taken: Taken) -> ChatMessage {
    let is_kept = |(name, _): &&(String, String)| KEPT_HEADERS.contains(&name.as_str());
    ChatMessage {
        at: incoming.at,
        target: twin.name,
        path: incoming.path.clone(),
        headers: incoming.headers.iter().filter(is_kept).cloned().collect(),
        body: taken.body,
        shown: taken.shown.text,
        mentions: taken.shown.mentions,
        links: taken.shown.links,
        key: taken.key,
        effect: taken.effect,
    }
}

fn twin_of(incoming: &Incoming) -> Option<&'static Twin> {
    TWINS.iter().copied().find(|twin| (twin.claims)(incoming))
}

fn throttled(twin: &Twin, wait: Wait, hint: WaitHint) -> Outgoing {
    match hint {
        WaitHint::Own => (twin.throttled)(Some(wait)),
        WaitHint::Body => Outgoing { body: (twin.throttled)(Some(wait)).body, ..(twin.throttled)(None) },
        WaitHint::Header => {
            let mut headers = (twin.throttled)(Some(wait)).headers;
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("retry-after"));
            Outgoing { headers, ..(twin.throttled)(None) }
        }
        WaitHint::None => (twin.throttled)(None),
        WaitHint::Seconds => (twin.throttled)(None).with_header("retry-after", wait.seconds().to_string()),
        WaitHint::Date => {
            let date = wait.end().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            (twin.throttled)(None).with_header("retry-after", date)
        }
    }
}

/// The names of all targets, as scenarios spell them.
pub fn targets() -> Vec<&'static str> {
    TWINS.iter().map(|twin| twin.name).chain([mail_target::NAME]).collect()
}

/// Whether this target can report a failure under a success status.
pub fn has_error_in_200(target: &str) -> bool {
    TWINS.iter().any(|twin| twin.name == target && twin.error_in_200.is_some())
}
