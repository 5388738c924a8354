//! The book of all objects, and what they owe each other.
//!
//! Owns: ids, owners, and the sums between permissions, charges and refunds. Must never know: requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::super::plan::Truth;
use super::super::provider::Random;
use super::charge::Charge;
use super::permission::Permission;
use super::refund::Refund;
use super::timeline::Change;

/// Who owns an object, and where it lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner {
    pub(super) merchant: Arc<str>,
    pub(super) is_sandbox: bool,
    /// The two digits that ids of the region bear.
    pub(super) region_digits: &'static str,
}

impl Owner {
    pub(super) fn environment(&self) -> &'static str {
        if self.is_sandbox { "Sandbox" } else { "Live" }
    }

    fn letter(&self) -> char {
        if self.is_sandbox { 'S' } else { 'P' }
    }
}

/// Every object of every merchant.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) permissions: BTreeMap<String, Permission>,
    pub(super) charges: BTreeMap<String, Charge>,
    pub(super) refunds: BTreeMap<String, Refund>,
    /// Refund ids by charge id.
    refunds_of: BTreeMap<String, Vec<String>>,
}

impl Book {
    pub(super) fn new_permission_id(&self, owner: &Owner, random: &mut Random) -> String {
        self.unused(|| {
            let (letter, digits) = (owner.letter(), owner.region_digits);
            format!("{letter}{digits}-{}-{}", random.digits(7), random.digits(7))
        })
    }

    /// A charge's or refund's id: the stem of its permission and a letter with six digits.
    pub(super) fn new_child_id(&self, permission_id: &str, letter: char, random: &mut Random) -> String {
        self.unused(|| format!("{permission_id}-{letter}{}", random.digits(6)))
    }

    fn unused(&self, mut draw: impl FnMut() -> String) -> String {
        loop {
            let id = draw();
            let is_used = self.permissions.contains_key(&id)
                || self.charges.contains_key(&id)
                || self.refunds.contains_key(&id);
            if !is_used {
                return id;
            }
        }
    }

    pub(super) fn add_permission(&mut self, permission: Permission) {
        self.permissions.insert(permission.id.clone(), permission);
    }

    pub(super) fn add_charge(&mut self, charge: Charge) {
        if let Some(permission) = self.permissions.get_mut(&charge.permission_id) {
            permission.charge_ids.push(charge.id.clone());
        }
        self.charges.insert(charge.id.clone(), charge);
    }

    pub(super) fn add_refund(&mut self, refund: Refund) {
        self.refunds_of.entry(refund.charge_id.clone()).or_default().push(refund.id.clone());
        self.refunds.insert(refund.id.clone(), refund);
    }

    pub(super) fn charges_of<'book>(
        &'book self,
        permission: &'book Permission,
    ) -> impl Iterator<Item = &'book Charge> + Clone {
        permission.charge_ids.iter().filter_map(|id| self.charges.get(id))
    }

    pub(super) fn permission_status(&self, permission: &Permission, at: Timestamp) -> Change {
        permission.status(self.charges_of(permission), at)
    }

    /// What is left of the permission's limit.
    pub(super) fn balance(&self, permission: &Permission, at: Timestamp) -> Decimal {
        let held: Decimal = self.charges_of(permission).map(|charge| charge.held(at)).sum();
        permission.limit.amount - held
    }

    /// Refunds of a charge that are not declined: how many, how much, and how much of it is done.
    pub(super) fn refunded(&self, charge_id: &str, at: Timestamp) -> Refunded {
        let ids = self.refunds_of.get(charge_id).into_iter().flatten();
        let mut refunded = Refunded::default();
        for refund in ids.filter_map(|id| self.refunds.get(id)) {
            let state = refund.timeline.at(at).state;
            if state != "Declined" {
                refunded.count += 1;
                refunded.asked += refund.amount.amount;
            }
            if state == "Refunded" {
                refunded.done += refund.amount.amount;
            }
        }
        refunded
    }

    pub(super) fn permission_json(&self, permission: &Permission, at: Timestamp) -> Value {
        permission.json(&self.permission_status(permission, at), self.balance(permission, at), at)
    }

    pub(super) fn charge_json(&self, charge: &Charge, at: Timestamp) -> Value {
        charge.json(at, self.refunded(&charge.id, at).done)
    }

    pub(super) fn truths(&self, at: Timestamp) -> Vec<Truth> {
        let permissions = self.permissions.values();
        let permissions = permissions.map(|one| one.truth(&self.permission_status(one, at)));
        let charges = self.charges.values().map(|charge| charge.truth(at));
        let refunds = self.refunds.values().map(|refund| refund.truth(at));
        let mut truths: Vec<Truth> = permissions.chain(charges).chain(refunds).collect();
        truths.sort_by(|one, other| one.id.cmp(&other.id));
        truths
    }
}

/// Sums over the refunds of one charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refunded {
    pub(super) count: usize,
    pub(super) asked: Decimal,
    pub(super) done: Decimal,
}
