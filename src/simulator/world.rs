//! The simulator itself: one world of providers, quotas, faults and a chat under one seed.
//!
//! Owns: the order in which a request meets fault, quota and provider, and who counts it. Must never
//! know: sockets; a provider's formats.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::amazon_pay_mws::{MwsMerchant, MwsProvider};
use super::amazon_pay_v2::{AmazonPayV2, Merchant};
use super::bucket::Bucket;
use super::chat::{Chat, ChatMessage};
use super::counts::Counts;
use super::exchange::{Incoming, Outgoing};
use super::fate::weighted;
use super::fault::{Fault, Stage};
use super::plan::{Plan, Truth};
use super::provider::{Operation, Provider, Quota, Random};
use super::scenario::{Account, Api, Credentials, Population, Problem, Scenario, ScenarioError};
use crate::clock::SharedClock;

/// The whole pretended world. Cheap to share behind an `Arc`; every call is short.
#[derive(Debug)]
pub struct Simulator {
    seed: u64,
    clock: SharedClock,
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
    quotas: HashMap<String, Vec<(String, Quota)>>,
    buckets: HashMap<Operation, Bucket>,
    faults: Vec<Fault>,
    is_calm: bool,
    chat: Chat,
    counts: Counts,
    planted: Vec<PlantedId>,
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
    pub fn new(scenario: Scenario, clock: SharedClock) -> Result<Simulator, ScenarioError> {
        let now = clock.now();
        let mut world = World {
            providers: providers(&scenario)?,
            names: HashMap::new(),
            quotas: HashMap::new(),
            buckets: HashMap::new(),
            faults: scenario.faults.clone(),
            is_calm: false,
            chat: Chat::new(scenario.chat.clone()),
            counts: Counts::default(),
            planted: Vec::new(),
        };
        for account in &scenario.accounts {
            let key = (account.api.name(), account.merchant_id.clone());
            world.names.insert(key, account.name.clone());
            world.quotas.insert(account.name.clone(), account.quotas.clone());
        }
        for (position, population) in scenario.populations.iter().enumerate() {
            world.populate(&scenario, position, population, now).map_err(ScenarioError::one)?;
        }
        Ok(Simulator { seed: scenario.seed, started: clock.monotonic(), clock, world: Mutex::new(world) })
    }

    /// Answers one request: fault, then quota, then provider.
    pub fn answer(&self, incoming: Incoming) -> Outgoing {
        let now = self.clock.monotonic();
        let since_start = now.saturating_sub(self.started);
        self.world().answer(incoming, now, since_start, self.seed)
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

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let world = self.world();
        Counts { chat: world.chat.counts(), ..world.counts.clone() }
    }

    /// What the pretend chat received and accepted, in order.
    pub fn chat_messages(&self) -> Vec<ChatMessage> {
        self.world().chat.messages().to_vec()
    }

    /// Lets no further fault strike, neither at the providers nor at the chat: quotas stay.
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
    pub fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn providers(scenario: &Scenario) -> Result<Vec<Box<dyn Provider>>, ScenarioError> {
    let (mut merchants, mut sellers, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for account in &scenario.accounts {
        match &account.credentials {
            Credentials::PublicKey { id, der: Some(der) } => {
                let merchant = Merchant {
                    merchant_id: account.merchant_id.clone(),
                    public_key_id: id.clone(),
                    public_key_der: der.clone(),
                    is_sandbox: account.is_sandbox,
                    region: account.region.clone(),
                };
                merchants.push(merchant);
            }
            Credentials::AccessKey { id, secret: Some(secret) } => sellers.push(MwsMerchant {
                seller_id: account.merchant_id.clone(),
                access_key_id: id.clone(),
                secret_key: secret.clone(),
                is_sandbox: account.is_sandbox,
                region: account.region.clone(),
            }),
            _ => problems.push(without_keys(account)),
        }
    }
    let mut providers: Vec<Box<dyn Provider>> = Vec::new();
    match AmazonPayV2::new(merchants, scenario.date_tolerance) {
        Ok(provider) => providers.push(Box::new(provider)),
        Err(problem) => problems.push(Problem {
            line: None,
            key: "account.public_key_file".to_owned(),
            problem,
            remedy: "give an RSA key of 2048 bits or more".to_owned(),
        }),
    }
    providers.push(Box::new(MwsProvider::new(sellers)));
    if problems.is_empty() { Ok(providers) } else { Err(ScenarioError { problems }) }
}

fn without_keys(account: &Account) -> Problem {
    let key = match account.api {
        Api::AmazonPayV2 => "public_key_file",
        Api::AmazonPayMws => "secret_key_file",
    };
    Problem {
        line: None,
        key: format!("account `{}`.{key}", account.name),
        problem: "the account has no key".to_owned(),
        remedy: "name a key file, or let credentials be generated first".to_owned(),
    }
}

impl Population {
    /// One object's plan and how long ago it was created.
    fn draw(&self, ordinal: u64, random: &mut Random) -> (Plan, Duration) {
        let between = |range: (Duration, Duration), random: &mut Random| {
            let whole_ms = |bound: Duration| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(random.between(whole_ms(range.0), whole_ms(range.1)))
        };
        let chosen = weighted(self.currencies.iter().map(|currency| currency.share), random);
        let (amount, currency) = match chosen.and_then(|position| self.currencies.get(position)) {
            Some(share) => {
                let minor = random.between(share.amount_min_minor, share.amount_max_minor);
                let amount = Decimal::from_i128_with_scale(i128::from(minor), share.decimals);
                (amount.to_string(), share.code.clone())
            }
            None => ("1.00".to_owned(), "USD".to_owned()),
        };
        let steps = self.fates.choose(random).unwrap_or_default();
        let invisible_for = between(self.invisible_for, random);
        let age = between(self.age, random);
        let merchant_reference = format!("{}{ordinal:06}", self.reference_prefix);
        let kind = self.kind.clone();
        (Plan { kind, amount, currency, merchant_reference, steps, invisible_for }, age)
    }
}

impl World {
    fn populate(
        &mut self,
        scenario: &Scenario,
        position: usize,
        population: &Population,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let problem = |problem: String| Problem {
            line: population.line,
            key: format!("population[{position}]"),
            problem,
            remedy: "name a declared account and words that its API documents".to_owned(),
        };
        let account = scenario.account(&population.account);
        let account = account.ok_or_else(|| problem(format!("no account `{}`", population.account)))?;
        let api = account.api.name();
        let provider = self.providers.iter_mut().find(|provider| provider.api() == api);
        let provider = provider.ok_or_else(|| problem(format!("{api} is not pretended")))?;
        let merchant = account.merchant_id.as_str();
        if population.decides_created {
            let fates = population.fates.clone();
            provider.set_fates(merchant, &population.kind, fates).map_err(problem)?;
        }
        let matter = format!("population {position}");
        for ordinal in 0..population.count {
            let mut random = Random::for_matter(scenario.seed, &matter, ordinal);
            let (plan, age) = population.draw(ordinal, &mut random);
            let created_at = now.checked_sub(age).unwrap_or(now);
            let plan = Plan { invisible_for: plan.invisible_for.saturating_add(age), ..plan };
            let id = provider.plant(merchant, &plan, created_at, &mut random).map_err(problem)?;
            self.planted.push(PlantedId { account: account.name.clone(), api, created_at, id });
        }
        Ok(())
    }

    fn plant_one(&mut self, account: &str, plan: &Plan, now: Timestamp, seed: u64) -> Result<String, String> {
        let (api, merchant) = self
            .names
            .iter()
            .find(|(_, name)| name.as_str() == account)
            .map(|((api, merchant), _)| (*api, merchant.clone()))
            .ok_or_else(|| format!("no account `{account}`"))?;
        let ordinal = u64::try_from(self.planted.len()).unwrap_or(u64::MAX);
        let mut random = Random::for_matter(seed, "planted later", ordinal);
        let provider = self.providers.iter_mut().find(|provider| provider.api() == api);
        let provider = provider.ok_or_else(|| format!("{api} is not pretended"))?;
        let id = provider.plant(&merchant, plan, now, &mut random)?;
        let account = account.to_owned();
        self.planted.push(PlantedId { account, api, created_at: now, id: id.clone() });
        Ok(id)
    }

    fn answer(&mut self, incoming: Incoming, now: Duration, since_start: Duration, seed: u64) -> Outgoing {
        if Chat::claims(&incoming) {
            let mut random = Random::for_matter(seed, "chat", self.chat.answered());
            return self.chat.answer(&incoming, since_start, self.is_calm, &mut random);
        }
        let Some(position) = self.providers.iter().position(|provider| provider.claims(&incoming)) else {
            self.counts.unrecognised += 1;
            return Outgoing::new(404, "text/plain", "The simulator pretends nothing at this path.\n");
        };
        let Some(operation) = self.providers[position].operation(&incoming) else {
            self.counts.unrecognised += 1;
            let mut random = Random::for_matter(seed, "unrecognised", self.counts.unrecognised);
            return self.providers[position].answer(&incoming, &mut random);
        };
        self.answer_operation(position, operation, incoming, now, since_start, seed)
    }

    fn answer_operation(
        &mut self,
        position: usize,
        operation: Operation,
        mut incoming: Incoming,
        now: Duration,
        since_start: Duration,
        seed: u64,
    ) -> Outgoing {
        let api = self.providers[position].api();
        let known = self.names.get(&(api, operation.merchant.clone()));
        let account = known.cloned().unwrap_or_else(|| operation.merchant.clone());
        let key = (account, operation.name.clone());
        let ordinal = {
            let counts = self.counts.operations.entry(key.clone()).or_default();
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
        if !self.take(position, &operation, &key.0, now) {
            self.counts.operations.entry(key).or_default().throttled += 1;
            return self.providers[position].throttled(&incoming);
        }
        if let Some(fault) = fault.as_ref().filter(|fault| fault.kind.stage() == Stage::Clock) {
            self.count_fault(&key, fault);
            incoming.at = fault.shifted(incoming.at);
        }
        let answer = self.providers[position].answer(&incoming, &mut random);
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

    fn take(&mut self, position: usize, operation: &Operation, account: &str, now: Duration) -> bool {
        let provider = &self.providers[position];
        let quotas = self.quotas.get(account);
        let bucket = self.buckets.entry(operation.clone()).or_insert_with(|| {
            let own = quotas.and_then(|quotas| {
                let exact = quotas.iter().find(|(name, _)| *name == operation.name);
                exact.or_else(|| quotas.iter().find(|(name, _)| name == "*"))
            });
            let quota = own.map_or_else(|| provider.documented_quota(operation), |(_, quota)| *quota);
            Bucket::new(quota, now)
        });
        bucket.take(now)
    }
}
