//! Sums of money as this section writes them.
//!
//! Owns: amounts, currencies, the documented ceilings. Must never know: states.

use rust_decimal::Decimal;

use super::xml::Element;

/// Currencies of docs/src/reference/amazon-pay-mws.md section 1.5.
pub(super) const CURRENCIES: &[&str] =
    &["USD", "EUR", "GBP", "JPY", "AUD", "ZAR", "CHF", "NOK", "DKK", "SEK", "NZD", "HKD"];

/// An amount with its currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) amount: Decimal,
    pub(super) currency: String,
}

impl Money {
    /// A sum from its two texts; `None` if the amount has more decimals than its currency.
    pub(super) fn read(amount: &str, currency: &str) -> Option<Money> {
        if !Money::is_amount(amount) {
            return None;
        }
        let amount = Decimal::from_str_exact(amount).ok()?;
        let decimals = if currency == "JPY" { 0 } else { 2 };
        (amount.normalize().scale() <= decimals).then(|| Money { amount, currency: currency.to_owned() })
    }

    /// Whether a text is a plain decimal number: digits, at most one point, digits.
    pub(super) fn is_amount(text: &str) -> bool {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.len() <= 20 && is_number(whole) && is_number(fraction)
    }

    /// Another amount in the same currency.
    pub(super) fn with(&self, amount: Decimal) -> Money {
        Money { amount, currency: self.currency.clone() }
    }

    /// This sum plus the lesser of 15 % and 75 (8400 yen): the most that may be captured of an order or
    /// refunded of a capture (sections 3.2 and 3.3).
    pub(super) fn with_overage(&self) -> Decimal {
        let fixed = if self.currency == "JPY" { Decimal::from(8400) } else { Decimal::from(75) };
        self.amount + (self.amount * Decimal::new(15, 2)).min(fixed)
    }

    /// The most that one authorization or capture may be: 150 000 in dollars, euros and pounds (section 3.2).
    pub(super) fn is_above_the_single_limit(&self) -> bool {
        ["USD", "EUR", "GBP"].contains(&self.currency.as_str()) && self.amount > Decimal::from(150_000)
    }

    /// `M(X)` of section 3.4.
    pub(super) fn element(&self, name: &str) -> Element {
        Element::of(
            name,
            vec![
                Element::text("CurrencyCode", &self.currency),
                Element::text("Amount", self.amount.to_string()),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_plain_decimals_of_their_currency() {
        let table = [
            ("94.50", "EUR", true),
            ("2", "USD", true),
            ("1.00", "JPY", true),
            ("1.5", "JPY", false),
            ("1.005", "USD", false),
            (".5", "USD", false),
            ("5.", "USD", false),
            ("1,00", "EUR", false),
            ("-1", "EUR", false),
            ("1e2", "EUR", false),
            ("", "EUR", false),
        ];
        for (amount, currency, is_good) in table {
            assert_eq!(Money::read(amount, currency).is_some(), is_good, "{amount} {currency}");
        }
    }

    #[test]
    fn the_overage_is_the_lesser_of_its_two_measures() {
        let table = [("100", "USD", "115.00"), ("1000", "EUR", "1075"), ("10000", "JPY", "11500.00")];
        for (amount, currency, ceiling) in table {
            let money = Money::read(amount, currency).expect("an amount");
            assert_eq!(money.with_overage(), ceiling.parse::<Decimal>().expect("a number"), "{amount}");
        }
        assert_eq!(Money::read("100000", "JPY").expect("an amount").with_overage(), Decimal::from(108_400));
    }
}
