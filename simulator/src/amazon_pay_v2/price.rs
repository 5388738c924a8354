//! Money as Amazon Pay v2 writes it (docs/src/reference/amazon-pay-v2.md section 3).
//!
//! Owns: amounts, currencies and their limits. Must never know: what is paid for.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::errors::Refusal;

/// Currencies with their decimal places; the first four are the ledger currencies.
const CURRENCIES: [(&str, u32); 12] = [
    ("USD", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("JPY", 0),
    ("AUD", 2),
    ("CHF", 2),
    ("DKK", 2),
    ("HKD", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("SEK", 2),
    ("ZAR", 2),
];

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) amount: Decimal,
    pub(super) currency: &'static str,
    decimals: u32,
}

impl Price {
    /// An amount with the currency's decimals or fewer, above zero and within the absolute maximum of
    /// 150,000, or 10,000,000 yen.
    pub(super) fn new(amount: Decimal, currency: &str) -> Result<Price, String> {
        let known = CURRENCIES.iter().find(|(code, _)| *code == currency);
        let (currency, decimals) = known.ok_or_else(|| format!("`{currency}` is no supported currency"))?;
        if amount.normalize().scale() > *decimals {
            return Err(format!("{amount} has more than {decimals} decimals for {currency}"));
        }
        let most = if *decimals == 0 { 10_000_000 } else { 150_000 };
        if amount <= Decimal::ZERO || amount > Decimal::from(most) {
            return Err(format!("{amount} is not above zero and at most {most}"));
        }
        Ok(Price { amount, currency, decimals: *decimals })
    }

    /// A price from a plan.
    pub(super) fn planned(amount: &str, currency: &str) -> Result<Price, String> {
        let amount = amount.parse().map_err(|_| format!("`{amount}` is no amount"))?;
        Price::new(amount, currency)
    }

    /// `{"amount": "14.00", "currencyCode": "USD"}`; the amount as a string or a number.
    pub(super) fn read(value: &Value, parameter: &str) -> Result<Price, Refusal> {
        let object = value.as_object().ok_or_else(|| Refusal::invalid(parameter))?;
        if let Some(unknown) = object.keys().find(|key| !matches!(key.as_str(), "amount" | "currencyCode")) {
            let message = format!("The field [{parameter}.{unknown}] is not recognized.");
            return Err(Refusal::new(400, "UnrecognizedField", message));
        }
        let amount = match object.get("amount") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(Refusal::invalid(&format!("{parameter}.amount"))),
            None => return Err(Refusal::missing(&format!("{parameter}.amount"))),
        };
        let currency = object.get("currencyCode").and_then(Value::as_str);
        let currency = currency.ok_or_else(|| Refusal::missing(&format!("{parameter}.currencyCode")))?;
        Price::planned(&amount, currency).map_err(|_| Refusal::invalid(parameter))
    }

    /// The same currency, another amount, unchecked: zero and balances are allowed.
    pub(super) fn with_amount(self, amount: Decimal) -> Price {
        Price { amount, ..self }
    }

    /// The amount with all of the currency's decimals.
    pub(super) fn amount_text(&self) -> String {
        let mut amount = self.amount;
        amount.rescale(self.decimals);
        amount.to_string()
    }

    pub(super) fn json(&self) -> Value {
        json!({"amount": self.amount_text(), "currencyCode": self.currency})
    }

    /// How much more than captured may be refunded: the lesser of 15 % and 75, or 8,400 yen
    /// (docs/src/reference/amazon-pay-v2.md section 5).
    pub(super) fn refund_margin(&self) -> Decimal {
        let most = if self.decimals == 0 { Decimal::from(8_400) } else { Decimal::from(75) };
        (self.amount * Decimal::new(15, 2)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value, expected: Result<&str, &str>) {
        let read = Price::read(&body, "chargeAmount");
        let shown = read.as_ref().map(Price::amount_text).map_err(|refusal| refusal.reason_code);
        assert_eq!(shown.as_deref().map_err(|code| *code), expected, "{body}");
    }

    #[test]
    fn prices_are_read_exactly() {
        check(json!({"amount": "14.00", "currencyCode": "USD"}), Ok("14.00"));
        check(json!({"amount": 14, "currencyCode": "EUR"}), Ok("14.00"));
        check(json!({"amount": 0.1, "currencyCode": "EUR"}), Ok("0.10"));
        check(json!({"amount": "500", "currencyCode": "JPY"}), Ok("500"));
        check(json!({"amount": "500.5", "currencyCode": "JPY"}), Err("InvalidParameterValue"));
        check(json!({"amount": "1.001", "currencyCode": "USD"}), Err("InvalidParameterValue"));
        check(json!({"amount": "0", "currencyCode": "USD"}), Err("InvalidParameterValue"));
        check(json!({"amount": "-1", "currencyCode": "USD"}), Err("InvalidParameterValue"));
        check(json!({"amount": "150000.01", "currencyCode": "USD"}), Err("InvalidParameterValue"));
        check(json!({"amount": "1", "currencyCode": "XXX"}), Err("InvalidParameterValue"));
        check(json!({"currencyCode": "USD"}), Err("MissingParameterValue"));
        check(json!({"amount": "1"}), Err("MissingParameterValue"));
        check(json!({"amount": "1", "currencyCode": "USD", "x": 1}), Err("UnrecognizedField"));
        check(json!("1"), Err("InvalidParameterValue"));
    }

    #[test]
    fn the_refund_margin_has_two_ceilings() {
        let margin = |amount: &str, currency: &str| {
            Price::planned(amount, currency).expect("a price").refund_margin().normalize().to_string()
        };
        assert_eq!(margin("100", "USD"), "15");
        assert_eq!(margin("1000", "USD"), "75");
        assert_eq!(margin("100000", "JPY"), "8400");
    }
}
