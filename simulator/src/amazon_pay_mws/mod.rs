//! Simulated Amazon Pay MWS: the section "OffAmazonPayments", version 2013-01-01, XML and Signature Version 2,
//! and the sections "Feeds" and "Reports", version 2009-01-01, as far as they carry payments (`counter`).
//!
//! Owns: how those sections behave, every operation of the reference, from the manuals alone. Must never
//! know: any other room but `clock`, or the client's code.
//!
//! A request is let in by the `front_door` (signature, clock, seller), checked against the table of
//! `operations`, carried out on the `books`, and shown by `details`. An object's state is looked up by time
//! in its `timeline`: nothing runs in the background.

mod agreements;
mod announce;
mod arguments;
mod authorizations;
mod books;
mod captures;
mod counter;
mod credits;
mod details;
mod form;
mod front_door;
mod hourly;
mod merchant;
mod money;
mod operations;
mod order_list;
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
mod extras;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod vectors;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::exchange::{Incoming, Outgoing};
use super::fate::Fates;
use super::plan::{Announcement, Plan, Step, Truth, Window};
use super::provider::{Operation, Provider, Quota, Random};

use arguments::Arguments;
use books::{Books, Caller};
use counter::Counters;
use hourly::HourlyCounts;
use refusal::{Code, Refusal};
use world::{Call, World};
use xml::{Element, Layout};

pub use merchant::{MwsBatchHabits, MwsHabits, MwsMerchant, MwsReportHabits, MwsServiceStatus};

/// What `GetServiceStatus` says in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedStatus {
    /// From when on.
    pub from: Timestamp,
    /// Until just before this; `None`: for ever.
    pub until: Option<Timestamp>,
    /// What it says.
    pub status: MwsServiceStatus,
}

impl PlannedStatus {
    fn holds_at(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// The pretend section.
#[derive(Debug)]
pub struct MwsProvider {
    merchants: Vec<MwsMerchant>,
    /// Seller and `MWSAuthToken`.
    delegations: Vec<(String, String)>,
    /// Of sellers without their own.
    habits: MwsHabits,
    own_habits: BTreeMap<String, MwsHabits>,
    service_status: MwsServiceStatus,
    /// By seller: what is said instead, from when, until when.
    planned_statuses: BTreeMap<String, Vec<PlannedStatus>>,
    counters: Counters,
    fates: BTreeMap<(String, String), Fates>,
    books: Books,
    hourly: HourlyCounts,
    clock_ahead: SignedDuration,
}

impl MwsProvider {
    /// A section in which these sellers are known.
    pub fn new(merchants: Vec<MwsMerchant>) -> MwsProvider {
        MwsProvider {
            merchants,
            delegations: Vec::new(),
            habits: MwsHabits::default(),
            own_habits: BTreeMap::new(),
            planned_statuses: BTreeMap::new(),
            counters: Counters::default(),
            service_status: MwsServiceStatus::Green,
            fates: BTreeMap::new(),
            books: Books::new(),
            hourly: HourlyCounts::default(),
            clock_ahead: SignedDuration::ZERO,
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

    /// How the section behaves towards this seller from now on.
    pub fn set_habits_of(&mut self, seller_id: impl Into<String>, habits: MwsHabits) {
        self.own_habits.insert(seller_id.into(), habits);
    }

    /// What `GetServiceStatus` says to this seller at a time; the plan made first wins.
    pub fn plan_service_status(&mut self, seller_id: impl Into<String>, planned: PlannedStatus) {
        self.planned_statuses.entry(seller_id.into()).or_default().push(planned);
    }

    fn habits_of(&self, seller_id: &str) -> &MwsHabits {
        self.own_habits.get(seller_id).unwrap_or(&self.habits)
    }

    /// Carries out the batches whose time has come.
    fn carry_out(&mut self, at: Timestamp) {
        let (own, common) = (&self.own_habits, &self.habits);
        let habits = |seller: &str| own.get(seller).unwrap_or(common).clone();
        counter::carry_out(&mut self.counters.feeds, &mut self.books, habits, &self.fates, at);
    }

    /// From now on, other sellers' keys may call for this seller with this `MWSAuthToken`
    /// (docs/src/reference/amazon-pay-mws.md section 1.4).
    pub fn allow_delegation(&mut self, seller_id: impl Into<String>, token: impl Into<String>) {
        self.delegations.push((seller_id.into(), token.into()));
    }

    fn perform(
        &mut self,
        incoming: &Incoming,
        request_id: &str,
        random: &mut Random,
    ) -> Result<Vec<u8>, Refusal> {
        let dated = incoming.dated_by_clock(self.clock_ahead);
        let visitor = front_door::let_in(&dated, &self.merchants, &self.delegations)?;
        let operation = operations::find(&visitor.action).ok_or_else(|| {
            Code::InvalidAddress.because("The operation does not exist in this section and version")
        })?;
        let habits = self.habits_of(&visitor.seller_id).clone();
        if !self.hourly.admits(incoming.at, &key_of(&visitor, operation.action), habits.hourly_quota) {
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
            let result = self.service_status(&caller);
            let text = xml::success(operation.action, Some(result), request_id, Layout::Recorded);
            return Ok(text.into_bytes());
        }
        let (fates, habits, books) = (&self.fates, &habits, &mut self.books);
        let mut world = World { books, habits, fates, random };
        let mut result = dispatch(&mut world, operation.action, &Call { caller, arguments })?;
        let layout = if habits.is_answer_varied {
            xml::vary(result.as_deref_mut().unwrap_or_default(), random)
        } else {
            Layout::Plain
        };
        Ok(xml::success(operation.action, result, request_id, layout).into_bytes())
    }

    /// Section 7.
    fn service_status(&self, caller: &Caller) -> Vec<Element> {
        let plans = self.planned_statuses.get(&caller.seller_id);
        let planned = plans.and_then(|plans| plans.iter().find(|planned| planned.holds_at(caller.at)));
        let status = planned.map_or(self.service_status, |planned| planned.status);
        let mut result = vec![
            Element::text("Status", status.word()),
            Element::text("Timestamp", details::time(caller.at)),
        ];
        if status != MwsServiceStatus::Green {
            result.push(Element::text("MessageId", "173964729I"));
            let text = format!("The service status is {}", status.word());
            let message = vec![Element::text("Locale", "en_US"), Element::text("Text", text)];
            result.push(Element::of("Messages", vec![Element::of("Message", message)]));
        }
        result
    }

    fn with_headers(&self, answer: Outgoing, incoming: &Incoming, request_id: &str) -> Outgoing {
        let context = STANDARD.encode(format!("simulated {request_id}"));
        let mut answer = answer
            .with_header("x-mws-request-id", request_id)
            .with_header("x-mws-timestamp", details::time(incoming.dated_by_clock(self.clock_ahead).at))
            .with_header("x-mws-response-context", context);
        let operation = self.operation(incoming);
        let quota = operation.as_ref().and_then(|operation| self.habits_of(&operation.merchant).hourly_quota);
        if let (Some(quota), Some(operation)) = (quota, operation) {
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
        "ListOrderReference" => order_list::list(world, call).map(Some),
        "ListOrderReferenceByNextToken" => order_list::list_more(world, call).map(Some),
        "GetMerchantAccountStatus" => Ok(Some(vec![Element::text("AccountStatus", "ACTIVE")])),
        "GetProviderCreditDetails" => credits::get(world, call).map(Some),
        "GetProviderCreditReversalDetails" => credits::get_reversal(world, call).map(Some),
        "ReverseProviderCredit" => credits::reverse(world, call).map(Some),
        _ => Err(Code::InvalidAddress.because("The operation does not exist in this section and version")),
    }
}

impl Provider for MwsProvider {
    fn api(&self) -> &'static str {
        "amazon-pay-mws"
    }

    fn claims(&self, incoming: &Incoming) -> bool {
        front_door::is_of_this_section(&incoming.path) || counter::section(incoming).is_some()
    }

    fn operation(&self, incoming: &Incoming) -> Option<Operation> {
        if counter::section(incoming).is_some() {
            return self.counters.operation(incoming, &self.merchants);
        }
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
            None => Counters::quota(&operation.name).unwrap_or(Quota::new(2, 1, 300)),
        }
    }

    fn throttled(&self, incoming: &Incoming) -> Outgoing {
        // No randomness is at hand; the request itself decides the id.
        let mut seed =
            u64::try_from(incoming.at.as_nanosecond().unsigned_abs() & u128::from(u64::MAX)).unwrap_or(0);
        for byte in &incoming.body {
            seed = (seed ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let request_id = Random::new(seed).uuid();
        if counter::section(incoming).is_some() {
            let operation = self.operation(incoming);
            return self.counters.throttled(incoming, operation.as_ref(), &request_id);
        }
        self.refused(&Code::RequestThrottled.because("Request is throttled"), incoming, &request_id)
    }

    fn set_clock_ahead(&mut self, ahead: SignedDuration) {
        (self.clock_ahead, self.counters.clock_ahead) = (ahead, ahead);
    }

    fn answer(&mut self, incoming: &Incoming, random: &mut Random) -> Outgoing {
        self.carry_out(incoming.at);
        let request_id = random.uuid();
        if counter::section(incoming).is_some() {
            let seller = self.counters.operation(incoming, &self.merchants);
            let habits = self.habits_of(seller.as_ref().map_or("", |seller| &seller.merchant)).clone();
            let known = (self.merchants.as_slice(), self.delegations.as_slice());
            let world = (&self.books, &habits);
            return self.counters.answer(incoming, known, world, &request_id, random);
        }
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
        let habits = self.habits_of(merchant).clone();
        let (fates, habits, books) = (&self.fates, &habits, &mut self.books);
        planting::plant(&mut World { books, habits, fates, random }, &caller, plan)
    }

    fn truths(&self, at: Timestamp) -> Vec<Truth> {
        planting::truths(&self.books, at)
    }

    fn advance(&mut self, at: Timestamp) {
        self.carry_out(at);
    }

    fn announcements(&self, merchant: &str, window: Window) -> Vec<Announcement> {
        let Some(known) = self.merchants.iter().find(|known| known.seller_id == merchant) else {
            return Vec::new();
        };
        announce::announcements(&self.books, &self.counters.feeds, known, window)
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
