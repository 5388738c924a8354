//! Many alerts as numbers: how many for each account, kind and reason, and how much money.
//!
//! Owns: the counts. Must never know: a target, which alerts are counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::text::line;

/// The most lines in one message about several alerts.
pub const LONGEST_DIGEST: usize = 20;

/// One row of counts.
type Row = (AccountName, AlertKind, Option<String>);

/// Sums by currency. What overflows a sum of 28 digits is left out of it, as in a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<String, Decimal>);

impl Totals {
    /// Adds the amount of an alert, if it has one.
    pub fn add(&mut self, alert: &Alert) {
        if let Some(amount) = &alert.amount {
            let sum = self.0.entry(amount.currency.as_str().to_owned()).or_default();
            *sum = sum.checked_add(amount.amount).unwrap_or(*sum);
        }
    }

    fn merge(&mut self, other: &Totals) {
        for (currency, sum) in &other.0 {
            let known = self.0.entry(currency.clone()).or_default();
            *known = known.checked_add(*sum).unwrap_or(*known);
        }
    }

    /// `14.00 EUR, 3 JPY`; none without any amount.
    pub fn text(&self) -> Option<String> {
        let shown: Vec<String> = self.0.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
        (!shown.is_empty()).then(|| shown.join(", "))
    }
}

/// The counts of alerts that are not shown one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    rows: BTreeMap<Row, (u64, Totals)>,
    severity: Option<Severity>,
    occurred: Option<(Timestamp, Timestamp)>,
}

impl Summary {
    /// The counts of some alerts.
    pub fn of<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Summary {
        let mut summary = Summary::default();
        alerts.into_iter().for_each(|alert| summary.add(alert));
        summary
    }

    /// Counts an alert.
    pub fn add(&mut self, alert: &Alert) {
        let row = (alert.account.clone(), alert.kind.clone(), alert.reason.clone());
        let (number, totals) = self.rows.entry(row).or_default();
        *number += 1;
        totals.add(alert);
        self.severity = self.severity.max(Some(alert.severity));
        let at = alert.occurred_at;
        self.occurred = Some(self.occurred.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.rows.values().map(|(number, _)| number).sum()
    }

    /// The highest severity.
    pub fn severity(&self) -> Severity {
        self.severity.unwrap_or(Severity::Info)
    }

    /// When the first and the last of them happened.
    pub fn occurred(&self) -> (Timestamp, Timestamp) {
        self.occurred.unwrap_or_default()
    }

    /// All money together.
    pub fn totals(&self) -> Totals {
        let mut all = Totals::default();
        self.rows.values().for_each(|(_, totals)| all.merge(totals));
        all
    }

    /// `2 declined, 1 overdue`.
    pub fn kinds(&self) -> String {
        counted(self.rows.iter().map(|((_, kind, _), (number, _))| (kind.as_str(), *number)))
    }

    /// `2 HardDeclined, 1 SoftDeclined`; empty when none has a reason.
    pub fn reasons(&self) -> String {
        counted(
            self.rows
                .iter()
                .filter_map(|((_, _, reason), (number, _))| reason.as_deref().map(|word| (word, *number))),
        )
    }

    /// One line for each account, kind and reason, the most frequent first. What does not fit is counted in the last.
    pub fn lines(&self) -> Vec<String> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, (number, _))| std::cmp::Reverse(*number));
        let shown = if rows.len() > LONGEST_DIGEST { LONGEST_DIGEST - 1 } else { rows.len() };
        let (shown, rest) = rows.split_at(shown);
        let mut lines: Vec<String> = shown
            .iter()
            .map(|((account, kind, reason), (number, totals))| {
                let reason = reason.as_ref().map(|word| format!(" ({})", line(word))).unwrap_or_default();
                let totals = totals.text().map(|text| format!(" · {text}")).unwrap_or_default();
                format!("{number} {}{reason} · account {account}{totals}", line(kind.as_str()))
            })
            .collect();
        if !rest.is_empty() {
            let accounts: BTreeSet<&AccountName> = rest.iter().map(|((account, ..), _)| account).collect();
            let mut totals = Totals::default();
            rest.iter().for_each(|(_, (_, sums))| totals.merge(sums));
            let totals = totals.text().map(|text| format!(" · {text}")).unwrap_or_default();
            let number: u64 = rest.iter().map(|(_, (number, _))| number).sum();
            lines.push(format!("{number} others in {} accounts{totals}", accounts.len()));
        }
        lines
    }
}

fn counted<'a>(words: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    words.for_each(|(word, number)| *numbers.entry(word).or_default() += number);
    let shown: Vec<String> = numbers.iter().map(|(word, number)| format!("{number} {word}")).collect();
    line(&shown.join(", ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;

    #[test]
    fn counts_and_sums_are_exact_whatever_does_not_fit() {
        let mut summary = Summary::default();
        for number in 0..50 {
            let mut one = alert(&format!("a/{number}"));
            one.account = format!("shop-{:02}", number / 2).parse().unwrap();
            if number == 0 {
                (one.kind, one.reason, one.amount) = (AlertKind::Overdue, None, None);
            }
            summary.add(&one);
        }
        assert_eq!((summary.count(), summary.severity()), (50, Severity::Critical));
        assert_eq!(summary.kinds(), "49 declined, 1 overdue");
        assert_eq!(summary.reasons(), "49 HardDeclined");
        assert_eq!(summary.totals().text().as_deref(), Some("686.00 EUR"));
        let lines = summary.lines();
        assert_eq!(lines.len(), LONGEST_DIGEST);
        assert_eq!(lines[0], "2 declined (HardDeclined) · account shop-01 · 28.00 EUR");
        assert_eq!(lines[19], "12 others in 6 accounts · 154.00 EUR");
    }
}
