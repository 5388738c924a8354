//! Mail as a target: shares, windows and scripts of the pretended chat, in a mail server's words.
//!
//! Owns: which code a mail is answered with. Must never know: the dialogue; the form of a mail.

use std::time::Duration;

use jiff::Timestamp;

use super::super::provider::Random;
use super::mail::{self, Mail};
use super::script::{self, MailStage, ScriptedAnswer};
use super::smtp::MailAnswer;
use super::twin::Effect;
use super::{Chat, ChatMessage};

/// The name as scenarios spell it.
pub(super) const NAME: &str = "smtp";

impl Chat {
    pub(in super::super) fn count_mail_connection(&mut self) {
        self.counts.mail_connections += 1;
    }

    /// Answers a step of a mail dialogue; the end of a message brings the mail along.
    pub(in super::super) fn mail(
        &mut self,
        stage: MailStage,
        mail: Option<Mail>,
        at: Timestamp,
        since_start: Duration,
        is_calm: bool,
        random: &mut Random,
    ) -> MailAnswer {
        if mail.is_some() && self.wait_of_limit(NAME, since_start).is_some() {
            self.counts.throttled += 1;
            return usual(450);
        }
        if is_calm {
            return mail.map_or(MailAnswer::Accept, |mail| self.take_mail(&mail, at));
        }
        if mail.is_some() {
            let throttled = self.is_throttled(since_start, random);
            let failed = random.share(self.settings.failure_share);
            if throttled {
                self.counts.throttled += 1;
                return usual(450);
            }
            if failed {
                self.counts.failed += 1;
                return usual(451);
            }
        }
        match script::next(&mut self.settings.scripts, NAME, "", stage) {
            ScriptedAnswer::Accept => mail.map_or(MailAnswer::Accept, |mail| self.take_mail(&mail, at)),
            ScriptedAnswer::Throttle { .. } => {
                self.counts.throttled += 1;
                usual(450)
            }
            ScriptedAnswer::Refuse { status, body, .. } => {
                self.counts.scripted += 1;
                body.map_or_else(|| usual(status), |words| MailAnswer::Reply(status, words))
            }
            // A mail server has no failure under a success code.
            ScriptedAnswer::Lose | ScriptedAnswer::ErrorIn200 => {
                self.counts.scripted += 1;
                match mail.map(|mail| mail::read(&mail)) {
                    Some(Err(problem)) => refusal(problem),
                    _ => MailAnswer::Accept,
                }
            }
            ScriptedAnswer::Hang { is_kept } => self.vanish(mail, at, is_kept, MailAnswer::Hang),
            ScriptedAnswer::Reset { is_kept } => self.vanish(mail, at, is_kept, MailAnswer::Close),
        }
    }

    fn vanish(&mut self, mail: Option<Mail>, at: Timestamp, is_kept: bool, answer: MailAnswer) -> MailAnswer {
        match mail.filter(|_| is_kept) {
            Some(mail) => {
                self.take_mail(&mail, at);
            }
            None => self.counts.scripted += 1,
        }
        answer
    }

    fn take_mail(&mut self, mail: &Mail, at: Timestamp) -> MailAnswer {
        let read = match mail::read(mail) {
            Ok(read) => read,
            Err(problem) => {
                self.counts.refused += 1;
                return refusal(problem);
            }
        };
        // Mailboxes show a mail with a known id once.
        let is_known =
            |message: &ChatMessage| message.target == NAME && message.key.as_ref() == Some(&read.message_id);
        let effect = if self.messages.iter().any(is_known) { Effect::Joined } else { Effect::New };
        self.keep(ChatMessage {
            at,
            target: NAME,
            path: String::new(),
            headers: Vec::new(),
            body: read.body,
            shown: read.shown.text,
            mentions: read.shown.mentions,
            links: read.shown.links,
            key: Some(read.message_id),
            effect,
        });
        MailAnswer::Accept
    }
}

fn refusal(problem: String) -> MailAnswer {
    MailAnswer::Reply(554, format!("5.6.0 Refused: {problem}"))
}

/// A mail server's usual words for a code.
fn usual(code: u16) -> MailAnswer {
    let words = match code {
        421 => "4.3.2 The service is closing",
        450 => "4.7.1 There are too many messages, try again later",
        451 => "4.3.0 The message could not be processed now",
        452 => "4.2.2 The mailbox is full",
        454 => "4.7.0 Authentication failed for now",
        535 => "5.7.8 The credentials are invalid",
        550 => "5.1.1 The mailbox is unknown",
        552 => "5.3.4 The message is too large",
        554 => "5.7.1 The message is refused",
        400..500 => "4.0.0 Later",
        _ => "5.0.0 Refused",
    };
    MailAnswer::Reply(code, words.to_owned())
}
