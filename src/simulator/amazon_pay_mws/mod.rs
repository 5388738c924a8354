//! Pretend Amazon Pay MWS: the section "OffAmazonPayments", version 2013-01-01, XML and Signature Version 2.
//!
//! Owns: how that section behaves, every operation of its reference, from the manual alone. Must never
//! know: any other room but `clock`, or the client's code.
//!
//! A request is let in by the `front_door` (signature, clock, seller), checked against the table of
//! `operations`, carried out on the `books`, and shown by `details`. An object's state is looked up by time
//! in its `timeline`: nothing runs in the background.

mod agreements;
mod arguments;
mod authorizations;
mod books;
mod captures;
mod details;
mod form;
mod front_door;
mod hourly;
mod merchant;
mod money;
mod operations;
mod orders;
mod planting;
mod refusal;
mod simulation;
mod timeline;
mod words;
mod world;
mod xml;

#[cfg(test)]
mod desk;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod vectors;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::exchange::{Incoming, Outgoing};
use super::fate::Fates;
use super::plan::{Plan, Step, Truth};
use super::provider::{Operation, Provider, Quota, Random};

use arguments::Arguments;
use books::{Books, Caller};
use hourly::HourlyCounts;
use refusal::{Code, Refusal};
use world::{Call, World};
use xml::{Element, Layout};

pub use merchant::{MwsHabits, MwsMerchant, MwsServiceStatus};

/// The pretend section.
#[derive(Debug)]
pub struct MwsProvider {
    merchants: Vec<MwsMerchant>,
    /// Seller and `MWSAuthToken`.
    delegations: Vec<(String, String)>,
    habits: MwsHabits,
    service_status: MwsServiceStatus,
    fates: BTreeMap<(String, String), Fates>,
    books: Books,
    hourly: HourlyCounts,
}

impl MwsProvider {
    /// A section in which these sellers are known.
    pub fn new(merchants: Vec<MwsMerchant>) -> MwsProvider {
        MwsProvider {
            merchants,
            delegations: Vec::new(),
            habits: MwsHabits::default(),
            service_status: MwsServiceStatus::Green,
            fates: BTreeMap::new(),
            books: Books::new(),
            hourly: HourlyCounts::default(),
        }
    }

    /// What `GetServiceStatus` says from now on.
    pub fn set_service_status(&mut self, status: MwsServiceStatus) {
        self.service_status = status;
    }

    /// How the section behaves from now on.
    pub fn set_habits(&mut self, habits: MwsHabits) {
        self.habits = habits;
    }

    /// From now on, other sellers' keys may call for this seller with this `MWSAuthToken`
    /// (amazon-pay-mws.md section 1.4).
    pub fn allow_delegation(&mut self, seller_id: impl Into<String>, token: impl Into<String>) {
        self.delegations.push((seller_id.into(), token.into()));
    }

    fn perform(
        &mut self,
        incoming: &Incoming,
        request_id: &str,
        random: &mut Random,
    ) -> Result<Vec<u8>, Refusal> {
        let visitor = front_door::let_in(incoming, &self.merchants, &self.delegations)?;
        let operation = operations::find(&visitor.action).ok_or_else(|| {
            Code::InvalidParameterValue.because("Action is not an operation of this section")
        })?;
        if !self.hourly.admits(incoming.at, &key_of(&visitor, operation.action), self.habits.hourly_quota) {
            return Err(Code::QuotaExceeded.because("You exceeded your quota of requests per hour"));
        }
        let arguments = Arguments::check(operation, visitor.parameters)?;
        let caller = Caller {
            seller_id: visitor.seller_id,
            is_sandbox: visitor.is_sandbox,
            region_digits: visitor.region_digits,
            at: incoming.at,
        };
        if operation.action == "GetServiceStatus" {
            let result = self.service_status(incoming.at);
            let text = xml::success(operation.action, Some(result), request_id, Layout::Recorded);
            return Ok(text.into_bytes());
        }
        let (fates, habits, books) = (&self.fates, &self.habits, &mut self.books);
        let mut world = World { books, habits, fates, random };
        let mut result = dispatch(&mut world, operation.action, &Call { caller, arguments })?;
        let layout = if self.habits.is_answer_varied {
            xml::vary(result.as_deref_mut().unwrap_or_default(), random)
        } else {
            Layout::Plain
        };
        Ok(xml::success(operation.action, result, request_id, layout).into_bytes())
    }

    /// Section 7.
    fn service_status(&self, at: Timestamp) -> Vec<Element> {
        let mut result = vec![
            Element::text("Status", self.service_status.word()),
            Element::text("Timestamp", details::time(at)),
        ];
        if self.service_status != MwsServiceStatus::Green {
            result.push(Element::text("MessageId", "173964729I"));
            let text = format!("The service status is {}", self.service_status.word());
            let message = vec![Element::text("Locale", "en_US"), Element::text("Text", text)];
            result.push(Element::of("Messages", vec![Element::of("Message", message)]));
        }
        result
    }

    fn with_headers(&self, answer: Outgoing, incoming: &Incoming, request_id: &str) -> Outgoing {
        let context = STANDARD.encode(format!("simulated {request_id}"));
        let mut answer = answer
            .with_header("x-mws-request-id", request_id)
            .with_header("x-mws-timestamp", details::time(incoming.at))
            .with_header("x-mws-response-context", context);
        if let (Some(quota), Some(operation)) = (self.habits.hourly_quota, self.operation(incoming)) {
            for (name, value) in self.hourly.headers(incoming.at, &operation, quota) {
                answer = answer.with_header(name, value);
            }
        }
        answer
    }
}

fn key_of(visitor: &front_door::Visitor, action: &str) -> Operation {
    Operation { merchant: visitor.seller_id.clone(), name: action.to_owned(), is_sandbox: visitor.is_sandbox }
}

/// Carries out one operation. `None`: the recorded answers have no Result element (section 3.4).
fn dispatch(world: &mut World<'_>, action: &str, call: &Call) -> Result<Option<Vec<Element>>, Refusal> {
    match action {
        "GetOrderReferenceDetails" => orders::get(world, call).map(Some),
        "SetOrderReferenceDetails" => orders::set_details(world, call).map(Some),
        "SetOrderAttributes" => orders::set_attributes(world, call).map(Some),
        "ConfirmOrderReference" => orders::confirm(world, call).map(|()| None),
        "CancelOrderReference" => orders::cancel(world, call).map(Some),
        "CloseOrderReference" => orders::close(world, call).map(|()| None),
        "Authorize" => authorizations::authorize(world, call).map(Some),
        "GetAuthorizationDetails" => authorizations::get(world, call).map(Some),
        "CloseAuthorization" => authorizations::close(world, call).map(Some),
        "Capture" => captures::capture(world, call).map(Some),
        "GetCaptureDetails" => captures::get_capture(world, call).map(Some),
        "Refund" => captures::refund(world, call).map(Some),
        "GetRefundDetails" => captures::get_refund(world, call).map(Some),
        "CreateOrderReferenceForId" => agreements::create_order(world, call).map(Some),
        "GetBillingAgreementDetails" => agreements::get(world, call).map(Some),
        "SetBillingAgreementDetails" => agreements::set_details(world, call).map(Some),
        "ConfirmBillingAgreement" => agreements::confirm(world, call).map(Some),
        "ValidateBillingAgreement" => agreements::validate(world, call).map(Some),
        "AuthorizeOnBillingAgreement" => agreements::authorize(world, call).map(Some),
        "CloseBillingAgreement" => agreements::close(world, call).map(Some),
        _ => Err(Code::InvalidParameterValue.because("Action is not an operation of this section")),
    }
}

impl Provider for MwsProvider {
    fn api(&self) -> &'static str {
        "amazon-pay-mws"
    }

    fn claims(&self, incoming: &Incoming) -> bool {
        front_door::is_of_this_section(&incoming.path)
    }

    fn operation(&self, incoming: &Incoming) -> Option<Operation> {
        let is_sandbox = front_door::environment(&incoming.path)?;
        let parameters = front_door::parameters(incoming).ok()?;
        let operation = operations::find(parameters.get("Action")?)?;
        let merchant = parameters.get("SellerId")?;
        if !self.merchants.iter().any(|known| known.seller_id == *merchant) {
            return None;
        }
        Some(Operation { merchant: merchant.clone(), name: operation.action.to_owned(), is_sandbox })
    }

    fn documented_quota(&self, operation: &Operation) -> Quota {
        match operations::find(&operation.name) {
            Some(known) => known.quota(operation.is_sandbox),
            None => Quota::new(2, 1, 300),
        }
    }

    fn throttled(&self, incoming: &Incoming) -> Outgoing {
        // No randomness is at hand; the request itself decides the id.
        let mut seed =
            u64::try_from(incoming.at.as_nanosecond().unsigned_abs() & u128::from(u64::MAX)).unwrap_or(0);
        for byte in &incoming.body {
            seed = (seed ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let request_id = uuid(&mut Random::new(seed));
        self.refused(&Code::RequestThrottled.because("Request is throttled"), incoming, &request_id)
    }

    fn answer(&mut self, incoming: &Incoming, random: &mut Random) -> Outgoing {
        let request_id = uuid(random);
        match self.perform(incoming, &request_id, random) {
            Ok(body) => self.with_headers(Outgoing::new(200, "text/xml", body), incoming, &request_id),
            Err(refusal) => self.refused(&refusal, incoming, &request_id),
        }
    }

    fn plant(
        &mut self,
        merchant: &str,
        plan: &Plan,
        at: Timestamp,
        random: &mut Random,
    ) -> Result<String, String> {
        let known = self.merchants.iter().find(|known| known.seller_id == merchant);
        let known = known.ok_or_else(|| format!("{merchant} is not an MWS seller of this simulator"))?;
        let caller = Caller {
            seller_id: merchant.to_owned(),
            is_sandbox: known.is_sandbox,
            region_digits: known.region_digits(),
            at,
        };
        let (fates, habits, books) = (&self.fates, &self.habits, &mut self.books);
        planting::plant(&mut World { books, habits, fates, random }, &caller, plan)
    }

    fn truths(&self, at: Timestamp) -> Vec<Truth> {
        planting::truths(&self.books, at)
    }

    fn set_fates(&mut self, merchant: &str, kind: &str, fates: Fates) -> Result<(), String> {
        if !["authorization", "capture", "refund"].contains(&kind) {
            return Err(format!("no call of amazon-pay-mws decides what becomes of a {kind}"));
        }
        for fate in fates.iter() {
            let steps = fate.steps.iter().map(|step| Step {
                after: step.after_min,
                state: step.state.clone(),
                reason: step.reason.clone(),
            });
            words::check(kind, &steps.collect::<Vec<_>>())?;
        }
        self.fates.insert((merchant.to_owned(), kind.to_owned()), fates);
        Ok(())
    }
}

impl MwsProvider {
    fn refused(&self, refusal: &Refusal, incoming: &Incoming, request_id: &str) -> Outgoing {
        let body = xml::failure(refusal, request_id);
        self.with_headers(Outgoing::new(refusal.code.status(), "text/xml", body), incoming, request_id)
    }
}

/// A random id in the form of a version 4 UUID.
fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next_u64(), random.next_u64());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff,
    )
}
