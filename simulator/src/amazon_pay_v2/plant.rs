//! Bringing planned objects to life, with the parents that they need.
//!
//! Owns: which parents, how long ago. Must never know: requests.

use jiff::{SignedDuration, Timestamp};

use super::super::plan::{Plan, Step};
use super::super::provider::Random;
use super::book::{Book, Owner};
use super::charge::{self, Charge};
use super::permission::{self, Permission};
use super::price::Price;
use super::refund::{self, Refund};
use super::timeline::Timeline;

/// A capture is pending only when it comes more than 7 days after the authorization (4.4).
const CAPTURED_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);

/// A planned refund is asked for a day after its charge was captured.
const REFUNDED_AFTER: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn plant(
    book: &mut Book,
    owner: &Owner,
    plan: &Plan,
    at: Timestamp,
    random: &mut Random,
) -> Result<String, String> {
    let mut nursery = Nursery { book, owner, plan, at, random };
    let amount = Price::planned(&plan.amount, &plan.currency)?;
    match plan.kind.as_str() {
        "charge" => nursery.authorization("charge", amount),
        "authorization" => nursery.authorization("authorization", amount),
        "capture" => nursery.capture(amount),
        "refund" => nursery.refund(amount),
        "charge-permission" => {
            let mut timeline = Timeline::starting(at, "Chargeable");
            timeline.schedule(&plan.steps, permission::WORDS)?;
            Ok(nursery.permission(amount, at, nursery.visible_from(), timeline))
        }
        other => Err(format!("`{other}` is no kind of object of amazon-pay-v2")),
    }
}

/// Whether all steps use documented words for this kind.
pub(super) fn check_steps(kind: &str, steps: &[Step]) -> Result<(), String> {
    let words = match kind {
        "refund" => refund::WORDS,
        "charge-permission" => permission::WORDS,
        _ => charge::WORDS,
    };
    Timeline::starting(Timestamp::UNIX_EPOCH, "").schedule(steps, words)
}

struct Nursery<'call> {
    book: &'call mut Book,
    owner: &'call Owner,
    plan: &'call Plan,
    at: Timestamp,
    random: &'call mut Random,
}

impl Nursery<'_> {
    fn authorization(&mut self, kind: &'static str, amount: Price) -> Result<String, String> {
        let mut timeline = Timeline::starting(self.at, "AuthorizationInitiated");
        timeline.schedule(&self.plan.steps, charge::WORDS)?;
        Ok(self.charge(kind, amount, self.at, self.visible_from(), timeline))
    }

    fn capture(&mut self, amount: Price) -> Result<String, String> {
        let authorized = self.at.checked_sub(CAPTURED_AFTER).map_err(|error| error.to_string())?;
        let mut timeline = Timeline::starting(authorized, "Authorized");
        timeline.turn(self.at, "CaptureInitiated", None);
        timeline.schedule(&self.plan.steps, charge::WORDS)?;
        Ok(self.charge("capture", amount, authorized, self.visible_from(), timeline))
    }

    fn refund(&mut self, amount: Price) -> Result<String, String> {
        let captured = self.at.checked_sub(REFUNDED_AFTER).map_err(|error| error.to_string())?;
        let mut timeline = Timeline::starting(self.at, "RefundInitiated");
        timeline.schedule(&self.plan.steps, refund::WORDS)?;
        let charge_timeline = Timeline::starting(captured, "Captured");
        let charge_id = self.charge("charge", amount, captured, captured, charge_timeline);
        let permission_id = self.book.charges.get(&charge_id).map(|charge| charge.permission_id.clone());
        let permission_id = permission_id.ok_or("the charge is in the book")?;
        let refund = Refund {
            id: self.book.new_child_id(&permission_id, 'R', self.random),
            owner: self.owner.clone(),
            charge_id,
            amount,
            soft_descriptor: None,
            merchant_reference: self.plan.merchant_reference.clone(),
            created: self.at,
            visible_from: self.visible_from(),
            timeline,
        };
        let id = refund.id.clone();
        self.book.add_refund(refund);
        Ok(id)
    }

    /// A charge with a permission of its own.
    fn charge(
        &mut self,
        kind: &'static str,
        amount: Price,
        created: Timestamp,
        visible_from: Timestamp,
        timeline: Timeline,
    ) -> String {
        let chargeable = Timeline::starting(created, "Chargeable");
        let permission_id = self.permission(amount, created, created, chargeable);
        let charge = Charge {
            id: self.book.new_child_id(&permission_id, 'C', self.random),
            owner: self.owner.clone(),
            kind,
            permission_id,
            amount,
            captured: amount.amount,
            soft_descriptor: None,
            merchant_reference: Some(self.plan.merchant_reference.clone()),
            provider_reference: None,
            created,
            visible_from,
            timeline,
        };
        let id = charge.id.clone();
        self.book.add_charge(charge);
        id
    }

    fn permission(
        &mut self,
        limit: Price,
        created: Timestamp,
        visible_from: Timestamp,
        timeline: Timeline,
    ) -> String {
        let id = self.book.new_permission_id(self.owner, self.random);
        self.book.add_permission(Permission {
            id: id.clone(),
            owner: self.owner.clone(),
            limit,
            merchant_reference: self.plan.merchant_reference.clone(),
            created,
            visible_from,
            timeline,
            charge_ids: Vec::new(),
            metadata: serde_json::Map::new(),
            recurring: serde_json::Map::new(),
        });
        id
    }

    fn visible_from(&self) -> Timestamp {
        let invisible_for = SignedDuration::try_from(self.plan.invisible_for).unwrap_or(SignedDuration::MAX);
        self.at.checked_add(invisible_for).unwrap_or(Timestamp::MAX)
    }
}
