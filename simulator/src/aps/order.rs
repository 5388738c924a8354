//! One order: everything that happened to it and will happen, by time (docs/src/reference/aps.md, section 5).
//!
//! Owns: codes over time, totals, the words of the truth. Must never know: requests, other orders.
//!
//! Nothing runs in the background: what holds is looked up by time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::plan::Step;

/// Something that happens to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) code: String,
    pub(super) amount_minor: u64,
}

/// The totals of an order, in the currency's smallest unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) authorized: u64,
    pub(super) captured: u64,
    pub(super) refunded: u64,
}

/// An order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) merchant: String,
    pub(super) merchant_reference: String,
    pub(super) fort_id: String,
    pub(super) amount_minor: u64,
    pub(super) currency: String,
    pub(super) created: Timestamp,
    pub(super) visible_from: Timestamp,
    events: Vec<Event>,
}

/// What an order is called and about.
#[derive(Debug, Clone)]
pub(super) struct NewOrder<'a> {
    pub(super) merchant: &'a str,
    pub(super) merchant_reference: &'a str,
    pub(super) fort_id: String,
    pub(super) amount_minor: u64,
    pub(super) currency: &'a str,
    pub(super) at: Timestamp,
}

impl Order {
    /// An order that begins with this code.
    pub(super) fn new(new: NewOrder<'_>, code: &str) -> Order {
        let mut order = Order {
            merchant: new.merchant.to_owned(),
            merchant_reference: new.merchant_reference.to_owned(),
            fort_id: new.fort_id,
            amount_minor: new.amount_minor,
            currency: new.currency.to_owned(),
            created: new.at,
            visible_from: new.at,
            events: Vec::new(),
        };
        order.happen(new.at, code, new.amount_minor);
        order
    }

    /// Something happens, now or later.
    pub(super) fn happen(&mut self, at: Timestamp, code: &str, amount_minor: u64) {
        let place = self.events.partition_point(|event| event.at <= at);
        self.events.insert(place, Event { at, code: code.to_owned(), amount_minor });
    }

    /// The steps of a fate, one after the other.
    ///
    /// # Errors
    /// A step that is no code.
    pub(super) fn follow(&mut self, steps: &[Step]) -> Result<(), String> {
        let mut at = self.created;
        for step in steps {
            at = later(at, step.after);
            let code = code_of(step)?;
            self.happen(at, &code, self.amount_minor);
        }
        Ok(())
    }

    /// Everything that happened and will happen, in the order of time.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// The code of its last operation.
    pub(super) fn code(&self, at: Timestamp) -> &str {
        let before = self.events.iter().rev().find(|event| event.at <= at);
        before.or(self.events.first()).map_or("01000", |event| event.code.as_str())
    }

    /// Its totals. Only operations that ended well count.
    pub(super) fn totals(&self, at: Timestamp) -> Totals {
        let mut totals = Totals::default();
        for event in self.events.iter().filter(|event| event.at <= at) {
            match event.code.as_str() {
                "02000" => totals.authorized += event.amount_minor,
                "04000" => {
                    totals.captured += event.amount_minor;
                    totals.authorized = totals.authorized.max(totals.captured);
                }
                "14000" => {
                    totals.authorized += event.amount_minor;
                    totals.captured += event.amount_minor;
                }
                "06000" => totals.refunded += event.amount_minor,
                _ => {}
            }
        }
        totals
    }

    /// Whether its authorization was voided.
    pub(super) fn is_voided(&self, at: Timestamp) -> bool {
        self.events.iter().any(|event| event.at <= at && event.code == "08000")
    }
}

/// A step's state is a five-digit code, or a status of two digits with the message as its reason.
pub(super) fn code_of(step: &Step) -> Result<String, String> {
    let is_digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let state = step.state.as_str();
    match &step.reason {
        None if is_digits(state, 5) => Ok(state.to_owned()),
        None if is_digits(state, 2) && !is_failure(state) => Ok(format!("{state}000")),
        Some(reason) if is_digits(state, 2) && is_digits(reason, 3) => Ok(format!("{state}{reason}")),
        _ => Err(format!(
            "{state} is no state of an aps-order: write a code of five digits, or a status of two digits with \
             a message of three as its reason (a failure needs one)"
        )),
    }
}

fn is_failure(status: &str) -> bool {
    matches!(status, "03" | "05" | "07" | "09" | "13")
}

/// A code as the truth tells it: the status, with the message as reason beside a failure; the whole code
/// where the message leaves the operation undecided (sections 5.3 to 5.5).
pub(super) fn told(code: &str) -> (String, Option<String>) {
    let (status, message) = code.split_at(code.len().min(2));
    let is_pending = matches!(status, "01" | "10" | "15" | "19" | "20" | "40");
    if is_pending || message == "000" && !is_failure(status) {
        (status.to_owned(), None)
    } else if !is_held(message) && (is_failure(status) || (status == "00" && message != "072")) {
        (status.to_owned(), Some(message.to_owned()))
    } else {
        (code.to_owned(), None)
    }
}

fn is_held(message: &str) -> bool {
    let technical = ["006", "777", "778", "779", "780", "781"];
    let waiting = ["064", "065", "090", "784", "662"];
    technical.contains(&message) || waiting.contains(&message)
}

/// Whether nothing follows by itself, so that a client may stop asking.
pub(super) fn is_final(code: &str) -> bool {
    let (state, _) = told(code);
    matches!(state.as_str(), "03" | "04" | "06" | "07" | "08" | "13" | "14" | "00072")
}

/// Whether money was refused.
pub(super) fn is_declined(code: &str) -> bool {
    is_failure(&told(code).0)
}

/// `at` plus `by`.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// How many decimals a currency has (section 3.3, as the provider's own tools have it).
pub(super) fn exponent(currency: &str) -> u32 {
    match currency {
        "JOD" | "KWD" | "OMR" | "TND" | "BHD" | "LYD" | "IQD" => 3,
        "CLF" => 4,
        "BIF" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "CLP" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "BYR" => 0,
        _ => 2,
    }
}

/// A decimal amount in the currency's smallest unit.
pub(super) fn minor(amount: &str, currency: &str) -> Option<u64> {
    let decimals = exponent(currency) as usize;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let kept = fraction.trim_end_matches('0');
    let is_number = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    (is_number && kept.len() <= decimals).then(|| format!("{whole}{kept:0<decimals$}").parse().ok())?
}

/// The inverse of [`minor`].
pub(super) fn decimal(minor: u64, currency: &str) -> String {
    let decimals = exponent(currency) as usize;
    let digits = format!("{minor:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_there_and_back() {
        for (amount, currency, units) in
            [("500.00", "AED", 50_000), ("100.000", "JOD", 100_000), ("7", "JPY", 7), ("0.05", "USD", 5)]
        {
            assert_eq!(minor(amount, currency), Some(units));
            assert_eq!(decimal(units, currency), amount);
        }
        assert_eq!(minor("1.005", "USD"), None);
        assert_eq!(minor(".5", "USD"), None);
    }

    #[test]
    fn codes_are_told_as_states() {
        let check = |code: &str, state: &str, reason: Option<&str>, is_end: bool| {
            assert_eq!(told(code), (state.to_owned(), reason.map(str::to_owned)), "{code}");
            assert_eq!(is_final(code), is_end, "{code}");
        };
        check("14000", "14", None, true);
        check("13666", "13", Some("666"), true);
        check("13006", "13006", None, false);
        check("15777", "15", None, false);
        check("02000", "02", None, false);
        check("05042", "05", Some("042"), false);
        check("00072", "00072", None, true);
        check("00008", "00", Some("008"), false);
        check("06784", "06784", None, false);
    }
}
