//! The parameters of one call, checked against the operation's rules.
//!
//! Owns: required, unknown, too long, not in the value set. Must never know: states.

use rust_decimal::Decimal;

use super::form::Parameters;
use super::money::{CURRENCIES, Money};
use super::operations::{Operation, Rule, Shape};
use super::refusal::{Code, Refusal};

/// Checked parameters. Empty optional ones count as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    parameters: Parameters,
}

impl Arguments {
    /// Checks names, presence and shapes (docs/src/reference/amazon-pay-mws.md section 3.2).
    pub(super) fn check(operation: &Operation, mut parameters: Parameters) -> Result<Arguments, Refusal> {
        parameters.retain(|_, value| !value.is_empty());
        for rule in operation.rules.iter().filter(|rule| rule.is_required) {
            if !parameters.contains_key(rule.name) {
                return Err(invalid(format!("Parameter {} is required", rule.name)));
            }
        }
        for (name, value) in &parameters {
            let rule = operation.rules.iter().find(|rule| fits(rule.name, name));
            let rule = rule.ok_or_else(|| {
                invalid(format!("{} does not have the parameter {}", operation.action, shown(name)))
            })?;
            check_shape(rule, value)?;
        }
        Ok(Arguments { parameters })
    }

    /// A value, if one was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// A required value.
    pub(super) fn required(&self, name: &str) -> &str {
        self.get(name).expect("the rules of the operation require it")
    }

    /// A flag; absent is `default`.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value == "true")
    }

    /// The sum under `prefix`: both parts, or neither.
    pub(super) fn money(&self, prefix: &str) -> Result<Option<Money>, Refusal> {
        let amount = self.get(&format!("{prefix}.Amount"));
        let currency = self.get(&format!("{prefix}.CurrencyCode"));
        match (amount, currency) {
            (None, None) => Ok(None),
            (Some(amount), Some(currency)) => Money::read(amount, currency)
                .map(Some)
                .ok_or_else(|| invalid(format!("{prefix}.Amount is not an amount in {currency}"))),
            _ => Err(invalid(format!("{prefix} needs both Amount and CurrencyCode"))),
        }
    }

    /// A required sum above zero.
    pub(super) fn positive_money(&self, prefix: &str) -> Result<Money, Refusal> {
        let money = self.money(prefix)?.expect("the rules of the operation require it");
        if money.amount <= Decimal::ZERO {
            return Err(invalid(format!("{prefix}.Amount must be above zero")));
        }
        Ok(money)
    }

    /// The values of a numbered list, in the order of their numbers.
    pub(super) fn list(&self, prefix: &str) -> Vec<&str> {
        let numbered = self.parameters.iter().filter_map(|(name, value)| {
            let number: u64 = name.strip_prefix(prefix)?.strip_prefix('.')?.parse().ok()?;
            Some((number, value.as_str()))
        });
        let mut numbered: Vec<(u64, &str)> = numbered.collect();
        numbered.sort_unstable();
        numbered.into_iter().map(|(_, value)| value).collect()
    }

    /// All parameters, to compare a repeated call with the first.
    pub(super) fn all(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether nothing was given but these.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.parameters.keys().all(|name| names.contains(&name.as_str()))
    }
}

fn invalid(message: String) -> Refusal {
    Code::InvalidParameterValue.because(message)
}

fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(80).collect()
}

/// Whether a name fits a rule's name, in which a segment `N` stands for a number from 1.
fn fits(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('.'), name.split('.'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("N"), Some(number)) if is_counting_number(number) => {}
            (Some(one), Some(other)) if one == other && one != "N" => {}
            _ => return false,
        }
    }
}

fn is_counting_number(text: &str) -> bool {
    text.len() <= 4 && !text.starts_with('0') && text.parse::<u16>().is_ok_and(|number| number > 0)
}

fn check_shape(rule: &Rule, value: &str) -> Result<(), Refusal> {
    // XML 1.0 could not give such a character back.
    if value.chars().any(|character| character.is_control() && !"\t\n\r".contains(character)) {
        return Err(invalid(format!("{} contains a control character", rule.name)));
    }
    let problem = match rule.shape {
        Shape::Free => None,
        Shape::Text(limit) => {
            (value.chars().count() > limit).then(|| format!("may have {limit} characters at most"))
        }
        Shape::Amount => (!Money::is_amount(value)).then(|| "must be a decimal number".to_owned()),
        Shape::Currency if !CURRENCIES.contains(&value) => {
            let message = format!("{} is not a supported currency", shown(value));
            return Err(Code::CurrencyUnsupported.because(message));
        }
        Shape::Currency => None,
        Shape::Boolean => (!["true", "false"].contains(&value)).then(|| "must be true or false".to_owned()),
        Shape::Timeout => (!is_timeout(value)).then(|| "must be 0, or 5 to 1440 in steps of 5".to_owned()),
        Shape::OneOf(words) => {
            (!words.contains(&value)).then(|| format!("must be one of {}", words.join(", ")))
        }
        Shape::Url => (!value.starts_with("https://") && !value.starts_with("http://"))
            .then(|| "must be an address".to_owned()),
    };
    match problem {
        Some(problem) => Err(invalid(format!("{} {problem}", rule.name))),
        None => Ok(()),
    }
}

fn is_timeout(value: &str) -> bool {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && value.parse::<u32>().is_ok_and(|minutes| minutes <= 1440 && minutes % 5 == 0)
}

#[cfg(test)]
mod tests {
    use super::super::operations::find;
    use super::*;

    fn check(action: &str, pairs: &[(&str, &str)]) -> Result<Arguments, Refusal> {
        let parameters = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Arguments::check(find(action).expect("an operation"), parameters)
    }

    const AUTHORIZE: [(&str, &str); 4] = [
        ("AmazonOrderReferenceId", "S01-1234567-1234567"),
        ("AuthorizationReferenceId", "auth-1"),
        ("AuthorizationAmount.Amount", "94.50"),
        ("AuthorizationAmount.CurrencyCode", "EUR"),
    ];

    #[test]
    fn every_required_parameter_is_required() {
        assert!(check("Authorize", &AUTHORIZE).is_ok());
        for left_out in 0..AUTHORIZE.len() {
            let mut pairs = AUTHORIZE.to_vec();
            pairs[left_out].1 = "";
            let refused = check("Authorize", &pairs).expect_err("one is missing");
            assert_eq!(refused.code, Code::InvalidParameterValue);
            assert!(refused.message.contains(AUTHORIZE[left_out].0), "{}", refused.message);
        }
    }

    #[test]
    fn values_and_names_are_checked() {
        let long_note = "x".repeat(256);
        let table: &[(&str, &str, Option<Code>)] = &[
            ("SellerAuthorizationNote", &long_note[1..], None),
            ("SellerAuthorizationNote", &long_note, Some(Code::InvalidParameterValue)),
            ("SellerAuthorizationNote", "a\u{1}", Some(Code::InvalidParameterValue)),
            ("TransactionTimeout", "0", None),
            ("TransactionTimeout", "1440", None),
            ("TransactionTimeout", "1445", Some(Code::InvalidParameterValue)),
            ("TransactionTimeout", "7", Some(Code::InvalidParameterValue)),
            ("TransactionTimeout", "+5", Some(Code::InvalidParameterValue)),
            ("CaptureNow", "True", Some(Code::InvalidParameterValue)),
            ("SoftDescriptor", "12345678901234567", Some(Code::InvalidParameterValue)),
            ("AuthorizationAmount.Amount", "1e3", Some(Code::InvalidParameterValue)),
            ("AuthorizationAmount.Amount", "-1", Some(Code::InvalidParameterValue)),
            ("AuthorizationAmount.CurrencyCode", "XXX", Some(Code::CurrencyUnsupported)),
            (
                "AuthorizationReferenceId",
                "123456789012345678901234567890123",
                Some(Code::InvalidParameterValue),
            ),
            ("ProviderCreditList.member.1.ProviderId", "A1", None),
            ("ProviderCreditList.member.0.ProviderId", "A1", Some(Code::InvalidParameterValue)),
            ("ProviderCreditList.member.N.ProviderId", "A1", Some(Code::InvalidParameterValue)),
            ("SellerNote", "of another call", Some(Code::InvalidParameterValue)),
            ("sellerAuthorizationNote", "wrong case", Some(Code::InvalidParameterValue)),
        ];
        for (name, value, wanted) in table {
            let mut pairs = AUTHORIZE.to_vec();
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
            assert_eq!(
                check("Authorize", &pairs).err().map(|refused| refused.code),
                *wanted,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let prefix = "OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory";
        let names: Vec<String> = [1, 10, 2].iter().map(|number| format!("{prefix}.{number}")).collect();
        let arguments = check(
            "SetOrderAttributes",
            &[("AmazonOrderReferenceId", "S01"), (&names[0], "a"), (&names[1], "c"), (&names[2], "b")],
        )
        .expect("well-formed");
        assert_eq!(arguments.list(prefix), ["a", "b", "c"]);
    }

    #[test]
    fn half_a_sum_is_refused() {
        let pairs = [("AmazonOrderReferenceId", "S01"), ("AuthorizationAmount.Amount", "1")];
        let arguments = check("ConfirmOrderReference", &pairs).expect("the names are right");
        assert!(arguments.money("AuthorizationAmount").is_err());
        assert_eq!(arguments.money("OrderTotal"), Ok(None));
    }
}
