//! What an operation works with, and how objects come to life.
//!
//! Owns: making objects, with what follows for their parents and children. Must never know: parameters, XML.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::fate::Fates;
use crate::plan::Step;
use crate::provider::Random;

use super::arguments::Arguments;
use super::books::{Agreement, Authorization, Books, Caller, Capture, Object, Order, Referred, Refund};
use super::form::Parameters;
use super::merchant::MwsHabits;
use super::money::Money;
use super::refusal::{Code, Refusal};
use super::timeline::{Expected, Timeline, days_later, minutes_later};

/// One call that was let in and checked.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) arguments: Arguments,
}

/// What an operation works with.
pub(super) struct World<'provider> {
    pub(super) books: &'provider mut Books,
    pub(super) habits: &'provider MwsHabits,
    /// By seller and kind.
    pub(super) fates: &'provider BTreeMap<(String, String), Fates>,
    pub(super) random: &'provider mut Random,
}

/// What is needed to make an authorization.
#[derive(Debug)]
pub(super) struct NewAuthorization {
    pub(super) order_id: String,
    pub(super) agreement_id: Option<String>,
    pub(super) reference: String,
    pub(super) amount: Money,
    pub(super) note: Option<String>,
    pub(super) soft_descriptor: Option<String>,
    pub(super) is_capture_now: bool,
    pub(super) is_soft_decline: bool,
    /// After a decline for the payment method, the buyer mends it after so many minutes.
    pub(super) mended_after_minutes: Option<u64>,
    /// An asynchronous one is declined when it is Pending for so long.
    pub(super) timeout_minutes: Option<u64>,
    pub(super) visible_from: Timestamp,
}

/// What is needed to make a capture or a refund.
#[derive(Debug)]
pub(super) struct NewChild {
    pub(super) parent_id: String,
    pub(super) reference: String,
    pub(super) amount: Money,
    pub(super) note: Option<String>,
    pub(super) soft_descriptor: Option<String>,
    pub(super) created: Timestamp,
    pub(super) visible_from: Timestamp,
}

const LIVING_ORDER: &[&str] = &["Open", "Suspended"];

impl World<'_> {
    /// The object that an equal call made before, if this call is a repetition of one and is answered as such.
    pub(super) fn repeated(
        &self,
        caller: &Caller,
        referred: Referred,
        reference: &str,
        parent_id: &str,
        parameters: &Parameters,
    ) -> Result<Option<String>, Refusal> {
        let repeated = self.books.repeated(caller, referred, reference, parent_id, parameters)?;
        if repeated.is_some() && self.habits.is_repetition_refused {
            let message = format!("The reference id {reference} was used in another request");
            return Err(Code::DuplicateReferenceId.because(message));
        }
        Ok(repeated)
    }

    /// The steps that a scenario decides for an object that a call makes.
    pub(super) fn fate(&mut self, caller: &Caller, kind: &str) -> Option<Vec<Step>> {
        let fates = self.fates.get(&(caller.seller_id.clone(), kind.to_owned()))?;
        fates.choose(self.random)
    }

    /// A new order reference with this life; unconfirmed ones go stale, others expire (section 3.3).
    pub(super) fn make_order(&mut self, caller: &Caller, mut timeline: Timeline, is: Order) -> String {
        let created = caller.at;
        timeline.expect(minutes_later(created, 180), "Canceled", Some("Stale"), &["Draft"]);
        timeline.expect(days_later(created, 180), "Closed", Some("Expired"), LIVING_ORDER);
        let id = self.books.new_order_id(caller, self.random);
        if let Some(agreement_id) = &is.agreement_id {
            self.books.agreements.get_mut(agreement_id).is.orders.push(id.clone());
        }
        let reference = is.attributes.get("SellerOrderId").cloned().unwrap_or_default();
        self.books.orders.put(object(caller, &id, reference, created, timeline, is));
        id
    }

    /// A new billing agreement with this life.
    pub(super) fn make_agreement(
        &mut self,
        caller: &Caller,
        mut timeline: Timeline,
        is: Agreement,
    ) -> String {
        timeline.expect(minutes_later(caller.at, 180), "Canceled", Some("Stale"), &["Draft"]);
        let id = self.books.new_agreement_id(caller, self.random);
        let reference = is.attributes.get("SellerBillingAgreementId").cloned().unwrap_or_default();
        self.books.agreements.put(object(caller, &id, reference, caller.at, timeline, is));
        id
    }

    /// A new authorization whose life is decided by `steps` after Pending, with all side effects of section
    /// 4.6 on its order, its agreement and its capture.
    pub(super) fn make_authorization(
        &mut self,
        caller: &Caller,
        new: NewAuthorization,
        steps: &[Step],
    ) -> String {
        let id = self.books.new_child_id(&new.order_id, 'A', self.random);
        let (mut timeline, times) = Timeline::planned(caller.at, "Pending", steps);
        let expires = days_later(caller.at, if caller.is_sandbox { 2 } else { 30 });
        timeline.expect(expires, "Closed", Some("ExpiredUnused"), &["Open"]);
        if let Some(minutes) = new.timeout_minutes {
            let timed_out = minutes_later(caller.at, minutes);
            timeline.expect(timed_out, "Declined", Some("TransactionTimedOut"), &["Pending"]);
        }
        let is = Authorization {
            order_id: new.order_id.clone(),
            agreement_id: new.agreement_id.clone(),
            amount: new.amount.clone(),
            note: new.note.clone(),
            is_capture_now: new.is_capture_now,
            is_soft_decline: new.is_soft_decline,
            soft_descriptor: new.soft_descriptor.clone(),
            expires,
            captures: Vec::new(),
        };
        let mut made = object(caller, &id, new.reference.clone(), caller.at, timeline, is);
        made.visible_from = new.visible_from;
        self.books.authorizations.put(made);
        self.books.orders.get_mut(&new.order_id).is.authorizations.push(id.clone());
        for (step, at) in steps.iter().zip(times) {
            self.follow_authorization(caller, &id, &new, step, at);
        }
        id
    }

    fn follow_authorization(
        &mut self,
        caller: &Caller,
        id: &str,
        new: &NewAuthorization,
        step: &Step,
        at: Timestamp,
    ) {
        let expected = |at, state, reason, only_from| Expected { at, state, reason, only_from };
        match (step.state.as_str(), step.reason.as_deref()) {
            ("Declined", Some("InvalidPaymentMethod")) => {
                let suspended = expected(at, "Suspended", step.reason.as_deref(), &["Open"]);
                self.expect_of_parents(id, new, suspended);
                if let Some(minutes) = new.mended_after_minutes {
                    let mended = expected(minutes_later(at, minutes), "Open", None, &["Suspended"]);
                    self.expect_of_parents(id, new, mended);
                }
            }
            ("Declined", Some("AmazonRejected")) => {
                let closed = expected(at, "Closed", Some("AmazonClosed"), LIVING_ORDER);
                self.books.orders.get_mut(&new.order_id).timeline.expect_because(id, closed);
            }
            ("Closed", Some("OrderReferenceCanceled")) => {
                let canceled =
                    expected(at, "Canceled", Some("SellerCanceled"), &["Draft", "Open", "Suspended"]);
                self.books.orders.get_mut(&new.order_id).timeline.expect_because(id, canceled);
            }
            ("Closed", Some("MaxCapturesProcessed")) => {
                let capture = NewChild {
                    parent_id: id.to_owned(),
                    reference: new.reference.clone(),
                    amount: new.amount.clone(),
                    note: None,
                    soft_descriptor: new.soft_descriptor.clone(),
                    created: at,
                    visible_from: at,
                };
                let completed = Step { after: Duration::ZERO, state: "Completed".into(), reason: None };
                self.make_capture(caller, capture, &[completed]);
            }
            _ => {}
        }
    }

    fn expect_of_parents(&mut self, id: &str, new: &NewAuthorization, expected: Expected<'_>) {
        self.books.orders.get_mut(&new.order_id).timeline.expect_because(id, expected);
        if let Some(agreement_id) = &new.agreement_id {
            self.books.agreements.get_mut(agreement_id).timeline.expect_because(id, expected);
        }
    }

    /// A new capture whose life is decided by `steps` after Pending. Its authorization is not touched.
    pub(super) fn make_capture(&mut self, caller: &Caller, new: NewChild, steps: &[Step]) -> String {
        let authorization = self.books.authorizations.get(&new.parent_id);
        let order_id = authorization.is.order_id.clone();
        let id = self.capture_id(&new.parent_id, &order_id);
        let (timeline, times) = Timeline::planned(new.created, "Pending", steps);
        let is = Capture {
            authorization_id: new.parent_id.clone(),
            amount: new.amount.clone(),
            note: new.note.clone(),
            soft_descriptor: new.soft_descriptor.clone(),
            refunds: Vec::new(),
            credits: Vec::new(),
        };
        let mut made = object(caller, &id, new.reference.clone(), new.created, timeline, is);
        made.visible_from = new.visible_from;
        self.books.captures.put(made);
        self.books.authorizations.get_mut(&new.parent_id).is.captures.push(id.clone());
        self.close_a_used_order(&order_id, &new);
        for (step, at) in steps.iter().zip(times) {
            let count = match (step.state.as_str(), step.reason.as_deref()) {
                ("Closed", Some("MaxAmountRefunded")) => 1,
                ("Closed", Some("MaxRefundsProcessed")) => 10,
                _ => 0,
            };
            self.make_refunds(caller, &id, &new, at, count);
        }
        id
    }

    /// With CaptureNow the digits equal those of the authorization (section 3.3), and likewise here for the
    /// first capture of any authorization.
    fn capture_id(&mut self, authorization_id: &str, order_id: &str) -> String {
        let same_digits = authorization_id.replacen("-A", "-C", 1);
        if self.books.captures.has(&same_digits) {
            self.books.new_child_id(order_id, 'C', self.random)
        } else {
            same_digits
        }
    }

    /// Enough was captured, or often enough: no new authorization is possible (section 4.4).
    fn close_a_used_order(&mut self, order_id: &str, new: &NewChild) {
        let captures = self.books.good_captures(order_id, new.created);
        let sum: Decimal = captures.iter().map(|capture| capture.is.amount.amount).sum();
        let is_all = |total: &Money| sum >= total.with_overage();
        let reason = if self.books.orders.get(order_id).is.total.as_ref().is_some_and(is_all) {
            "MaxAmountCharged"
        } else if captures.len() >= super::authorizations::MOST_AUTHORIZATIONS {
            "MaxAuthorizationsCaptured"
        } else {
            return;
        };
        let closed =
            Expected { at: new.created, state: "Closed", reason: Some(reason), only_from: LIVING_ORDER };
        self.books.orders.get_mut(order_id).timeline.expect_because(&new.parent_id, closed);
    }

    /// The refunds that explain why a planned capture is closed: `count` equal parts of its amount.
    fn make_refunds(
        &mut self,
        caller: &Caller,
        capture_id: &str,
        capture: &NewChild,
        at: Timestamp,
        count: u32,
    ) {
        let whole = &capture.amount;
        let decimals = if whole.currency == "JPY" { 0 } else { 2 };
        let mut left = whole.amount;
        for number in 1..=count {
            let part = (left / Decimal::from(count + 1 - number)).round_dp(decimals);
            left -= part;
            let new = NewChild {
                parent_id: capture_id.to_owned(),
                reference: format!("{capture_id}-{number}"),
                amount: whole.with(part),
                note: None,
                soft_descriptor: None,
                created: at,
                visible_from: at,
            };
            let completed = Step { after: Duration::ZERO, state: "Completed".into(), reason: None };
            self.make_refund(caller, new, &[completed]);
        }
    }

    /// A new refund whose life is decided by `steps` after Pending. When it brings its capture to the cap, the
    /// capture closes as the refund completes (section 4.6).
    pub(super) fn make_refund(&mut self, caller: &Caller, new: NewChild, steps: &[Step]) -> String {
        let capture = self.books.captures.get(&new.parent_id);
        let authorization = self.books.authorizations.get(&capture.is.authorization_id);
        let order_id = authorization.is.order_id.clone();
        let id = self.books.new_child_id(&order_id, 'R', self.random);
        let (timeline, times) = Timeline::planned(new.created, "Pending", steps);
        let is = Refund { amount: new.amount, note: new.note, soft_descriptor: new.soft_descriptor };
        let mut made = object(caller, &id, new.reference, new.created, timeline, is);
        made.visible_from = new.visible_from;
        self.books.refunds.put(made);
        self.books.captures.get_mut(&new.parent_id).is.refunds.push(id.clone());
        let completion = steps.iter().zip(times).find(|(step, _)| step.state == "Completed");
        if let Some((_, at)) = completion {
            self.close_a_refunded_capture(&new.parent_id, new.created, at);
        }
        id
    }

    fn close_a_refunded_capture(&mut self, capture_id: &str, now: Timestamp, at: Timestamp) {
        let refunds = self.books.good_refunds(capture_id, now);
        let sum: Decimal = refunds.iter().map(|refund| refund.is.amount.amount).sum();
        let reason = if sum >= self.books.captures.get(capture_id).is.amount.with_overage() {
            "MaxAmountRefunded"
        } else if refunds.len() >= super::captures::MOST_REFUNDS {
            "MaxRefundsProcessed"
        } else {
            return;
        };
        self.books.captures.get_mut(capture_id).timeline.expect(at, "Closed", Some(reason), &["Completed"]);
    }
}

pub(super) fn object<T>(
    caller: &Caller,
    id: &str,
    reference: String,
    created: Timestamp,
    timeline: Timeline,
    is: T,
) -> Object<T> {
    Object {
        id: id.to_owned(),
        seller_id: caller.seller_id.clone(),
        is_sandbox: caller.is_sandbox,
        reference,
        created,
        made: caller.at,
        visible_from: created,
        timeline,
        is,
    }
}
