//! Objects like a shop's: charges of v2 with amount and order number, observed once as pending.

use jiff::{SignedDuration, Timestamp};
use reconciled::payments::lifecycle::Phase;
use reconciled::payments::money::Money;
use reconciled::payments::object::{AccountName, Kind, ObjectRef};
use reconciled::payments::observation::Observation;
use reconciled::payments::record::{Details, Enrolment, Observed, Record, Transition};
use reconciled::store::Commit;

use crate::Failure;

/// When the simulated time begins.
pub(crate) fn origin() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().expect("a well-formed moment")
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    origin() + SignedDuration::from_secs(seconds)
}

pub(crate) fn account(number: usize) -> AccountName {
    AccountName::new(format!("shop-{number:05}")).expect("letters, digits and a dash")
}

pub(crate) fn kind() -> Kind {
    Kind::new("charge").expect("letters")
}

/// A number that looks random but is the same in every run: a provider's ids come in no order.
pub(crate) fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The object with this number, in one of the accounts.
pub(crate) fn enrolment(number: usize, accounts: usize) -> Enrolment {
    let lot = scramble(number as u64);
    let id =
        format!("P02-{:07}-{:07}-C{:06}", lot % 10_000_000, (lot >> 24) % 10_000_000, number % 1_000_000);
    let amount = format!("{}.{:02}", 1 + lot % 400, lot % 100);
    let details = Details {
        amount: Some(Money::parse(&amount, "EUR").expect("an amount and a currency")),
        merchant_reference: Some(format!("ORDER-{number:08}")),
        ..Details::default()
    };
    let id = id.parse().expect("letters, digits and dashes");
    Enrolment { object: ObjectRef { account: account(number % accounts), kind: kind(), id }, details }
}

/// The first observation of a record, which is news: it is pending, and its next poll is due within the hour.
pub(crate) fn first_observed(record: &Record, now: Timestamp) -> Commit {
    let state = "AuthorizationInitiated";
    let observation = Observation {
        updated_at: Some(record.enrolled_at),
        created_at: Some(record.enrolled_at),
        expires_at: Some(record.enrolled_at + SignedDuration::from_hours(30 * 24)),
        amount: record.details.amount,
        merchant_reference: record.details.merchant_reference.clone(),
        parent: Some(format!("P02-{}", &record.object.id.as_str()[4..])),
        environment: Some("Live".to_owned()),
        request_id: Some("3f0a6b0e-6f0f-4b8e-9a86-0d1f2c3b4a59".to_owned()),
        ..Observation::plain(record.object.id.as_str(), state)
    };
    let transition = Transition {
        to: state.to_owned(),
        happened_at: record.enrolled_at,
        ..Transition::unobserved(record, Phase::Moving, "polled", now)
    };
    let observed = Observed { observation, phase: Phase::Moving, since: now, seen_at: now };
    Commit { transition: Some(transition), is_news: true, ..polled(record, Some(observed), now) }
}

/// A poll without news, as nearly all polls are.
pub(crate) fn same_again(record: &Record, now: Timestamp) -> Result<Commit, Failure> {
    let mut observed = record.observed.clone().ok_or("the object was never observed")?;
    observed.seen_at = now;
    Ok(polled(record, Some(observed), now))
}

fn polled(record: &Record, observed: Option<Observed>, now: Timestamp) -> Commit {
    // An hour, give or take some minutes, as the policy spreads it.
    let spread = i64::try_from(scramble(record.polls ^ record.object.id.as_str().len() as u64) % 600);
    let pause = 3300 + spread.unwrap_or_default();
    let read = record.clone();
    let record = Record {
        observed,
        polls: record.polls + 1,
        polled_at: Some(now),
        due_at: Some(now + SignedDuration::from_secs(pause)),
        ..record.clone()
    };
    Commit { read, record, transition: None, enrol: Vec::new(), alerts: Vec::new(), is_news: false }
}
