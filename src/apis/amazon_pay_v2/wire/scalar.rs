//! Single values as they stand in JSON, undigested.
//!
//! Owns: exact numbers, both forms of a timestamp. Must never know: which field a value belongs to.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::payments::money::{BadMoney, Currency, Money};

/// A value as it was sent: a number keeps its digits, because it never becomes a float.
#[derive(Deserialize, Clone, Copy)]
#[serde(transparent)]
pub(super) struct Scalar<'a>(#[serde(borrow)] &'a RawValue);

impl Scalar<'_> {
    /// The text of a string, number or boolean, letter for letter; none for null, empty and the rest.
    pub(super) fn text(self) -> Option<String> {
        let raw = self.0.get();
        match raw.bytes().next()? {
            b'"' => serde_json::from_str(raw).ok().filter(|text: &String| !text.trim().is_empty()),
            b'-' | b'0'..=b'9' | b't' | b'f' => Some(raw.to_owned()),
            _ => None,
        }
    }

    /// Whether it is a string.
    pub(super) fn is_string(self) -> bool {
        self.0.get().starts_with('"')
    }

    /// An object, for reading it further; none for everything else.
    pub(super) fn object<'b, T: Deserialize<'b>>(&'b self) -> Option<Result<T, serde_json::Error>> {
        self.beginning_with(b'{')
    }

    /// A list, for reading it further; none for everything else.
    pub(super) fn list<'b, T: Deserialize<'b>>(&'b self) -> Option<Result<Vec<T>, serde_json::Error>> {
        self.beginning_with(b'[')
    }

    /// serde would take a list for a struct, field by field in order: the form is checked here.
    fn beginning_with<'b, T: Deserialize<'b>>(&'b self, first: u8) -> Option<Result<T, serde_json::Error>> {
        (self.0.get().bytes().next() == Some(first)).then(|| serde_json::from_str(self.0.get()))
    }

    /// Null stands for absent.
    pub(super) fn is_null(self) -> bool {
        self.0.get() == "null"
    }
}

/// `{"amount": "14.00", "currencyCode": "USD"}` (section 3). The amount may also be a number.
#[derive(Deserialize)]
pub(super) struct Price<'a> {
    #[serde(borrow, default)]
    amount: Option<Scalar<'a>>,
    #[serde(rename = "currencyCode", borrow, default)]
    currency_code: Option<Scalar<'a>>,
}

impl Price<'_> {
    /// None when it holds no amount. An error when it holds one that cannot be read exactly.
    pub(super) fn money(&self) -> Option<Result<Money, BadMoney>> {
        let amount = self.amount.and_then(Scalar::text)?;
        let currency = self.currency_code.and_then(Scalar::text).unwrap_or_default();
        Some(read_money(&amount, &currency))
    }
}

fn read_money(amount: &str, currency: &str) -> Result<Money, BadMoney> {
    if !amount.contains(['e', 'E']) {
        return Money::parse(amount, currency);
    }
    // Some JSON writers print a round number as 1E+2, which is exact all the same.
    let code: Currency = currency.parse()?;
    let bad = || BadMoney::Amount(amount.chars().take(40).collect());
    let exact = Decimal::from_scientific(amount).map_err(|_| bad())?;
    let is_small = amount.len() <= 28 && exact.scale() <= 12;
    if is_small { Money::new(exact, code) } else { Err(bad()) }
}

/// `20190714T155300Z` or `2022-12-07T17:08:26.717Z`.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
