//! Checks a call's parameters before anything is sent, and reports all problems at once.
//!
//! Owns: value sets, lengths, rules between parameters (docs/src/reference/amazon-pay-mws.md, sections 1.5 and
//! 3.2). Must never know: the network, an account.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Operation, Parameter, Value};
use crate::apis::config::Problem;
use crate::payments::money::Money;
use crate::payments::object::ObjectId;
use crate::text;

/// The currencies of section 1.5.
pub(in crate::apis::amazon_pay_mws) const CURRENCIES: [&str; 12] =
    ["USD", "EUR", "GBP", "JPY", "AUD", "ZAR", "CHF", "NOK", "DKK", "SEK", "NZD", "HKD"];

/// The documented maximum of one authorization, capture or refund, in the currencies that have one.
const MOST: u32 = 150_000;
const MOST_IN: [&str; 3] = ["USD", "GBP", "EUR"];

/// The longest text where the reference gives no length.
const LONGEST_TEXT: usize = 4096;

/// All problems of these parameters for this operation.
pub(super) fn problems(operation: &Operation, given: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.is_required) {
        if !given.contains_key(parameter.name) {
            let remedy = format!("give {}", parameter.value.describe());
            problems.push(Problem::new(parameter.name, "is missing", remedy));
        }
    }
    for (name, value) in given {
        match operation.parameters.iter().find(|parameter| parameter.is_named(name)) {
            Some(parameter) => problems.extend(problem(parameter, name, value)),
            None => problems.push(unknown(operation, name)),
        }
    }
    problems.extend(amounts(operation, given));
    problems.extend(gaps(operation, given));
    problems.extend(between(operation, given));
    problems
}

fn unknown(operation: &Operation, name: &str) -> Problem {
    let nearest = operation.parameters.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    let remedy = match nearest {
        Some(known) => format!("write {}: names are case-sensitive", known.name),
        None if operation.parameters.is_empty() => "leave it out: the operation has no parameters".to_owned(),
        None => {
            let names: Vec<&str> = operation.parameters.iter().map(|known| known.name).collect();
            format!("write one of {}", names.join(", "))
        }
    };
    Problem::new(text::short(name, 80), format!("is not a parameter of {}", operation.name), remedy)
}

/// What is wrong with one value. The value itself is never repeated, because it may be the buyer's.
fn problem(parameter: &Parameter, name: &str, value: &str) -> Option<Problem> {
    let bad = |what: String| Some(Problem::new(name, what, format!("give {}", parameter.value.describe())));
    if value.is_empty() {
        return bad("is empty".to_owned());
    }
    if !value.chars().all(is_xml) {
        return bad("has a character that XML does not allow".to_owned());
    }
    let is_too_long = |longest: usize| value.chars().count() > longest;
    let is_good = match parameter.value {
        Value::Text(longest) if is_too_long(longest) => {
            return bad(format!("has {} characters, {longest} are allowed", value.chars().count()));
        }
        Value::Text(_) => true,
        Value::UnboundedText | Value::BuyerToken => !is_too_long(LONGEST_TEXT),
        Value::Reference => is_reference(value),
        Value::Id(_) | Value::OtherId(_) => ObjectId::new(value).is_ok_and(|id| !id.is_folded_in_paths()),
        Value::Time => value.ends_with('Z') && value.parse::<Timestamp>().is_ok(),
        Value::Count => value.parse::<u16>().is_ok_and(|count| count > 0),
        // The number is checked with its currency.
        Value::Amount => true,
        Value::Currency => CURRENCIES.contains(&value),
        Value::Flag => matches!(value, "true" | "false"),
        Value::Timeout => is_timeout(value),
        Value::OneOf(words) => words.contains(&value),
        Value::Url => value.starts_with("https://") && !is_too_long(LONGEST_TEXT) && !value.contains(' '),
    };
    if is_good { None } else { bad("is not a valid value".to_owned()) }
}

/// "ref32" with only the advised characters: any others cause trouble in files and tables.
pub(in crate::apis::amazon_pay_mws) fn is_reference(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A character that XML 1.0 can carry.
pub(in crate::apis::amazon_pay_mws) fn is_xml(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_timeout(text: &str) -> bool {
    let is_plain = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && text.parse::<u16>().is_ok_and(|minutes| minutes <= 1440 && minutes % 5 == 0)
}

/// Checks every amount together with its currency.
fn amounts(operation: &Operation, given: &BTreeMap<String, String>) -> Vec<Problem> {
    let prefixes: BTreeSet<&str> = given
        .keys()
        .filter(|name| operation.parameters.iter().any(|parameter| parameter.is_named(name)))
        .filter_map(|name| name.strip_suffix(".Amount").or_else(|| name.strip_suffix(".CurrencyCode")))
        .collect();
    prefixes.into_iter().filter_map(|prefix| amount(operation, given, prefix)).collect()
}

fn amount(operation: &Operation, given: &BTreeMap<String, String>, prefix: &str) -> Option<Problem> {
    let (amount_name, currency_name) = (format!("{prefix}.Amount"), format!("{prefix}.CurrencyCode"));
    let is_required = |name: &str| {
        operation.parameters.iter().any(|parameter| parameter.is_required && parameter.name == name)
    };
    match (given.get(&amount_name), given.get(&currency_name)) {
        (Some(amount), Some(currency)) => {
            let what = amount_problem(amount, currency)?;
            Some(Problem::new(amount_name, what, "give an amount such as 14.00"))
        }
        (Some(_), None) if !is_required(&currency_name) => {
            Some(Problem::new(currency_name, "is missing beside the amount", "give a currency such as EUR"))
        }
        (None, Some(_)) if !is_required(&amount_name) => {
            Some(Problem::new(amount_name, "is missing beside the currency", "give an amount such as 14.00"))
        }
        _ => None,
    }
}

/// What is wrong with an amount to be moved, if anything.
pub(in crate::apis::amazon_pay_mws) fn amount_problem(amount: &str, currency: &str) -> Option<String> {
    if !CURRENCIES.contains(&currency) {
        // Reported for the currency.
        return None;
    }
    match Money::parse(amount, currency) {
        Err(problem) => Some(problem.to_string()),
        Ok(money) if money.amount <= Decimal::ZERO => Some("is not above zero".to_owned()),
        Ok(money) if MOST_IN.contains(&currency) && money.amount > Decimal::from(MOST) => {
            Some(format!("is above {MOST} {currency}, the most that one transaction may move"))
        }
        Ok(_) => None,
    }
}

/// Lists are numbered from 1 without gaps (section 1.5).
fn gaps(operation: &Operation, given: &BTreeMap<String, String>) -> Option<Problem> {
    let mut numbers: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for parameter in operation.parameters {
        let Some(at) = parameter.name.find(".N") else { continue };
        let prefix = &parameter.name[..at];
        for name in given.keys().filter(|name| parameter.is_named(name)) {
            let number: Option<u16> =
                name.get(at + 1..).and_then(|rest| rest.split('.').next()?.parse().ok());
            numbers.entry(prefix).or_default().extend(number);
        }
    }
    let has_gap =
        |numbers: &BTreeSet<u16>| numbers.last().is_some_and(|last| usize::from(*last) != numbers.len());
    let (prefix, _) = numbers.into_iter().find(|(_, numbers)| has_gap(numbers))?;
    Some(Problem::new(format!("{prefix}.N"), "has a gap", "number from 1 without gaps"))
}

/// The longest time range that a list of orders may cover (section 3.2).
const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A time range has both ends or neither. The end is not before the start, and not too long after it.
fn range(given: &BTreeMap<String, String>) -> Option<Problem> {
    let (start_name, end_name) = ("CreatedTimeRange.StartTime", "CreatedTimeRange.EndTime");
    let time = |text: &String| text.parse::<Timestamp>().ok();
    let (start, end) = match (given.get(start_name), given.get(end_name)) {
        (Some(start), Some(end)) => (time(start)?, time(end)?),
        (Some(_), None) => return Some(Problem::new(end_name, "is missing", "give both ends, or neither")),
        (None, Some(_)) => return Some(Problem::new(start_name, "is missing", "give both ends, or neither")),
        (None, None) => return None,
    };
    let what = if end < start {
        "is before the start"
    } else if end.duration_since(start) > LONGEST_RANGE {
        "is more than 31 days after the start"
    } else {
        return None;
    };
    Some(Problem::new(end_name, what, "give an end at most 31 days after the start"))
}

/// Rules between parameters.
fn between(operation: &Operation, given: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if given.contains_key("AccessToken") && given.contains_key("AddressConsentToken") {
        let remedy = "give only AccessToken, the newer of the two";
        problems.push(Problem::new("AddressConsentToken", "is given together with AccessToken", remedy));
    }
    if operation.name == "CreateOrderReferenceForId" && given.get("ConfirmNow").is_some_and(|is| is == "true")
    {
        let total = "OrderReferenceAttributes.OrderTotal.Amount";
        if !given.contains_key(total) {
            let remedy = "give the order's total, or leave ConfirmNow out";
            problems.push(Problem::new(total, "is missing, and ConfirmNow=true needs it", remedy));
        }
    }
    problems.extend(range(given));
    let sets_something = ["SetBillingAgreementDetails", "SetOrderAttributes"];
    if sets_something.contains(&operation.name) && given.keys().all(|name| name.starts_with("Amazon")) {
        problems.push(Problem::new(operation.name, "sets nothing", "give at least one attribute"));
    }
    problems
}
