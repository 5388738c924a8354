//! Alerts about a batch: that it cannot continue, or how it ended.
//!
//! Owns: when to alert and the wording. Must never know: alert targets.

use jiff::Timestamp;

use super::entry::Entry;
use crate::apis::batch::{Blocked, Ending, Trouble};
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::text;

/// The alert about an ended batch. None when every row was carried out as requested, and none for polling batches.
pub(super) fn ended(entry: &Entry, where_to_look: &str, now: Timestamp) -> Option<Alert> {
    let (tally, rows) = (&entry.tally, entry.row_count);
    if entry.batch.is_poll() {
        return None;
    }
    let contradictions = entry.batch.contradictions();
    let marks = entry.batch.marks();
    let (severity, what, advice) = match entry.batch.ending()? {
        Ending::Finished if contradictions > 0 => (
            Severity::Critical,
            format!("{contradictions} of its results contradict the file"),
            "Compare the rows with the provider's back office before you send any of them again.",
        ),
        Ending::Finished if tally.unknown > 0 => (
            Severity::Critical,
            format!("it is unknown whether {} of {rows} rows were carried out", tally.unknown),
            "Do not send these rows again until the back office shows their outcome.",
        ),
        Ending::InDoubt(why) if tally.unknown > 0 => (
            Severity::Critical,
            format!("{why}; it is unknown whether {} of {rows} rows were carried out", tally.unknown),
            "Do not send these rows again until the back office shows their outcome. Their objects are watched.",
        ),
        Ending::Unanswered if tally.unknown > 0 => (
            Severity::Critical,
            format!("processing was requested, but {} of {rows} rows never got a result", tally.unknown),
            "Do not send these rows again until the back office shows their outcome. Their objects are watched.",
        ),
        Ending::Finished if tally.declined + tally.open == 0 && marks > 0 => (
            Severity::Warning,
            format!("{marks} of {rows} results name another fort_id than the file"),
            "The outcomes of the rows are valid. Compare the fort_id of the file with the back office: batch export shows both.",
        ),
        // Single polls have found every row.
        Ending::Finished | Ending::InDoubt(_) | Ending::Unanswered if tally.declined + tally.open == 0 => {
            return None;
        }
        Ending::Finished | Ending::InDoubt(_) | Ending::Unanswered => (
            Severity::Warning,
            format!("{} of {rows} rows were declined, {} are undecided", tally.declined, tally.open),
            "Check the declined rows. Undecided ones are watched and reported once they are decided.",
        ),
        Ending::Cancelled if tally.declined == rows => return None,
        Ending::Cancelled => (
            Severity::Critical,
            "it was canceled, but some of its rows may have taken effect".to_owned(),
            "Check the rows that are not declined.",
        ),
        Ending::NotProcessed(why) if tally.unknown + tally.done + tally.open > 0 && tally.waiting == 0 => (
            Severity::Critical,
            format!("not processed: {why}, but some of its rows may have taken effect"),
            "Check the rows that are not declined before you send any of them again.",
        ),
        Ending::NotProcessed(why) => (
            Severity::Critical,
            format!("not processed: {why}"),
            "No money moved. Fix the cause, then submit the rows again with another --label.",
        ),
    };
    let word = entry.stage();
    Some(alert(entry, (severity, word, what, advice.to_owned()), where_to_look, now))
}

/// The alert about a batch in trouble that has not ended.
pub(super) fn trouble(entry: &Entry, trouble: &Trouble, where_to_look: &str, now: Timestamp) -> Alert {
    let severity = if trouble.is_critical { Severity::Critical } else { Severity::Warning };
    alert(entry, (severity, trouble.word, trouble.what.clone(), trouble.advice.clone()), where_to_look, now)
}

/// The alert about a batch that cannot take its next step.
pub(super) fn blocked(entry: &Entry, blocked: &Blocked, where_to_look: &str, now: Timestamp) -> Alert {
    let advice = "It continues automatically once this is fixed.".to_owned();
    alert(entry, (Severity::Warning, blocked.word, blocked.why.clone(), advice), where_to_look, now)
}

fn alert(
    entry: &Entry,
    (severity, word, what, advice): (Severity, &str, String, String),
    where_to_look: &str,
    now: Timestamp,
) -> Alert {
    let (reference, tally) = (entry.reference(), &entry.tally);
    let occasion = format!("{}/{reference}/{word}", entry.account);
    Alert {
        state: Some(entry.stage().to_owned()),
        reason: entry.batch.last_code().map(str::to_owned),
        headline: format!("batch {reference}: {what}"),
        explanation: format!(
            "{}: {} done, {} declined, {} undecided, {} unknown, {} without a result.",
            text::count(entry.row_count, "row"),
            tally.done,
            tally.declined,
            tally.open,
            tally.unknown,
            tally.waiting
        ),
        advice: format!("{advice} See: reconciled batch show {reference}"),
        where_to_look: where_to_look.to_owned(),
        ..Alert::new(AlertKind::Batch, &occasion, severity, &entry.account, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::batch::Tally;

    fn ended_with(stage: &str, rows: &[&str]) -> Option<Alert> {
        let stored = format!(
            r#"{{"account":"pay","number":1,"submitted_at":"2027-01-15T06:00:00Z","is_begun":true,"is_folded":false,
            "row_count":{},"tally":{{"waiting":0,"done":0,"declined":0,"open":0,"unknown":0}},
            "batch":{{"reference":"rcd-0123456789abcdef","batch_id":null,"file_name":"a.csv","file_sha256":"aa",
            "rows":[],"stage":{stage},"uploads":1,"processes":1,"looks":0,"absences":0,
            "next_at":"2027-01-15T06:00:15Z","awaited_since":"2027-01-15T06:00:00Z","last_code":null,
            "contradictions":0}}}}"#,
            rows.len()
        );
        let mut entry: Entry = serde_json::from_str(&stored).unwrap();
        entry.batch.put_row_pieces(&[format!("[{}]", rows.join(","))]).unwrap();
        entry.tally = Tally::of(entry.batch.rows().unwrap().iter().map(|row| row.fate));
        ended(&entry, "https://example.com", "2027-01-15T06:00:00Z".parse().unwrap())
    }

    const ROW: &str = r#"{"line":2,"input_line":2,"command":"CAPTURE","merchant_reference":"a","amount":"100",
        "currency":"AED","fort_id":"1","fate":{"fate":"done","code":"04000"}"#;

    #[test]
    fn a_result_with_another_fort_id_is_told_though_its_row_is_done() {
        let finished = r#"{"ended":"finished"}"#;
        assert_eq!(ended_with(finished, &[&format!("{ROW}}}")]), None);
        let told = ended_with(finished, &[&format!("{ROW},\"other_fort_id\":\"999\"}}")]).unwrap();
        assert_eq!(told.severity, Severity::Warning);
        assert!(told.headline.contains("1 of 1 results name another fort_id"), "{}", told.headline);
    }

    #[test]
    fn a_file_whose_reference_was_taken_is_never_said_to_have_moved_no_money() {
        let row = ROW.replace(r#"{"fate":"done","code":"04000"}"#, r#"{"fate":"unknown"}"#) + "}";
        let told = ended_with(r#"{"ended":"reference-taken"}"#, &[&row]).unwrap();
        assert_eq!(told.severity, Severity::Critical);
        assert!(!told.advice.contains("No money moved"), "{}", told.advice);
    }
}
