//! Scripted answers: what a target answers to its next messages, whatever they hold.
//!
//! Owns: the kinds of scripted answer, and whose turn it is. Must never know: a target's formats.

use std::collections::VecDeque;
use std::time::Duration;

/// The answers of one target, in order. After the last one it answers as usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The target's name, such as `telegram`.
    pub target: String,
    /// Only for paths that begin so; `None`: for every path of the target.
    pub path: Option<String>,
    /// One for each message.
    pub answers: VecDeque<ScriptedAnswer>,
}

/// What is answered to one message.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptedAnswer {
    /// The usual: accepted when it is good, refused when it is bad.
    Accept,
    /// Too many messages.
    Throttle {
        /// How long the client should wait.
        wait: Duration,
        /// How that is said.
        hint: WaitHint,
    },
    /// An error status, in the target's own words.
    Refuse {
        /// The status: HTTP from 400 to 599, SMTP from 400 to 599 too.
        status: u16,
        /// Other words than the target's usual ones.
        body: Option<String>,
        /// At which step of a mail dialogue; other targets have only one step.
        stage: MailStage,
    },
    /// A success status with a failure in its body.
    ErrorIn200,
    /// The answer to a good message, which then gets lost inside the target.
    Lose,
    /// No answer; the connection stays open.
    Hang {
        /// Whether a good message is kept nevertheless.
        is_kept: bool,
    },
    /// The connection is reset instead of an answer.
    Reset {
        /// Whether a good message is kept nevertheless.
        is_kept: bool,
    },
}

/// How a target says how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitHint {
    /// As this target does.
    #[default]
    Own,
    /// Only in the body, as this target does.
    Body,
    /// Only in headers of this target's own, without `Retry-After`.
    Header,
    /// `Retry-After` in seconds.
    Seconds,
    /// `Retry-After` as a date.
    Date,
    /// Not at all.
    None,
}

/// A step of a mail dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailStage {
    /// The greeting.
    Connect,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The end of the message.
    #[default]
    Message,
}

/// The next scripted answer for a message to this target at this path; `Accept` when there is none. `stage` is the
/// step that the message has reached: an answer for a later step waits.
pub(super) fn next(scripts: &mut [Script], target: &str, path: &str, stage: MailStage) -> ScriptedAnswer {
    let is_meant = |script: &&mut Script| {
        script.target == target && script.path.as_deref().is_none_or(|start| path.starts_with(start))
    };
    let script = scripts.iter_mut().filter(is_meant).find(|script| !script.answers.is_empty());
    let Some(script) = script else { return ScriptedAnswer::Accept };
    let due = match script.answers.front() {
        Some(ScriptedAnswer::Refuse { stage, .. }) => *stage,
        _ => MailStage::Message,
    };
    if due != stage {
        return ScriptedAnswer::Accept;
    }
    script.answers.pop_front().unwrap_or(ScriptedAnswer::Accept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_for_their_target_path_and_step() {
        let refuse = |stage| ScriptedAnswer::Refuse { status: 451, body: None, stage };
        let script = |target: &str, path: Option<&str>, answers: Vec<ScriptedAnswer>| Script {
            target: target.to_owned(),
            path: path.map(str::to_owned),
            answers: answers.into(),
        };
        let mut scripts = [
            script("a", Some("/x"), vec![ScriptedAnswer::Lose]),
            script("a", None, vec![ScriptedAnswer::ErrorIn200]),
            script("smtp", None, vec![refuse(MailStage::Rcpt), refuse(MailStage::Message)]),
        ];
        let mut ask = |target: &str, path: &str, stage| next(&mut scripts, target, path, stage);
        assert_eq!(ask("b", "/x", MailStage::Message), ScriptedAnswer::Accept);
        assert_eq!(ask("a", "/x/1", MailStage::Message), ScriptedAnswer::Lose);
        assert_eq!(ask("a", "/x/1", MailStage::Message), ScriptedAnswer::ErrorIn200);
        assert_eq!(ask("a", "/x/1", MailStage::Message), ScriptedAnswer::Accept);
        assert_eq!(ask("smtp", "", MailStage::Message), ScriptedAnswer::Accept);
        assert_eq!(ask("smtp", "", MailStage::Rcpt), refuse(MailStage::Rcpt));
        assert_eq!(ask("smtp", "", MailStage::Rcpt), ScriptedAnswer::Accept);
        assert_eq!(ask("smtp", "", MailStage::Message), refuse(MailStage::Message));
    }
}
