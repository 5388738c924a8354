//! From a scenario as written to one that makes sense, or to all its problems at once.
//!
//! Owns: the rules between keys. Must never know: the behaviour that the keys decide.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rust_decimal::Decimal;
use toml::Spanned;

use super::super::aps::{ApsHabits, ApsResults, ApsSignature};
use super::super::credentials;
use super::super::fate::{Fate, FateStep, Fates};
use super::super::fault::{Fault, FaultKind};
use super::super::provider::Quota;
use super::problem::{Problem, ScenarioError, line_of};
use super::written::{
    Written, WrittenAccount, WrittenAps, WrittenChat, WrittenCurrency, WrittenFault, WrittenPopulation,
};
use super::{Account, Api, ChatSettings, Credentials, CurrencyShare, Population, Scenario};

/// A share may exceed 1 by nothing; a clock skew below the usual tolerance would show nothing.
const TOLERANCE_S: u64 = 900;

pub(super) fn check(written: Written, text: &str, folder: &Path) -> Result<Scenario, ScenarioError> {
    let mut findings = Findings { text, problems: Vec::new(), place: (None, String::new()) };
    let mut scenario = Scenario {
        seed: written.seed,
        date_tolerance: written.date_tolerance_s.map(|seconds| seconds.0),
        ..Scenario::default()
    };
    for (position, account) in written.account.into_iter().enumerate() {
        let account = findings.enter("account", position, account);
        scenario.accounts.extend(self::account(account, folder, &mut findings));
    }
    unique(&scenario.accounts, &mut findings);
    for (position, conduct) in written.mws.into_iter().enumerate() {
        let conduct = findings.enter("mws", position, conduct);
        scenario.mws.push(super::mws::conduct(conduct, &scenario.accounts, &mut findings));
    }
    for (position, population) in written.population.into_iter().enumerate() {
        let population = findings.enter("population", position, population);
        scenario.populations.extend(self::population(population, &scenario.accounts, &mut findings));
    }
    for (position, fault) in written.fault.into_iter().enumerate() {
        let fault = findings.enter("fault", position, fault);
        scenario.faults.extend(self::fault(fault, &scenario.accounts, &mut findings));
    }
    if let Some(chat) = written.chat {
        let chat = findings.enter("chat", 0, chat);
        scenario.chat = self::chat(chat, folder, &mut findings);
    }
    if let Some(aps) = written.aps {
        let aps = findings.enter("aps", 0, aps);
        scenario.aps = habits(&aps, &mut findings);
    }
    for (position, section) in written.notifications.into_iter().enumerate() {
        let section = findings.enter("notifications", position, section);
        let known = (scenario.accounts.as_slice(), scenario.notifications.as_slice());
        let settings = super::notifications::settings(section, known, folder, &mut findings);
        scenario.notifications.extend(settings);
    }
    if findings.problems.is_empty() {
        Ok(scenario)
    } else {
        Err(ScenarioError { problems: findings.problems })
    }
}

pub(super) struct Findings<'text> {
    text: &'text str,
    problems: Vec<Problem>,
    place: (Option<usize>, String),
}

impl Findings<'_> {
    fn enter<T>(&mut self, section: &str, position: usize, spanned: Spanned<T>) -> T {
        self.place = (Some(line_of(self.text, spanned.span().start)), format!("{section}[{position}]"));
        spanned.into_inner()
    }

    pub(super) fn add(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let (line, section) = self.place.clone();
        let key = format!("{section}.{key}");
        self.problems.push(Problem { line, key, problem: problem.into(), remedy: remedy.into() });
    }

    pub(super) fn share(&mut self, key: &str, share: f64) {
        if !(0.0..=1.0).contains(&share) {
            self.add(key, format!("`{share}` is no share"), "write a number from 0 to 1");
        }
    }

    fn weight(&mut self, key: &str, weight: f64) {
        if !(weight.is_finite() && weight > 0.0) {
            self.add(key, format!("`{weight}` is no weight"), "write a number above 0");
        }
    }
}

fn account(written: WrittenAccount, folder: &Path, findings: &mut Findings<'_>) -> Option<Account> {
    let api = match written.api.as_str() {
        "amazon-pay-v2" => Some(Api::AmazonPayV2),
        "amazon-pay-mws" => Some(Api::AmazonPayMws),
        "aps" => Some(Api::Aps),
        other => {
            findings.add(
                "api",
                format!("`{other}` is not simulated"),
                "write amazon-pay-v2, amazon-pay-mws or aps",
            );
            None
        }
    };
    let region = region(&written, api, findings);
    if !matches!(written.environment.as_str(), "live" | "sandbox") {
        findings.add("environment", format!("`{}` is unknown", written.environment), "write live or sandbox");
    }
    let is_sandbox = written.environment == "sandbox";
    let quotas = quotas(&written, findings);
    let credentials = match api? {
        Api::AmazonPayV2 => public_key(&written, is_sandbox, folder, findings)?,
        Api::AmazonPayMws => access_key(&written, folder, findings)?,
        Api::Aps => phrases(&written, folder, findings)?,
    };
    Some(Account {
        name: written.name,
        api: api?,
        merchant_id: written.merchant_id,
        region: region.to_owned(),
        is_sandbox,
        credentials,
        quotas,
    })
}

fn region(written: &WrittenAccount, api: Option<Api>, findings: &mut Findings<'_>) -> &'static str {
    match written.region.as_deref().map(str::to_lowercase).as_deref() {
        None if api == Some(Api::Aps) => "",
        Some(_) if api == Some(Api::Aps) => {
            findings.add("region", "is nothing that aps has", "leave it out");
            ""
        }
        Some("na" | "us") => "na",
        Some("eu" | "de" | "uk") => "eu",
        Some("jp") => "jp",
        other => {
            let problem = other.map_or("is missing".to_owned(), |other| format!("`{other}` is no region"));
            findings.add("region", problem, "write na, eu or jp");
            "na"
        }
    }
}

fn quotas(written: &WrittenAccount, findings: &mut Findings<'_>) -> Vec<(String, Quota)> {
    for quota in &written.quota {
        if quota.capacity == 0 || quota.per_s == 0 {
            findings.add(
                "quota",
                format!("`{}` would let nothing through", quota.operation),
                "write capacity and per_s of 1 or more",
            );
        }
    }
    let exact = |quota: &super::written::WrittenQuota| {
        (quota.operation.clone(), Quota::new(quota.capacity, quota.refill, quota.per_s))
    };
    written.quota.iter().map(exact).collect()
}

fn public_key(
    written: &WrittenAccount,
    is_sandbox: bool,
    folder: &Path,
    findings: &mut Findings<'_>,
) -> Option<Credentials> {
    if written.access_key_id.is_some() || written.secret_key_file.is_some() {
        findings.add("access_key_id", "belongs to MWS", "write public_key_id and public_key_file");
    }
    let Some(id) = written.public_key_id.clone() else {
        findings.add("public_key_id", "is missing", "write the key's id, such as SANDBOX-AEXAMPLE");
        return None;
    };
    let upper = id.to_uppercase();
    if upper.starts_with("LIVE") && is_sandbox || upper.starts_with("SANDBOX") && !is_sandbox {
        findings.add("public_key_id", "its prefix contradicts the environment", "make the two agree");
    }
    let der = written.public_key_file.as_ref().and_then(|file| {
        let read = std::fs::read_to_string(folder.join(file)).map_err(|error| error.to_string());
        match read.and_then(|pem| credentials::public_key_der(&pem)) {
            Ok(der) => Some(der),
            Err(error) => {
                findings.add(
                    "public_key_file",
                    error,
                    "name a PEM file, or leave the key out to generate one",
                );
                None
            }
        }
    });
    Some(Credentials::PublicKey { id, der })
}

fn access_key(written: &WrittenAccount, folder: &Path, findings: &mut Findings<'_>) -> Option<Credentials> {
    if written.public_key_id.is_some() || written.public_key_file.is_some() {
        findings.add("public_key_id", "belongs to Amazon Pay v2", "write access_key_id and secret_key_file");
    }
    let Some(id) = written.access_key_id.clone() else {
        findings.add("access_key_id", "is missing", "write the access key's id");
        return None;
    };
    let secret =
        written.secret_key_file.as_ref().and_then(|file| match std::fs::read_to_string(folder.join(file)) {
            Ok(secret) => Some(secret.trim().to_owned()),
            Err(error) => {
                let remedy = "name a file that holds the key, or leave it out to generate one";
                findings.add("secret_key_file", error.to_string(), remedy);
                None
            }
        });
    Some(Credentials::AccessKey { id, secret })
}

fn phrases(written: &WrittenAccount, folder: &Path, findings: &mut Findings<'_>) -> Option<Credentials> {
    let Some(access_code) = written.access_code.clone() else {
        findings.add("access_code", "is missing", "write the access code");
        return None;
    };
    let signature = match written.signature.as_deref() {
        None | Some("SHA-256") => ApsSignature::Sha256,
        Some("SHA-512") => ApsSignature::Sha512,
        Some("HMAC-256") => ApsSignature::Hmac256,
        Some("HMAC-512") => ApsSignature::Hmac512,
        Some(other) => {
            let remedy = "write SHA-256, SHA-512, HMAC-256 or HMAC-512";
            findings.add("signature", format!("`{other}` is no signature"), remedy);
            ApsSignature::Sha256
        }
    };
    let mut read = |key: &str, file: &Option<String>| {
        let text = std::fs::read_to_string(folder.join(file.as_ref()?));
        text.map_err(|error| findings.add(key, error.to_string(), "name a file that holds the phrase"))
            .ok()
            .map(|phrase| phrase.trim().to_owned())
    };
    let request = read("request_phrase_file", &written.request_phrase_file);
    let response = read("response_phrase_file", &written.response_phrase_file);
    if request.is_some() != response.is_some() {
        let remedy = "name the files of both phrases, or of none to generate them";
        findings.add("request_phrase_file", "one phrase is given, the other is not", remedy);
    }
    Some(Credentials::Phrases { access_code, signature, phrases: request.zip(response) })
}

fn habits(written: &WrittenAps, findings: &mut Findings<'_>) -> ApsHabits {
    findings.share("lost_row_share", written.lost_row_share);
    let usual = ApsHabits::default();
    let results = match written.results.as_deref() {
        None | Some("text") => ApsResults::Text,
        Some("member") => ApsResults::Member,
        Some(other) => {
            findings.add("results", format!("`{other}` is no form"), "write text or member");
            ApsResults::Text
        }
    };
    let validated_code = match written.validated_code.as_deref() {
        None => usual.validated_code,
        Some("70000") => "70000",
        Some("76000") => "76000",
        Some(_) => {
            findings.add("validated_code", "is no code of a validated file", "write 70000 or 76000");
            usual.validated_code
        }
    };
    ApsHabits {
        validation_time: written.validation_s.map_or(usual.validation_time, |seconds| seconds.0),
        processing_time: written.processing_s.map_or(usual.processing_time, |seconds| seconds.0),
        invisible_for: written.not_known_for_s.map_or(usual.invisible_for, |seconds| seconds.0),
        lost_row_share: written.lost_row_share,
        is_answer_signed: written.signed_answers.unwrap_or(usual.is_answer_signed),
        validated_code,
        results,
    }
}

fn unique(accounts: &[Account], findings: &mut Findings<'_>) {
    let (mut names, mut merchants, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (position, account) in accounts.iter().enumerate() {
        findings.place = (None, format!("account[{position}]"));
        if !names.insert(account.name.as_str()) {
            findings.add("name", format!("`{}` is used twice", account.name), "give each account its own");
        }
        if !merchants.insert((account.api, account.merchant_id.as_str())) {
            findings.add("merchant_id", "is used twice for one API", "give each account its own");
        }
        if !keys.insert((account.api, account.credentials.key_id())) {
            let key = "public_key_id, access_key_id or access_code";
            findings.add(key, "is used twice", "give each account its own");
        }
    }
}

fn population(
    written: WrittenPopulation,
    accounts: &[Account],
    findings: &mut Findings<'_>,
) -> Option<Population> {
    match accounts.iter().find(|account| account.name == written.account) {
        None => findings.add("account", format!("`{}` is not declared", written.account), "declare it above"),
        Some(account) if !account.api.kinds().contains(&written.kind.as_str()) => findings.add(
            "kind",
            format!("{} has no `{}`", account.api.name(), written.kind),
            format!("write one of {}", account.api.kinds().join(", ")),
        ),
        Some(_) => {}
    }
    if written.count > 0 && written.currencies.is_empty() {
        findings.add("currencies", "is missing", "write [{ code = \"USD\", amount = [\"1.00\", \"9.00\"] }]");
    }
    let currencies = written.currencies.iter().filter_map(|written| currency(written, findings)).collect();
    for outcome in &written.outcome {
        findings.weight("outcome.share", outcome.share);
    }
    let fates = written.outcome.iter().map(|outcome| Fate {
        share: outcome.share,
        steps: outcome
            .steps
            .iter()
            .map(|step| FateStep {
                after_min: step.after_s.0,
                after_max: step.after_s.1,
                state: step.state.clone(),
                reason: step.reason.clone(),
            })
            .collect(),
    });
    Some(Population {
        fates: Fates::new(fates.collect()),
        reference_prefix: written.reference_prefix.unwrap_or_else(|| format!("{}-", written.kind)),
        account: written.account,
        kind: written.kind,
        count: written.count,
        age: (written.age_s.0, written.age_s.1),
        invisible_for: (written.not_found_for_s.0, written.not_found_for_s.1),
        currencies,
        decides_created: written.decides_created,
        line: findings.place.0,
    })
}

fn currency(written: &WrittenCurrency, findings: &mut Findings<'_>) -> Option<CurrencyShare> {
    findings.weight("currencies.share", written.share);
    let amounts = written.amount.each_ref().map(|amount| amount.parse::<Decimal>().ok());
    let [Some(smallest), Some(largest)] = amounts else {
        findings.add("currencies.amount", "is no pair of amounts", "write [\"1.00\", \"9.00\"]");
        return None;
    };
    let minor = |amount: Decimal| u64::try_from(amount.mantissa()).ok();
    let pair = (minor(smallest), minor(largest));
    let (Some(amount_min_minor), Some(amount_max_minor)) = pair else {
        findings.add("currencies.amount", "is negative or too large", "write amounts above zero");
        return None;
    };
    if smallest.scale() != largest.scale() || amount_min_minor > amount_max_minor || amount_min_minor == 0 {
        let remedy = "write the smaller first, both above zero and with the currency's number of decimals";
        findings.add("currencies.amount", "is no range", remedy);
    }
    Some(CurrencyShare {
        code: written.code.clone(),
        share: written.share,
        amount_min_minor,
        amount_max_minor,
        decimals: smallest.scale(),
    })
}

fn fault(written: WrittenFault, accounts: &[Account], findings: &mut Findings<'_>) -> Option<Fault> {
    findings.share("share", written.share);
    if let Some(name) = &written.account
        && !accounts.iter().any(|account| &account.name == name)
    {
        findings.add("account", format!("`{name}` is not declared"), "declare it, or leave the key out");
    }
    let from = written.from_s.map_or(Duration::ZERO, |seconds| seconds.0);
    let until = written.to_s.map(|seconds| seconds.0);
    if until.is_some_and(|until| until <= from) {
        findings.add("to_s", "the window ends before it begins", "write a to_s above from_s");
    }
    let status = written.status.unwrap_or(403);
    if !matches!(status, 401 | 403) {
        findings.add("status", format!("`{status}` refuses no credentials"), "write 401 or 403");
    }
    let skew_s = written.skew_s.unwrap_or(3600);
    if written.kind == FaultKind::ClockSkew && skew_s.unsigned_abs() <= TOLERANCE_S {
        findings.add("skew_s", "lies within the usual tolerance", "write more than 900 or less than -900");
    }
    Some(Fault {
        kind: written.kind,
        account: written.account,
        operation: written.operation,
        share: written.share,
        from,
        until,
        retry_after_s: written.retry_after_s,
        status,
        skew_s,
    })
}

fn chat(written: WrittenChat, folder: &Path, findings: &mut Findings<'_>) -> ChatSettings {
    findings.share("failure_share", written.failure_share);
    findings.share("throttled_share", written.throttled_share);
    ChatSettings {
        failure_share: written.failure_share,
        throttled_share: written.throttled_share,
        throttled_windows: written.throttled.iter().map(|window| (window.from_s.0, window.to_s.0)).collect(),
        retry_after_s: written.retry_after_s.unwrap_or(1),
        file: written.file.map(|file| folder.join(file)),
        scripts: super::chat_script::scripts(written.script, findings),
        limits: super::chat_script::limits(written.limit, findings),
    }
}
