//! The check of a call's parameters before anything is sent: all problems at once.
//!
//! Owns: value sets, lengths, rules between parameters (docs/src/reference/amazon-pay-v2.md, sections 2.5, 3, 4 and
//! 5). Must never know: the network, an account.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Operation, Parameter, Value};
use crate::apis::config::Problem;
use crate::payments::money::Money;
use crate::payments::object::ObjectId;
use crate::text;

/// The largest amount of one charge or refund (sections 4.1 and 5): 150,000 USD, GBP, EUR; 10,000,000 JPY.
const MOST: [(&str, u32); 4] = [("USD", 150_000), ("GBP", 150_000), ("EUR", 150_000), ("JPY", 10_000_000)];

/// Our limit for texts whose maximum length is not documented.
const LONGEST_TEXT: usize = 4096;
/// The longest idempotency key (section 2.5).
pub(super) const LONGEST_KEY: usize = 32;

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
        match operation.parameters.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => problems.extend(problem(parameter, value)),
            None => problems.push(unknown(operation, name)),
        }
    }
    problems.extend(amounts(operation, given));
    if operation.name == "UpdateChargePermission" && given.keys().all(|name| !name.contains('.')) {
        problems.push(Problem::new(operation.name, "sets nothing", "give at least one of its parameters"));
    }
    let captures_now = given.get("captureNow").is_some_and(|flag| flag == "true");
    if operation.name == "CreateCharge" && given.contains_key("softDescriptor") && !captures_now {
        let remedy = "give captureNow=true too, or give it to CaptureCharge instead";
        problems.push(Problem::new("softDescriptor", "is allowed only with captureNow=true", remedy));
    }
    problems
}

fn unknown(operation: &Operation, name: &str) -> Problem {
    let nearest = operation.parameters.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    let remedy = nearest.map_or_else(
        || {
            let names: Vec<&str> = operation.parameters.iter().map(|known| known.name).collect();
            format!("write one of {}", names.join(", "))
        },
        |known| format!("write {}: names are case-sensitive", known.name),
    );
    Problem::new(text::short(name, 80), format!("is not a parameter of {}", operation.name), remedy)
}

/// The problem of one value. The value itself is never repeated, because it may be the buyer's.
fn problem(parameter: &Parameter, value: &str) -> Option<Problem> {
    let describe = || format!("give {}", parameter.value.describe());
    let bad = |what: String| Some(Problem::new(parameter.name, what, describe()));
    if value.is_empty() {
        return bad("is empty".to_owned());
    }
    let length = value.chars().count();
    let is_good = match parameter.value {
        Value::Text(longest) if length > longest => {
            return bad(format!("has {length} characters, {longest} are allowed"));
        }
        Value::Text(_) => true,
        Value::UnboundedText => length <= LONGEST_TEXT,
        Value::Id(_) => ObjectId::new(value).is_ok_and(|id| !id.is_folded_in_paths()),
        // Checked below, together with its currency.
        Value::Amount => true,
        Value::Currency => value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_uppercase()),
        Value::Flag => matches!(value, "true" | "false"),
        Value::OneOf(words) => words.contains(&value),
        Value::Url => value.starts_with("https://") && length <= LONGEST_TEXT && !value.contains(' '),
        Value::Key => is_key(value),
    };
    if is_good { None } else { bad("has an invalid value".to_owned()) }
}

/// Letters, digits, `-` and `_`, at most 32 (section 2.5).
fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The problem of the amount and its currency, if the operation has one: each needs the other.
fn amounts(operation: &Operation, given: &BTreeMap<String, String>) -> Option<Problem> {
    let prefix = operation.parameters.iter().find_map(|known| known.name.strip_suffix(".amount"))?;
    let (amount_name, currency_name) = (format!("{prefix}.amount"), format!("{prefix}.currencyCode"));
    let is_required = operation.parameters.iter().any(|known| known.is_required && known.name == amount_name);
    let (amount, currency) = match (given.get(&amount_name), given.get(&currency_name)) {
        (Some(amount), Some(currency)) => (amount, currency),
        // A missing required parameter has been reported already.
        (None, None) => return None,
        _ if is_required => return None,
        (Some(_), None) => {
            let what = "is missing beside the amount";
            return Some(Problem::new(currency_name, what, "give a currency such as EUR"));
        }
        (None, Some(_)) => {
            let what = "is missing beside the currency";
            return Some(Problem::new(amount_name, what, "give an amount such as 14.00"));
        }
    };
    let what = match Money::parse(amount, currency) {
        // A bad currency is reported at the currency itself.
        Err(_) if currency.parse::<crate::payments::money::Currency>().is_err() => return None,
        Err(problem) => problem.to_string(),
        Ok(money) if money.amount <= Decimal::ZERO => "is not above zero".to_owned(),
        Ok(money) => {
            let (_, most) = MOST.iter().find(|(known, _)| known == currency)?;
            if money.amount <= Decimal::from(*most) {
                return None;
            }
            format!("is above {most} {currency}, the most that one transaction may move")
        }
    };
    Some(Problem::new(amount_name, what, "give an amount such as 14.00"))
}
