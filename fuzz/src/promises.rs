//! What every reader promises, whatever it is given.

use std::collections::BTreeSet;
use std::str::FromStr;

use reconciled::payments::money::Money;
use reconciled::payments::observation::{Failure, Observation};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest word that says what is wrong, in bytes.
const LONGEST_DETAIL: usize = 600;

/// The first byte as a choice among `count`, and the rest. Digits choose what they say.
pub fn choice(data: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((usize::from(first.wrapping_sub(b'0')) % count, rest))
}

/// Words for a person's screen: short, on one line, without letters that steer a terminal.
pub fn is_shown(words: &str) {
    assert!(!words.is_empty(), "nothing says what is wrong");
    assert!(words.len() <= LONGEST_DETAIL, "{} bytes say what is wrong: {words:.80}", words.len());
    assert!(!words.chars().any(char::is_control), "control characters are shown: {words:?}");
}

/// A failure says its class and a short detail.
pub fn is_failure(failure: &Failure) {
    is_shown(&failure.to_string());
}

/// A sight that may be kept: it survives its own JSON, every text is bounded, every amount is exact.
pub fn is_sight(seen: &Observation) {
    assert!(!seen.state.is_empty() && seen.state.len() <= 256, "state {:?}", seen.state);
    assert!(!seen.id.is_empty() && seen.id.len() <= 256, "id {:?}", seen.id);
    survives(seen);
    for mark in &seen.marks {
        is_shown(&mark.explanation);
    }
    for money in amounts(seen) {
        let again = Money::parse(&money.amount_text(), money.currency.as_str());
        assert_eq!(again.as_ref(), Ok(money), "an amount that cannot be written and read again");
    }
}

/// All amounts of a sight.
pub fn amounts(seen: &Observation) -> impl Iterator<Item = &Money> {
    seen.amount.iter().chain(seen.other_amounts.values())
}

/// What is written and read again is the same.
pub fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("it can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(&again, value, "{text}");
}

/// Every number that stands in these bytes as a run of digits, points and signs: an amount that is none of them
/// was made up.
pub fn numbers(bytes: &[u8]) -> BTreeSet<Decimal> {
    let mut found = BTreeSet::new();
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    for run in bytes.split(|byte| !is_part(byte)).filter(|run| !run.is_empty()) {
        let Ok(text) = std::str::from_utf8(run) else { continue };
        found.extend(Decimal::from_str(text).ok());
        found.extend(Decimal::from_scientific(text).ok());
    }
    found
}

/// No amount is concluded that does not stand there. `scale` is by how many decimals the provider's numbers are
/// shifted.
pub fn amounts_stand_in(seen: &Observation, known: &BTreeSet<Decimal>, is_minor: bool) {
    for money in amounts(seen) {
        let number = match is_minor {
            true => money.minor_units().map(Decimal::from),
            false => Some(money.amount),
        };
        assert!(number.is_some_and(|number| known.contains(&number)), "{money} stands nowhere");
    }
}

/// How many lines there are, an unfinished one included.
pub fn lines(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    u64::try_from(ends).expect("inputs are small") + 1
}
