//! The alert about a call that stays in doubt.
//!
//! Owns: the wording. Must never know: alert targets.

use jiff::Timestamp;

use super::attempt::Attempt;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::ObjectRef;

/// The alert. Its key is the same for the same try, so that it is sent once.
pub(super) fn alert(attempt: &Attempt, where_to_look: &str, now: Timestamp) -> Alert {
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
        headline: format!("it is unknown whether {label} was carried out"),
        explanation: format!(
            "It was sent {}, and no answer came: {}.",
            if attempt.sent == 1 { "once".to_owned() } else { format!("{} times", attempt.sent) },
            attempt.detail.as_deref().unwrap_or("the process ended first")
        ),
        advice: format!(
            "Repeat exactly the same command (it is not carried out twice), or check at the provider and report \
             the outcome: reconciled call resolve {account} {label} --outcome done (or not-done)"
        ),
        where_to_look: where_to_look.to_owned(),
        occurred_at: attempt.changed_at,
        ..Alert::new(AlertKind::Call, &occasion, Severity::Critical, account, now)
    }
}
