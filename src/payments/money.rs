//! Exact amounts with a currency. Never a float, never rounded.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::object::text_schema;

/// An ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Currencies whose smallest unit is not a hundredth (ISO 4217, exponents other than 2).
const EXPONENTS: &[(&str, u32)] = &[
    ("BIF", 0),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("ISK", 0),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("PYG", 0),
    ("RWF", 0),
    ("UGX", 0),
    ("UYI", 0),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
    ("BHD", 3),
    ("IQD", 3),
    ("JOD", 3),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("TND", 3),
    ("CLF", 4),
    ("UYW", 4),
];

impl Currency {
    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII capitals")
    }

    /// How many decimals its amounts have (ISO 4217). 2 unless listed otherwise.
    pub fn exponent(&self) -> u32 {
        EXPONENTS.iter().find(|(code, _)| code.as_bytes() == self.0).map_or(2, |(_, exponent)| *exponent)
    }
}

/// An amount or currency that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMoney {
    /// Not three capital letters.
    #[error("currency {0:?} is not three capital letters (ISO 4217)")]
    Currency(String),
    /// Not a plain decimal number.
    #[error("amount {0:?} is not a plain decimal number such as 14.00")]
    Amount(String),
    /// More decimals than the currency has.
    #[error("amount {amount} has more decimals than {currency} allows ({exponent})")]
    TooFine {
        /// As given.
        amount: String,
        /// ISO 4217.
        currency: Currency,
        /// How many decimals the currency has.
        exponent: u32,
    },
}

impl FromStr for Currency {
    type Err = BadMoney;

    fn from_str(text: &str) -> Result<Self, BadMoney> {
        let letters: [u8; 3] =
            text.as_bytes().try_into().map_err(|_| BadMoney::Currency(text.chars().take(20).collect()))?;
        if letters.iter().all(u8::is_ascii_uppercase) {
            Ok(Currency(letters))
        } else {
            Err(BadMoney::Currency(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = BadMoney;
    fn try_from(text: String) -> Result<Self, BadMoney> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        text_schema("^[A-Z]{3}$")
    }
}

impl ToSchema for Currency {}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// An exact amount. Equality compares numbers: `1`, `1.0` and `1.00` are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// In the currency's main unit, exact.
    #[serde(with = "rust_decimal::serde::str")]
    #[schema(value_type = String, pattern = r"^-?[0-9]+(\.[0-9]+)?$")]
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: Currency,
}

impl Money {
    /// Reads a plain decimal (`14.00`, `-3`, `500`) as a provider writes it: no exponent, no separators.
    /// Extra trailing zeros are accepted (`500.00` JPY is 500 JPY); fractions of the smallest unit are not.
    pub fn parse(amount: &str, currency: &str) -> Result<Money, BadMoney> {
        let currency: Currency = currency.parse()?;
        let bad = || BadMoney::Amount(amount.chars().take(40).collect());
        let digits = amount.strip_prefix('-').unwrap_or(amount);
        let is_plain = !digits.is_empty()
            && digits.len() <= 28
            && digits.starts_with(|first: char| first.is_ascii_digit())
            && digits.ends_with(|last: char| last.is_ascii_digit())
            && digits.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
        if !is_plain {
            return Err(bad());
        }
        let amount_read = Decimal::from_str_exact(amount).map_err(|_| bad())?;
        Money::new(amount_read, currency)
    }

    /// Accepts a number with at most the currency's decimals, and pads it to exactly that many.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Money, BadMoney> {
        let exponent = currency.exponent();
        let mut amount_kept = amount.normalize();
        if amount_kept.scale() > exponent {
            return Err(BadMoney::TooFine { amount: amount.to_string(), currency, exponent });
        }
        amount_kept.rescale(exponent);
        Ok(Money { amount: amount_kept, currency })
    }

    /// The amount in the currency's smallest unit (cents, yen), if it fits into 64 bits.
    pub fn minor_units(&self) -> Option<i64> {
        let mut scaled = self.amount;
        scaled.rescale(self.currency.exponent());
        i64::try_from(scaled.mantissa()).ok()
    }

    /// Whether it is greater than zero.
    pub fn is_positive(&self) -> bool {
        self.amount > Decimal::ZERO
    }

    /// The number without its currency, with exactly the currency's decimals.
    pub fn amount_text(&self) -> String {
        let mut scaled = self.amount;
        scaled.rescale(self.currency.exponent());
        scaled.to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount_text(), self.currency)
    }
}

/// Three amounts that are never added to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Amounts {
    /// Reserved for the merchant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Money>,
    /// Total taken from the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// Total given back to the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
}

impl Amounts {
    /// Whether no amount is known.
    pub fn is_empty(&self) -> bool {
        *self == Amounts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        let shown = |amount, currency| Money::parse(amount, currency).map(|money| money.to_string()).ok();
        assert_eq!(shown("14", "EUR").as_deref(), Some("14.00 EUR"));
        assert_eq!(shown("0.1", "USD").as_deref(), Some("0.10 USD"));
        assert_eq!(shown("500", "JPY").as_deref(), Some("500 JPY"));
        assert_eq!(shown("500.00", "JPY").as_deref(), Some("500 JPY"));
        assert_eq!(shown("1.234", "KWD").as_deref(), Some("1.234 KWD"));
        assert_eq!(shown("-2.50", "GBP").as_deref(), Some("-2.50 GBP"));
        for (amount, currency) in [
            ("500.5", "JPY"),
            ("1.234", "EUR"),
            ("1e3", "EUR"),
            ("", "EUR"),
            (".5", "EUR"),
            ("5.", "EUR"),
            ("1,5", "EUR"),
            ("+1", "EUR"),
            ("NaN", "EUR"),
            ("1", "eur"),
            ("1", "EURO"),
            ("1.2.3", "EUR"),
            (" 1", "EUR"),
            ("99999999999999999999999999999", "EUR"),
        ] {
            assert!(Money::parse(amount, currency).is_err(), "{amount} {currency}");
        }
    }

    #[test]
    fn equality_compares_numbers_not_spelling() {
        assert_eq!(Money::parse("1", "EUR"), Money::parse("1.00", "EUR"));
        assert_ne!(Money::parse("1", "EUR"), Money::parse("1", "USD"));
    }

    proptest! {
        #[test]
        fn minor_units_and_text_agree(minor in -1_000_000_000_000i64..1_000_000_000_000, which in 0usize..4) {
            let currency = ["EUR", "JPY", "KWD", "USD"][which];
            let code: Currency = currency.parse().unwrap();
            let money = Money::new(Decimal::new(minor, code.exponent()), code).unwrap();
            prop_assert_eq!(money.minor_units(), Some(minor));
            prop_assert_eq!(Money::parse(&money.amount_text(), currency).unwrap(), money);
        }

        #[test]
        fn any_text_is_read_or_refused(amount in ".{0,40}", currency in ".{0,5}") {
            let _ = Money::parse(&amount, &currency);
        }
    }
}
