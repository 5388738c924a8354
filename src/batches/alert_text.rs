//! What a person is told about a batch: that it cannot go on, or how it ended.
//!
//! Owns: whether and in which words. Must never know: targets.

use jiff::Timestamp;

use super::entry::Entry;
use crate::apis::batch::{Blocked, Ending, Trouble};
use crate::payments::alert::{Alert, AlertKind, Severity};

/// What to tell about an ended batch; nothing when every row was done as asked, and nothing about polling's own.
pub(super) fn ended(entry: &Entry, look: &str, now: Timestamp) -> Option<Alert> {
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
            "Compare the rows with the provider's back office before anything of it is sent again.",
        ),
        Ending::Finished if tally.unknown > 0 => (
            Severity::Critical,
            format!("nothing tells whether {} of {rows} rows were carried out", tally.unknown),
            "Do not send these rows again before the back office shows what became of them.",
        ),
        Ending::InDoubt(why) if tally.unknown > 0 => (
            Severity::Critical,
            format!("{why}; nothing tells whether {} of {rows} rows were carried out", tally.unknown),
            "Do not send these rows again before the back office shows what became of them; what they are about is watched.",
        ),
        Ending::Unanswered if tally.unknown > 0 => (
            Severity::Critical,
            format!("processing was asked for, and {} of {rows} rows never came back", tally.unknown),
            "Do not send these rows again before the back office shows what became of them; what they are about is watched.",
        ),
        Ending::Finished if tally.declined + tally.open == 0 && marks > 0 => (
            Severity::Warning,
            format!("{marks} of {rows} results name another fort_id than the file"),
            "What became of the rows stands. Compare the fort_id of the file with the back office: batch export shows both.",
        ),
        // Looking singly has found every row.
        Ending::Finished | Ending::InDoubt(_) | Ending::Unanswered if tally.declined + tally.open == 0 => {
            return None;
        }
        Ending::Finished | Ending::InDoubt(_) | Ending::Unanswered => (
            Severity::Warning,
            format!("{} of {rows} rows were declined, {} are undecided", tally.declined, tally.open),
            "Look at the declined rows; undecided ones are watched and told when they are decided.",
        ),
        Ending::Cancelled if tally.declined == rows => return None,
        Ending::Cancelled => (
            Severity::Critical,
            "it was cancelled, and not all of its rows are known to be without effect".to_owned(),
            "Look at the rows that are not declined.",
        ),
        Ending::NotProcessed(why) if tally.unknown + tally.done + tally.open > 0 && tally.waiting == 0 => (
            Severity::Critical,
            format!("not processed: {why}, yet not all of its rows are known to be without effect"),
            "Look at the rows that are not declined before anything of it is sent again.",
        ),
        Ending::NotProcessed(why) => (
            Severity::Critical,
            format!("not processed: {why}"),
            "No money moved. Mend the cause, then submit the rows again with another --label.",
        ),
    };
    let word = entry.stage();
    Some(alert(entry, (severity, word, what, advice.to_owned()), look, now))
}

/// What to tell about a batch that has trouble on its way.
pub(super) fn trouble(entry: &Entry, trouble: &Trouble, look: &str, now: Timestamp) -> Alert {
    let severity = if trouble.is_critical { Severity::Critical } else { Severity::Warning };
    alert(entry, (severity, trouble.word, trouble.what.clone(), trouble.advice.clone()), look, now)
}

/// What to tell about a batch that cannot take its step.
pub(super) fn blocked(entry: &Entry, blocked: &Blocked, look: &str, now: Timestamp) -> Alert {
    let advice = "It goes on by itself once that is mended.".to_owned();
    alert(entry, (Severity::Warning, blocked.word, blocked.why.clone(), advice), look, now)
}

fn alert(
    entry: &Entry,
    (severity, word, what, advice): (Severity, &str, String, String),
    look: &str,
    now: Timestamp,
) -> Alert {
    let (reference, tally) = (entry.reference(), &entry.tally);
    let occasion = format!("{}/{reference}/{word}", entry.account);
    Alert {
        state: Some(entry.stage().to_owned()),
        reason: entry.batch.last_code().map(str::to_owned),
        headline: format!("batch {reference}: {what}"),
        explanation: format!(
            "{} rows: {} done, {} declined, {} undecided, {} unknown, {} without a result.",
            entry.row_count, tally.done, tally.declined, tally.open, tally.unknown, tally.waiting
        ),
        advice: format!("{advice} See: reconciled batch show {reference}"),
        look: look.to_owned(),
        ..Alert::new(AlertKind::Batch, &occasion, severity, &entry.account, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::aps::batch::machine::{Batch as FileBatch, BatchRow};
    use crate::apis::batch::{Batch, Tally};

    fn ended_with(stage: &str, rows: &[&str]) -> Option<Alert> {
        let rows: Vec<BatchRow> = rows.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let mut file: FileBatch = serde_json::from_str(
            r#"{"reference":"rcd-0123456789abcdef","batch_id":null,"file_name":"a.csv","file_sha256":"aa","rows":[],
            "stage":"new","uploads":1,"processes":1,"looks":0,"absences":0,"next_at":"2027-01-15T06:00:15Z",
            "awaited_since":"2027-01-15T06:00:00Z","last_code":null,"contradictions":0}"#,
        )
        .unwrap();
        file.stage = serde_json::from_str(stage).unwrap();
        file.rows = rows;
        let tally = Tally::of(file.rows.iter().map(|row| row.shown().fate));
        let now: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
        let count = u64::try_from(file.rows.len()).unwrap();
        let mut entry = Entry::new("pay".parse().unwrap(), 1, Batch::File(file), count, now);
        entry.tally = tally;
        ended(&entry, "https://example.com", now)
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
