//! What an operation does to an order, asked for directly or by a row of a batch (docs/src/reference/aps.md,
//! sections 3.2, 5.4 and 6.2).
//!
//! Owns: orders and the five operations. Must never know: signatures, files, how it was asked.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::order::{NewOrder, Order};
use crate::fate::Fates;
use crate::provider::Random;

/// All orders of all merchants, by merchant and reference.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) orders: BTreeMap<(String, String), Order>,
    fates: BTreeMap<String, Fates>,
    last_id: u64,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Errand<'a> {
    pub(super) merchant: &'a str,
    pub(super) command: &'a str,
    pub(super) merchant_reference: &'a str,
    pub(super) fort_id: Option<&'a str>,
    pub(super) amount_minor: Option<u64>,
    pub(super) currency: Option<&'a str>,
    pub(super) at: Timestamp,
}

impl Desk {
    /// What becomes of this merchant's orders that are created from now on.
    pub(super) fn set_fates(&mut self, merchant: &str, fates: Fates) {
        self.fates.insert(merchant.to_owned(), fates);
    }

    /// An id of 18 digits, as the provider's are.
    pub(super) fn next_id(&mut self) -> String {
        self.last_id += 1;
        (149_295_435_400_084_000_u64 + self.last_id).to_string()
    }

    pub(super) fn order(&self, merchant: &str, reference: &str) -> Option<&Order> {
        self.orders.get(&(merchant.to_owned(), reference.to_owned()))
    }

    /// The order of a merchant that has this id.
    pub(super) fn order_of_id(&self, merchant: &str, fort_id: &str) -> Option<&Order> {
        self.orders.values().find(|order| order.merchant == merchant && order.fort_id == fort_id)
    }

    /// Carries it out and tells the code that it ended with.
    pub(super) fn carry_out(&mut self, errand: &Errand<'_>, random: &mut Random) -> String {
        match errand.command {
            "PURCHASE" => self.create(errand, "14000", random),
            "AUTHORIZATION" => self.create(errand, "02000", random),
            "CAPTURE" => self.maintain(errand, "04", "05"),
            "REFUND" => self.maintain(errand, "06", "07"),
            "VOID_AUTHORIZATION" => self.maintain(errand, "08", "09"),
            _ => "00004".to_owned(),
        }
    }

    fn create(&mut self, errand: &Errand<'_>, usual: &str, random: &mut Random) -> String {
        let key = (errand.merchant.to_owned(), errand.merchant_reference.to_owned());
        if self.orders.contains_key(&key) {
            return "00007".to_owned();
        }
        let (Some(amount_minor), Some(currency)) = (errand.amount_minor, errand.currency) else {
            return "00001".to_owned();
        };
        let fort_id = self.next_id();
        let new = NewOrder {
            merchant: errand.merchant,
            merchant_reference: errand.merchant_reference,
            fort_id,
            amount_minor,
            currency,
            at: errand.at,
        };
        let steps = self.fates.get(errand.merchant).and_then(|fates| fates.choose(random));
        let order = match steps {
            None => Order::new(new, usual),
            Some(steps) => {
                let mut order = Order::new(new, "19000");
                // Fates are checked when they are set.
                if order.follow(&steps).is_err() {
                    return "00006".to_owned();
                }
                order
            }
        };
        let code = order.code(errand.at).to_owned();
        self.orders.insert(key, order);
        code
    }

    fn maintain(&mut self, errand: &Errand<'_>, good: &str, bad: &str) -> String {
        let key = (errand.merchant.to_owned(), errand.merchant_reference.to_owned());
        let Some(order) = self.orders.get_mut(&key) else { return format!("{bad}036") };
        let totals = order.totals(errand.at);
        let amount = errand.amount_minor.unwrap_or(totals.authorized);
        let is_other_id = errand.fort_id.is_some_and(|id| id != order.fort_id);
        let is_other_currency = errand.currency.is_some_and(|currency| currency != order.currency);
        let refusal = if is_other_id || is_other_currency {
            Some(if is_other_id { "036" } else { "013" })
        } else {
            match good {
                "04" if order.is_voided(errand.at) || totals.authorized == 0 => Some("034"),
                "04" if totals.captured + amount > totals.authorized => Some("042"),
                "06" if totals.captured == 0 => Some("034"),
                "06" if totals.refunded + amount > totals.captured => Some("048"),
                "08" if order.is_voided(errand.at) || totals.captured > 0 || totals.authorized == 0 => {
                    Some("034")
                }
                _ => None,
            }
        };
        let code = match refusal {
            None => format!("{good}000"),
            Some(message) => format!("{bad}{message}"),
        };
        order.happen(errand.at, &code, amount);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(desk: &mut Desk, command: &str, order: &str, amount: u64) -> String {
        let errand = Errand {
            merchant: "M",
            command,
            merchant_reference: order,
            fort_id: None,
            amount_minor: Some(amount),
            currency: Some("AED"),
            at: Timestamp::UNIX_EPOCH,
        };
        desk.carry_out(&errand, &mut Random::new(1))
    }

    #[test]
    fn amounts_and_states_are_guarded() {
        let mut desk = Desk::default();
        assert_eq!(ask(&mut desk, "CAPTURE", "a", 1), "05036");
        assert_eq!(ask(&mut desk, "AUTHORIZATION", "a", 100), "02000");
        assert_eq!(ask(&mut desk, "AUTHORIZATION", "a", 100), "00007");
        assert_eq!(ask(&mut desk, "REFUND", "a", 1), "07034");
        assert_eq!(ask(&mut desk, "CAPTURE", "a", 60), "04000");
        assert_eq!(ask(&mut desk, "CAPTURE", "a", 60), "05042");
        assert_eq!(ask(&mut desk, "VOID_AUTHORIZATION", "a", 100), "09034");
        assert_eq!(ask(&mut desk, "REFUND", "a", 60), "06000");
        assert_eq!(ask(&mut desk, "REFUND", "a", 1), "07048");
        assert_eq!(ask(&mut desk, "PURCHASE", "b", 10), "14000");
        assert_eq!(ask(&mut desk, "AUTHORIZATION", "c", 10), "02000");
        assert_eq!(ask(&mut desk, "VOID_AUTHORIZATION", "c", 10), "08000");
        assert_eq!(ask(&mut desk, "CAPTURE", "c", 10), "05034");
        assert_eq!(ask(&mut desk, "TOKENIZATION", "d", 10), "00004");
        let totals = desk.order("M", "a").unwrap().totals(Timestamp::UNIX_EPOCH);
        assert_eq!((totals.authorized, totals.captured, totals.refunded), (100, 60, 60));
    }
}
