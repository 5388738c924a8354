//! The calls themselves: what each does to the book (docs/src/reference/amazon-pay-v2.md 4.2 to 6.1, 8.2 and 10).
//!
//! Owns: parameters, preconditions and side effects. Must never know: signatures, quotas, sockets.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::fate::Fates;
use super::super::plan::Step;
use super::super::provider::Random;
use super::book::{Book, Owner};
use super::charge::{self, Charge};
use super::errors::{Outcome, Refusal, Reply};
use super::fields::Fields;
use super::permission::Permission;
use super::price::Price;
use super::refund::{self, Refund};
use super::route::Call;
use super::timeline::Timeline;

/// A pending object is decided after this time unless the scenario says otherwise (section 10: about
/// 30 s in the sandbox).
const USUAL_DELAY: Duration = Duration::from_secs(30);

/// At most so many charges for one permission (4.2), and refunds for one charge (10 in the legacy manual).
const MOST_CHARGES: usize = 25;
const MOST_REFUNDS: usize = 10;

const CHARGE_FIELDS: [&str; 11] = [
    "chargePermissionId",
    "chargeAmount",
    "captureNow",
    "softDescriptor",
    "canHandlePendingAuthorization",
    "providerMetadata",
    "merchantMetadata",
    "platformId",
    "chargeInitiator",
    "channel",
    "webCheckoutDetails",
];

/// What becomes of created objects, by merchant and kind.
pub(super) type FatesByKind = HashMap<(String, String), Fates>;

/// One call in progress.
pub(super) struct Desk<'call> {
    pub(super) book: &'call mut Book,
    pub(super) fates: &'call FatesByKind,
    pub(super) owner: &'call Owner,
    pub(super) at: Timestamp,
    pub(super) simulation: Option<&'call str>,
    pub(super) random: &'call mut Random,
}

impl Desk<'_> {
    pub(super) fn serve(&mut self, call: &Call, body: &[u8]) -> Outcome {
        self.check_simulation(call)?;
        match call {
            Call::GetCharge(id) => Ok(Reply::ok(self.book.charge_json(self.charge(id)?, self.at))),
            Call::GetRefund(id) => Ok(Reply::ok(self.refund(id)?.json(self.at))),
            Call::GetChargePermission(id) => {
                Ok(Reply::ok(self.book.permission_json(self.permission(id)?, self.at)))
            }
            Call::CreateCharge => self.create_charge(body),
            Call::UpdateCharge(id) => self.update_charge(id, body),
            Call::UpdateChargePermission(id) => self.update_permission(id, body),
            Call::CaptureCharge(id) => self.capture_charge(id, body),
            Call::CancelCharge(id) => self.cancel_charge(id, body),
            Call::CreateRefund => self.create_refund(body),
            Call::CloseChargePermission(id) => self.close_permission(id, body),
        }
    }

    fn create_charge(&mut self, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &CHARGE_FIELDS)?;
        let permission_id = fields.text("chargePermissionId")?.to_owned();
        let amount = fields.price("chargeAmount")?;
        let captures_now = fields.flag("captureNow")?;
        let may_wait = fields.flag("canHandlePendingAuthorization")?;
        let soft_descriptor = fields.short_text("softDescriptor", 16)?;
        if soft_descriptor.is_some() && !captures_now {
            let message = "The parameter [softDescriptor] is only allowed with captureNow.";
            return Err(Refusal::new(400, "InvalidParameterCombination", message));
        }
        self.check_chargeable(&permission_id, amount)?;
        if let Some(reason) = self.refused_at_once(captures_now)? {
            return Err(self.refuse_charge(&permission_id, reason));
        }
        let timeline = self.charge_course(captures_now, may_wait)?;
        let charge = Charge {
            id: self.book.new_child_id(&permission_id, 'C', self.random),
            owner: self.owner.clone(),
            kind: "charge",
            permission_id,
            amount,
            captured: amount.amount,
            soft_descriptor,
            merchant_reference: fields.merchant_reference()?,
            provider_reference: None,
            created: self.at,
            visible_from: self.at,
            timeline,
        };
        let reply = Reply::created(self.book.charge_json(&charge, self.at));
        self.book.add_charge(charge);
        Ok(reply)
    }

    fn check_chargeable(&self, permission_id: &str, amount: Price) -> Result<(), Refusal> {
        let permission = self.permission(permission_id)?;
        let status = self.book.permission_status(permission, self.at);
        if status.state != "Chargeable" {
            return Err(Refusal::permission_status(status.state));
        }
        same_currency(amount, permission.limit)?;
        if permission.charge_ids.len() >= MOST_CHARGES {
            let message = "The Charge Permission has the maximum number of Charges.";
            return Err(Refusal::new(422, "TransactionCountExceeded", message));
        }
        at_most(amount, permission.limit.with_amount(self.book.balance(permission, self.at)))
    }

    /// The reason code with which a simulation code refuses the charge on the spot.
    fn refused_at_once(&self, captures_now: bool) -> Result<Option<&'static str>, Refusal> {
        match self.simulation {
            None => Ok(None),
            Some("SoftDeclined") => Ok(Some("SoftDeclined")),
            Some("HardDeclined") => Ok(Some("HardDeclined")),
            Some("AmazonRejected") => Ok(Some("AmazonRejected")),
            Some("TransactionTimedOut") => Ok(Some("TransactionTimedOut")),
            Some("CaptureInitiated") if captures_now => Ok(None),
            Some(code) => Err(Refusal::simulation(code)),
        }
    }

    fn refuse_charge(&mut self, permission_id: &str, reason: &'static str) -> Refusal {
        if let Some(permission) = self.book.permissions.get_mut(permission_id) {
            match reason {
                "AmazonRejected" => permission.timeline.turn(self.at, "Closed", Some("AmazonCanceled")),
                "HardDeclined" => {
                    permission.timeline.note(self.at, "NonChargeable", Some("PaymentMethodInvalid"));
                }
                _ => {}
            }
        }
        Refusal::new(422, reason, "The charge was declined.")
    }

    /// The states that a new charge goes through (4.4).
    fn charge_course(&mut self, captures_now: bool, may_wait: bool) -> Result<Timeline, Refusal> {
        if self.simulation == Some("CaptureInitiated") {
            let mut timeline = Timeline::starting(self.at, "CaptureInitiated");
            scheduled(&mut timeline, &[usual("Captured")], charge::WORDS)?;
            return Ok(timeline);
        }
        if !may_wait {
            return Ok(Timeline::starting(self.at, if captures_now { "Captured" } else { "Authorized" }));
        }
        let mut steps = self.fate(&["authorization", "charge"], "Authorized");
        if captures_now && steps.last().is_some_and(|step| step.state == "Authorized") {
            steps.push(Step { after: Duration::ZERO, state: "Captured".to_owned(), reason: None });
        }
        let mut timeline = Timeline::starting(self.at, "AuthorizationInitiated");
        scheduled(&mut timeline, &steps, charge::WORDS)?;
        Ok(timeline)
    }

    fn capture_charge(&mut self, id: &str, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["captureAmount", "softDescriptor"])?;
        let amount = fields.price("captureAmount")?;
        let soft_descriptor = fields.short_text("softDescriptor", 16)?;
        let charge = self.charge(id)?;
        let status = charge.status(self.at);
        if status.state != "Authorized" {
            return Err(Refusal::charge_status(status.state));
        }
        same_currency(amount, charge.amount)?;
        at_most(amount, charge.amount)?;
        let steps = match self.simulation {
            None if charge.captures_at_once(self.at) => None,
            None => Some(self.fate(&["capture"], "Captured")),
            Some("CaptureInitiated") => Some(vec![usual("Captured")]),
            Some("AmazonRejected") => {
                Some(vec![Step { reason: Some("AmazonRejected".to_owned()), ..usual("Declined") }])
            }
            Some(code) => return Err(Refusal::simulation(code)),
        };
        let at = self.at;
        let charge = self.book.charges.get_mut(id).ok_or_else(Refusal::not_found)?;
        charge.captured = amount.amount;
        charge.soft_descriptor = soft_descriptor.or(charge.soft_descriptor.take());
        charge.timeline.turn(at, if steps.is_some() { "CaptureInitiated" } else { "Captured" }, None);
        scheduled(&mut charge.timeline, &steps.unwrap_or_default(), charge::WORDS)?;
        Ok(Reply::ok(self.book.charge_json(self.charge(id)?, at)))
    }

    fn cancel_charge(&mut self, id: &str, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["cancellationReason"])?;
        fields.text("cancellationReason")?;
        fields.short_text("cancellationReason", 255)?;
        let state = self.charge(id)?.status(self.at).state;
        if !matches!(state, "AuthorizationInitiated" | "Authorized") {
            return Err(Refusal::charge_status(state));
        }
        let at = self.at;
        if let Some(charge) = self.book.charges.get_mut(id) {
            charge.timeline.turn(at, "Canceled", Some("MerchantCanceled"));
        }
        Ok(Reply::ok(self.book.charge_json(self.charge(id)?, at)))
    }

    /// For payment service providers alone; here every merchant may be one.
    fn update_charge(&mut self, id: &str, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["providerMetadata"])?;
        let metadata = fields.object("providerMetadata", &["providerReferenceId"])?;
        let reference = metadata.and_then(|metadata| metadata.get("providerReferenceId")?.as_str());
        let reference = reference.ok_or_else(|| Refusal::missing("providerMetadata.providerReferenceId"))?;
        self.charge(id)?;
        let charge = self.book.charges.get_mut(id).ok_or_else(Refusal::not_found)?;
        charge.provider_reference = Some(reference.to_owned());
        Ok(Reply::ok(self.book.charge_json(self.charge(id)?, self.at)))
    }

    fn update_permission(&mut self, id: &str, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["merchantMetadata", "recurringMetadata"])?;
        let texts = ["merchantReferenceId", "merchantStoreName", "noteToBuyer", "customInformation"];
        let metadata = fields.object("merchantMetadata", &texts)?.cloned().unwrap_or_default();
        let recurring = fields.object("recurringMetadata", &["frequency", "amount"])?.cloned();
        if let Some((name, _)) = metadata.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
            return Err(Refusal::invalid(&format!("merchantMetadata.{name}")));
        }
        let reference = fields.merchant_reference()?;
        let state = self.book.permission_status(self.permission(id)?, self.at).state;
        if state == "Closed" {
            let message = "The Charge Permission can no longer be changed.";
            return Err(Refusal::new(422, "ChargePermissionNotModifiable", message));
        }
        let permission = self.book.permissions.get_mut(id).ok_or_else(Refusal::not_found)?;
        permission.merchant_reference = reference.unwrap_or_else(|| permission.merchant_reference.clone());
        permission.metadata.extend(metadata);
        permission.recurring.extend(recurring.unwrap_or_default());
        Ok(Reply::ok(self.book.permission_json(self.permission(id)?, self.at)))
    }

    fn create_refund(&mut self, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["chargeId", "refundAmount", "softDescriptor"])?;
        let charge_id = fields.text("chargeId")?;
        let amount = fields.price("refundAmount")?;
        let soft_descriptor = fields.short_text("softDescriptor", 16)?;
        let charge = self.charge(charge_id)?;
        let status = charge.status(self.at);
        let captured = charge.captured_at(self.at).ok_or_else(|| Refusal::charge_status(status.state))?;
        same_currency(amount, captured)?;
        let refunded = self.book.refunded(charge_id, self.at);
        if refunded.count >= MOST_REFUNDS {
            let message = "The Charge has the maximum number of Refunds.";
            return Err(Refusal::new(422, "TransactionCountExceeded", message));
        }
        let ceiling = captured.amount + captured.refund_margin();
        at_most(amount, captured.with_amount(ceiling - refunded.asked))?;
        let permission_id = charge.permission_id.clone();
        if let Some(code) = self.simulation {
            return Err(Refusal::simulation(code));
        }
        let mut timeline = Timeline::starting(self.at, "RefundInitiated");
        scheduled(&mut timeline, &self.fate(&["refund"], "Refunded"), refund::WORDS)?;
        let refund = Refund {
            id: self.book.new_child_id(&permission_id, 'R', self.random),
            owner: self.owner.clone(),
            charge_id: charge_id.to_owned(),
            amount,
            soft_descriptor,
            merchant_reference: String::new(),
            created: self.at,
            visible_from: self.at,
            timeline,
        };
        let reply = Reply::created(refund.json(self.at));
        self.book.add_refund(refund);
        Ok(reply)
    }

    fn close_permission(&mut self, id: &str, body: &[u8]) -> Outcome {
        let fields = Fields::read(body, &["closureReason", "cancelPendingCharges"])?;
        fields.text("closureReason")?;
        fields.short_text("closureReason", 255)?;
        let cancels = fields.flag("cancelPendingCharges")?;
        let state = self.book.permission_status(self.permission(id)?, self.at).state;
        if state == "Closed" {
            return Err(Refusal::permission_status(state));
        }
        let reason = match self.simulation {
            None => "MerchantClosed",
            Some("AmazonClosed") => "AmazonClosed",
            Some(code) => return Err(Refusal::simulation(code)),
        };
        let at = self.at;
        let permission = self.book.permissions.get_mut(id).ok_or_else(Refusal::not_found)?;
        permission.timeline.turn(at, "Closed", Some(reason));
        for charge_id in permission.charge_ids.iter().filter(|_| cancels) {
            if let Some(charge) = self.book.charges.get_mut(charge_id)
                && matches!(charge.status(at).state, "AuthorizationInitiated" | "Authorized")
            {
                charge.timeline.turn(at, "Canceled", Some("ChargePermissionCanceled"));
            }
        }
        Ok(Reply::ok(self.book.permission_json(self.permission(id)?, at)))
    }

    /// A code where none is understood is an error; look-ups ignore it.
    fn check_simulation(&self, call: &Call) -> Result<(), Refusal> {
        match (self.simulation, call) {
            (Some(code), Call::CancelCharge(_)) => Err(Refusal::simulation(code)),
            (Some(code), _) if !self.owner.is_sandbox => Err(Refusal::simulation(code)),
            _ => Ok(()),
        }
    }

    fn fate(&mut self, kinds: &[&str], usual_end: &str) -> Vec<Step> {
        let merchant = self.owner.merchant.to_string();
        let known = kinds.iter().find_map(|kind| self.fates.get(&(merchant.clone(), (*kind).to_owned())));
        known.and_then(|fates| fates.choose(self.random)).unwrap_or_else(|| vec![usual(usual_end)])
    }

    fn charge(&self, id: &str) -> Result<&Charge, Refusal> {
        let charge = self.book.charges.get(id);
        let seen = charge.filter(|charge| charge.owner == *self.owner && charge.visible_from <= self.at);
        seen.ok_or_else(Refusal::not_found)
    }

    fn refund(&self, id: &str) -> Result<&Refund, Refusal> {
        let refund = self.book.refunds.get(id);
        let seen = refund.filter(|refund| refund.owner == *self.owner && refund.visible_from <= self.at);
        seen.ok_or_else(Refusal::not_found)
    }

    fn permission(&self, id: &str) -> Result<&Permission, Refusal> {
        let permission = self.book.permissions.get(id);
        let seen = permission.filter(|known| known.owner == *self.owner && known.visible_from <= self.at);
        seen.ok_or_else(Refusal::not_found)
    }
}

fn usual(state: &str) -> Step {
    Step { after: USUAL_DELAY, state: state.to_owned(), reason: None }
}

/// Fates were checked when they were set, so that a word unknown here is this program's fault.
fn scheduled(
    timeline: &mut Timeline,
    steps: &[Step],
    words: &[super::timeline::Word],
) -> Result<(), Refusal> {
    timeline.schedule(steps, words).map_err(|why| Refusal::new(500, "InternalServerError", why))
}

fn same_currency(amount: Price, other: Price) -> Result<(), Refusal> {
    if amount.currency == other.currency {
        return Ok(());
    }
    Err(Refusal::new(400, "CurrencyMismatch", format!("The currency must be {}.", other.currency)))
}

fn at_most(amount: Price, most: Price) -> Result<(), Refusal> {
    if amount.amount <= most.amount {
        return Ok(());
    }
    let message = format!("The amount exceeds {} {}.", most.amount_text(), most.currency);
    Err(Refusal::new(400, "TransactionAmountExceeded", message))
}
