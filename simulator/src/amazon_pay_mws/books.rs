//! Everything that exists: orders, agreements, authorizations, captures, refunds.
//!
//! Owns: objects, identifiers, who may see what, used reference ids. Must never know: signatures, XML.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::provider::Random;

use super::form::Parameters;
use super::money::Money;
use super::refusal::{Code, Refusal};
use super::timeline::{Standing, Timeline};

/// For whom a call is made, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) seller_id: String,
    pub(super) is_sandbox: bool,
    pub(super) region_digits: &'static str,
    pub(super) at: Timestamp,
}

/// What all objects have; `is` holds the rest.
#[derive(Debug)]
pub(super) struct Object<T> {
    pub(super) id: String,
    pub(super) seller_id: String,
    pub(super) is_sandbox: bool,
    /// The merchant's own reference.
    pub(super) reference: String,
    pub(super) created: Timestamp,
    /// When the call or scenario made it; before [`Object::created`] if it is to come later.
    pub(super) made: Timestamp,
    /// A look-up before that does not find it.
    pub(super) visible_from: Timestamp,
    pub(super) timeline: Timeline,
    pub(super) is: T,
}

impl<T> Object<T> {
    /// The state at this time.
    pub(super) fn at(&self, at: Timestamp) -> Standing<'_> {
        self.timeline.at(at)
    }

    /// Whether it has come into being. What existed when it was made exists, even if the clock has been set
    /// back since.
    pub(super) fn exists(&self, at: Timestamp) -> bool {
        self.created <= at.max(self.made)
    }

    fn is_visible(&self, at: Timestamp) -> bool {
        self.exists(at) && self.visible_from <= at.max(self.made)
    }
}

/// An order reference.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) total: Option<Money>,
    /// `SellerNote`, `PlatformId`, `StoreName` and so on, by the last segment of their parameter.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) categories: Vec<String>,
    pub(super) agreement_id: Option<String>,
    pub(super) authorizations: Vec<String>,
}

/// A billing agreement.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) subscription: Option<Money>,
    pub(super) orders: Vec<String>,
}

/// An authorization.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) order_id: String,
    pub(super) agreement_id: Option<String>,
    pub(super) amount: Money,
    pub(super) note: Option<String>,
    pub(super) is_capture_now: bool,
    pub(super) is_soft_decline: bool,
    pub(super) soft_descriptor: Option<String>,
    pub(super) expires: Timestamp,
    pub(super) captures: Vec<String>,
}

/// A capture.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) authorization_id: String,
    pub(super) amount: Money,
    pub(super) note: Option<String>,
    pub(super) soft_descriptor: Option<String>,
    pub(super) refunds: Vec<String>,
    pub(super) credits: Vec<String>,
}

/// What a provider gets of a capture.
#[derive(Debug)]
pub(super) struct Credit {
    pub(super) provider_id: String,
    pub(super) amount: Money,
    pub(super) reversals: Vec<String>,
}

/// What a provider gives back.
#[derive(Debug)]
pub(super) struct CreditReversal {
    pub(super) provider_id: String,
    pub(super) amount: Money,
}

/// A refund.
#[derive(Debug)]
pub(super) struct Refund {
    pub(super) amount: Money,
    pub(super) note: Option<String>,
    pub(super) soft_descriptor: Option<String>,
}

/// All objects of a kind, by id.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    objects: BTreeMap<String, Object<T>>,
    /// The code for an id that is not known.
    unknown: Code,
}

impl<T> Shelf<T> {
    fn new(unknown: Code) -> Shelf<T> {
        Shelf { objects: BTreeMap::new(), unknown }
    }

    /// The object that this caller means.
    pub(super) fn find(&self, caller: &Caller, id: &str) -> Result<&Object<T>, Refusal> {
        let unknown = || self.unknown.because(format!("The id {} does not exist", plain(id)));
        let object = self.objects.get(id).ok_or_else(unknown)?;
        if object.seller_id != caller.seller_id || !object.is_visible(caller.at) {
            return Err(unknown());
        }
        if object.is_sandbox != caller.is_sandbox {
            // A sandbox call sent to production or the reverse (section 6.3).
            return Err(Code::InternalServerError.because("An unknown error occurred"));
        }
        Ok(object)
    }

    /// An object that is known to exist.
    pub(super) fn get(&self, id: &str) -> &Object<T> {
        self.objects.get(id).expect("ids inside the books are never dangling")
    }

    /// As [`Shelf::get`], to change it.
    pub(super) fn get_mut(&mut self, id: &str) -> &mut Object<T> {
        self.objects.get_mut(id).expect("ids inside the books are never dangling")
    }

    pub(super) fn put(&mut self, object: Object<T>) {
        self.objects.insert(object.id.clone(), object);
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.objects.contains_key(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Object<T>> {
        self.objects.values()
    }

    fn remove(&mut self, id: &str) {
        self.objects.remove(id);
    }
}

fn plain(id: &str) -> String {
    id.chars().filter(|character| character.is_ascii_graphic()).take(64).collect()
}

/// For what a reference id was used.
#[derive(Debug)]
struct Used {
    id: String,
    parent_id: String,
    /// `None` when a scenario made the object.
    parameters: Option<Parameters>,
}

/// The kinds that have a reference id of the seller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Referred {
    Authorization,
    Capture,
    Refund,
    CreditReversal,
}

/// Everything that exists.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) orders: Shelf<Order>,
    pub(super) agreements: Shelf<Agreement>,
    pub(super) authorizations: Shelf<Authorization>,
    pub(super) captures: Shelf<Capture>,
    pub(super) refunds: Shelf<Refund>,
    pub(super) credits: Shelf<Credit>,
    pub(super) reversals: Shelf<CreditReversal>,
    used: BTreeMap<(Referred, String, bool, String), Used>,
}

impl Books {
    /// Empty books.
    pub(super) fn new() -> Books {
        Books {
            orders: Shelf::new(Code::InvalidOrderReferenceId),
            agreements: Shelf::new(Code::InvalidBillingAgreementId),
            authorizations: Shelf::new(Code::InvalidTransactionId),
            captures: Shelf::new(Code::InvalidTransactionId),
            refunds: Shelf::new(Code::InvalidTransactionId),
            credits: Shelf::new(Code::InvalidTransactionId),
            reversals: Shelf::new(Code::InvalidTransactionId),
            used: BTreeMap::new(),
        }
    }

    /// The object that an equal call made before, if this call is a repetition of one.
    pub(super) fn repeated(
        &self,
        caller: &Caller,
        referred: Referred,
        reference: &str,
        parent_id: &str,
        parameters: &Parameters,
    ) -> Result<Option<String>, Refusal> {
        let key = (referred, caller.seller_id.clone(), caller.is_sandbox, reference.to_owned());
        let Some(used) = self.used.get(&key) else { return Ok(None) };
        if used.parameters.as_ref() == Some(parameters) {
            return Ok(Some(used.id.clone()));
        }
        if used.parent_id == parent_id && used.parameters.is_some() {
            return Err(Code::DuplicateRequest
                .because(format!("The reference id {reference} was used with other parameters")));
        }
        Err(Code::DuplicateReferenceId
            .because(format!("The reference id {reference} was used in another request")))
    }

    /// Remembers a reference id.
    pub(super) fn remember(
        &mut self,
        caller: &Caller,
        referred: Referred,
        reference: &str,
        parent_id: &str,
        made: (&str, Option<&Parameters>),
    ) {
        let key = (referred, caller.seller_id.clone(), caller.is_sandbox, reference.to_owned());
        let used =
            Used { id: made.0.to_owned(), parent_id: parent_id.to_owned(), parameters: made.1.cloned() };
        self.used.insert(key, used);
    }

    /// A new order reference id: `S01-1234567-1234567` (section 3.3).
    pub(super) fn new_order_id(&self, caller: &Caller, random: &mut Random) -> String {
        let letter = if caller.is_sandbox { 'S' } else { 'P' };
        root_id(letter, caller.region_digits, random, |id| self.orders.has(id))
    }

    /// A new billing agreement id: `C01-…` sandbox, `B01-…` live.
    pub(super) fn new_agreement_id(&self, caller: &Caller, random: &mut Random) -> String {
        let letter = if caller.is_sandbox { 'C' } else { 'B' };
        root_id(letter, caller.region_digits, random, |id| self.agreements.has(id))
    }

    /// A new id below an order: `-A`, `-C`, `-R`, `-P` or `-Q` and six digits.
    pub(super) fn new_child_id(&self, order_id: &str, letter: char, random: &mut Random) -> String {
        loop {
            let id = format!("{order_id}-{letter}{}", random.digits(6));
            let is_taken = self.authorizations.has(&id)
                || self.captures.has(&id)
                || self.refunds.has(&id)
                || self.credits.has(&id)
                || self.reversals.has(&id);
            if !is_taken {
                return id;
            }
        }
    }

    /// The captures of an order that exist at this time and were not declined.
    pub(super) fn good_captures(&self, order_id: &str, at: Timestamp) -> Vec<&Object<Capture>> {
        let order = self.orders.get(order_id);
        let ids = order.is.authorizations.iter().flat_map(|id| &self.authorizations.get(id).is.captures);
        ids.map(|id| self.captures.get(id))
            .filter(|capture| capture.exists(at) && capture.at(at).state != "Declined")
            .collect()
    }

    /// What is authorized of an order and neither declined nor given back, captures included.
    pub(super) fn committed(&self, order_id: &str, at: Timestamp) -> Decimal {
        let captured: Decimal =
            self.good_captures(order_id, at).iter().map(|capture| capture.is.amount.amount).sum();
        let authorizations =
            self.orders.get(order_id).is.authorizations.iter().map(|id| self.authorizations.get(id));
        let open: Decimal = authorizations
            .filter(|authorization| ["Pending", "Open"].contains(&authorization.at(at).state))
            .map(|authorization| authorization.is.amount.amount)
            .sum();
        captured + open
    }

    /// The refunds of a capture that exist at this time and were not declined.
    pub(super) fn good_refunds(&self, capture_id: &str, at: Timestamp) -> Vec<&Object<Refund>> {
        let ids = self.captures.get(capture_id).is.refunds.iter();
        ids.map(|id| self.refunds.get(id))
            .filter(|refund| refund.exists(at) && refund.at(at).state != "Declined")
            .collect()
    }

    /// Ends an authorization now and takes back what would have come of it.
    pub(super) fn end_authorization(&mut self, id: &str, at: Timestamp, reason: &str) {
        let authorization = self.authorizations.get_mut(id);
        authorization.timeline.end(at, "Closed", Some(reason));
        let (order_id, agreement_id) =
            (authorization.is.order_id.clone(), authorization.is.agreement_id.clone());
        let unborn: BTreeSet<String> = authorization
            .is
            .captures
            .iter()
            .filter(|capture| !self.captures.get(capture).exists(at))
            .cloned()
            .collect();
        authorization.is.captures.retain(|capture| !unborn.contains(capture));
        for capture_id in &unborn {
            for refund_id in &self.captures.get(capture_id).is.refunds {
                self.refunds.remove(refund_id);
            }
            self.captures.remove(capture_id);
        }
        self.orders.get_mut(&order_id).timeline.withdraw(at, id);
        if let Some(agreement_id) = agreement_id {
            self.agreements.get_mut(&agreement_id).timeline.withdraw(at, id);
        }
    }
}

fn root_id(letter: char, digits: &str, random: &mut Random, is_taken: impl Fn(&str) -> bool) -> String {
    loop {
        let id = format!("{letter}{digits}-{}-{}", random.digits(7), random.digits(7));
        if !is_taken(&id) {
            return id;
        }
    }
}
