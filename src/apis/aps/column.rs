//! The columns of a batch file: which parameters each command takes, and in which form (docs/src/reference/aps.md,
//! section 3.2).
//!
//! Owns: names, lengths, allowed characters, which command needs what. Must never know: files, lines, other rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The operation of a row (section 3.1). Payment links have their own files and are not supported here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// Takes money with a stored card token.
    Purchase,
    /// Takes money that was authorized.
    Capture,
    /// Returns money.
    Refund,
    /// Releases money that was authorized.
    VoidAuthorization,
}

impl Command {
    /// All of them.
    pub const ALL: [Command; 4] =
        [Command::Purchase, Command::Capture, Command::Refund, Command::VoidAuthorization];

    /// The provider's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Command::Purchase => "PURCHASE",
            Command::Capture => "CAPTURE",
            Command::Refund => "REFUND",
            Command::VoidAuthorization => "VOID_AUTHORIZATION",
        }
    }

    /// Parses the provider's word, which must match exactly.
    pub fn from_word(word: &str) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.as_str() == word)
    }

    /// The code of a successful operation (section 3.4).
    pub fn good_code(self) -> &'static str {
        match self {
            Command::Purchase => "14000",
            Command::Capture => "04000",
            Command::Refund => "06000",
            Command::VoidAuthorization => "08000",
        }
    }
}

/// A column, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the provider's parameter of the same name")]
pub enum Column {
    Command,
    MerchantReference,
    FortId,
    Amount,
    Currency,
    Language,
    CustomerEmail,
    Eci,
    TokenName,
    MaintenanceReference,
    PaymentOption,
    OrderDescription,
    CustomerName,
    PhoneNumber,
    SettlementReference,
    AgreementId,
    MerchantExtra,
    MerchantExtra1,
    MerchantExtra2,
    MerchantExtra3,
    MerchantExtra4,
    MerchantExtra5,
}

/// How many columns every file has (section 3.3); the others appear only when a row uses them.
pub const ALWAYS: usize = 10;

/// Whether a command takes a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must be present.
    Mandatory,
    /// It may be present.
    Optional,
    /// It must not be present.
    NotTaken,
}

/// Which characters a value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Alpha,
    Numeric,
    Alphanumeric,
    /// Names and descriptions: letters of any script, because the provider supports Arabic too.
    AnyAlphanumeric,
}

impl Column {
    /// All of them, in the order of the file.
    pub const ALL: [Column; 22] = [
        Column::Command,
        Column::MerchantReference,
        Column::FortId,
        Column::Amount,
        Column::Currency,
        Column::Language,
        Column::CustomerEmail,
        Column::Eci,
        Column::TokenName,
        Column::MaintenanceReference,
        Column::PaymentOption,
        Column::OrderDescription,
        Column::CustomerName,
        Column::PhoneNumber,
        Column::SettlementReference,
        Column::AgreementId,
        Column::MerchantExtra,
        Column::MerchantExtra1,
        Column::MerchantExtra2,
        Column::MerchantExtra3,
        Column::MerchantExtra4,
        Column::MerchantExtra5,
    ];

    /// The parameter's name.
    pub fn name(self) -> &'static str {
        self.form().0
    }

    /// The column of this parameter.
    pub fn from_name(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }

    /// All names in one line, for messages.
    pub fn names() -> String {
        Column::ALL.map(Column::name).join(", ")
    }

    /// Name, maximum length, letters, other characters (section 3.2).
    fn form(self) -> (&'static str, usize, Letters, &'static str) {
        use Letters::{Alpha, Alphanumeric, AnyAlphanumeric, Numeric};
        const EXTRA: &str = ".;/_-,'@";
        match self {
            Column::Command => ("command", 20, Alpha, "_"),
            Column::MerchantReference => ("merchant_reference", 40, Alphanumeric, "-_."),
            Column::FortId => ("fort_id", 20, Numeric, ""),
            Column::Amount => ("amount", 10, Numeric, ""),
            Column::Currency => ("currency", 3, Alpha, ""),
            Column::Language => ("language", 2, Alpha, ""),
            Column::CustomerEmail => ("customer_email", 254, Alphanumeric, "_-.@+"),
            Column::Eci => ("eci", 16, Alpha, ""),
            Column::TokenName => ("token_name", 100, Alphanumeric, "_-.@"),
            // The sources disagree: 40 or 200. A value that fits the shorter limit fits both.
            Column::MaintenanceReference => ("maintenance_reference", 40, Alphanumeric, "-_."),
            Column::PaymentOption => ("payment_option", 10, Alpha, ""),
            Column::OrderDescription => ("order_description", 150, AnyAlphanumeric, "'/._-#:$ "),
            Column::CustomerName => ("customer_name", 40, AnyAlphanumeric, "_\\/-.' "),
            Column::PhoneNumber => ("phone_number", 19, Numeric, "+-() "),
            Column::SettlementReference => ("settlement_reference", 34, Alphanumeric, "-_."),
            Column::AgreementId => ("agreement_id", 40, Alphanumeric, "-_."),
            Column::MerchantExtra => ("merchant_extra", 999, AnyAlphanumeric, EXTRA),
            Column::MerchantExtra1 => ("merchant_extra1", 250, AnyAlphanumeric, EXTRA),
            Column::MerchantExtra2 => ("merchant_extra2", 250, AnyAlphanumeric, EXTRA),
            Column::MerchantExtra3 => ("merchant_extra3", 250, AnyAlphanumeric, EXTRA),
            Column::MerchantExtra4 => ("merchant_extra4", 250, AnyAlphanumeric, EXTRA),
            Column::MerchantExtra5 => ("merchant_extra5", 250, AnyAlphanumeric, EXTRA),
        }
    }

    /// Whether `command` takes it (section 3.2). The sources disagree about the amount of a void, so it is
    /// optional.
    pub fn need(self, command: Command) -> Need {
        use Command::{Capture, Purchase, Refund, VoidAuthorization};
        match (self, command) {
            (Column::Command | Column::MerchantReference | Column::Language, _)
            | (Column::Amount | Column::Currency, Purchase | Capture | Refund)
            | (Column::CustomerEmail | Column::Eci | Column::TokenName, Purchase) => Need::Mandatory,
            (Column::Amount | Column::Currency, VoidAuthorization)
            | (Column::FortId, Capture | Refund | VoidAuthorization)
            | (Column::OrderDescription, _)
            | (Column::MaintenanceReference, Refund)
            | (
                Column::PaymentOption
                | Column::CustomerName
                | Column::PhoneNumber
                | Column::SettlementReference
                | Column::AgreementId
                | Column::MerchantExtra
                | Column::MerchantExtra1
                | Column::MerchantExtra2
                | Column::MerchantExtra3
                | Column::MerchantExtra4
                | Column::MerchantExtra5,
                Purchase,
            ) => Need::Optional,
            _ => Need::NotTaken,
        }
    }

    /// Whether a customer may have written it. A spreadsheet must not take it for a formula, and it must not contain
    /// a card number.
    fn is_free_text(self) -> bool {
        matches!(
            self,
            Column::OrderDescription
                | Column::CustomerName
                | Column::CustomerEmail
                | Column::MerchantExtra
                | Column::MerchantExtra1
                | Column::MerchantExtra2
                | Column::MerchantExtra3
                | Column::MerchantExtra4
                | Column::MerchantExtra5
        )
    }

    /// What is wrong with a value. The value itself is left out.
    pub fn fault(self, value: &str) -> Option<String> {
        let (_, longest, letters, specials) = self.form();
        let length = value.chars().count();
        if length > longest {
            return Some(format!("has {length} characters, at most {longest} are allowed"));
        }
        let fits = |letter: char| {
            specials.contains(letter)
                || match letters {
                    Letters::Alpha => letter.is_ascii_alphabetic(),
                    Letters::Numeric => letter.is_ascii_digit(),
                    Letters::Alphanumeric => letter.is_ascii_alphanumeric(),
                    Letters::AnyAlphanumeric => letter.is_alphanumeric(),
                }
        };
        if let Some(place) = value.chars().position(|letter| !fits(letter)) {
            return Some(format!("has a character that is not allowed, at position {}", place + 1));
        }
        if self.is_free_text() && value.starts_with(['=', '+', '-', '@']) {
            return Some("starts like a spreadsheet formula".to_owned());
        }
        if (self.is_free_text() || self == Column::TokenName) && holds_card_number(value) {
            return Some("seems to contain a card number; only a token may identify a card".to_owned());
        }
        self.wrong_word(value)
    }

    fn wrong_word(self, value: &str) -> Option<String> {
        let is_good = match self {
            Column::Language => matches!(value, "en" | "ar"),
            Column::Eci => value == "RECURRING",
            Column::PaymentOption => matches!(value, "MASTERCARD" | "VISA" | "AMEX"),
            Column::Currency => value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_uppercase()),
            Column::CustomerEmail => value.split('@').filter(|part| !part.is_empty()).count() == 2,
            _ => true,
        };
        let allowed = match self {
            Column::Language => "en or ar",
            Column::Eci => "RECURRING",
            Column::PaymentOption => "MASTERCARD, VISA or AMEX",
            Column::Currency => "three capital letters (ISO 4217)",
            _ => "an address with one @",
        };
        (!is_good).then(|| format!("must be {allowed}"))
    }
}

/// Whether 13 to 19 digits in a row, ignoring spaces and hyphens, pass the check-digit test of card numbers.
fn holds_card_number(value: &str) -> bool {
    let mut digits: Vec<u32> = Vec::new();
    let mut runs = Vec::new();
    for letter in value.chars().chain(std::iter::once('x')) {
        match letter.to_digit(10) {
            Some(digit) => digits.push(digit),
            None if matches!(letter, ' ' | '-') => {}
            None => runs.push(std::mem::take(&mut digits)),
        }
    }
    runs.iter().any(|run| (13..=19).contains(&run.len()) && passes_luhn(run))
}

fn passes_luhn(digits: &[u32]) -> bool {
    let weigh = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        _ => (digit * 2) / 10 + (digit * 2) % 10,
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

/// The column names in the header: the parameters' names unless configured otherwise. They can be changed because the
/// provider's own spelling is not known (section 7, point 1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap(BTreeMap<Column, String>);

impl ColumnMap {
    /// Makes a map from header words by parameter.
    ///
    /// # Errors
    /// Every parameter that does not exist and every word that cannot be used in a header.
    pub fn new(words: &BTreeMap<String, String>) -> Result<ColumnMap, Vec<String>> {
        let (mut map, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, word) in words {
            let is_plain = !word.is_empty()
                && word.len() <= 64
                && word.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"".contains(&byte));
            match Column::from_name(name) {
                Some(column) if is_plain => drop(map.insert(column, word.clone())),
                Some(_) => problems.push(format!("the word for {name} cannot be used in a header")),
                None => problems.push(format!("{name:?} is not a batch parameter")),
            }
        }
        let map = ColumnMap(map);
        let mut used: Vec<&str> = Column::ALL.iter().map(|column| map.word(*column)).collect();
        used.sort_unstable();
        if used.windows(2).any(|pair| pair[0] == pair[1]) {
            problems.push("two columns have the same word".to_owned());
        }
        if problems.is_empty() { Ok(map) } else { Err(problems) }
    }

    /// The header's word for a column.
    pub fn word(&self, column: Column) -> &str {
        self.0.get(&column).map_or(column.name(), String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_forms() {
        let check = |column: Column, value: &str, part: Option<&str>| {
            let fault = column.fault(value);
            match part {
                None => assert_eq!(fault, None, "{} {value}", column.name()),
                Some(part) => assert!(fault.as_deref().unwrap_or("").contains(part), "{value}: {fault:?}"),
            }
        };
        check(Column::MerchantReference, "XYZ9239-yu_8.98", None);
        check(Column::MerchantReference, "a b", Some("position 2"));
        check(Column::MerchantReference, &"x".repeat(41), Some("at most 40"));
        check(Column::Amount, "1234567890", None);
        check(Column::Amount, "12.50", Some("position 3"));
        check(Column::FortId, "149295435400084008", None);
        check(Column::CustomerName, "محمد O'Neil", None);
        check(Column::CustomerName, "-1", Some("formula"));
        check(Column::CustomerEmail, "customer+x@domain.com", None);
        check(Column::CustomerEmail, "customer", Some("one @"));
        check(Column::OrderDescription, "card 4005550000000001", Some("card number"));
        check(Column::TokenName, "4005-5500-0000-0001", Some("card number"));
        check(Column::TokenName, "Op9Vmp", None);
        check(Column::PhoneNumber, "+971 (4) 555", None);
        check(Column::Eci, "MOTO", Some("RECURRING"));
        check(Column::PaymentOption, "MADA", Some("MASTERCARD"));
        check(Column::Currency, "aed", Some("capital"));
        check(Column::Language, "fr", Some("en or ar"));
    }

    #[test]
    fn each_command_takes_its_own_parameters() {
        let count = |command: Command, need: Need| {
            Column::ALL.iter().filter(|column| column.need(command) == need).count()
        };
        assert_eq!(count(Command::Purchase, Need::Mandatory), 8);
        assert_eq!(count(Command::Capture, Need::Mandatory), 5);
        assert_eq!(count(Command::Refund, Need::Mandatory), 5);
        assert_eq!(count(Command::VoidAuthorization, Need::Mandatory), 3);
        assert_eq!(Column::FortId.need(Command::Purchase), Need::NotTaken);
        assert_eq!(Column::MaintenanceReference.need(Command::Capture), Need::NotTaken);
    }

    #[test]
    fn a_map_renames_columns_and_refuses_confusion() {
        let map = |name: &str, word: &str| ColumnMap::new(&[(name.to_owned(), word.to_owned())].into());
        assert_eq!(map("amount", "Amount").unwrap().word(Column::Amount), "Amount");
        assert!(map("amount", "currency").is_err());
        assert!(map("amount", "a,b").is_err());
        assert!(map("colour", "x").is_err());
    }
}
