//! The cost of polling many objects now: requests and time per account and operation.
//!
//! Owns: the arithmetic. Pure: rates and the present time are arguments.
//! Must never know: who polls, storage, transports.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::explain::moment;
use super::messages::{PlanRow, PollAnswer};
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::time::later;

/// The quota that one poll of a kind of object uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The provider's operation; kinds with the same operation share one bucket.
    pub operation: String,
    /// How many requests may go at once when the bucket is full; at least 1.
    pub burst: u32,
    /// How long one request's worth takes to refill.
    pub refill: Duration,
    /// When the provider's hold on such requests ends; none when there is no hold, or it is not known.
    pub held_until: Option<Timestamp>,
}

impl Rate {
    /// What a person should know about a hold, in words.
    pub fn held_words(&self, now: Timestamp) -> Option<String> {
        let until = moment(self.held_until?, now);
        Some(format!(
            "the provider allows no {} before {until}; then one request tests it, and the rest follow its answer",
            self.operation
        ))
    }
}

/// Counts objects by account and kind, so that a million of them need no list.
#[derive(Debug, Default)]
pub struct Tally {
    numbers: BTreeMap<(AccountName, Kind), u64>,
}

impl Tally {
    /// Adds one object.
    pub fn add(&mut self, object: &ObjectRef) {
        self.add_many(&object.account, &object.kind, 1);
    }

    /// Adds several objects of one account and kind.
    pub fn add_many(&mut self, account: &AccountName, kind: &Kind, number: u64) {
        *self.numbers.entry((account.clone(), kind.clone())).or_default() += number;
    }

    /// The number of all objects.
    pub fn total(&self) -> u64 {
        self.numbers.values().sum()
    }

    /// The cost: one request per object, starting from a full bucket at `now`, or when a hold ends. The accounts and
    /// operations work in parallel.
    pub fn answer(
        &self,
        rate: impl Fn(&AccountName, &Kind) -> Option<Rate>,
        now: Timestamp,
        dry_run: bool,
    ) -> PollAnswer {
        let mut rows: BTreeMap<(AccountName, Option<String>), PlanRow> = BTreeMap::new();
        for ((account, kind), number) in &self.numbers {
            let rate = rate(account, kind);
            let operation = rate.as_ref().map(|rate| rate.operation.clone());
            let row = rows
                .entry((account.clone(), operation.clone()))
                .or_insert_with(|| empty_row(account, operation, rate.as_ref(), now));
            *row.kinds.entry(kind.to_string()).or_default() += number;
            row.requests += number;
        }
        let plan: Vec<PlanRow> = rows.into_values().map(timed).collect();
        PollAnswer {
            dry_run,
            objects: self.total(),
            unknown: Vec::new(),
            first_at: plan.iter().filter_map(|row| row.first_at).min(),
            last_at: plan.iter().filter_map(|row| row.last_at).max(),
            plan,
        }
    }
}

fn empty_row(
    account: &AccountName,
    operation: Option<String>,
    rate: Option<&Rate>,
    now: Timestamp,
) -> PlanRow {
    PlanRow {
        account: account.clone(),
        remark: match rate {
            None => Some("the account or kind is not configured: nothing is sent".to_owned()),
            Some(rate) => rate.held_words(now),
        },
        operation,
        kinds: BTreeMap::new(),
        requests: 0,
        burst: rate.map_or(0, |rate| rate.burst),
        refill_ms: rate.map_or(0, |rate| u64::try_from(rate.refill.as_millis()).unwrap_or(u64::MAX)),
        lasts_ms: 0,
        first_at: rate.map(|rate| rate.held_until.map_or(now, |until| until.max(now))),
        last_at: None,
    }
}

/// A full bucket lets `burst` requests go at once. Each further request waits for one more refill.
fn timed(mut row: PlanRow) -> PlanRow {
    let Some(first_at) = row.first_at.filter(|_| row.requests > 0) else { return row };
    row.lasts_ms = row.requests.saturating_sub(u64::from(row.burst)).saturating_mul(row.refill_ms);
    row.last_at = Some(later(first_at, Duration::from_millis(row.lasts_ms)));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> ObjectRef {
        text.parse().unwrap()
    }

    fn rate(account: &AccountName, kind: &Kind) -> Option<Rate> {
        let operation = match kind.as_str() {
            "charge" => "GetCharge",
            "capture" | "authorization" => "GetDetails",
            _ => return None,
        };
        let refill = Duration::from_secs(if account.as_str() == "slow" { 2 } else { 1 });
        Some(Rate { operation: operation.to_owned(), burst: 10, refill, held_until: None })
    }

    #[test]
    fn a_hold_is_waited_for_and_said() {
        let now: Timestamp = "2026-01-15T09:30:00Z".parse().unwrap();
        let until: Timestamp = "2026-01-15T09:50:00Z".parse().unwrap();
        let mut tally = Tally::default();
        tally.add_many(&"fast".parse().unwrap(), &"charge".parse().unwrap(), 70);
        let held = |account: &AccountName, kind: &Kind| {
            Some(Rate { held_until: Some(until), ..rate(account, kind)? })
        };
        let answer = tally.answer(held, now, true);
        assert_eq!((answer.first_at, answer.last_at), (Some(until), "2026-01-15T09:51:00Z".parse().ok()));
        let remark = answer.plan[0].remark.as_deref().unwrap();
        assert!(remark.contains("allows no GetCharge before 2026-01-15T09:50:00Z (in 20 min)"), "{remark}");
    }

    #[test]
    fn the_cost_is_counted_by_bucket_and_buckets_drain_side_by_side() {
        let now: Timestamp = "2026-01-15T09:30:00Z".parse().unwrap();
        let mut tally = Tally::default();
        tally.add_many(&"fast".parse().unwrap(), &"charge".parse().unwrap(), 3_610);
        tally.add_many(&"slow".parse().unwrap(), &"capture".parse().unwrap(), 15);
        tally.add_many(&"slow".parse().unwrap(), &"authorization".parse().unwrap(), 5);
        tally.add(&object("slow/charge/a"));
        tally.add(&object("old/thing/b"));
        let answer = tally.answer(rate, now, true);
        let shown: Vec<_> = answer
            .plan
            .iter()
            .map(|row| (row.account.as_str(), row.operation.as_deref(), row.requests, row.lasts_ms))
            .collect();
        assert_eq!(
            shown,
            [
                ("fast", Some("GetCharge"), 3_610, 3_600_000),
                ("old", None, 1, 0),
                ("slow", Some("GetCharge"), 1, 0),
                ("slow", Some("GetDetails"), 20, 20_000),
            ]
        );
        assert_eq!(answer.objects, 3_632);
        assert_eq!(answer.first_at, Some(now));
        assert_eq!(answer.last_at, Some("2026-01-15T10:30:00Z".parse().unwrap()));
        assert!(answer.plan[1].remark.as_deref().unwrap().contains("not configured"));
    }

    #[test]
    fn nothing_to_ask_costs_nothing() {
        let answer = Tally::default().answer(rate, Timestamp::UNIX_EPOCH, false);
        assert_eq!((answer.objects, answer.first_at, answer.last_at), (0, None, None));
    }
}
