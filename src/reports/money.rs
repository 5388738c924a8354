//! The money of a day by account, environment, currency and type: authorized, captured, refunded, declined, canceled
//! and still open.
//!
//! Owns: what an object adds to which sum. Must never know: files, the store.
//!
//! Money counts once. An order only frames payments, so it is in no sum. An authorization's captures are objects of
//! their own, so it counts as authorized and never as captured. Captured and refunded are growth of the object's
//! totals since the row before; the net comes from the totals at both ends of the day, so that
//! `captured - refunded = net` is a real check. Sandbox and live accounts, and different currencies, are never added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::columns::Frame;
use super::standing::is_believed;
use super::totals::{TooMuch, sum_text};
use crate::payments::environment::Environment;
use crate::payments::lifecycle::Moves;
use crate::payments::money::{Amounts, Currency, Money};
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::record::Transition;

/// Kinds that frame payments: their charges or authorizations hold the money.
const ORDERS: [&str; 3] = ["charge-permission", "order-reference", "billing-agreement"];
/// The kind whose captures are objects of their own.
const AUTHORIZATION: &str = "authorization";

/// Sums of one account, type and currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Newly reserved.
    pub(super) authorized: Decimal,
    /// Newly captured, according to the rows of the files.
    pub(super) captured: Decimal,
    /// Newly refunded, according to the rows of the files.
    pub(super) refunded: Decimal,
    /// Captured less refunded, according to the totals of the objects at both ends of the day.
    pub(super) net: Decimal,
    /// Refused.
    pub(super) declined: Decimal,
    /// Ended without money moving.
    pub(super) canceled: Decimal,
    /// Open at the end of the day.
    pub(super) open: Decimal,
}

impl Sums {
    fn parts(&mut self) -> [&mut Decimal; 7] {
        [
            &mut self.authorized,
            &mut self.captured,
            &mut self.refunded,
            &mut self.net,
            &mut self.declined,
            &mut self.canceled,
            &mut self.open,
        ]
    }

    fn add(&mut self, mut other: Sums) -> Result<(), TooMuch> {
        for (mine, theirs) in self.parts().into_iter().zip(other.parts()) {
            *mine = mine.checked_add(*theirs).ok_or(TooMuch)?;
        }
        Ok(())
    }

    /// Whether `captured - refunded = net`.
    pub(super) fn is_balanced(&self) -> bool {
        self.captured.checked_sub(self.refunded) == Some(self.net)
    }
}

/// The sums of one account and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) account: AccountName,
    pub(super) environment: Environment,
    pub(super) currency: Currency,
    /// Of all types. Only authorized, captured, refunded and net may be read: a declined charge and its declined
    /// refund are not one amount.
    pub(super) all: Sums,
    pub(super) by_type: Vec<(Kind, Sums)>,
}

/// The money of the day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DayMoney(BTreeMap<(AccountName, Currency, Kind), Sums>);

impl DayMoney {
    /// Adds an amount to the sum that `part` names. An order adds nothing.
    pub(super) fn add(
        &mut self,
        object: &ObjectRef,
        money: Option<Money>,
        part: fn(&mut Sums) -> &mut Decimal,
    ) -> Result<(), TooMuch> {
        let Some(money) = money.filter(|_| holds_money(&object.kind)) else { return Ok(()) };
        let key = (object.account.clone(), money.currency, object.kind.clone());
        let sum = part(self.0.entry(key).or_default());
        *sum = sum.checked_add(money.amount).ok_or(TooMuch)?;
        Ok(())
    }

    /// Adds what moved between two moments according to the totals of an object.
    pub(super) fn add_net(
        &mut self,
        object: &ObjectRef,
        history: &[Transition],
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(), TooMuch> {
        let mut currencies: Vec<Currency> = Vec::new();
        for total in history.iter().flat_map(|row| [totals(row).captured, totals(row).refunded]).flatten() {
            if !currencies.contains(&total.currency) {
                currencies.push(total.currency);
            }
        }
        for currency in currencies {
            let at = |moment| {
                let rows = || history.iter().filter(move |row| row.seen_at < moment);
                let captured = known(rows(), currency, |amounts| amounts.captured);
                let refunded = known(rows(), currency, |amounts| amounts.refunded);
                captured.checked_sub(refunded)
            };
            let amount = at(end).zip(at(start)).and_then(|(end, start)| end.checked_sub(start));
            let net = Money { amount: amount.ok_or(TooMuch)?, currency };
            self.add(object, Some(net), |sums| &mut sums.net)?;
        }
        Ok(())
    }

    /// One entry for each account and currency, live accounts first.
    pub(super) fn accounts(&self, frame: &Frame) -> Result<Vec<Account>, TooMuch> {
        let mut found: Vec<Account> = Vec::new();
        for ((account, currency, kind), sums) in &self.0 {
            if found.last().is_none_or(|last| (&last.account, last.currency) != (account, *currency)) {
                found.push(Account {
                    account: account.clone(),
                    environment: frame.environment(account),
                    currency: *currency,
                    all: Sums::default(),
                    by_type: Vec::new(),
                });
            }
            let entry = found.last_mut().expect("one was pushed if there was none");
            entry.all.add(*sums)?;
            entry.by_type.push((kind.clone(), *sums));
        }
        found.sort_by_key(|entry| entry.environment);
        Ok(found)
    }
}

/// The entries as they stand in `summary.json` and `manifest.json`. Refunds are negative.
pub(super) fn json(accounts: &[Account]) -> Value {
    let entry = |entry: &Account| {
        let text = |sum: Decimal| sum_text(sum, entry.currency);
        let by_type = entry.by_type.iter().map(|(kind, sums)| {
            json!({
                "transaction_type": kind,
                "authorized": text(sums.authorized),
                "captured": text(sums.captured),
                "refunded": text(Decimal::ZERO - sums.refunded),
                "net": text(sums.net),
                "declined": text(sums.declined),
                "canceled": text(sums.canceled),
                "open_at_end": text(sums.open),
            })
        });
        json!({
            "account": entry.account,
            "environment": entry.environment.as_str(),
            "currency": entry.currency,
            "authorized": text(entry.all.authorized),
            "captured": text(entry.all.captured),
            "refunded": text(Decimal::ZERO - entry.all.refunded),
            "net": text(entry.all.net),
            "by_type": by_type.collect::<Vec<Value>>(),
        })
    };
    accounts.iter().map(entry).collect()
}

/// Whether objects of this kind hold money themselves.
pub(super) fn holds_money(kind: &Kind) -> bool {
    !ORDERS.contains(&kind.as_str())
}

/// The totals of an object that a row states as facts, each money once.
fn totals(row: &Transition) -> Amounts {
    if !is_believed(row) || !holds_money(&row.object.kind) {
        return Amounts::default();
    }
    let is_own_capture = row.object.kind.as_str() != AUTHORIZATION;
    let reserved = row.amount.filter(|_| row.moves == Moves::Authorizes);
    Amounts {
        authorized: row.amounts.authorized.or(reserved),
        captured: row
            .amounts
            .captured
            .filter(|_| is_own_capture && matches!(row.moves, Moves::Captures | Moves::Refunds)),
        refunded: row.amounts.refunded.filter(|_| row.moves == Moves::Refunds),
    }
}

/// The newest total in a currency; zero when none is known.
fn known<'a>(
    rows: impl DoubleEndedIterator<Item = &'a Transition>,
    currency: Currency,
    part: fn(Amounts) -> Option<Money>,
) -> Decimal {
    let mut totals = rows.rev().filter_map(|row| part(totals(row)));
    totals.find(|total| total.currency == currency).map_or(Decimal::ZERO, |total| total.amount)
}

/// How much the totals of an object grew in `row`, after the rows before it. A watch that begins again counts nothing
/// twice.
pub(super) fn growth(before: &[Transition], row: &Transition) -> Amounts {
    let now = totals(row);
    let grown = |part: fn(Amounts) -> Option<Money>| {
        let total = part(now)?;
        let amount = total.amount.checked_sub(known(before.iter(), total.currency, part))?;
        Some(Money { amount, ..total })
    };
    Amounts {
        authorized: grown(|amounts| amounts.authorized),
        captured: grown(|amounts| amounts.captured),
        refunded: grown(|amounts| amounts.refunded),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::day::Day;
    use super::super::tests::{at, row};
    use super::*;

    fn euros(amount: i64) -> Option<Money> {
        Money::parse(&amount.to_string(), "EUR").ok()
    }

    fn seen(object: &str, moves: Moves, amounts: Amounts, seconds: i64) -> Transition {
        Transition {
            object: object.parse().unwrap(),
            moves,
            amounts,
            ..row("C1", None, "Authorized", seconds)
        }
    }

    fn only(captured: i64) -> Amounts {
        Amounts { captured: euros(captured), ..Amounts::default() }
    }

    #[test]
    fn money_counts_once_whatever_frames_or_reserves_it() {
        let both = Amounts { authorized: euros(95), captured: euros(95), refunded: euros(10) };
        for (object, moves, expected) in [
            ("shop-de/charge/C1", Moves::Authorizes, (euros(95), None, None)),
            ("shop-de/charge/C1", Moves::Captures, (euros(95), euros(95), None)),
            ("shop-de/aps-order/C1", Moves::Refunds, (euros(95), euros(95), euros(10))),
            ("shop-de/authorization/C1", Moves::Captures, (euros(95), None, None)),
            ("shop-de/charge-permission/C1", Moves::Captures, (None, None, None)),
            ("shop-de/order-reference/C1", Moves::Authorizes, (None, None, None)),
        ] {
            let grown = growth(&[], &seen(object, moves, both, 10));
            assert_eq!((grown.authorized, grown.captured, grown.refunded), expected, "{object} {moves:?}");
        }
    }

    #[test]
    fn only_what_is_new_counts_also_after_a_second_enrolment() {
        let charge = |captured, seconds| seen("shop-de/charge/C1", Moves::Captures, only(captured), seconds);
        let (part, rest) = (charge(45, 10), charge(95, 20));
        assert_eq!(growth(std::slice::from_ref(&part), &rest).captured, euros(50));
        let mut gone = charge(95, 30);
        gone.note = "forgotten by uid 0".to_owned();
        assert_eq!(growth(&[part, rest, gone], &charge(95, 40)).captured, euros(0));
    }

    #[test]
    fn live_and_sandbox_are_never_one_sum() {
        let mut money = DayMoney::default();
        for (account, amount) in [("a-test", 1), ("b-live", 2), ("a-test", 3)] {
            let object = format!("{account}/charge/C1").parse().unwrap();
            money.add(&object, euros(amount), |sums| &mut sums.captured).unwrap();
        }
        let zone = TimeZone::UTC;
        let day = Day::new("2026-01-15".parse().unwrap(), "Etc/UTC", &zone).unwrap();
        let sandbox_accounts = BTreeSet::from(["a-test".parse().unwrap()]);
        let frame = Frame {
            day,
            sandbox_accounts,
            meanings: Default::default(),
            channels: Vec::new(),
            rhythms: Vec::new(),
        };
        let accounts = money.accounts(&frame).unwrap();
        let shown = accounts
            .iter()
            .map(|entry| (entry.account.to_string(), entry.environment, entry.all.captured.to_string()));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                ("b-live".to_owned(), Environment::Live, "2.00".to_owned()),
                ("a-test".to_owned(), Environment::Sandbox, "4.00".to_owned())
            ]
        );
    }

    proptest! {
        #[test]
        fn growth_adds_up_to_the_totals_at_both_ends(
            totals in proptest::collection::vec((0i64..100, 0i64..100, 0usize..3, any::<bool>()), 0..10),
            from in 0i64..10, length in 0i64..10,
        ) {
            let moves = [Moves::Captures, Moves::Refunds, Moves::Nothing];
            let history: Vec<Transition> = (0i64..)
                .zip(&totals)
                .map(|(number, (captured, refunded, which, is_doubted))| {
                    let amounts = Amounts { refunded: euros(*refunded), ..only(*captured) };
                    let mut row = seen("shop-de/aps-order/O1", moves[*which], amounts, number);
                    if *is_doubted {
                        row.stored_cause = Some(crate::payments::record::Cause::Overtaken);
                    }
                    row
                })
                .collect();
            let (start, end) = (at(from), at(from + length));
            let mut money = DayMoney::default();
            let object = "shop-de/aps-order/O1".parse().unwrap();
            for (number, row) in history.iter().enumerate() {
                if start <= row.seen_at && row.seen_at < end {
                    let grown = growth(&history[..number], row);
                    money.add(&object, grown.captured, |sums| &mut sums.captured).unwrap();
                    money.add(&object, grown.refunded, |sums| &mut sums.refunded).unwrap();
                }
            }
            money.add_net(&object, &history, start, end).unwrap();
            prop_assert!(money.0.values().all(Sums::is_balanced), "{:?}", money);
        }
    }
}
