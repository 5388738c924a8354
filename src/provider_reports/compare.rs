//! One claim of a report against one record. Pure.
//!
//! Owns: what is a difference. Must never know: storage, how a difference is reported.
//!
//! A report is a day old and polling is hourly, so a report usually contains history: it must be able to lead to the
//! recorded state. News that polling has not observed yet are not a difference, only a reason to poll. Nothing is
//! ever concluded about the object itself: polling finds the truth.

use jiff::Timestamp;

use crate::apis::reporting::{Claim, Says};
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase};
use crate::payments::money::{Amounts, Money};
use crate::payments::record::{Observed, Record};

/// What a claim means for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both can be true.
    Agrees,
    /// The object may have changed since the last poll: poll it again.
    News,
    /// Both cannot be true.
    Differs(Vec<Difference>),
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// `state`, `amount` or `currency`.
    pub(super) field: &'static str,
    /// The value in the record.
    pub(super) ours: String,
    /// The value in the report.
    pub(super) theirs: String,
}

/// Compares a claim with a record. `lifecycle` belongs to the record's kind; none when its account no longer has the
/// kind.
pub(super) fn compare(lifecycle: Option<&dyn Lifecycle>, record: &Record, claim: &Claim) -> Verdict {
    let mut differences = Vec::new();
    differences.extend(amounts(lifecycle, record, claim));
    let state = match (lifecycle, &record.observed) {
        (Some(lifecycle), Some(observed)) => states(lifecycle, record, observed, claim),
        _ => Verdict::News,
    };
    let is_news = state == Verdict::News;
    if let Verdict::Differs(more) = state {
        differences.extend(more);
    }
    match (differences.is_empty(), is_news) {
        (false, _) => Verdict::Differs(differences),
        (true, true) => Verdict::News,
        (true, false) => Verdict::Agrees,
    }
}

/// A settlement may be in a different currency than the payment. Then it says nothing about the payment's amount.
fn amounts(lifecycle: Option<&dyn Lifecycle>, record: &Record, claim: &Claim) -> Option<Difference> {
    let (ours, theirs) = (settled_amount(lifecycle, record)?, claim.amount?);
    if ours == theirs || (claim.says == Says::Settled && ours.currency != theirs.currency) {
        return None;
    }
    let field = if ours.currency == theirs.currency { "amount" } else { "currency" };
    Some(Difference { field, ours: ours.to_string(), theirs: theirs.to_string() })
}

/// The recorded amount, unless the object is a draft whose amount may still change.
fn settled_amount(lifecycle: Option<&dyn Lifecycle>, record: &Record) -> Option<Money> {
    let facts = record.state().and_then(|state| lifecycle?.state(state));
    let is_draft =
        facts.is_some_and(|facts| facts.phase == Phase::Resting && facts.outcome == Outcome::Undecided);
    record.amount().filter(|_| !is_draft)
}

fn states(lifecycle: &dyn Lifecycle, record: &Record, observed: &Observed, claim: &Claim) -> Verdict {
    let ours = observed.observation.state.as_str();
    let our_outcome = lifecycle.outcome(ours, &observed.observation.reasons, &observed.observation.amounts);
    let differs = |theirs: &str| {
        let theirs = format!("{theirs} since {}", claim.at);
        Verdict::Differs(vec![Difference { field: "state", ours: ours.to_owned(), theirs }])
    };
    let theirs = match &claim.says {
        Says::Settled => {
            return match our_outcome {
                Some(Outcome::Succeeded) => Verdict::Agrees,
                Some(Outcome::Declined | Outcome::Canceled) => differs("settled"),
                Some(Outcome::Undecided | Outcome::Open | Outcome::Closed) | None => Verdict::News,
            };
        }
        Says::State(word) => word.as_str(),
    };
    if theirs.eq_ignore_ascii_case(ours) {
        return Verdict::Agrees;
    }
    if lifecycle.state(theirs).is_none() {
        return differs(theirs);
    }
    let (can_lead_to_ours, can_follow_ours) =
        (lifecycle.is_reachable(theirs, ours), lifecycle.is_reachable(ours, theirs));
    if whole_second(claim.at) <= began(observed) && can_lead_to_ours {
        return Verdict::Agrees;
    }
    // A final state that changes nothing about the money, such as a capture that closes: polling does not wait for
    // it.
    let is_same_end =
        our_outcome.is_some() && lifecycle.outcome(theirs, &[], &Amounts::default()) == our_outcome;
    match (can_follow_ours, record.is_finished()) {
        (true, true) if is_same_end => Verdict::Agrees,
        (true, false) if claim.at >= observed.seen_at => Verdict::News,
        _ => differs(theirs),
    }
}

/// When the recorded state began: the provider's time, or else our first observation of it.
fn began(observed: &Observed) -> Timestamp {
    observed.observation.updated_at.unwrap_or(observed.since)
}

/// Reports use whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::lifecycle::{ReasonFacts, StateFacts};
    use crate::payments::observation::Observation;
    use crate::payments::record::{Details, Enrolment};
    use std::time::Duration;

    /// Pending leads to Completed or Declined; Completed to Closed (the same end) and to Declined.
    struct Refunds;

    impl Lifecycle for Refunds {
        fn states(&self) -> &'static [&'static str] {
            &["Pending", "Completed", "Declined", "Closed"]
        }
        fn state(&self, word: &str) -> Option<StateFacts> {
            let (name, phase, outcome, next): (_, _, _, &'static [&'static str]) = match word {
                "Pending" => ("Pending", Phase::Moving, Outcome::Undecided, &["Completed", "Declined"]),
                "Completed" => ("Completed", Phase::Final, Outcome::Succeeded, &["Closed", "Declined"]),
                "Declined" => ("Declined", Phase::Final, Outcome::Declined, &[]),
                "Closed" => ("Closed", Phase::Final, Outcome::Succeeded, &[]),
                _ => return None,
            };
            let patience = Some(Duration::from_secs(3600));
            Some(StateFacts {
                name,
                phase,
                outcome,
                moves: Default::default(),
                meaning: "",
                next,
                patience,
                guarantee: None,
            })
        }
        fn reasons(&self, _state: &str) -> &'static [ReasonFacts] {
            &[]
        }
        fn advice_without_reason(&self, _state: &str) -> &'static str {
            ""
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    /// An object that was observed at minute 60 in `state`, which began at minute 10; 9.50 EUR.
    fn seen(state: &str) -> Record {
        let object = "shop/refund/P02-1-R1".parse().unwrap();
        let details = Details { amount: Money::parse("9.50", "EUR").ok(), ..Details::default() };
        let mut record = Record::enrolled(Enrolment { object, details }, at(0));
        let observation = Observation { updated_at: Some(at(10)), ..Observation::plain("P02-1-R1", state) };
        let phase = Refunds.state(state).unwrap().phase;
        record.observed = Some(Observed { observation, phase, since: at(20), seen_at: at(60) });
        record.due_at = (phase != Phase::Final).then(|| at(120));
        record
    }

    fn claim(says: Says, minute: i64, amount: &str, currency: &str) -> Claim {
        Claim {
            line: 2,
            kind: "refund".parse().unwrap(),
            id: "P02-1-R1".parse().unwrap(),
            says,
            amount: Money::parse(amount, currency).ok(),
            at: at(minute),
            created_at: None,
            reference: None,
            parent: None,
        }
    }

    fn check(ours: &str, theirs: &str, minute: i64, expected: &str) {
        let claim = claim(Says::State(theirs.to_owned()), minute, "9.50", "EUR");
        let verdict = compare(Some(&Refunds), &seen(ours), &claim);
        let word = match verdict {
            Verdict::Agrees => "agrees",
            Verdict::News => "news",
            Verdict::Differs(_) => "differs",
        };
        assert_eq!(word, expected, "{ours} is known since minute 10, {theirs} claimed since {minute}");
    }

    #[test]
    fn history_agrees_news_are_looked_for_and_contradictions_differ() {
        check("Completed", "Completed", 30, "agrees");
        check("Completed", "completed", 90, "agrees");
        check("Completed", "Pending", 5, "agrees");
        check("Completed", "Pending", 10, "agrees");
        check("Completed", "Pending", 30, "differs");
        check("Completed", "Closed", 90, "agrees");
        check("Completed", "Declined", 90, "differs");
        check("Completed", "Declined", 30, "differs");
        check("Declined", "Completed", 5, "agrees");
        check("Declined", "Completed", 30, "differs");
        check("Pending", "Completed", 90, "news");
        check("Pending", "Completed", 30, "differs");
        check("Pending", "Declined", 60, "news");
        check("Pending", "Vanished", 90, "differs");
    }

    #[test]
    fn amounts_and_currencies_are_compared_exactly() {
        let fields = |record: &Record, claim: &Claim| match compare(Some(&Refunds), record, claim) {
            Verdict::Differs(found) => found.into_iter().map(|one| one.field).collect(),
            _ => Vec::new(),
        };
        let (known, completed) = (seen("Completed"), || Says::State("Completed".to_owned()));
        assert_eq!(fields(&known, &claim(completed(), 10, "9.500", "EUR")), [""; 0]);
        assert_eq!(fields(&known, &claim(completed(), 10, "9.51", "EUR")), ["amount"]);
        assert_eq!(fields(&known, &claim(completed(), 10, "9.50", "USD")), ["currency"]);
        assert_eq!(fields(&known, &claim(Says::Settled, 10, "11.20", "USD")), [""; 0]);
        assert_eq!(fields(&known, &claim(Says::Settled, 10, "9.40", "EUR")), ["amount"]);
        assert_eq!(fields(&seen("Declined"), &claim(Says::Settled, 90, "9.50", "EUR")), ["state"]);
        let both = claim(Says::State("Vanished".to_owned()), 90, "1.00", "EUR");
        assert_eq!(fields(&known, &both), ["amount", "state"]);
    }

    #[test]
    fn an_object_that_was_never_seen_is_only_looked_at() {
        let unseen = Record { observed: None, ..seen("Pending") };
        let claimed = claim(Says::State("Declined".to_owned()), 30, "9.50", "EUR");
        assert_eq!(compare(Some(&Refunds), &unseen, &claimed), Verdict::News);
        assert_eq!(
            compare(Some(&Refunds), &seen("Pending"), &claim(Says::Settled, 30, "9.50", "EUR")),
            Verdict::News
        );
        assert_eq!(compare(None, &seen("Pending"), &claimed), Verdict::News);
    }
}
