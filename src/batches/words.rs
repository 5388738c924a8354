//! What a person is told about a batch that ended.
//!
//! Owns: whether and in which words. Must never know: targets.

use jiff::Timestamp;

use super::book::Entry;
use crate::apis::aps::batch::machine::{End, Stage};
use crate::payments::alert::{Alert, Severity};

/// What to tell about an ended batch; nothing when every row was done as asked.
pub(super) fn alert(entry: &Entry, now: Timestamp) -> Option<Alert> {
    let Stage::Ended(end) = entry.batch.stage else { return None };
    let (tally, rows) = (&entry.tally, entry.row_count);
    let (severity, what, advice) = match end {
        End::Finished if entry.batch.contradictions > 0 => (
            Severity::Critical,
            format!("{} of its results contradict the file", entry.batch.contradictions),
            "Compare the rows with the provider's back office before anything of it is sent again.",
        ),
        End::Finished if tally.declined + tally.open == 0 => return None,
        End::Finished => (
            Severity::Warning,
            format!("{} of {rows} rows were declined, {} are undecided", tally.declined, tally.open),
            "Look at the declined rows; undecided orders are watched and told when they are decided.",
        ),
        End::Unanswered => (
            Severity::Critical,
            format!("processing was asked for, and {} of {rows} rows never came back", tally.unknown),
            "Do not send these rows again before the back office shows what became of them; their orders are watched.",
        ),
        End::InvalidRows => not_processed("rows did not pass the provider's validation"),
        End::InvalidFile => not_processed("the provider did not accept the file"),
        End::ReferenceTaken => not_processed("its reference was used before by somebody else"),
        End::OtherRows => not_processed("the provider counted other rows than the file has"),
        End::Refused => not_processed("the provider refuses the account or the request"),
        End::GivenUp => not_processed("its validation was never seen to end"),
    };
    let reference = &entry.batch.reference;
    let code = entry.batch.last_code.as_ref();
    Some(Alert {
        key: format!("batch/{}/{reference}/{}", entry.account, entry.stage()),
        kind: "batch".to_owned(),
        severity,
        account: entry.account.clone(),
        object: None,
        merchant_reference: None,
        amount: None,
        state: Some(entry.stage().to_owned()),
        reason: code.map(|code| code.as_str().to_owned()),
        headline: format!("batch {reference}: {what}"),
        explanation: format!(
            "{rows} rows: {} done, {} declined, {} undecided, {} unknown, {} without a result.",
            tally.done, tally.declined, tally.open, tally.unknown, tally.waiting
        ),
        advice: format!("{advice} See: reconciled batch show {reference}"),
        look: "https://fort.payfort.com/".to_owned(),
        occurred_at: now,
        found_at: now,
    })
}

fn not_processed(why: &str) -> (Severity, String, &'static str) {
    let advice = "No money moved. Mend the cause, then submit the rows again with another --label.";
    (Severity::Critical, format!("not processed: {why}"), advice)
}
