//! Which alerts are meant: the conditions of a rule and of a silence.
//!
//! Owns: the conditions, their words, and whether an alert meets them. Must never know: what happens to an alert that
//! does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::delimited::nearest;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::money::Money;
use crate::payments::object::AccountName;

/// The operator's labels of one account: `team` → `de`.
pub type Labels = BTreeMap<String, String>;

/// Conditions that an alert must meet, all of them. An empty one is met by every alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Matchers {
    /// It concerns one of these accounts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accounts: BTreeSet<String>,
    /// Its account is in one of these environments: `live`, `sandbox`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub environments: BTreeSet<String>,
    /// It is of one of these kinds: `declined`, `overdue`, ...
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<String>,
    /// It concerns an object of one of these kinds: `charge`, `refund`, ...
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub object_kinds: BTreeSet<String>,
    /// The provider's reason is one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reasons: BTreeSet<String>,
    /// It is at least this urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<Severity>,
    /// It concerns at least this amount, in this currency: `500.00 EUR`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_money",
        deserialize_with = "read_money"
    )]
    #[schema(value_type = Option<String>)]
    pub min_amount: Option<Money>,
    /// Its account has these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
}

/// An alert with what the configuration says about its account.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// Whether its account is a sandbox.
    pub is_sandbox: bool,
    /// The labels of its account.
    pub labels: &'a Labels,
}

/// The words that conditions may use. An empty set of object kinds means that they are not known.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The accounts of the configuration with their labels.
    pub accounts: &'a BTreeMap<AccountName, Labels>,
    /// The kinds of objects of their APIs.
    pub object_kinds: &'a BTreeSet<String>,
}

impl Matchers {
    /// Why an alert does not meet the conditions: the first one that it fails. None if it meets all.
    pub fn refusal(&self, candidate: &Candidate<'_>) -> Option<String> {
        let Candidate { alert, is_sandbox, labels } = *candidate;
        let environment = if is_sandbox { "sandbox" } else { "live" };
        let object_kind = alert.object.as_ref().map(|object| object.kind.as_str());
        [
            one_of("account", &self.accounts, Some(alert.account.as_str())),
            one_of("environment", &self.environments, Some(environment)),
            one_of("kind", &self.kinds, Some(alert.kind.as_str())),
            one_of("kind of object", &self.object_kinds, object_kind),
            one_of("reason", &self.reasons, alert.reason.as_deref()),
        ]
        .into_iter()
        .flatten()
        .next()
        .or_else(|| {
            let least = self.min_severity.filter(|least| alert.severity < *least)?;
            Some(format!("the severity {} is below {}", word(alert.severity), word(least)))
        })
        .or_else(|| {
            let least = self.min_amount?;
            match alert.amount {
                None => Some(format!("no amount is known, so it is not at least {least}")),
                Some(amount) if amount.currency != least.currency => {
                    Some(format!("{amount} is in another currency than {least}"))
                }
                Some(amount) if amount.amount < least.amount => Some(format!("{amount} is below {least}")),
                Some(_) => None,
            }
        })
        .or_else(|| {
            let (name, value) = self.labels.iter().find(|(name, value)| labels.get(*name) != Some(*value))?;
            Some(format!("the account lacks the label {name} = {value}"))
        })
    }

    /// Whether every alert that meets the conditions of `other` meets these as well. False when that is not certain.
    pub fn covers(&self, other: &Matchers) -> bool {
        let includes = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
            these.is_empty() || (!those.is_empty() && those.is_subset(these))
        };
        includes(&self.accounts, &other.accounts)
            && includes(&self.environments, &other.environments)
            && includes(&self.kinds, &other.kinds)
            && includes(&self.object_kinds, &other.object_kinds)
            && includes(&self.reasons, &other.reasons)
            && self.min_severity.unwrap_or(Severity::Info) <= other.min_severity.unwrap_or(Severity::Info)
            && self.min_amount.is_none_or(|least| {
                other
                    .min_amount
                    .is_some_and(|other| other.currency == least.currency && other.amount >= least.amount)
            })
            && self.labels.iter().all(|(name, value)| other.labels.get(name) == Some(value))
    }

    /// Words that no alert has: the key, what is wrong, what to do.
    pub fn unknown_words(&self, known: Known<'_>) -> Vec<(&'static str, String, String)> {
        let accounts: Vec<&str> = known.accounts.keys().map(AccountName::as_str).collect();
        let kinds: Vec<&str> = AlertKind::ALL.iter().map(AlertKind::as_str).collect();
        let object_kinds: Vec<&str> = known.object_kinds.iter().map(String::as_str).collect();
        let names: BTreeSet<&str> =
            known.accounts.values().flat_map(|labels| labels.keys().map(String::as_str)).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let mut found = Vec::new();
        let mut check = |key, what: &str, written: &mut dyn Iterator<Item = &String>, known: &[&str]| {
            for word in written.filter(|word| !known.contains(&word.as_str())) {
                let shown: String = word.chars().take(64).collect();
                let remedy = match nearest(word, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if known.is_empty() => "the configuration has none".to_owned(),
                    None => format!("known: {}", known.join(", ")),
                };
                found.push((key, format!("{shown:?} is not {what}"), remedy));
            }
        };
        check("accounts", "an account", &mut self.accounts.iter(), &accounts);
        check("environments", "an environment", &mut self.environments.iter(), &["live", "sandbox"]);
        check("kinds", "a kind of alert", &mut self.kinds.iter(), &kinds);
        if !object_kinds.is_empty() {
            check("object_kinds", "a kind of object", &mut self.object_kinds.iter(), &object_kinds);
        }
        check("labels", "a label of any account", &mut self.labels.keys(), &names);
        found
    }

    /// The conditions as a person reads them: `accounts: shop-de; kinds: declined, overdue`.
    pub fn words(&self) -> String {
        let list = |name: &str, words: &BTreeSet<String>| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            (!words.is_empty()).then(|| format!("{name}: {}", words.join(", ")))
        };
        let labels: BTreeSet<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let parts = [
            list("accounts", &self.accounts),
            list("environments", &self.environments),
            list("kinds", &self.kinds),
            list("object kinds", &self.object_kinds),
            list("reasons", &self.reasons),
            self.min_severity.map(|severity| format!("at least {}", word(severity))),
            self.min_amount.map(|amount| format!("at least {amount}")),
            list("labels", &labels),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "every alert".to_owned() } else { parts.join("; ") }
    }
}

fn one_of(what: &str, wanted: &BTreeSet<String>, found: Option<&str>) -> Option<String> {
    if wanted.is_empty() || found.is_some_and(|found| wanted.contains(found)) {
        return None;
    }
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let wanted = wanted.join(", ");
    Some(match found {
        Some(found) => format!("the {what} {found} is not {wanted}"),
        None => format!("it has no {what}, so it is not {wanted}"),
    })
}

/// `info`, `warning` or `critical`.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// Reads an amount with its currency: `500.00 EUR`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_money(text: &str) -> Result<Money, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [amount, currency] => Money::parse(amount, currency).map_err(|bad| bad.to_string()),
        _ => Err("an amount is written with its currency, such as \"500.00 EUR\"".to_owned()),
    }
}

fn read_money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_money(&text).map(Some).map_err(serde::de::Error::custom)
}

fn write_money<S: Serializer>(money: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
    match money {
        Some(money) => serializer.collect_str(money),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    fn matchers(text: &str) -> Matchers {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_alert_meets_conditions_by_the_table() {
        // A declined live charge of shop-de: critical, 14.00 EUR, HardDeclined.
        let declined = alert("a/1");
        let labels: Labels = [("team".to_owned(), "de".to_owned())].into();
        for (written, why_not) in [
            ("", ""),
            ("accounts = ['shop-fr', 'shop-de']", ""),
            ("accounts = ['shop-fr']", "the account shop-de is not shop-fr"),
            ("environments = ['live']", ""),
            ("environments = ['sandbox']", "the environment live is not sandbox"),
            ("kinds = ['declined', 'overdue']", ""),
            ("kinds = ['overdue']", "the kind declined is not overdue"),
            ("object_kinds = ['charge']", ""),
            ("object_kinds = ['refund']", "the kind of object charge is not refund"),
            ("reasons = ['HardDeclined']", ""),
            ("reasons = ['harddeclined']", "the reason HardDeclined is not harddeclined"),
            ("min_severity = 'critical'", ""),
            ("min_amount = '14.00 EUR'", ""),
            ("min_amount = '14 EUR'", ""),
            ("min_amount = '14.01 EUR'", "14.00 EUR is below 14.01 EUR"),
            ("min_amount = '1.00 USD'", "14.00 EUR is in another currency than 1.00 USD"),
            ("labels = { team = 'de' }", ""),
            ("labels = { team = 'fr' }", "the account lacks the label team = fr"),
            ("labels = { desk = 'de' }", "the account lacks the label desk = de"),
            ("kinds = ['declined']\nmin_amount = '99.00 EUR'", "14.00 EUR is below 99.00 EUR"),
        ] {
            let candidate = Candidate { alert: &declined, is_sandbox: false, labels: &labels };
            let found = matchers(written).refusal(&candidate).unwrap_or_default();
            assert_eq!(found, why_not, "{written}");
        }
    }

    #[test]
    fn what_is_not_known_never_meets_a_condition_about_it() {
        let account_wide =
            Alert { object: None, reason: None, amount: None, severity: Severity::Warning, ..alert("a/1") };
        let candidate = Candidate { alert: &account_wide, is_sandbox: true, labels: &Labels::new() };
        for written in [
            "object_kinds = ['charge']",
            "reasons = ['HardDeclined']",
            "min_amount = '0.00 EUR'",
            "min_severity = 'critical'",
            "labels = { team = 'de' }",
            "environments = ['live']",
        ] {
            assert!(matchers(written).refusal(&candidate).is_some(), "{written}");
        }
    }

    #[test]
    fn unknown_words_are_named_with_the_nearest_known_one() {
        let accounts: BTreeMap<AccountName, Labels> =
            [("shop-de".parse().unwrap(), [("team".to_owned(), "de".to_owned())].into())].into();
        let object_kinds = ["charge".to_owned(), "refund".to_owned()].into();
        let known = Known { accounts: &accounts, object_kinds: &object_kinds };
        let written = matchers(
            "accounts = ['shop-ed']\nenvironments = ['prod']\nkinds = ['declinde']\nobject_kinds = ['chrage']\n\
             reasons = ['Anything']\nlabels = { taem = 'de' }",
        );
        let found: Vec<String> = written
            .unknown_words(known)
            .into_iter()
            .map(|(key, what, so)| format!("{key}: {what}: {so}"))
            .collect();
        assert_eq!(
            found,
            [
                "accounts: \"shop-ed\" is not an account: did you mean shop-de?",
                "environments: \"prod\" is not an environment: known: live, sandbox",
                "kinds: \"declinde\" is not a kind of alert: did you mean declined?",
                "object_kinds: \"chrage\" is not a kind of object: did you mean charge?",
                "labels: \"taem\" is not a label of any account: did you mean team?",
            ]
        );
        assert_eq!(matchers("kinds = ['declined']").unknown_words(known), []);
    }

    #[test]
    fn an_amount_has_its_currency() {
        for bad in ["500", "500.00 eur", "EUR 500", "1.001 EUR", "", "5 EUR 6"] {
            assert!(parse_money(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_money("500 JPY").unwrap().to_string(), "500 JPY");
    }

    #[test]
    fn conditions_are_written_and_read_back_and_said_in_words() {
        let all = matchers(
            "accounts = ['a']\nenvironments = ['live']\nkinds = ['declined']\nobject_kinds = ['charge']\n\
             reasons = ['X']\nmin_severity = 'info'\nmin_amount = '1.00 EUR'\nlabels = { a = 'b' }",
        );
        let json = serde_json::to_value(&all).unwrap();
        assert_eq!(serde_json::from_value::<Matchers>(json).unwrap(), all);
        assert_eq!(
            all.words(),
            "accounts: a; environments: live; kinds: declined; object kinds: charge; reasons: X; at least info; \
             at least 1.00 EUR; labels: a=b"
        );
        assert_eq!(Matchers::default().words(), "every alert");
    }

    fn some(words: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
        btree_set(proptest::sample::select(words).prop_map(str::to_owned), 0..3)
    }

    fn any_matchers() -> impl Strategy<Value = Matchers> {
        let severity = proptest::sample::select(vec![None, Some(Severity::Info), Some(Severity::Critical)]);
        let amount = proptest::sample::select(vec![None, Some("1 EUR"), Some("20 EUR"), Some("1 USD")]);
        let labels = proptest::sample::select(vec![vec![], vec![("team", "de")], vec![("team", "fr")]]);
        let sets = (
            some(&["shop-de", "shop-fr"]),
            some(&["live", "sandbox"]),
            some(&["declined", "overdue"]),
            some(&["charge", "refund"]),
            some(&["HardDeclined", "Other"]),
        );
        (sets, severity, amount, labels).prop_map(|(sets, min_severity, amount, labels)| {
            let (accounts, environments, kinds, object_kinds, reasons) = sets;
            let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            Matchers {
                accounts,
                environments,
                kinds,
                object_kinds,
                reasons,
                min_severity,
                min_amount: amount.map(|amount| parse_money(amount).unwrap()),
                labels: labels.into_iter().map(text).collect(),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn conditions_that_cover_others_are_met_whenever_the_others_are(
            wide in any_matchers(), narrow in any_matchers(), is_sandbox in any::<bool>(), has_team in any::<bool>(),
            severity in proptest::sample::select(vec![Severity::Info, Severity::Warning, Severity::Critical]),
        ) {
            let alert = Alert { severity, ..alert("a/1") };
            let labels: Labels =
                if has_team { [("team".to_owned(), "de".to_owned())].into() } else { Labels::new() };
            let candidate = Candidate { alert: &alert, is_sandbox, labels: &labels };
            prop_assert!(Matchers::default().covers(&narrow) && narrow.covers(&narrow));
            if wide.covers(&narrow) && narrow.refusal(&candidate).is_none() {
                prop_assert_eq!(wide.refusal(&candidate), None);
            }
        }
    }
}
