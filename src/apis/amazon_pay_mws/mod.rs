//! Amazon Pay via MWS: the "OffAmazonPayments" section, version 2013-01-01 (XML, HMAC).
//!
//! Owns: one exchange, from the permit to the answer or failure (docs/src/reference/amazon-pay-mws.md and
//! docs/src/reference/amazon-pay-batch.md). Must never know: storage, schedules, chats. Only this file sends requests;
//! everything else is pure: `operations` (single calls), `feeds` (batches), `reports`, `wire`, `sign`, `lifecycle`.

pub mod ask;
mod calling;
pub mod config;
mod csv_rows;
pub mod feeds;
pub mod kind;
pub mod lifecycle;
pub mod limits;
mod md5;
mod notifications;
pub mod operations;
pub mod reports;
pub mod service_status;
pub mod sign;
pub mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::ask::{Ask, Section};
use self::config::Settings;
use self::kind::ObjectKind;
use self::operations::{Answer, Call};
use self::wire::QuotaHeaders;
use super::batch::{BatchApi, PollLimits};
use super::calls::{CallFailure, Caller};
use super::config::Environment;
use super::notifications::Notifier;
use super::pace::{Pace, Permit, Quota};
use super::registration::{KindFacts, Registration};
use super::reporting::{ReportKind, Source};
use super::transport::{Response, Transport, TransportError};
use super::{Api, Asking, Fetching, obey};
use crate::clock::SharedClock;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind, ObjectId};
use crate::payments::observation::{Failure, Observation};

/// The largest difference between a request's timestamp and the provider's clock that the provider accepts (section
/// 1.4).
const WIDEST_CLOCK_OFFSET_S: u64 = 15 * 60;

/// No answer has shown the provider's time yet.
const NO_OFFSET: i64 = i64::MIN;

/// One Amazon Pay account, reached via MWS.
pub struct AmazonPayMws {
    settings: Settings,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    clock_offset_s: AtomicI64,
}

impl AmazonPayMws {
    /// An account that sends through `transport` and timestamps its requests with `clock`.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: SharedClock) -> AmazonPayMws {
        AmazonPayMws { settings, transport, clock, clock_offset_s: AtomicI64::new(NO_OFFSET) }
    }

    /// Its configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The current time.
    pub(in crate::apis) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the budget of every operation of this account in `pace`.
    pub fn set_quotas(&self, account: &AccountName, pace: &Pace) {
        for (operation, quota) in self.settings.quotas() {
            pace.set_quota(account, operation, quota);
        }
    }

    /// How far the provider's clock was ahead of ours at the last answer, to the second.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        let offset_s = self.clock_offset_s.load(Ordering::Relaxed);
        (offset_s != NO_OFFSET).then(|| SignedDuration::from_secs(offset_s))
    }

    /// Carries out one checked call. The permit is for its operation ([`operations::Operation::name`]). It never
    /// retries: [`operations::Call::when_lost`] says what may be done when this fails.
    ///
    /// # Errors
    /// Why no answer confirms that the call was carried out. [`CallFailure`] says whether it may have been carried out
    /// anyway.
    pub async fn call(&self, call: &Call, permit: Permit) -> Result<Answer, CallFailure> {
        let mut ask = Ask::new(Section::Payments, call.operation().name);
        ask.parameters.clone_from(call.parameters());
        let response = self.ask(&ask, permit).await?;
        let request_id = response.header("x-mws-request-id");
        if response.status == 200 {
            return Ok(Answer::read(call, &response.body, request_id)?);
        }
        let wait = asked_wait(&response, self.clock.now());
        let failure = wire::failure(response.status, &response.body, request_id, wait);
        let code = wire::envelope(&response.body).code;
        Err(CallFailure::from(self.blame_clock(failure)).with_code(code.as_deref()))
    }

    /// Sends one request of any section and returns its answer, whatever the status. The readers in `feeds` and
    /// `reports` interpret it. Quota headers and throttling update the permit.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub async fn ask(&self, ask: &Ask, permit: Permit) -> Result<Response, TransportError> {
        Ok(self.send(ask, permit).await?.0)
    }

    /// Sends one request. Any status other than 200 is a failure.
    async fn exchange(&self, ask: &Ask, permit: Permit) -> Result<Response, Failure> {
        match self.send(ask, permit).await? {
            (response, None) => Ok(response),
            (_, Some(failure)) => Err(self.blame_clock(failure)),
        }
    }

    /// Sends one request. Quota headers and throttling update the permit. A status other than 200 comes with the
    /// failure that it means.
    async fn send(
        &self,
        ask: &Ask,
        mut permit: Permit,
    ) -> Result<(Response, Option<Failure>), TransportError> {
        let response = self.transport.send(ask.sign(&self.settings, self.clock.now())).await?;
        let now = self.clock.now();
        self.note_clock(&response, now);
        let quota = QuotaHeaders::read(|name| response.header(name));
        permit.quota_hint(quota.hint(their_time(&response), now));
        if response.status == 200 {
            return Ok((response, None));
        }
        let wait = asked_wait(&response, now);
        let request_id = response.header("x-mws-request-id");
        let failure = wire::failure(response.status, &response.body, request_id, wait);
        obey(&mut permit, &failure, wait);
        Ok((response, Some(failure)))
    }

    async fn look_at(&self, kind: &Kind, id: &ObjectId, permit: Permit) -> Result<Observation, Failure> {
        let Some(known) = ObjectKind::of(kind) else {
            let detail = format!("this API has no kind {kind}");
            return Err(Failure::Refused { is_whole_account: false, detail });
        };
        let ask = Ask::new(Section::Payments, known.operation()).with(known.id_name(), id.as_str());
        let response = self.exchange(&ask, permit).await?;
        wire::read(known, id, &response.body, response.header("x-mws-request-id"))
    }

    fn note_clock(&self, response: &Response, now: Timestamp) {
        if let Some(theirs) = their_time(response) {
            self.clock_offset_s.store(theirs.duration_since(now).as_secs(), Ordering::Relaxed);
        }
    }

    /// If the clocks are too far apart, a refusal is about the clock, not the object: the provider answers an expired
    /// request with `InvalidParameterValue`, as it does for any wrong field (section 1.4).
    fn blame_clock(&self, failure: Failure) -> Failure {
        let offset_s = self.clock_offset().map_or(0, |offset| offset.as_secs());
        match failure {
            Failure::Refused { detail, .. } if offset_s.unsigned_abs() >= WIDEST_CLOCK_OFFSET_S => {
                let detail = format!(
                    "{detail}; this machine's clock is {} s {} the provider's, which allows 15 minutes",
                    offset_s.unsigned_abs(),
                    if offset_s > 0 { "behind" } else { "ahead of" }
                );
                Failure::Refused { is_whole_account: true, detail }
            }
            other => other,
        }
    }
}

/// What the provider's clock showed when it answered.
fn their_time(response: &Response) -> Option<Timestamp> {
    let own = response.header("x-mws-timestamp").and_then(wire::read_time);
    own.or_else(|| response.date())
}

/// How long an answer asks us to wait: `Retry-After` if present, else the time until the quota resets if none of it is
/// left (sections 5.2 and 5.3).
fn asked_wait(response: &Response, now: Timestamp) -> Option<Duration> {
    let quota = QuotaHeaders::read(|name| response.header(name));
    response.retry_after(now).or_else(|| quota.wait(their_time(response), now))
}

/// The entry in the registry.
pub const REGISTRATION: Registration = Registration {
    name: "amazon-pay-mws",
    settings: |reader, path, secrets| Ok(Arc::new(reader.read::<config::Section>()?.resolve(path, secrets)?)),
    kinds: || {
        let facts = |kind: ObjectKind| KindFacts {
            name: kind.name(),
            operation: kind.operation(),
            lifecycle: lifecycle::of(kind),
        };
        ObjectKind::ALL.map(facts).to_vec()
    },
    batch: Some(feeds::serving::read),
    has_reports: true,
};

impl super::Settings for Settings {
    fn name(&self) -> &'static str {
        REGISTRATION.name
    }

    fn credentials(&self) -> (&'static str, Vec<&str>) {
        ("access_key_id", self.credentials())
    }

    fn kinds(&self) -> &'static [&'static str] {
        &ObjectKind::NAMES
    }

    fn quotas(&self) -> Vec<(&'static str, Quota)> {
        self.quotas()
    }

    fn region(&self) -> &'static str {
        self.region.as_str()
    }

    fn is_sandbox(&self) -> bool {
        self.environment == Environment::Sandbox
    }

    fn poll_limits(&self) -> Option<PollLimits> {
        let limits = PollLimits { most: self.batch_caps.requests, kinds: &["capture", "refund"] };
        self.marketplace_id.is_some().then_some(limits)
    }

    fn report_kinds(&self) -> Vec<ReportKind> {
        reports::kinds_in(self.environment)
    }

    fn build(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Arc<dyn Api> {
        Arc::new(AmazonPayMws::new(self.clone(), transport, clock))
    }
}

impl Api for AmazonPayMws {
    fn kinds(&self) -> &'static [&'static str] {
        &ObjectKind::NAMES
    }

    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle> {
        ObjectKind::of(kind).map(lifecycle::of)
    }

    fn operation(&self, kind: &Kind) -> Option<&'static str> {
        ObjectKind::of(kind).map(ObjectKind::operation)
    }

    fn accepts(&self, kind: &Kind, id: &ObjectId) -> Result<(), String> {
        let Some(known) = ObjectKind::of(kind) else {
            return Err(format!("there is no kind {kind}, only {}", ObjectKind::NAMES.join(", ")));
        };
        kind::check(known, id, self.settings.environment == Environment::Sandbox)
    }

    fn canonical(&self, id: &ObjectId) -> ObjectId {
        kind::canonical(id)
    }

    fn kind_of(&self, id: &ObjectId) -> Option<Kind> {
        kind::form(id)?.kind.map(ObjectKind::kind)
    }

    fn fetch<'a>(&'a self, kind: &'a Kind, id: &'a ObjectId, permit: Permit) -> Fetching<'a> {
        Box::pin(self.look_at(kind, id, permit))
    }

    fn service_operation(&self) -> Option<&'static str> {
        self.settings.is_service_followed.then_some("GetServiceStatus")
    }

    fn service_status(&self, permit: Permit) -> Asking<'_> {
        Box::pin(async {
            let response = self.exchange(&Ask::new(Section::Payments, "GetServiceStatus"), permit).await?;
            service_status::read(&response.body).map(Into::into)
        })
    }

    fn where_to_look(&self) -> &'static str {
        self.settings.region.where_to_look()
    }

    fn batches(&self) -> Option<&dyn BatchApi> {
        Some(self)
    }

    fn calls(&self) -> Option<&dyn Caller> {
        Some(self)
    }

    fn notifications(&self) -> Option<&dyn Notifier> {
        Some(self)
    }

    fn reports(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl fmt::Debug for AmazonPayMws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AmazonPayMws").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
