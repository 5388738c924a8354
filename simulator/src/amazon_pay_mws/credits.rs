//! Provider credits: what a capture gives to another merchant, and takes back (docs/src/reference/amazon-pay-mws.md
//! section 3.2).
//!
//! Owns: credits and their reversals; both are carried out at once. Must never know: signatures.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::books::{Credit, CreditReversal, Object, Referred};
use super::details::{status, time};
use super::money::Money;
use super::refusal::{Code, Refusal};
use super::timeline::Timeline;
use super::world::{Call, World, object};
use super::xml::Element;

/// The credits that `Capture` asks for.
pub(super) fn asked(call: &Call) -> Result<Vec<(String, Money)>, Refusal> {
    let mut asked = Vec::new();
    loop {
        let prefix = format!("ProviderCreditList.member.{}", asked.len() + 1);
        let provider_id = call.arguments.get(&format!("{prefix}.ProviderId")).map(str::to_owned);
        match (provider_id, call.arguments.money(&format!("{prefix}.CreditAmount"))?) {
            (Some(provider_id), Some(amount)) => asked.push((provider_id, amount)),
            (None, None) => return Ok(asked),
            _ => {
                let message = format!("{prefix} needs both ProviderId and CreditAmount");
                return Err(Code::InvalidParameterValue.because(message));
            }
        }
    }
}

/// Gives them.
pub(super) fn give(world: &mut World<'_>, call: &Call, capture_id: &str, asked: Vec<(String, Money)>) {
    let authorization_id = world.books.captures.get(capture_id).is.authorization_id.clone();
    let order_id = world.books.authorizations.get(&authorization_id).is.order_id.clone();
    for (provider_id, amount) in asked {
        let id = world.books.new_child_id(&order_id, 'P', world.random);
        let reference = world.books.captures.get(capture_id).reference.clone();
        let is = Credit { provider_id, amount, reversals: Vec::new() };
        let timeline = Timeline::planned(call.caller.at, "Completed", &[]).0;
        world.books.credits.put(object(&call.caller, &id, reference, call.caller.at, timeline, is));
        world.books.captures.get_mut(capture_id).is.credits.push(id);
    }
}

/// `GetProviderCreditDetails`.
pub(super) fn get(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonProviderCreditId");
    let credit = world.books.credits.find(&call.caller, id)?;
    let reversed: Decimal =
        credit.is.reversals.iter().map(|id| world.books.reversals.get(id).is.amount.amount).sum();
    let ids = credit.is.reversals.iter().map(|id| Element::text("member", id)).collect();
    Ok(vec![Element::of(
        "ProviderCreditDetails",
        vec![
            Element::text("AmazonProviderCreditId", id),
            Element::text("SellerId", &credit.seller_id),
            Element::text("ProviderId", &credit.is.provider_id),
            Element::text("CreditReferenceId", &credit.reference),
            credit.is.amount.element("CreditAmount"),
            credit.is.amount.with(reversed).element("CreditReversalAmount"),
            Element::of("CreditReversalIdList", ids),
            Element::text("CreationTimestamp", time(credit.created)),
            status("CreditStatus", credit.at(call.caller.at), "LastUpdateTimestamp"),
        ],
    )])
}

/// `ReverseProviderCredit`.
pub(super) fn reverse(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let credit_id = call.arguments.required("AmazonProviderCreditId");
    let credit = world.books.credits.find(&call.caller, credit_id)?;
    let reference = call.arguments.required("CreditReversalReferenceId");
    let (known, reversals) = (credit.is.amount.clone(), credit.is.reversals.clone());
    let provider_id = credit.is.provider_id.clone();
    let all = call.arguments.all();
    if let Some(id) =
        world.books.repeated(&call.caller, Referred::CreditReversal, reference, credit_id, all)?
    {
        return Ok(vec![shown(world.books.reversals.get(&id), call.caller.at)]);
    }
    let amount = call.arguments.positive_money("CreditReversalAmount")?;
    if amount.currency != known.currency {
        return Err(Code::CurrencyMismatch.because("The currency differs from that of the credit"));
    }
    let earlier: Decimal = reversals.iter().map(|id| world.books.reversals.get(id).is.amount.amount).sum();
    if earlier + amount.amount > known.amount {
        return Err(Code::TransactionAmountExceeded.because("The amount is above what may be reversed"));
    }
    let stem = credit_id.split("-P").next().unwrap_or(credit_id).to_owned();
    let id = world.books.new_child_id(&stem, 'Q', world.random);
    let timeline = Timeline::planned(call.caller.at, "Completed", &[]).0;
    let is = CreditReversal { provider_id, amount };
    let made = object(&call.caller, &id, reference.to_owned(), call.caller.at, timeline, is);
    world.books.reversals.put(made);
    world.books.credits.get_mut(credit_id).is.reversals.push(id.clone());
    world.books.remember(&call.caller, Referred::CreditReversal, reference, credit_id, (&id, Some(all)));
    Ok(vec![shown(world.books.reversals.get(&id), call.caller.at)])
}

/// `GetProviderCreditReversalDetails`.
pub(super) fn get_reversal(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonProviderCreditReversalId");
    Ok(vec![shown(world.books.reversals.find(&call.caller, id)?, call.caller.at)])
}

fn shown(reversal: &Object<CreditReversal>, at: Timestamp) -> Element {
    Element::of(
        "ProviderCreditReversalDetails",
        vec![
            Element::text("AmazonProviderCreditReversalId", &reversal.id),
            Element::text("SellerId", &reversal.seller_id),
            Element::text("ProviderId", &reversal.is.provider_id),
            Element::text("CreditReversalReferenceId", &reversal.reference),
            reversal.is.amount.element("CreditReversalAmount"),
            Element::text("CreationTimestamp", time(reversal.created)),
            status("CreditReversalStatus", reversal.at(at), "LastUpdateTimestamp"),
        ],
    )
}
