//! What every reader promises for any input.

use std::collections::BTreeSet;
use std::str::FromStr;

use reconciled::payments::money::Money;
use reconciled::payments::observation::{Failure, Observation};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest error text, in bytes.
const LONGEST_DETAIL: usize = 600;

/// The first byte as a choice among `count`, and the rest. A digit chooses its own number.
pub fn choice(data: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((usize::from(first.wrapping_sub(b'0')) % count, rest))
}

/// Text for a person's screen: short, on one line, without control characters.
pub fn is_shown(words: &str) {
    assert!(!words.is_empty(), "the error text is empty");
    assert!(words.len() <= LONGEST_DETAIL, "the error text has {} bytes: {words:.80}", words.len());
    assert!(!words.chars().any(char::is_control), "control characters are shown: {words:?}");
}

/// A failure gives its class and a short detail.
pub fn is_failure(failure: &Failure) {
    is_shown(&failure.to_string());
}

/// A valid observation: it survives its own JSON, every text is bounded, every amount is exact.
pub fn is_sight(seen: &Observation) {
    assert!(!seen.state.is_empty() && seen.state.len() <= 256, "state {:?}", seen.state);
    assert!(!seen.id.is_empty() && seen.id.len() <= 256, "id {:?}", seen.id);
    // The digest of the answer is kept in the history only.
    survives(&Observation { answer_sha256: None, ..seen.clone() });
    for mark in &seen.marks {
        is_shown(&mark.explanation);
    }
    for money in amounts(seen) {
        let again = Money::parse(&money.amount_text(), money.currency.as_str());
        assert_eq!(again.as_ref(), Ok(money), "an amount that cannot be written and read back");
    }
}

/// All amounts of an observation.
pub fn amounts(seen: &Observation) -> impl Iterator<Item = &Money> {
    seen.amount.iter().chain(seen.other_amounts.values())
}

/// Writing and reading back gives the same value.
pub fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("it can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(&again, value, "{text}");
}

/// Every run of digits, points and signs in these bytes, as a number. The reader invented any amount that is
/// not among them.
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

/// No amount is read that is not in the input. With `is_minor`, the provider's numbers count the smallest
/// unit.
pub fn amounts_stand_in(seen: &Observation, known: &BTreeSet<Decimal>, is_minor: bool) {
    for money in amounts(seen) {
        let number = match is_minor {
            true => money.minor_units().map(Decimal::from),
            false => Some(money.amount),
        };
        assert!(number.is_some_and(|number| known.contains(&number)), "{money} is not in the input");
    }
}

/// The number of lines, including an unfinished one.
pub fn lines(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    u64::try_from(ends).expect("inputs are small") + 1
}
