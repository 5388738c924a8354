//! What is reported about an account as a whole: refused, accepted, without success.
//!
//! Owns: the texts. Must never know: when any of this applies.

use jiff::Timestamp;

use crate::payments::age;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;

use super::circuit_breaker::{DIFFERENT, Transition};

/// What all alerts about an account share.
#[derive(Clone, Copy)]
pub(super) struct Notice<'a> {
    pub(super) account: &'a AccountName,
    /// Where a person can check.
    pub(super) where_to_look: &'a str,
    pub(super) now: Timestamp,
}

struct Words {
    headline: String,
    explanation: String,
    advice: &'static str,
}

const MEND: &str = "Check the key, its environment and region, the account's status and this machine's clock. \
    Requests are retried automatically, at growing intervals of up to 30 minutes, and at once after a restart \
    or reload.";
const NOTHING: &str = "Nothing to do: overdue objects are polled now.";

impl Notice<'_> {
    fn alert(&self, kind: AlertKind, severity: Severity, occasion: &str, words: Words) -> Alert {
        let occasion = format!("{}/{occasion}", self.account);
        Alert {
            headline: words.headline,
            explanation: words.explanation,
            advice: words.advice.to_owned(),
            where_to_look: self.where_to_look.to_owned(),
            ..Alert::new(kind, &occasion, severity, self.account, self.now)
        }
    }

    /// The alert for a transition, if it is worth one. `detail` says how the last request failed.
    pub(super) fn of(&self, transition: &Transition, detail: &str) -> Option<Alert> {
        let account = self.account;
        let (kind, severity, occasion, words) = match transition {
            Transition::Unanswered { .. } | Transition::Answered { .. } => return None,
            Transition::AccountRefused { since } => (
                AlertKind::CredentialsRefused,
                Severity::Critical,
                since.to_string(),
                Words {
                    headline: format!("The provider refuses the credentials of account {account}"),
                    explanation: format!(
                        "Requests for {DIFFERENT} different objects in a row were refused ({detail}), and none was \
                         answered. Until this ends, no object of this account can be observed."
                    ),
                    advice: MEND,
                },
            ),
            Transition::KindRefused { kind, since } => (
                AlertKind::CredentialsRefused,
                Severity::Critical,
                format!("{kind}/{since}"),
                Words {
                    headline: format!(
                        "The provider refuses all requests of account {account} for its {kind}s"
                    ),
                    explanation: format!(
                        "Requests for {DIFFERENT} different objects in a row were refused ({detail}), \
                         while requests for other kinds are answered. Until this ends, no {kind} of this account can \
                         be observed."
                    ),
                    advice: MEND,
                },
            ),
            Transition::AccountAccepted { since } => (
                AlertKind::CredentialsAccepted,
                Severity::Info,
                since.to_string(),
                Words {
                    headline: format!("The provider accepts the credentials of account {account} again"),
                    explanation: format!("They had been refused since {since}."),
                    advice: NOTHING,
                },
            ),
            Transition::KindAccepted { kind, since } => (
                AlertKind::CredentialsAccepted,
                Severity::Info,
                format!("{kind}/{since}"),
                Words {
                    headline: format!(
                        "The provider answers requests of account {account} for its {kind}s again"
                    ),
                    explanation: format!("They had been refused since {since}."),
                    advice: NOTHING,
                },
            ),
        };
        Some(self.alert(kind, severity, &occasion, words))
    }

    /// Nothing has succeeded since `since`.
    pub(super) fn no_success(&self, since: Timestamp, detail: &str) -> Alert {
        let account = self.account;
        let words = Words {
            headline: format!("No request of account {account} has succeeded for {}", age(since, self.now)),
            explanation: format!(
                "The last one failed: {detail}. Until this ends, no payment can be observed, and nothing is \
                 concluded about any."
            ),
            advice: "Check this machine's network, DNS and clock, and the provider's status page. \
                     Polling continues as before, and overdue objects are polled once the provider answers.",
        };
        self.alert(AlertKind::NoSuccess, Severity::Warning, &since.to_string(), words)
    }

    /// Requests succeed again.
    pub(super) fn success_again(&self, since: Timestamp) -> Alert {
        let words = Words {
            headline: format!("Requests of account {} succeed again", self.account),
            explanation: format!("None had succeeded since {since}."),
            advice: NOTHING,
        };
        self.alert(AlertKind::NoSuccess, Severity::Info, &format!("{since}/ended"), words)
    }

    /// A poll failed within this program.
    pub(super) fn broken_poll(&self, object: &crate::payments::object::ObjectRef) -> Alert {
        let words = Words {
            headline: format!("A poll of {object} failed because of a defect in reconciled"),
            explanation:
                "Nothing was concluded from it. The object is polled again at growing intervals, and all \
                          other objects as before."
                    .to_owned(),
            advice: "Check the object on the provider's pages, and report the log lines around this poll.",
        };
        let alert = self.alert(
            AlertKind::Defect,
            Severity::Warning,
            &format!("{}/{}/{}", object.kind, object.id, self.now),
            words,
        );
        Alert { object: Some(object.clone()), ..alert }
    }
}
