//! One object of a past, and how a line of a file describes it.
//!
//! Owns: the columns' names and spelling variants, and what a line must contain. Must never know: files,
//! delimiters, policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::course::{is_decline, is_end};
use crate::delimited::{nearest, plain};
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};

/// The account of lines without one.
const ACCOUNT: &str = "history";

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The object.
    pub object: ObjectRef,
    /// When it was created or enrolled.
    pub created_at: Timestamp,
    /// When it ended; `None` when it did not end within this past.
    pub final_at: Option<Timestamp>,
    /// The state in which it ended.
    pub final_state: Option<String>,
    /// The end is a refusal.
    pub is_declined: bool,
    /// The shop's own order number.
    pub reference: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Id,
    Kind,
    Account,
    CreatedAt,
    FinalAt,
    State,
    Outcome,
    Reference,
}

/// Spelling variants, compared without case and punctuation: our own names first, then those of the nightly
/// reports and of shop exports. If several columns mean the same field, the first in this list wins.
const VARIANTS: &[(&str, Field, Option<&str>)] = &[
    ("id", Field::Id, None),
    ("objectid", Field::Id, None),
    ("amazontransactionid", Field::Id, None),
    ("chargeid", Field::Id, Some("charge")),
    ("refundid", Field::Id, Some("refund")),
    ("amazonauthorizationid", Field::Id, Some("authorization")),
    ("amazoncaptureid", Field::Id, Some("capture")),
    ("amazonrefundid", Field::Id, Some("refund")),
    ("kind", Field::Kind, None),
    ("transactiontype", Field::Kind, None),
    ("account", Field::Account, None),
    ("createdat", Field::CreatedAt, None),
    ("madeat", Field::CreatedAt, None),
    ("enrolledat", Field::CreatedAt, None),
    ("firstseenutc", Field::CreatedAt, None),
    ("watchedsinceutc", Field::CreatedAt, None),
    ("finalat", Field::FinalAt, None),
    ("eventtimeutc", Field::FinalAt, None),
    ("finalstate", Field::State, None),
    ("state", Field::State, None),
    ("outcome", Field::Outcome, None),
    ("reference", Field::Reference, None),
    ("merchantreference", Field::Reference, None),
    ("merchantreferenceid", Field::Reference, None),
];

/// The index of the variant that a name matches.
fn variant(name: &str) -> Option<usize> {
    let name = plain(name);
    VARIANTS.iter().position(|(variant, _, _)| *variant == name)
}

/// Refuses a name that is nearly a known one: a misspelt `final_state` would change the past.
fn refuse_slip(name: &str) -> Result<(), String> {
    match nearest(name, HEADER.split(',').chain(VARIANTS.iter().map(|(variant, _, _)| *variant))) {
        Some(meant) if variant(name).is_none() => {
            Err(format!("{name} is not known; did you mean {meant}? rename or remove it"))
        }
        _ => Ok(()),
    }
}

/// What the columns of a CSV file mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<Option<usize>>);

impl Columns {
    /// Reads a header.
    ///
    /// # Errors
    /// The reason, when no column names the object or its creation time, or one appears twice.
    pub fn of(header: &[String]) -> Result<Columns, String> {
        header.iter().try_for_each(|cell| refuse_slip(cell))?;
        let columns: Vec<Option<usize>> = header.iter().map(|cell| variant(cell)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for (column, cell) in columns.iter().zip(header) {
            if column.is_some_and(|column| !seen.insert(column)) {
                return Err(format!("the column {} appears twice; remove one", cell.trim()));
            }
        }
        let has = |field| seen.iter().any(|place| VARIANTS[*place].1 == field);
        for (field, names) in [
            (Field::Id, "id (or amazon_transaction_id, charge_id, refund_id)"),
            (Field::CreatedAt, "created_at (or enrolled_at, first_seen_utc)"),
        ] {
            if !has(field) {
                return Err(format!("no column {names}; the header should be {HEADER}"));
            }
        }
        Ok(Columns(columns))
    }

    /// Reads the cells of one line.
    ///
    /// # Errors
    /// The reason, with the column.
    pub fn past(&self, cells: &[String]) -> Result<Past, String> {
        if cells.len() != self.0.len() {
            return Err(format!("{} cells where the header has {}", cells.len(), self.0.len()));
        }
        let named = self.0.iter().zip(cells).filter_map(|(place, cell)| Some(((*place)?, cell.clone())));
        Line::of(named).past()
    }
}

/// The header of a file written for the backtest.
const HEADER: &str = "id,kind,account,created_at,final_at,final_state,reference";

/// Reads one line of JSON: an object with the names of the CSV columns, or a whole line of `list --json`. Other keys are ignored.
///
/// # Errors
/// The reason, with the key.
pub fn past_of_json(text: &[u8]) -> Result<Past, String> {
    let value: Value = serde_json::from_slice(text).map_err(|bad| format!("not JSON: {bad}"))?;
    let Value::Object(map) = value else { return Err("not a JSON object".to_owned()) };
    if let Some(format) = map.get("format") {
        if format != LIST_FORMAT {
            return Err(format!("this line has format {format}; this version reads format {LIST_FORMAT}"));
        }
        let listed: Listed = serde_json::from_value(Value::Object(map))
            .map_err(|bad| format!("not an object as \"reconciled list --json\" prints it: {bad}"))?;
        return listed.past();
    }
    let mut named = Vec::new();
    for (key, value) in map {
        let Some(place) = variant(&key) else {
            refuse_slip(&key)?;
            continue;
        };
        match value {
            Value::Null => {}
            Value::String(text) => named.push((place, text)),
            _ => return Err(format!("{key} is not a text; write it in quotes")),
        }
    }
    Line::of(named).past()
}

/// The version of a line of `list --json` (docs/src/commands.md, "One object as JSON").
const LIST_FORMAT: u32 = 1;

/// What a past needs of a line of `list --json`.
#[derive(Deserialize)]
struct Listed {
    account: AccountName,
    kind: Kind,
    id: ObjectId,
    state: Option<String>,
    finished: bool,
    made_at: Timestamp,
    state_seen_at: Option<Timestamp>,
    state_changed_at: Option<Timestamp>,
    reference: Option<String>,
}

impl Listed {
    fn past(self) -> Result<Past, String> {
        let final_state = self.state.filter(|_| self.finished);
        let is_declined = final_state.as_ref().is_some_and(|state| is_decline(self.kind.as_str(), state));
        in_order(Past {
            object: ObjectRef { account: self.account, kind: self.kind, id: self.id },
            created_at: self.made_at,
            final_at: self.state_changed_at.or(self.state_seen_at).filter(|_| final_state.is_some()),
            final_state,
            is_declined,
            reference: self.reference,
        })
    }
}

/// The texts of a line by field.
struct Line(BTreeMap<Field, (usize, String)>);

impl Line {
    fn of(named: impl IntoIterator<Item = (usize, String)>) -> Line {
        let mut line = Line(BTreeMap::new());
        for (place, text) in named {
            let text = text.trim();
            let field = VARIANTS[place].1;
            let is_better = line.0.get(&field).is_none_or(|(other, _)| place < *other);
            if !text.is_empty() && is_better {
                line.0.insert(field, (place, text.to_owned()));
            }
        }
        line
    }

    fn text(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(|(_, text)| text.as_str())
    }

    fn past(&self) -> Result<Past, String> {
        let id = self.text(Field::Id).ok_or("no id: each line describes one object")?;
        let implied = self.0.get(&Field::Id).and_then(|(place, _)| VARIANTS[*place].2);
        let kind = self.text(Field::Kind).or(implied).ok_or("no kind: write charge, refund, capture, ...")?;
        let object = ObjectRef {
            account: AccountName::new(self.text(Field::Account).unwrap_or(ACCOUNT))
                .map_err(|bad| bad.to_string())?,
            kind: Kind::new(kind.to_ascii_lowercase()).map_err(|bad| bad.to_string())?,
            id: ObjectId::new(id).map_err(|bad| bad.to_string())?,
        };
        let created_at = self.time(Field::CreatedAt, "created_at")?.ok_or("no created_at")?;
        let final_at = self.time(Field::FinalAt, "final_at")?;
        let state = self.text(Field::State);
        let ends = state.is_some_and(|state| is_end(object.kind.as_str(), state));
        if let (true, None, Some(state)) = (ends, final_at, state) {
            return Err(format!(
                "{state} is an end, but final_at is empty; \"reconciled list --finished --json\" and the night's \
                 file of resolved objects say when"
            ));
        }
        let is_declined = final_at.is_some()
            && (state.is_some_and(|state| is_decline(object.kind.as_str(), state))
                || self.text(Field::Outcome).is_some_and(|word| word.eq_ignore_ascii_case("declined")));
        in_order(Past {
            object,
            created_at,
            final_at,
            final_state: state.filter(|_| final_at.is_some()).map(str::to_owned),
            is_declined,
            reference: self.text(Field::Reference).map(str::to_owned),
        })
    }

    fn time(&self, field: Field, name: &str) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text(field) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            format!("{name} {shown:?} is not a moment with zone such as 2026-01-31T14:30:00Z")
        })
    }
}

fn in_order(past: Past) -> Result<Past, String> {
    match past.final_at {
        Some(final_at) if final_at < past.created_at => Err(format!(
            "final_at {final_at} is before created_at {}; are the columns swapped, or a zone missing?",
            past.created_at
        )),
        _ => Ok(past),
    }
}

/// One past per object. When several lines are about one object (nightly files repeat it), the first creation
/// and the last end count. Also returns the number of merged lines.
pub fn merge(pasts: Vec<Past>) -> (Vec<Past>, usize) {
    let lines = pasts.len();
    let mut merged: BTreeMap<ObjectRef, Past> = BTreeMap::new();
    for past in pasts {
        match merged.get_mut(&past.object) {
            None => {
                merged.insert(past.object.clone(), past);
            }
            Some(known) => {
                known.created_at = known.created_at.min(past.created_at);
                if past.final_at > known.final_at {
                    known.final_at = past.final_at;
                    known.final_state = past.final_state;
                    known.is_declined = past.is_declined;
                }
                known.reference = known.reference.take().or(past.reference);
            }
        }
    }
    let merged: Vec<Past> = merged.into_values().collect();
    let again = lines - merged.len();
    (merged, again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    /// A line under the documented header gives kind, id, state, minutes to the end, declined; or the reason.
    fn check(line: &str, expected: Result<(&str, Option<i64>, bool), &str>) {
        let read = Columns::of(&cells(HEADER)).unwrap().past(&cells(line));
        match (read, expected) {
            (Ok(past), Ok((object, minutes, is_declined))) => {
                assert_eq!(past.object.to_string(), object, "{line}");
                let took = past.final_at.map(|at| at.duration_since(past.created_at).as_mins());
                assert_eq!((took, past.is_declined), (minutes, is_declined), "{line}");
            }
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{line}: {reason}"),
            (other, _) => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_read_or_refused_with_the_reason() {
        let day = "2026-01-31T";
        check(
            &format!("S1,charge,de,{day}10:00:00Z,{day}10:30:00Z,Declined,A-1"),
            Ok(("de/charge/S1", Some(30), true)),
        );
        check(
            &format!("S1,Charge,,{day}10:00:00+01:00,{day}10:00:00Z,Captured,"),
            Ok(("history/charge/S1", Some(60), false)),
        );
        check(
            &format!("S1,refund,,{day}10:00:00Z,,RefundInitiated,"),
            Ok(("history/refund/S1", None, false)),
        );
        check(
            &format!("S1,refund,,{day}10:00:00Z,,Refunded,"),
            Err("Refunded is an end, but final_at is empty"),
        );
        check(&format!("S1,charge,,{day}10:00:00Z,{day}09:00:00Z,Declined,"), Err("is before created_at"));
        check(
            &format!("S1,charge,,{day}10:00:00,,,"),
            Err("created_at \"2026-01-31T10:00:00\" is not a moment"),
        );
        check("S1,charge,,,,,", Err("no created_at"));
        check(&format!(",charge,,{day}10:00:00Z,,,"), Err("no id"));
        check(&format!("S1,,,{day}10:00:00Z,,,"), Err("no kind"));
        check(&format!("S 1,charge,,{day}10:00:00Z,,,"), Err("object id"));
        check("S1,charge", Err("2 cells where the header has 7"));
    }

    #[test]
    fn headers_of_the_nightly_files_are_understood_and_others_refused() {
        let header = "business_date,event_time_utc,seen_time_utc,account,transaction_type,amazon_transaction_id,\
                      merchant_reference_id,state,outcome,first_seen_utc";
        let line = "2026-01-31,2026-01-31T10:30:00Z,2026-01-31T11:00:00Z,de,charge,S1,A-1,Strange,declined,\
                    2026-01-31T10:00:00Z";
        let past = Columns::of(&cells(header)).unwrap().past(&cells(line)).unwrap();
        assert_eq!(past.object.to_string(), "de/charge/S1");
        assert_eq!(past.final_at.unwrap().to_string(), "2026-01-31T10:30:00Z");
        assert!(past.is_declined && past.reference.as_deref() == Some("A-1"));
        let both = "refund_id,final_at,enrolled_at,created_at";
        let line = "S2,,2026-01-31T11:00:00Z,2026-01-31T10:00:00Z";
        let past = Columns::of(&cells(both)).unwrap().past(&cells(line)).unwrap();
        assert_eq!(
            (past.object.kind.as_str(), past.created_at.to_string().as_str()),
            ("refund", "2026-01-31T10:00:00Z")
        );
        let refused = |header: &str, part: &str| {
            let reason = Columns::of(&cells(header)).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        refused("kind,created_at", "no column id");
        refused("id,kind", "no column created_at");
        refused("id,ID,created_at", "appears twice");
        refused("id,created_at,final_sate", "final_sate is not known; did you mean final_state?");
    }

    #[test]
    fn lines_of_the_list_are_understood() {
        let at: Timestamp = "2026-01-31T10:00:00Z".parse().unwrap();
        let listed = |format: u32, finished: bool| {
            let line = serde_json::json!({
                "format": format, "account": "de", "kind": "charge", "id": "S1", "state": "Declined",
                "finished": finished, "made_at": at, "state_seen_at": "2026-01-31T11:00:00Z",
                "state_changed_at": "2026-01-31T10:30:00Z", "reference": "A-1", "something_new": [1],
            });
            past_of_json(line.to_string().as_bytes())
        };
        let open = listed(1, false).unwrap();
        assert_eq!((open.created_at, open.final_at, open.is_declined), (at, None, false));
        let declined = listed(1, true).unwrap();
        assert_eq!(declined.object.to_string(), "de/charge/S1");
        assert_eq!(declined.final_at.unwrap().to_string(), "2026-01-31T10:30:00Z");
        assert!(declined.is_declined && declined.reference.as_deref() == Some("A-1"));
        assert!(listed(2, true).unwrap_err().contains("format 2; this version reads format 1"));
        let flat =
            br#"{"id":"S1","kind":"charge","created_at":"2026-01-31T10:00:00Z","final_at":null,"x":[1]}"#;
        assert_eq!(past_of_json(flat).unwrap().object.to_string(), "history/charge/S1");
        for (bad, part) in
            [("[]", "not a JSON object"), ("{", "not JSON"), ("{\"id\":1}", "id is not a text")]
        {
            assert!(past_of_json(bad.as_bytes()).unwrap_err().contains(part), "{bad}");
        }
        let slip = br#"{"id":"S1","kind":"charge","created_at":"2026-01-31T10:00:00Z","finalat":null,"fianl_at":null}"#;
        assert!(past_of_json(slip).unwrap_err().contains("fianl_at is not known; did you mean final_at?"));
        assert!(past_of_json(b"{\"format\":1}").unwrap_err().contains("not an object as"));
    }

    #[test]
    fn lines_about_one_object_are_merged() {
        let columns = Columns::of(&cells(HEADER)).unwrap();
        let line = |made: &str, ended: &str, state: &str| {
            columns.past(&cells(&format!("S1,charge,de,{made},{ended},{state},"))).unwrap()
        };
        let (pasts, again) = merge(vec![
            line("2026-01-31T10:00:00Z", "2026-01-31T10:05:00Z", "Authorized"),
            line("2026-01-31T09:00:00Z", "2026-02-02T10:05:00Z", "Captured"),
            line("2026-01-31T10:00:00Z", "", ""),
        ]);
        assert_eq!((pasts.len(), again), (1, 2));
        assert_eq!(pasts[0].created_at.to_string(), "2026-01-31T09:00:00Z");
        assert_eq!(pasts[0].final_state.as_deref(), Some("Captured"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), header: String, cell: String) {
            let _ = past_of_json(&bytes);
            let header: Vec<String> = header.split(',').chain(["id", "created_at"]).map(str::to_owned).collect();
            if let Ok(columns) = Columns::of(&header) {
                let _ = columns.past(&cells(&cell));
                let _ = columns.past(&vec![cell; header.len()]);
            }
        }

        #[test]
        fn no_object_ends_before_it_begins(made_s in 0i64..4_000_000_000, ended_s in 0i64..4_000_000_000) {
            let at = |second| Timestamp::from_second(second).unwrap();
            let line = format!("S1,charge,de,{},{},Declined,", at(made_s), at(ended_s));
            match Columns::of(&cells(HEADER)).unwrap().past(&cells(&line)) {
                Ok(past) => prop_assert!(past.final_at.unwrap() >= past.created_at),
                Err(reason) => prop_assert!(made_s > ended_s, "{}", reason),
            }
        }
    }
}
