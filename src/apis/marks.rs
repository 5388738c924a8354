//! What is odd about an answer, collected while it is read.
//!
//! Owns: the causes, and which amounts a payment cannot have. Must never know: formats, what a mark leads to.
//!
//! An answer is accepted if its object and state can be read, so that a decline is reported at once. Anything else in
//! it that cannot be read becomes a mark, never a value.
//!
//! A mark that a person accepted is recognized by its exact explanation: a changed text makes it count as new.

use std::fmt::Display;

use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Mark;

/// What is odd about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A field that cannot be read.
    UnreadableField,
    /// A field that appears more than once.
    DuplicateField,
    /// An object with an amount of zero.
    ZeroAmount,
    /// An amount below zero.
    NegativeAmount,
    /// An answer without the signature that it should have.
    Unsigned,
}

impl Oddity {
    /// The cause that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Oddity::UnreadableField => "unreadable-field",
            Oddity::DuplicateField => "duplicate-field",
            Oddity::ZeroAmount => "zero-amount",
            Oddity::NegativeAmount => "negative-amount",
            Oddity::Unsigned => "unsigned",
        }
    }
}

/// The most marks of one answer, so that a list with a thousand odd entries does not fill the record.
const MOST: usize = 16;

/// The marks of one answer.
#[derive(Debug, Default)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Adds a mark unless it is already there. `explanation` is a plain sentence that quotes nothing from the answer.
    pub fn add(&mut self, oddity: Oddity, explanation: impl Into<String>) {
        let mark = Mark::new(oddity.as_str(), explanation);
        if self.0.len() < MOST && !self.0.contains(&mark) {
            self.0.push(mark);
        }
    }

    /// The value that was read, or a default value and a mark that says why.
    pub fn take<T: Default, E: Odd>(&mut self, read: Result<T, E>) -> T {
        read.unwrap_or_else(|problem| {
            self.add(problem.oddity(), format!("In the answer, {problem}."));
            T::default()
        })
    }

    /// Marks amounts that a payment cannot have: an object's own amount must not be zero, and none may be negative.
    pub fn check_amounts(&mut self, amount: Option<Money>, amounts: &Amounts) {
        let named = [
            ("amount", amount),
            ("authorized amount", amounts.authorized),
            ("captured amount", amounts.captured),
            ("refunded amount", amounts.refunded),
        ];
        for (name, money) in named {
            let Some(money) = money else { continue };
            if money.amount.is_zero() && name == "amount" {
                self.add(Oddity::ZeroAmount, format!("The answer is about {money}, which is no payment."));
            } else if !money.amount.is_zero() && money.amount.is_sign_negative() {
                self.add(
                    Oddity::NegativeAmount,
                    format!("The {name} of the answer is {money}, which is less than nothing."),
                );
            }
        }
    }

    /// All marks.
    pub fn into_list(self) -> Vec<Mark> {
        self.0
    }
}

/// Why a field has no value. It is displayed as part of a sentence, without the field's text.
pub trait Odd: Display {
    /// The category.
    fn oddity(&self) -> Oddity;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(marks: Marks) -> Vec<String> {
        marks.into_list().into_iter().map(|mark| mark.cause).collect()
    }

    #[test]
    fn amounts_below_zero_and_about_nothing_are_marked() {
        let money = |amount| Money::parse(amount, "EUR").ok();
        let check = |amount, captured, refunded, expected: &[Oddity]| {
            let mut marks = Marks::default();
            let amounts =
                Amounts { authorized: money(amount), captured: money(captured), refunded: money(refunded) };
            marks.check_amounts(money(amount), &amounts);
            let expected: Vec<&str> = expected.iter().map(|oddity| oddity.as_str()).collect();
            assert_eq!(causes(marks), expected, "{amount} {captured} {refunded}");
        };
        check("5.00", "0.00", "0", &[]);
        check("5.00", "", "", &[]);
        check("0.00", "0.00", "", &[Oddity::ZeroAmount]);
        check("-0.00", "", "", &[Oddity::ZeroAmount]);
        check("5.00", "-5.00", "-1", &[Oddity::NegativeAmount, Oddity::NegativeAmount]);
        check("-5.00", "", "", &[Oddity::NegativeAmount, Oddity::NegativeAmount]);
    }

    #[test]
    fn marks_do_not_repeat_themselves_without_end() {
        let mut marks = Marks::default();
        for number in 0..100 {
            marks.add(Oddity::UnreadableField, "In the answer, an id cannot be read.");
            marks.add(Oddity::DuplicateField, format!("Field {number}."));
        }
        assert_eq!(causes(marks).len(), MOST);
    }
}
