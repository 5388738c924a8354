//! The simulator itself: one world of providers, quotas, faults and a chat under one seed.
//!
//! Owns: the order in which a request meets fault, quota and provider, and who counts it. Must never
//! know: sockets; a provider's formats.

mod building;
mod notifying;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::bucket::Bucket;
use super::chat::{Chat, ChatMessage, Mail, MailAnswer, MailStage, Script};
use super::counts::Counts;
use super::exchange::{Incoming, Outgoing};
use super::fault::{Fault, Stage};
use super::notifications::PostOffice;
use super::plan::{Plan, Truth, enrolled_kind};
use super::provider::{Operation, Provider, Quota, Random};
use super::scenario::{Api, Scenario, ScenarioError};
use crate::clock::Clock;

/// The whole pretended world. Cheap to share behind an `Arc`; every call is short.
#[derive(Debug)]
pub struct Simulator {
    seed: u64,
    clock: Box<dyn Clock>,
    started: Duration,
    world: Mutex<World>,
}

/// An object that the scenario brought to life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// The account's name.
    pub account: String,
    /// Its API's name.
    pub api: &'static str,
    /// When it was created.
    pub created_at: Timestamp,
    /// What it is now.
    pub truth: Truth,
}

#[derive(Debug)]
struct World {
    providers: Vec<Box<dyn Provider>>,
    /// Account names by API and merchant key.
    names: HashMap<(&'static str, String), String>,
    /// API and merchant key by account name.
    homes: HashMap<String, (&'static str, String)>,
    /// Quotas of its own by account name.
    quotas: HashMap<String, Vec<(String, Quota)>>,
    buckets: HashMap<Operation, Buckets>,
    faults: Vec<Fault>,
    is_calm: bool,
    chat: Chat,
    post: PostOffice,
    counts: Counts,
    planted: Vec<PlantedId>,
}

/// The buckets of one operation.
#[derive(Debug)]
struct Buckets {
    /// Decides who is throttled.
    answering: Bucket,
    /// Is charged for every request, also where a fault answers, and only counts.
    judging: Bucket,
}

#[derive(Debug)]
struct PlantedId {
    account: String,
    api: &'static str,
    created_at: Timestamp,
    id: String,
}

impl Simulator {
    /// A world in which the scenario's populations exist from now on.
    ///
    /// # Errors
    /// When an account has no keys yet (see [`Scenario::generate_credentials`]) or a population asks for
    /// something that its provider cannot do.
    pub fn new(scenario: Scenario, clock: impl Clock) -> Result<Simulator, ScenarioError> {
        let now = clock.now();
        let mut world = World {
            providers: building::providers(&scenario, now)?,
            names: HashMap::new(),
            homes: HashMap::new(),
            quotas: HashMap::new(),
            buckets: HashMap::new(),
            faults: scenario.faults.clone(),
            is_calm: false,
            chat: Chat::new(scenario.chat.clone()),
            post: PostOffice::open(&scenario, now)?,
            counts: Counts::default(),
            planted: Vec::new(),
        };
        for account in &scenario.accounts {
            let key = (account.api.name(), account.merchant_id.clone());
            world.names.insert(key.clone(), account.name.clone());
            world.homes.insert(account.name.clone(), key);
            world.quotas.insert(account.name.clone(), account.quotas.clone());
        }
        for (position, population) in scenario.populations.iter().enumerate() {
            world.populate(&scenario, position, population, now).map_err(ScenarioError::one)?;
        }
        let started = clock.monotonic();
        Ok(Simulator { seed: scenario.seed, started, clock: Box::new(clock), world: Mutex::new(world) })
    }

    /// Answers one request: fault, then quota, then provider. Every answer has the `Date` of its sender.
    pub fn answer(&self, incoming: Incoming) -> Outgoing {
        let now = self.clock.monotonic();
        let since_start = now.saturating_sub(self.started);
        let at = incoming.at;
        let answer = self.world().answer(incoming, now, since_start, self.seed);
        match answer.header("date") {
            Some(_) => answer,
            None => dated(answer, at),
        }
    }

    /// The truth about every object now, parents made on the way included.
    pub fn truths(&self) -> Vec<Truth> {
        let now = self.clock.now();
        self.world().providers.iter().flat_map(|provider| provider.truths(now)).collect()
    }

    /// The truth about every object that the scenario planted, in the scenario's order.
    pub fn planted(&self) -> Vec<Planted> {
        let now = self.clock.now();
        let world = self.world();
        let mut truths: HashMap<(&'static str, String), Truth> = HashMap::new();
        for provider in &world.providers {
            let known = provider.truths(now).into_iter();
            truths.extend(known.map(|truth| ((provider.api(), truth.id.clone()), truth)));
        }
        let planted = world.planted.iter().filter_map(|planted| {
            Some(Planted {
                account: planted.account.clone(),
                api: planted.api,
                created_at: planted.created_at,
                truth: truths.get(&(planted.api, planted.id.clone()))?.clone(),
            })
        });
        planted.collect()
    }

    /// Brings one more object to life, as a shop would, created now; returns its id.
    ///
    /// # Errors
    /// When the account is unknown or its provider cannot do what the plan asks.
    pub fn plant(&self, account: &str, plan: &Plan) -> Result<String, String> {
        let now = self.clock.now();
        self.world().plant_one(account, plan, now, self.seed)
    }

    /// Lets the capture of this charge bring another amount than the one asked for: a part, more, or nothing.
    ///
    /// # Errors
    /// When no provider has such a charge.
    pub fn capture_only(&self, id: &str, amount: &str) -> Result<(), String> {
        let mut refusal = format!("nobody knows `{id}`");
        for provider in &mut self.world().providers {
            match provider.capture_only(id, amount) {
                Ok(()) => return Ok(()),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let world = self.world();
        Counts { chat: world.chat.counts(), notifications: world.post.counts(), ..world.counts.clone() }
    }

    /// What the simulated chat received and accepted, in order.
    pub fn chat_messages(&self) -> Vec<ChatMessage> {
        self.world().chat.messages().to_vec()
    }

    /// Decides the answers to the next messages to one target of the simulated chat.
    pub fn script_chat(&self, script: Script) {
        self.world().chat.add_script(script);
    }

    /// Counts a connection to the pretended mail server.
    pub(super) fn count_mail_connection(&self) {
        self.world().chat.count_mail_connection();
    }

    /// What the pretended mail server answers at this step; the end of a message brings the mail along.
    pub(super) fn mail(&self, stage: MailStage, mail: Option<Mail>) -> MailAnswer {
        let since_start = self.clock.monotonic().saturating_sub(self.started);
        let at = self.clock.now();
        let mut world = self.world();
        let mut random = Random::for_matter(self.seed, "chat", world.chat.answered());
        let is_calm = world.is_calm;
        world.chat.mail(stage, mail, at, since_start, is_calm, &mut random)
    }

    /// Lets no further fault strike, neither at the providers nor at the chat nor on the way of notifications: quotas
    /// stay.
    pub fn calm(&self) {
        self.world().is_calm = true;
    }

    /// Replaces the faults from now on.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.world().faults = faults;
    }

    /// The seed that decides every draw.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The clock that this world lives by.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer with the date that its sender's clock shows.
fn dated(answer: Outgoing, at: Timestamp) -> Outgoing {
    answer.with_header("date", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

impl World {
    fn answer(&mut self, incoming: Incoming, now: Duration, since_start: Duration, seed: u64) -> Outgoing {
        if let Some(answer) = self.post.answer(&incoming, self.is_calm) {
            return answer;
        }
        if Chat::claims(&incoming) {
            let mut random = Random::for_matter(seed, "chat", self.chat.answered());
            return self.chat.answer(&incoming, since_start, self.is_calm, &mut random);
        }
        if incoming.method == "GET" && matches!(incoming.path.as_str(), "" | "/") {
            return self.everything(incoming.at);
        }
        if incoming.method == "GET" && incoming.path == "/notifications" {
            return self.notification_counts();
        }
        let Some(position) = self.providers.iter().position(|provider| provider.claims(&incoming)) else {
            self.counts.unrecognised += 1;
            return Outgoing::new(404, "text/plain", "The simulator has nothing at this path.\n");
        };
        let Some(operation) = self.providers[position].operation(&incoming) else {
            self.counts.unrecognised += 1;
            let mut random = Random::for_matter(seed, "unrecognised", self.counts.unrecognised);
            return self.providers[position].answer(&incoming, &mut random);
        };
        self.answer_operation(position, operation, incoming, now, since_start, seed)
    }

    /// For people: every object with its id, a line each.
    fn everything(&self, at: Timestamp) -> Outgoing {
        let mut text = String::from("api kind id state reason amount currency reference\n");
        for provider in &self.providers {
            for truth in provider.truths(at) {
                let reason = truth.reason.as_deref().unwrap_or("-");
                text.push_str(&format!(
                    "{} {} {} {} {reason} {} {} {}\n",
                    provider.api(),
                    enrolled_kind(provider.api(), &truth.kind),
                    truth.id,
                    truth.state,
                    truth.amount,
                    truth.currency,
                    truth.merchant_reference.escape_debug()
                ));
            }
        }
        Outgoing::new(200, "text/plain; charset=utf-8", text)
    }

    fn answer_operation(
        &mut self,
        position: usize,
        operation: Operation,
        incoming: Incoming,
        now: Duration,
        since_start: Duration,
        seed: u64,
    ) -> Outgoing {
        let api = self.providers[position].api();
        let known = self.names.get(&(api, operation.merchant.clone()));
        let account = known.cloned().unwrap_or_else(|| operation.merchant.clone());
        let key = (account, operation.name.clone());
        let is_over = !self.buckets(position, &operation, &key.0, now).judging.take(now);
        let ordinal = {
            let counts = self.counts.operations.entry(key.clone()).or_default();
            counts.over_quota += u64::from(is_over);
            counts.requests += 1;
            counts.requests
        };
        let mut random = Random::for_matter(seed, &format!("{api} {} {}", key.0, key.1), ordinal);
        let fault = self.fault(&key, since_start, &mut random);
        if let Some(fault) = fault.as_ref().filter(|fault| fault.kind.stage() == Stage::Instead) {
            self.count_fault(&key, fault);
            let throttled = self.providers[position].throttled(&incoming);
            return fault.instead(api == Api::AmazonPayMws.name(), throttled);
        }
        if !self.buckets(position, &operation, &key.0, now).answering.take(now) {
            self.counts.operations.entry(key).or_default().throttled += 1;
            return self.providers[position].throttled(&incoming);
        }
        let mut clock = incoming.at;
        if let Some(fault) = fault.as_ref().filter(|fault| fault.kind.stage() == Stage::Clock) {
            self.count_fault(&key, fault);
            clock = fault.shifted(clock);
        }
        let provider = &mut self.providers[position];
        provider.set_clock_ahead(clock.duration_since(incoming.at));
        let answer = dated(provider.answer(&incoming, &mut random), clock);
        provider.set_clock_ahead(SignedDuration::ZERO);
        let counts = self.counts.operations.entry(key.clone()).or_default();
        counts.answered += 1;
        counts.succeeded += u64::from((200..300).contains(&answer.status));
        let Some(fault) = fault.filter(|fault| fault.kind.stage() == Stage::Afterwards) else {
            return answer;
        };
        let Some(spoilt) = fault.spoil(answer.clone()) else {
            return answer;
        };
        self.count_fault(&key, &fault);
        spoilt
    }

    /// The first fault of the scenario that strikes. Every fault draws, struck or not, so that one fault
    /// more in the scenario does not move the others.
    fn fault(&self, key: &(String, String), since_start: Duration, random: &mut Random) -> Option<Fault> {
        if self.is_calm {
            return None;
        }
        let mut draws = random.clone();
        random.next_u64();
        let mut struck = None;
        for fault in &self.faults {
            if fault.strikes(&key.0, &key.1, since_start, &mut draws) && struck.is_none() {
                struck = Some(fault.clone());
            }
        }
        struck
    }

    fn count_fault(&mut self, key: &(String, String), fault: &Fault) {
        let counts = self.counts.operations.entry(key.clone()).or_default();
        *counts.faults.entry(fault.kind).or_default() += 1;
    }

    fn buckets(
        &mut self,
        position: usize,
        operation: &Operation,
        account: &str,
        now: Duration,
    ) -> &mut Buckets {
        let provider = &self.providers[position];
        let quotas = self.quotas.get(account);
        self.buckets.entry(operation.clone()).or_insert_with(|| {
            let own = quotas.and_then(|quotas| {
                let exact = quotas.iter().find(|(name, _)| *name == operation.name);
                exact.or_else(|| quotas.iter().find(|(name, _)| name == "*"))
            });
            let quota = own.map_or_else(|| provider.documented_quota(operation), |(_, quota)| *quota);
            Buckets { answering: Bucket::new(quota, now), judging: Bucket::new(quota, now) }
        })
    }
}
