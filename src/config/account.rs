//! `[[account]]`: the name, the API and the polling policy. Everything else belongs to the API.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use toml::{Table, Value};

use super::findings::Findings;
use super::lines::join;
use super::poll::PollSection;
use super::provider_reports::{self, ProviderReports};
use super::section;
use super::{AccountName, Kind, Policy, SecretLoader};
use crate::apis::registration::{ReadSection, SectionError};
use crate::apis::{self, registry};

/// One account, checked.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The operator's name for it.
    pub name: AccountName,
    /// Its API's settings.
    pub api: Arc<dyn apis::Settings>,
    /// The polling policy of each of its kinds.
    pub policies: BTreeMap<Kind, Policy>,
    /// Which of the provider's own reports to fetch.
    pub provider_reports: ProviderReports,
    /// Whether to start watching unwatched objects that a verified notification names.
    pub discover: bool,
    /// The operator's labels, for rules and silences.
    pub labels: BTreeMap<String, String>,
}

/// Passes an API its section, so that `apis` need not know how sections are read.
struct Handing<'a, 'b> {
    table: Table,
    path: &'a str,
    findings: &'a mut Findings<'b>,
}

impl ReadSection for Handing<'_, '_> {
    fn read_with(&mut self, attempt: &mut dyn FnMut(Table) -> Result<(), SectionError>) -> bool {
        section::read_with(std::mem::take(&mut self.table), self.path, self.findings, attempt)
    }
}

pub(super) fn read_all(
    tables: Vec<Table>,
    general: &PollSection,
    loader: &SecretLoader,
    findings: &mut Findings<'_>,
) -> Vec<AccountConfig> {
    let mut accounts: Vec<AccountConfig> = Vec::new();
    let mut names: HashSet<AccountName> = HashSet::new();
    // For each set of credentials, the name of its account.
    let mut credentials: HashMap<String, AccountName> = HashMap::new();
    for (number, table) in tables.into_iter().enumerate() {
        let path = format!("account.{number}");
        let Some(account) = read_one(table, &path, general, loader, findings) else { continue };
        if !names.insert(account.name.clone()) {
            findings.add(
                &join(&path, "name"),
                format!("\"{}\" is used twice", account.name),
                "give each account its own name",
            );
        }
        refuse_shared(&account, &mut credentials, &path, findings);
        accounts.push(account);
    }
    accounts
}

/// The provider counts the requests of both against one quota and lists their batches together. Two accounts
/// with the same credentials would spend the quota twice and mistake each other's batches for their own.
fn refuse_shared(
    account: &AccountConfig,
    others: &mut HashMap<String, AccountName>,
    path: &str,
    findings: &mut Findings<'_>,
) {
    let identity = account.api.identity();
    if let Some(other) = others.get(&identity) {
        findings.add(
            &join(path, account.api.credentials().0),
            format!(
                "account \"{other}\" has the same credentials, so both would spend one quota twice",
            ),
            format!(
                "watch the objects of both in account \"{other}\", or give this one its own credentials",
            ),
        );
    }
    others.entry(identity).or_insert_with(|| account.name.clone());
}

fn read_one(
    mut table: Table,
    path: &str,
    general: &PollSection,
    loader: &SecretLoader,
    findings: &mut Findings<'_>,
) -> Option<AccountConfig> {
    let name = text(&mut table, path, "name", "a name of your own, such as \"shop-de\"", findings).and_then(
        |name| {
            let named = AccountName::new(name).map_err(|error| error.to_string()).and_then(|name| {
                // Folders are named after accounts.
                let is_step = matches!(name.as_str(), "." | "..");
                if is_step {
                    Err(format!("\"{name}\" is a path step and cannot name a folder"))
                } else {
                    Ok(name)
                }
            });
            named.map_err(|what| findings.add(&join(path, "name"), what, "letters, digits, - _ .")).ok()
        },
    );
    let own = match table.remove("poll") {
        None => PollSection::default(),
        Some(Value::Table(poll)) => PollSection::read(poll, &join(path, "poll"), findings),
        Some(_) => {
            findings.add(&join(path, "poll"), "is not a table", "write poll = { interval = \"30m\" }");
            PollSection::default()
        }
    };
    let reports = provider_reports::take(&mut table, path, findings);
    let discover = match table.remove("discover") {
        None => false,
        Some(Value::Boolean(discover)) => discover,
        Some(_) => {
            findings.add(&join(path, "discover"), "is not true or false", "write discover = true");
            false
        }
    };
    let labels = labels(&mut table, path, findings);
    let api = text(&mut table, path, "api", &format!("one of {}", registry::names().join(", ")), findings)?;
    let mut handing = Handing { table, path, findings };
    let Some(settings) = registry::settings(&api, &mut handing, path, loader) else {
        findings.add(
            &join(path, "api"),
            format!("{api:?} is not known"),
            format!("one of {}", registry::names().join(", ")),
        );
        return None;
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(problems) => {
            findings.extend(problems);
            return None;
        }
    };
    let kinds = settings.kinds();
    for kind in own.kinds_named().into_iter().filter(|kind| !kinds.contains(kind)) {
        let remedy = format!("one of {}", kinds.join(", "));
        findings.add(&format!("{path}.poll.kinds.{kind}"), "is not a kind of this API", remedy);
    }
    if let Some(reports) = &reports {
        provider_reports::check(reports, &*settings, path, findings);
    }
    if let Some(key) = settings.missing_for_discovery().filter(|_| discover) {
        let remedy = format!("write {key}, or leave discover out");
        findings.add(&join(path, "discover"), format!("is true without {key}"), remedy);
    }
    let provider_reports = reports.unwrap_or_default();
    if own.is_by_batch() && settings.poll_limits().is_none() {
        findings.add(
            &join(path, "poll.batch"),
            "is not for this account: its API, or its marketplace, cannot poll by batch",
            "leave it out",
        );
    }
    let policy = |kind: &&str| Some((Kind::new(*kind).ok()?, PollSection::policy(general, &own, kind)));
    let policies = kinds.iter().filter_map(policy).collect();
    Some(AccountConfig { name: name?, api: settings, policies, provider_reports, discover, labels })
}

fn text(
    table: &mut Table,
    path: &str,
    key: &str,
    remedy: &str,
    findings: &mut Findings<'_>,
) -> Option<String> {
    match table.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            findings.add(&join(path, key), "is not a string", remedy);
            None
        }
        None => {
            findings.add(&join(path, key), "is missing", remedy);
            None
        }
    }
}

/// The most characters of a label's name and of its value.
const LABEL_CHARACTERS_MAX: usize = 64;

fn labels(table: &mut Table, path: &str, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
    let remedy = "write labels = { team = \"de\" }";
    let written = match table.remove("labels") {
        None => return BTreeMap::new(),
        Some(Value::Table(written)) => written,
        Some(_) => {
            findings.add(&join(path, "labels"), "is not a table", remedy);
            return BTreeMap::new();
        }
    };
    let mut labels = BTreeMap::new();
    for (name, value) in written {
        let is_short = |text: &str| (1..=LABEL_CHARACTERS_MAX).contains(&text.chars().count());
        match value {
            Value::String(value) if is_short(&name) && is_short(&value) => {
                labels.insert(name, value);
            }
            _ => {
                let what = format!(
                    "is not a string of 1 to {LABEL_CHARACTERS_MAX} characters, or its name is too long"
                );
                findings.add(&format!("{path}.labels.{name}"), what, remedy);
            }
        }
    }
    labels
}

/// The labels of every account whose name can be read.
pub(super) fn labels_of_all(
    known: &BTreeMap<AccountName, bool>,
    accounts: &[AccountConfig],
) -> BTreeMap<AccountName, BTreeMap<String, String>> {
    let mut labels: BTreeMap<_, _> = known.keys().map(|name| (name.clone(), BTreeMap::new())).collect();
    labels.extend(accounts.iter().map(|account| (account.name.clone(), account.labels.clone())));
    labels
}

/// Which accounts exist and whether each is a sandbox account, as far as that can be read: alert targets
/// refer to accounts by name even when something else is wrong with an account.
pub(super) fn environments(tables: &[Table]) -> BTreeMap<AccountName, bool> {
    let text = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    tables
        .iter()
        .filter_map(|table| {
            let name = AccountName::new(text(table, "name")?).ok()?;
            let environment = text(table, "environment").unwrap_or_default();
            Some((name, environment.eq_ignore_ascii_case("sandbox")))
        })
        .collect()
}
