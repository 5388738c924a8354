//! What a person is told about a call that stays in doubt.
//!
//! Owns: the words. Must never know: targets.

use jiff::Timestamp;

use super::attempt::Attempt;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::ObjectRef;

/// What to tell; the same key for the same try, so that it is told once.
pub(super) fn alert(attempt: &Attempt, look: &str, now: Timestamp) -> Alert {
    let (account, label) = (&attempt.account, attempt.label());
    let object = attempt.subject.as_ref().map(|subject| ObjectRef {
        account: account.clone(),
        kind: subject.kind.clone(),
        id: subject.id.clone(),
    });
    let occasion = format!("{account}/{label}/{}", attempt.sent);
    Alert {
        object,
        amount: attempt.amount,
        headline: format!("nobody knows whether {label} was carried out"),
        explanation: format!(
            "It was sent {}, and no answer came: {}.",
            if attempt.sent == 1 { "once".to_owned() } else { format!("{} times", attempt.sent) },
            attempt.detail.as_deref().unwrap_or("the process ended before it")
        ),
        advice: format!(
            "Repeat exactly the same command (it is not done twice), or look at the provider and say what you \
             saw: reconciled call resolve {account} {label} --outcome done (or not-done)"
        ),
        look: look.to_owned(),
        occurred_at: attempt.changed_at,
        ..Alert::new(AlertKind::Call, &occasion, Severity::Critical, account, now)
    }
}
