//! Amazon Pay API v2 (Checkout v2): JSON, signed with RSA-PSS.
//!
//! Owns: polling one object and carrying out one operation at this API. Must never know: storage, schedules, chats,
//! what another API does. Facts come from docs/src/reference/amazon-pay-v2.md. Only this file sends requests; [`sign`],
//! [`wire`], [`operations`] and [`lifecycle`] are pure.

mod calling;
mod ids;
mod notifications;

pub mod config;
pub mod key;
pub mod lifecycle;
pub mod operations;
pub mod sign;
pub mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::calls::{CallFailure, Caller};
use super::config::Environment;
use super::notifications::Notifier;
use super::pace::{Permit, Quota};
use super::registration::{KindFacts, Registration};
use super::transport::{Method, Request, Response, Transport};
use super::{Api, Fetching, obey};
use crate::clock::SharedClock;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Failure, Observation};

use config::{AccountSection, Settings};
use sign::{Canonical, authorization, canonical_path, canonical_query};
use wire::ObjectKind;

/// The operation that fetches a charge.
pub const GET_CHARGE: &str = "GetCharge";
/// The operation that fetches a refund.
pub const GET_REFUND: &str = "GetRefund";
/// The operation that fetches a charge permission.
pub const GET_CHARGE_PERMISSION: &str = "GetChargePermission";

/// The kinds of objects, as an operator writes them.
pub const KINDS: &[&str] = &["charge", "refund", "charge-permission"];
/// Recorded answers have about 1 KB; a charge permission with every field has a few KB.
const LONGEST_BODY: usize = 256 * 1024;
/// The offset while no `Date` header has been received.
const NO_OFFSET: i64 = i64::MIN;

impl ObjectKind {
    fn of(kind: &Kind) -> Option<ObjectKind> {
        match kind.as_str() {
            "charge" => Some(ObjectKind::Charge),
            "refund" => Some(ObjectKind::Refund),
            "charge-permission" => Some(ObjectKind::ChargePermission),
            _ => None,
        }
    }

    /// The kind's name as a [`Kind`].
    fn kind(self) -> Kind {
        Kind::new(self.name()).expect("every name consists of lower-case letters and dashes")
    }

    fn name(self) -> &'static str {
        match self {
            ObjectKind::Charge => "charge",
            ObjectKind::Refund => "refund",
            ObjectKind::ChargePermission => "charge-permission",
        }
    }

    /// The folder below the base path (section 1.1).
    fn folder(self) -> &'static str {
        match self {
            ObjectKind::Charge => "charges",
            ObjectKind::Refund => "refunds",
            ObjectKind::ChargePermission => "chargePermissions",
        }
    }

    fn operation(self) -> &'static str {
        match self {
            ObjectKind::Charge => GET_CHARGE,
            ObjectKind::Refund => GET_REFUND,
            ObjectKind::ChargePermission => GET_CHARGE_PERMISSION,
        }
    }

    fn lifecycle(self) -> &'static dyn Lifecycle {
        match self {
            ObjectKind::Charge => &lifecycle::Charge,
            ObjectKind::Refund => &lifecycle::Refund,
            ObjectKind::ChargePermission => &lifecycle::ChargePermission,
        }
    }
}

/// One account at Amazon Pay API v2.
pub struct AmazonPayV2 {
    settings: Settings,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    clock_offset_ms: AtomicI64,
}

/// One call of the API, before it is signed. `path` and `parameters` are not encoded.
struct Call<'a> {
    method: Method,
    path: &'a str,
    parameters: &'a [(&'a str, &'a str)],
    body: Vec<u8>,
    /// Only for creating calls (section 2.5); signed like every header.
    idempotency_key: Option<&'a str>,
}

impl AmazonPayV2 {
    /// An account with its settings. Its [`Settings::quotas`] must also be set at the pace.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: SharedClock) -> AmazonPayV2 {
        AmazonPayV2 { settings, transport, clock, clock_offset_ms: AtomicI64::new(NO_OFFSET) }
    }

    /// The account's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How far Amazon's clock is ahead of ours, to the second, according to the last answer with a `Date`.
    /// Signatures contain our time, so a large offset explains refused signatures.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        let offset_ms = self.clock_offset_ms.load(Ordering::Relaxed);
        (offset_ms != NO_OFFSET).then(|| SignedDuration::from_millis(offset_ms))
    }

    fn note_clock(&self, response: &Response, now: Timestamp) {
        if let Some(theirs) = response.date() {
            let offset = theirs.duration_since(now).as_millis();
            self.clock_offset_ms.store(i64::try_from(offset).unwrap_or(NO_OFFSET), Ordering::Relaxed);
        }
    }

    /// The call, signed with the current time (section 2).
    fn signed(&self, call: Call<'_>, now: Timestamp) -> Result<Request, Failure> {
        let settings = &self.settings;
        if call.path.split('/').any(|piece| matches!(piece, "." | "..")) {
            // An HTTP client removes such a segment from the address, and the signature no longer matches.
            let detail = "an id that is only dots cannot be requested; forget the object".to_owned();
            return Err(Failure::Refused { is_whole_account: false, detail });
        }
        let path = canonical_path(&format!("{}/{}", settings.base_path(), call.path));
        let query = canonical_query(call.parameters);
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-amz-pay-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ("x-amz-pay-host", settings.endpoint.host().to_owned()),
            ("x-amz-pay-region", settings.region.as_str().to_owned()),
        ];
        headers.extend(call.idempotency_key.map(|key| ("x-amz-pay-idempotency-key", key.to_owned())));
        let signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let canonical = Canonical::new(call.method, &path, &query, &signed, &call.body);
        let text = canonical.string_to_sign(settings.algorithm);
        let signature =
            settings.signing_key.sign(settings.algorithm, &text).map_err(|error| Failure::Refused {
                is_whole_account: true,
                detail: format!("the private key cannot be used: {error}"),
            })?;
        let header = authorization(settings.algorithm, &settings.public_key_id, &canonical, &signature);
        headers.push(("authorization", header));
        headers.push(("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()));
        let question_mark = if query.is_empty() { "" } else { "?" };
        Ok(Request {
            method: call.method,
            url: format!("{}{path}{question_mark}{query}", settings.endpoint.base()),
            headers,
            body: call.body,
            deadline: settings.deadline,
            longest_body: LONGEST_BODY,
            is_beginning_enough: false,
        })
    }

    async fn look_at(&self, kind: &Kind, id: &ObjectId, mut permit: Permit) -> Result<Observation, Failure> {
        let object_kind = ObjectKind::of(kind).ok_or_else(|| Failure::Refused {
            is_whole_account: false,
            detail: format!("Amazon Pay API v2 has no kind {kind}"),
        })?;
        let call = Call {
            method: Method::Get,
            path: &format!("{}/{id}", object_kind.folder()),
            parameters: &[],
            body: Vec::new(),
            idempotency_key: None,
        };
        let request = self.signed(call, self.clock.now())?;
        let response = self.transport.send(request).await?;
        let now = self.clock.now();
        self.note_clock(&response, now);
        let outcome = wire::read(object_kind, id.as_str(), &response, now);
        if let Err(failure) = &outcome {
            obey(&mut permit, failure, response.retry_after(now));
        }
        outcome
    }

    /// Carries out one checked call, with a permit for its operation. It does not retry:
    /// [`operations::Call::when_lost`] says what may be done when this fails.
    ///
    /// # Errors
    /// Why no answer confirms that it was carried out. [`CallFailure`] says whether it may have been carried out
    /// anyway.
    pub async fn call(
        &self,
        call: &operations::Call,
        mut permit: Permit,
    ) -> Result<Observation, CallFailure> {
        let wanted = Call {
            method: call.operation().method,
            path: &call.path(),
            parameters: &[],
            body: call.body(),
            idempotency_key: call.key(),
        };
        let request = self.signed(wanted, self.clock.now())?;
        let response = self.transport.send(request).await?;
        let now = self.clock.now();
        self.note_clock(&response, now);
        let subject = call.subject().map(|(_, id)| id);
        let subject = subject.as_ref().map_or("", ObjectId::as_str);
        let outcome = if call.operation().is_making() {
            wire::read_made(call.operation().shows, subject, &response, now)
        } else {
            wire::read(call.operation().shows, subject, &response, now)
        };
        if let Err(failure) = &outcome {
            obey(&mut permit, failure, response.retry_after(now));
        }
        let code = || wire::reason_code(&response.body);
        outcome.map_err(|failure| CallFailure::from(failure).with_code(code().as_deref()))
    }
}

/// The entry in the registry.
pub const REGISTRATION: Registration = Registration {
    name: "amazon-pay-v2",
    settings: |reader, path, secrets| Ok(Arc::new(reader.read::<AccountSection>()?.resolve(path, secrets)?)),
    kinds: || {
        let facts = |object_kind: ObjectKind| KindFacts {
            name: object_kind.name(),
            operation: object_kind.operation(),
            lifecycle: object_kind.lifecycle(),
        };
        [ObjectKind::Charge, ObjectKind::Refund, ObjectKind::ChargePermission].map(facts).to_vec()
    },
    batch: None,
    has_reports: false,
};

impl super::Settings for Settings {
    fn name(&self) -> &'static str {
        REGISTRATION.name
    }

    fn credentials(&self) -> (&'static str, Vec<&str>) {
        ("public_key_id", self.credentials())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn quotas(&self) -> Vec<(&'static str, Quota)> {
        self.quotas()
    }

    fn region(&self) -> &'static str {
        self.region()
    }

    fn is_sandbox(&self) -> bool {
        self.environment() == Environment::Sandbox
    }

    fn missing_for_discovery(&self) -> Option<&'static str> {
        self.merchant_id().is_none().then_some("merchant_id")
    }

    fn build(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Arc<dyn Api> {
        Arc::new(AmazonPayV2::new(self.clone(), transport, clock))
    }
}

impl Api for AmazonPayV2 {
    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle> {
        ObjectKind::of(kind).map(ObjectKind::lifecycle)
    }

    fn operation(&self, kind: &Kind) -> Option<&'static str> {
        ObjectKind::of(kind).map(ObjectKind::operation)
    }

    fn accepts(&self, kind: &Kind, id: &ObjectId) -> Result<(), String> {
        let object_kind = ObjectKind::of(kind)
            .ok_or_else(|| format!("Amazon Pay API v2 has no kind {kind}; it has {}", KINDS.join(", ")))?;
        ids::accepts(object_kind, id.as_str(), self.settings.environment)
    }

    fn canonical(&self, id: &ObjectId) -> ObjectId {
        ids::canonical(id)
    }

    fn kind_of(&self, id: &ObjectId) -> Option<Kind> {
        ids::suggested(id.as_str()).map(ObjectKind::kind)
    }

    fn fetch<'a>(&'a self, kind: &'a Kind, id: &'a ObjectId, permit: Permit) -> Fetching<'a> {
        Box::pin(self.look_at(kind, id, permit))
    }

    fn where_to_look(&self) -> &'static str {
        self.settings.region.where_to_look()
    }

    fn calls(&self) -> Option<&dyn Caller> {
        Some(self)
    }

    fn notifications(&self) -> Option<&dyn Notifier> {
        Some(self)
    }
}

impl fmt::Debug for AmazonPayV2 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AmazonPayV2").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
