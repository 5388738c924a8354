//! Building a world from a scenario: its providers and its populations.
//!
//! Owns: the draws that decide each planted object. Must never know: requests.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::amazon_pay_mws::{MwsMerchant, MwsProvider, PlannedStatus};
use super::super::amazon_pay_v2::{AmazonPayV2, Merchant};
use super::super::aps::{ApsMerchant, ApsProvider};
use super::super::fate::weighted;
use super::super::plan::Plan;
use super::super::provider::{Provider, Random};
use super::super::scenario::{Account, Api, Credentials, Population, Problem, Scenario, ScenarioError};
use super::{PlantedId, World};

pub(super) fn providers(
    scenario: &Scenario,
    now: Timestamp,
) -> Result<Vec<Box<dyn Provider>>, ScenarioError> {
    let (mut merchants, mut sellers, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut signers = Vec::new();
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
            Credentials::Phrases { access_code, signature, phrases: Some((request, response)) } => {
                signers.push(ApsMerchant {
                    merchant_identifier: account.merchant_id.clone(),
                    access_code: access_code.clone(),
                    request_phrase: request.clone(),
                    response_phrase: response.clone(),
                    signature: *signature,
                    is_sandbox: account.is_sandbox,
                });
            }
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
    let mut mws = MwsProvider::new(sellers);
    for conduct in &scenario.mws {
        let Some(account) = scenario.account(&conduct.account) else { continue };
        let seller = account.merchant_id.as_str();
        mws.set_habits_of(seller, conduct.habits.clone());
        for (from, until, status) in &conduct.service_status {
            let at = |after: &Duration| now.checked_add(*after).unwrap_or(Timestamp::MAX);
            let planned = PlannedStatus { from: at(from), until: until.as_ref().map(at), status: *status };
            mws.plan_service_status(seller, planned);
        }
    }
    providers.push(Box::new(mws));
    let mut aps = ApsProvider::new(signers);
    aps.set_habits(scenario.aps.clone());
    providers.push(Box::new(aps));
    if problems.is_empty() { Ok(providers) } else { Err(ScenarioError { problems }) }
}

fn without_keys(account: &Account) -> Problem {
    let key = match account.api {
        Api::AmazonPayV2 => "public_key_file",
        Api::AmazonPayMws => "secret_key_file",
        Api::Aps => "request_phrase_file",
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
    pub(super) fn populate(
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
        let provider = provider.ok_or_else(|| problem(format!("{api} is not simulated")))?;
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

    pub(super) fn plant_one(
        &mut self,
        account: &str,
        plan: &Plan,
        now: Timestamp,
        seed: u64,
    ) -> Result<String, String> {
        let home = self.homes.get(account).cloned();
        let (api, merchant) = home.ok_or_else(|| format!("no account `{account}`"))?;
        let ordinal = u64::try_from(self.planted.len()).unwrap_or(u64::MAX);
        let mut random = Random::for_matter(seed, "planted later", ordinal);
        let provider = self.providers.iter_mut().find(|provider| provider.api() == api);
        let provider = provider.ok_or_else(|| format!("{api} is not simulated"))?;
        let id = provider.plant(&merchant, plan, now, &mut random)?;
        let account = account.to_owned();
        self.planted.push(PlantedId { account, api, created_at: now, id: id.clone() });
        Ok(id)
    }
}
