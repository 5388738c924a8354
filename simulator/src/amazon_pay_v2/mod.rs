//! Simulated Amazon Pay v2 (docs/src/reference/amazon-pay-v2.md sections 1 to 8 and 10).
//!
//! Owns: the order of checks (key, signature, environment, path, idempotency, call) and the merchants.
//! Must never know: any other room but `clock`, above all not the client's code for the same wire.

mod announce;
mod book;
mod canonical;
mod charge;
mod desk;
mod errors;
mod fields;
mod permission;
mod plant;
mod price;
mod refund;
mod route;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_support;
mod timeline;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::exchange::{Incoming, Outgoing};
use super::fate::Fates;
use super::plan::{Announcement, Plan, Step, Truth, Window};
use super::provider::{Operation, Provider, Quota, Random};
use book::{Book, Owner};
use canonical::hex_digest;
use desk::{Desk, FatesByKind};
use errors::{Outcome, Refusal, outgoing};
pub use permission::PERSONAL_DATA;
use route::{Route, Target, documented_quota};
use verify::{Authorization, PublicKey, region, verify};

/// How far a request's date may lie off; the manual does not say (section 12), MWS uses the same.
const DATE_TOLERANCE: Duration = Duration::from_secs(15 * 60);

/// The longest idempotency key (2.5).
const LONGEST_KEY: usize = 32;

/// A merchant that the provider knows.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// The merchant id, the key of its buckets.
    pub merchant_id: String,
    /// Such as `SANDBOX-AE…`; without prefix the path decides the environment.
    pub public_key_id: String,
    /// The public key, DER (SubjectPublicKeyInfo).
    pub public_key_der: Vec<u8>,
    /// Whether planted objects live in the sandbox.
    pub is_sandbox: bool,
    /// `na`, `eu` or `jp`.
    pub region: String,
}

/// The provider.
#[derive(Debug)]
pub struct AmazonPayV2 {
    /// By public key id.
    merchants: HashMap<String, Known>,
    /// By merchant id: where planted objects live.
    owners: HashMap<String, Owner>,
    date_tolerance: Duration,
    clock_ahead: SignedDuration,
    book: Book,
    fates: FatesByKind,
    saved: HashMap<(Owner, String), Saved>,
}

#[derive(Debug)]
struct Known {
    owner: Owner,
    region: String,
    key: PublicKey,
}

/// The first answer under an idempotency key.
#[derive(Debug)]
struct Saved {
    fingerprint: String,
    outcome: Outcome,
}

impl AmazonPayV2 {
    /// A provider that knows these merchants. `date_tolerance`: how far a request's date may lie from the
    /// simulator's clock; 15 minutes unless said otherwise.
    ///
    /// # Errors
    /// A sentence naming the key that is not usable.
    pub fn new(merchants: Vec<Merchant>, date_tolerance: Option<Duration>) -> Result<AmazonPayV2, String> {
        let (mut known, mut owners) = (HashMap::new(), HashMap::new());
        for merchant in merchants {
            let key = PublicKey::read(&merchant.public_key_der)
                .map_err(|error| format!("the key {} {error}", merchant.public_key_id))?;
            let region_digits = match merchant.region.as_str() {
                "eu" => "02",
                "jp" => "03",
                _ => "01",
            };
            let owner = Owner {
                merchant: Arc::from(merchant.merchant_id.as_str()),
                is_sandbox: merchant.is_sandbox,
                region_digits,
            };
            owners.insert(merchant.merchant_id, owner.clone());
            known.insert(merchant.public_key_id, Known { owner, region: merchant.region, key });
        }
        Ok(AmazonPayV2 {
            merchants: known,
            owners,
            date_tolerance: date_tolerance.unwrap_or(DATE_TOLERANCE),
            clock_ahead: SignedDuration::ZERO,
            book: Book::default(),
            fates: FatesByKind::new(),
            saved: HashMap::new(),
        })
    }

    /// Who calls, after every check of authenticity, and where the objects are that the call may see.
    fn caller(&self, incoming: &Incoming, route: &Route) -> Result<Owner, Refusal> {
        let Some(header) = incoming.header("authorization") else {
            return Err(Refusal::new(401, "UnauthorizedAccess", "The authorization header is missing."));
        };
        let authorization = Authorization::read(header)
            .ok_or_else(|| Refusal::new(403, "InvalidAuthentication", "The authorization is malformed."))?;
        let known = self
            .merchants
            .get(authorization.public_key_id)
            .ok_or_else(|| Refusal::new(403, "InvalidAuthentication", "The public key id is not known."))?;
        let dated = incoming.dated_by_clock(self.clock_ahead);
        verify(&dated, &authorization, &known.key, self.date_tolerance)?;
        let is_sandbox = environment(authorization.public_key_id, route.is_sandbox).ok_or_else(|| {
            Refusal::new(401, "UnauthorizedAccess", "The key does not belong to this environment.")
        })?;
        if region(incoming) != Some(known.region.as_str()) {
            return Err(Refusal::not_found());
        }
        Ok(Owner { is_sandbox, ..known.owner.clone() })
    }

    fn serve(&mut self, incoming: &Incoming, random: &mut Random) -> Outcome {
        let route = Route::read(&incoming.method, &incoming.path).ok_or_else(Refusal::not_found)?;
        let owner = self.caller(incoming, &route)?;
        let call = match route.target {
            Target::Call(call) => call,
            Target::OtherMethod => {
                let message = "The method is not supported for this resource.";
                return Err(Refusal::new(405, "UnsupportedOperation", message));
            }
            Target::Nowhere => return Err(Refusal::not_found()),
        };
        let key = idempotency_key(incoming)?;
        let fingerprint = fingerprint(incoming);
        if let Some(saved) = key.and_then(|key| self.saved.get(&(owner.clone(), key.to_owned()))) {
            if saved.fingerprint == fingerprint {
                return saved.outcome.clone();
            }
            let message = "The idempotency key was used for another request.";
            return Err(Refusal::new(400, "DuplicateIdempotencyKey", message));
        }
        let mut desk = Desk {
            book: &mut self.book,
            fates: &self.fates,
            owner: &owner,
            at: incoming.at,
            simulation: incoming.header("x-amz-pay-simulation-code"),
            random,
        };
        let outcome = desk.serve(&call, &incoming.body);
        if let Some(key) = key {
            let saved = Saved { fingerprint, outcome: outcome.clone() };
            self.saved.insert((owner, key.to_owned()), saved);
        }
        outcome
    }
}

impl Provider for AmazonPayV2 {
    fn api(&self) -> &'static str {
        "amazon-pay-v2"
    }

    fn claims(&self, incoming: &Incoming) -> bool {
        Route::read(&incoming.method, &incoming.path).is_some()
    }

    fn operation(&self, incoming: &Incoming) -> Option<Operation> {
        let route = Route::read(&incoming.method, &incoming.path)?;
        let Target::Call(call) = route.target else { return None };
        let public_key_id = Authorization::of(incoming)?.public_key_id;
        let known = self.merchants.get(public_key_id);
        Some(Operation {
            merchant: known.map_or(public_key_id, |known| &*known.owner.merchant).to_owned(),
            name: call.name().to_owned(),
            is_sandbox: environment(public_key_id, route.is_sandbox).unwrap_or(true),
        })
    }

    fn documented_quota(&self, operation: &Operation) -> Quota {
        documented_quota(&operation.name, operation.is_sandbox)
    }

    fn throttled(&self, incoming: &Incoming) -> Outgoing {
        let since_epoch_ns = incoming.at.as_nanosecond().unsigned_abs();
        let ordinal = u64::try_from(since_epoch_ns & u128::from(u64::MAX)).unwrap_or(0);
        let mut random = Random::for_matter(0, &incoming.path, ordinal);
        outgoing(Err(Refusal::throttled()), random.next_u64())
    }

    fn set_clock_ahead(&mut self, ahead: SignedDuration) {
        self.clock_ahead = ahead;
    }

    fn answer(&mut self, incoming: &Incoming, random: &mut Random) -> Outgoing {
        let request_id = random.next_u64();
        outgoing(self.serve(incoming, random), request_id)
    }

    fn plant(
        &mut self,
        merchant: &str,
        plan: &Plan,
        at: Timestamp,
        random: &mut Random,
    ) -> Result<String, String> {
        let owner =
            self.owners.get(merchant).ok_or_else(|| format!("no merchant `{merchant}` of amazon-pay-v2"))?;
        plant::plant(&mut self.book, owner, plan, at, random)
    }

    fn capture_only(&mut self, id: &str, amount: &str) -> Result<(), String> {
        let charge = self.book.charges.get_mut(id).ok_or_else(|| format!("no charge `{id}`"))?;
        charge.captured = amount.parse().map_err(|_| format!("`{amount}` is no amount"))?;
        Ok(())
    }

    fn truths(&self, at: Timestamp) -> Vec<Truth> {
        self.book.truths(at)
    }

    fn announcements(&self, merchant: &str, window: Window) -> Vec<Announcement> {
        announce::announcements(&self.book, merchant, window)
    }

    fn set_fates(&mut self, merchant: &str, kind: &str, fates: Fates) -> Result<(), String> {
        for fate in fates.iter() {
            let decided = fate.steps.iter().map(|step| Step {
                after: step.after_min,
                state: step.state.clone(),
                reason: step.reason.clone(),
            });
            plant::check_steps(kind, &decided.collect::<Vec<_>>())?;
        }
        self.fates.insert((merchant.to_owned(), kind.to_owned()), fates);
        Ok(())
    }
}

/// Whether a key and a path together mean the sandbox (section 1): a prefixed key decides, and a path
/// may not contradict it; without prefix the path must decide. `None`: they do not go together.
fn environment(public_key_id: &str, path_says: Option<bool>) -> Option<bool> {
    let upper = public_key_id.to_uppercase();
    let key_says = if upper.starts_with("LIVE") {
        Some(false)
    } else if upper.starts_with("SANDBOX") {
        Some(true)
    } else {
        None
    };
    match (key_says, path_says) {
        (Some(key), Some(path)) if key != path => None,
        (Some(key), _) => Some(key),
        (None, path) => path,
    }
}

/// The idempotency key of a POST, checked; on other methods it has no effect (2.5).
fn idempotency_key(incoming: &Incoming) -> Result<Option<&str>, Refusal> {
    let name = "x-amz-pay-idempotency-key";
    let Some(key) = incoming.header(name).filter(|_| incoming.method == "POST") else { return Ok(None) };
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if key.is_empty() || key.len() > LONGEST_KEY || !key.chars().all(is_fit) {
        return Err(Refusal::header(name));
    }
    Ok(Some(key))
}

fn fingerprint(incoming: &Incoming) -> String {
    format!("{} {} {}", incoming.method, incoming.path, hex_digest(&incoming.body))
}
