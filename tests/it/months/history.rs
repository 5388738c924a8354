//! Whether an object's history explains its record.

use reconciled::payments::record::{Record, Transition};

use super::model::{Life, is_final, may_follow};

/// The contradictions in the history.
pub fn judge(life: &Life, record: &Record, history: &[Transition]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut state: Option<&str> = None;
    let mut is_set_apart = false;
    let mut ends = 0;
    for row in history {
        let is_doubted = row.note.starts_with("quarantined: impossible-move")
            || row.note.starts_with("quarantined: unknown-state")
            || row.note.starts_with("quarantined: different-id")
            || row.note.starts_with("older than what is known");
        is_set_apart = match row.note.as_str() {
            note if note.starts_with("quarantined") => true,
            note if note.starts_with("released") => false,
            _ => is_set_apart,
        };
        if row.from.as_deref() != state {
            wrong.push(format!("a row begins at {:?}, the one before ended at {state:?}", row.from));
        }
        // Quarantined for lack of answers: nothing was observed.
        let is_blind = row.to == "unseen" && is_set_apart;
        if is_doubted || is_blind {
            continue;
        }
        if !life.may_be(&row.to) {
            wrong.push(format!("a row says {}, which never was", row.to));
        }
        if let Some(from) = state
            && !may_follow(life.kind, from, &row.to)
        {
            wrong.push(format!("a row says that {} followed {from}", row.to));
        }
        if state != Some(row.to.as_str()) && is_final(life.kind, &row.to) {
            ends += 1;
        }
        state = Some(&row.to);
    }
    if state != record.state() {
        wrong.push(format!("its rows end at {state:?}, its record at {:?}", record.state()));
    }
    if ends > 1 {
        wrong.push(format!("{ends} rows have an end"));
    }
    let by_rows = record.quarantine.as_ref().is_some_and(|quarantine| quarantine.evidence.is_some());
    if by_rows && !is_set_apart {
        wrong.push("is quarantined without a row that says so".to_owned());
    }
    wrong
}
