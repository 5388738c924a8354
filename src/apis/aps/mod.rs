//! Amazon Payment Services (formerly PayFort): orders by CHECK_STATUS, batches of operations (JSON, multipart,
//! signatures with a shared phrase; docs/src/reference/aps.md).
//!
//! Owns: one exchange about one order or one batch. Must never know: storage, schedules, chats. Only this
//! file sends requests; all others are pure.
//!
//! The id of an `aps-order` is the merchant reference, which the provider keeps unique.
//!
//! # What the provider's documentation leaves open
//!
//! Each point has a provisional choice, to be verified against the sandbox (docs/src/reference/aps.md, section 7):
//!
//! | Open | Choice | Changed by |
//! |---|---|---|
//! | Column names in a batch file | the parameters' names | `batch.columns` |
//! | Columns `access_code`, `signature` in a row | no | – |
//! | Whether `file` is signed at upload | no | `batch.sign_file` |
//! | Sandbox host of `PROCESS_BATCH` | the host of the others | `endpoints.process` |
//! | Whether every answer about an order is signed | yes, once one was | `unsigned_answers` |
//! | Form and signature of results | JSON or CSV text, signed or not | – |
//! | Full codes of batch states | the last three digits decide | – |
//! | Whether `70000` after a doubtful `PROCESS` means "not started" | no automatic resend | `Batch::not_processed` |
//! | Rows that fail validation | the file is not processed | `batch.process_with_row_errors` |
//! | Most rows of a file, MB of 10^6 or 2^20 | no limit, 10^6 | `batch.longest_file_rows` |
//! | Duration, retention | polls every 15 s to 5 min, 24 h | `batch.first_look_s`, `longest_look_s`, `deadline_h` |
//! | Request budget | 2 per second for all commands together | `quota` |
//! | Currency of CHECK_STATUS totals (the answer names none) | totals are evidence only | `currency` |
//! | Decimals of XOF, XPF, UYI, UYW (tools differ from ISO 4217) | not converted | `batch.amounts = "minor"` |
//! | How long an order may stay undecided | one day, three in review | the account's polling policy |

pub mod batch;
pub mod code;
pub mod column;
pub mod config;
mod feedback;
pub mod lifecycle;
pub mod rules;
pub mod sign;
pub mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use self::batch::machine::{Batch, Reply, Step};
use self::batch::request::{self, Body};
use self::batch::{answer, file};
use self::config::{Section, Settings, Unsigned};
use super::batch::BatchApi;
use super::config::Environment;
use super::notifications::Notifier;
use super::pace::{Pace, Permit, Quota};
use super::registration::{KindFacts, Registration};
use super::transport::{Method, Request, Response, Transport, TransportError};
use super::{Api, Fetching, obey};
use crate::clock::SharedClock;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind, ObjectId};
use crate::payments::observation::{Failure, Observation};
use crate::text::sha256;

/// The only kind of object.
pub const ORDER: &str = "aps-order";

/// All kinds of objects.
pub const KINDS: &[&str] = &[ORDER];

/// The name of the only budget, which all commands of a merchant share (section 6.1).
pub const OPERATION: &str = "FortAPI";

/// The back office, where a person can check.
pub const LOOK: &str = "https://fort.payfort.com/";

/// One account at Amazon Payment Services.
pub struct Aps {
    settings: Settings,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    /// Whether a signed answer about an order was received.
    has_seen_signature: AtomicBool,
}

/// What must be remembered across a restart: this account's answers are signed.
const SIGNED: &str = "signed";

/// Why a step of a batch was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The account may only read.
    #[error("nothing is sent: the account has no allow_writes = true")]
    WritesForbidden,
    /// The stored file is not the one that the batch was made for.
    #[error("nothing is sent: the stored file is not the one that this batch was made for")]
    OtherFile,
    /// The file's name or length is not acceptable.
    #[error("nothing is sent: the file {0}")]
    UnfitFile(&'static str),
    /// The step sends nothing.
    #[error("this step sends nothing")]
    NoRequest,
}

impl Aps {
    /// An account that sends requests through `transport`.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: SharedClock) -> Aps {
        Aps { settings, transport, clock, has_seen_signature: AtomicBool::new(false) }
    }

    /// The account's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The current time.
    pub(in crate::apis) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the budget of this account at `pace`.
    pub fn set_quotas(&self, account: &AccountName, pace: &Pace) {
        for (operation, quota) in self.settings.quotas() {
            pace.set_quota(account, operation, quota);
        }
    }

    /// Carries out one step of a batch, once. Store [`Batch::marked`] before it, and [`Batch::took`] of the reply
    /// after it. `file` is the content that the batch was made for; only an upload needs it.
    ///
    /// # Errors
    /// When nothing was sent and nothing ever would be: the batch stays as it was before it was marked.
    /// [`Aps::check_step`] says the same without sending.
    pub async fn carry_out(
        &self,
        batch: &Batch,
        step: Step,
        file: &[u8],
        mut permit: Permit,
    ) -> Result<Reply, NotSent> {
        self.check_step(batch, step, file)?;
        let (url, body) = match step {
            Step::Upload => {
                let body = request::upload(&self.settings, &batch.reference, &batch.file_name, file);
                (&self.settings.addresses.upload, body)
            }
            Step::Ask => {
                let body = request::results(&self.settings, &batch.reference, batch.batch_id.as_deref());
                (&self.settings.addresses.results, body)
            }
            Step::Process => {
                let body = request::process(&self.settings, &batch.reference, batch.batch_id.as_deref());
                (&self.settings.addresses.process, body)
            }
            Step::Wait(_) | Step::GiveUp | Step::Nothing => return Err(NotSent::NoRequest),
        };
        let sent = self.transport.send(self.request(url, body, answer::LONGEST_BODY_BYTES)).await;
        let response = match sent {
            Ok(response) => response,
            Err(TransportError::Connect(_) | TransportError::Unsendable(_)) => return Ok(Reply::Unsent),
            Err(_) => return Ok(Reply::Doubtful),
        };
        if self.failed(&response, &mut permit).is_some() {
            let is_forbidden = matches!(response.status, 401 | 403);
            return Ok(if is_forbidden { Reply::Forbidden } else { Reply::Doubtful });
        }
        let read = answer::read(&self.settings, &batch.reference, &response.body);
        Ok(read.map_or(Reply::Doubtful, Reply::Answered))
    }

    /// Whether a step may be sent at all. Call it before the step is marked.
    ///
    /// # Errors
    /// Why not.
    pub fn check_step(&self, batch: &Batch, step: Step, bytes: &[u8]) -> Result<(), NotSent> {
        let is_writing = matches!(step, Step::Upload | Step::Process);
        if is_writing && !self.settings.is_writing_allowed {
            return Err(NotSent::WritesForbidden);
        }
        if step == Step::Upload {
            if sha256(bytes) != batch.file_sha256 {
                return Err(NotSent::OtherFile);
            }
            if bytes.len() > file::LONGEST_FILE_BYTES {
                return Err(NotSent::UnfitFile("is longer than 50 MB"));
            }
            if let Some(fault) = file::name_fault(&batch.file_name) {
                return Err(NotSent::UnfitFile(fault));
            }
        }
        Ok(())
    }

    fn request(&self, url: &str, body: Body, longest_body: usize) -> Request {
        Request {
            method: Method::Post,
            url: url.to_owned(),
            headers: vec![
                ("content-type", body.content_type),
                ("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()),
            ],
            body: body.bytes,
            deadline: self.settings.deadline,
            longest_body,
            is_beginning_enough: false,
        }
    }

    /// What a status other than 2xx means. Also obeys a `Retry-After`.
    fn failed(&self, response: &Response, permit: &mut Permit) -> Option<Failure> {
        let wait = response.retry_after(self.clock.now());
        if (200..300).contains(&response.status) {
            return None;
        }
        let failure = wire::refusal_of_status(response.status, wait);
        obey(permit, &failure, wait);
        Some(failure)
    }

    async fn look_at(&self, kind: &Kind, id: &ObjectId, mut permit: Permit) -> Result<Observation, Failure> {
        if kind.as_str() != ORDER {
            let detail = format!("this API has no kind {kind}");
            return Err(Failure::Refused { is_whole_account: false, detail });
        }
        let body = Body {
            content_type: "application/json; charset=utf-8".to_owned(),
            bytes: wire::json_body(&wire::question(&self.settings, id)),
        };
        let request = self.request(&self.settings.addresses.payment, body, wire::LONGEST_BODY_BYTES);
        let response = self.transport.send(request).await?;
        match self.failed(&response, &mut permit) {
            Some(failure) => Err(failure),
            None => self.read(id, &response.body),
        }
    }

    fn read(&self, id: &ObjectId, body: &[u8]) -> Result<Observation, Failure> {
        let must_be_signed = match self.settings.unsigned {
            Unsigned::UntilSigned => self.has_seen_signature.load(Ordering::Relaxed),
            Unsigned::Accept => false,
            Unsigned::Refuse => true,
        };
        let seen = wire::read(&self.settings, id, body, must_be_signed)?;
        if wire::is_signed(&seen) {
            self.has_seen_signature.store(true, Ordering::Relaxed);
        }
        Ok(seen)
    }
}

/// The entry in the registry.
pub const REGISTRATION: Registration = Registration {
    name: "aps",
    settings: |reader, path, secrets| Ok(Arc::new(reader.read::<Section>()?.resolve(path, secrets)?)),
    kinds: || vec![KindFacts { name: ORDER, operation: OPERATION, lifecycle: &lifecycle::Order }],
    batch: Some(batch::serving::read),
    has_reports: false,
};

impl super::Settings for Settings {
    fn name(&self) -> &'static str {
        REGISTRATION.name
    }

    fn credentials(&self) -> (&'static str, Vec<&str>) {
        ("access_code", self.credentials())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn quotas(&self) -> Vec<(&'static str, Quota)> {
        self.quotas()
    }

    fn region(&self) -> &'static str {
        REGISTRATION.name
    }

    fn is_sandbox(&self) -> bool {
        self.environment == Environment::Sandbox
    }

    fn build(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Arc<dyn Api> {
        Arc::new(Aps::new(self.clone(), transport, clock))
    }
}

impl Api for Aps {
    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle> {
        (kind.as_str() == ORDER).then_some(&lifecycle::Order as &dyn Lifecycle)
    }

    fn operation(&self, kind: &Kind) -> Option<&'static str> {
        (kind.as_str() == ORDER).then_some(OPERATION)
    }

    fn accepts(&self, kind: &Kind, id: &ObjectId) -> Result<(), String> {
        if kind.as_str() != ORDER {
            return Err(format!("there is no kind {kind}, only {ORDER}"));
        }
        if id.as_str().len() > wire::LONGEST_REFERENCE {
            return Err("a merchant reference has at most 40 characters".to_owned());
        }
        if id.as_str().contains('~') {
            return Err("a merchant reference has only letters, digits, '-', '_' and '.'".to_owned());
        }
        Ok(())
    }

    /// Any text may be a merchant reference, and there is only one kind.
    fn kind_of(&self, id: &ObjectId) -> Option<Kind> {
        let kind = Kind::new(ORDER).ok()?;
        self.accepts(&kind, id).is_ok().then_some(kind)
    }

    fn fetch<'a>(&'a self, kind: &'a Kind, id: &'a ObjectId, permit: Permit) -> Fetching<'a> {
        Box::pin(self.look_at(kind, id, permit))
    }

    fn where_to_look(&self) -> &'static str {
        LOOK
    }

    fn batches(&self) -> Option<&dyn BatchApi> {
        Some(self)
    }

    fn notifications(&self) -> Option<&dyn Notifier> {
        Some(self)
    }

    fn learnt(&self) -> Option<&'static str> {
        self.has_seen_signature.load(Ordering::Relaxed).then_some(SIGNED)
    }

    fn remind(&self, learnt: &str) {
        if learnt == SIGNED {
            self.has_seen_signature.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Aps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aps").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
