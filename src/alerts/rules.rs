//! The `[[route]]` sections of the configuration.
//!
//! Owns: their keys, defaults and checks, and rules that can never match. Must never know: the rest of the
//! configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Table;

use super::config::with_keys;
use super::matchers::{Known, Matchers};
use super::routes::Rule;
use super::target::SectionError;
use crate::delimited::nearest;
use crate::problem::{Check, Problem};

/// The longest wait for an acknowledgement. A delivery that waits longer counts as written by a clock that was ahead.
const LONGEST_WAIT_MIN: u64 = 360;

/// The keys that are no conditions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnKeys {
    /// The names of `[[alert]]` sections.
    targets: Vec<String>,
    /// Whether the sections after this one decide as well.
    #[serde(default, rename = "continue")]
    goes_on: bool,
    /// How long a critical alert waits for an acknowledgement, in minutes.
    #[serde(default)]
    escalate_after_min: Option<u64>,
    /// Who gets it then.
    #[serde(default)]
    escalate_to: Vec<String>,
}

/// Their names.
const OWN: &[&str] = &["targets", "continue", "escalate_after_min", "escalate_to"];

/// One `[[route]]` section as written.
#[derive(Debug, Clone, Default)]
pub struct RouteSection {
    own: OwnKeys,
    matchers: Matchers,
}

impl RouteSection {
    /// Reads a section.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn read(table: Table) -> Result<RouteSection, SectionError> {
        let (own, conditions) =
            table.into_iter().partition(|(key, _): &(String, _)| OWN.contains(&key.as_str()));
        let (own, conditions): (Table, Table) = (own, conditions);
        let matchers = serde_path_to_error::deserialize(conditions).map_err(|error| with_keys(error, OWN))?;
        let own = serde_path_to_error::deserialize(own)?;
        Ok(RouteSection { own, matchers })
    }
}

/// Checks all sections, each with its number in the file. `targets` holds the names of the `[[alert]]` sections. Also returns remarks about rules that
/// have no effect.
///
/// # Errors
/// All problems at once.
pub fn resolve(
    sections: Vec<(usize, RouteSection)>,
    targets: &[&str],
    known: Known<'_>,
) -> Result<(Vec<Rule>, Vec<String>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    let mut remarks = Vec::new();
    for (number, RouteSection { own, matchers }) in sections {
        let mut check = Check::new(format!("route.{number}"));
        for (key, what, remedy) in matchers.unknown_words(known) {
            check.problem(key, what, remedy);
        }
        if own.targets.is_empty() {
            let remedy = "name the targets; to hold alerts back for a time, use `reconciled silence add`";
            check.problem("targets", "it names no target", remedy);
        }
        known_targets(&mut check, "targets", &own.targets, targets);
        known_targets(&mut check, "escalate_to", &own.escalate_to, targets);
        for target in own.escalate_to.iter().filter(|target| own.targets.contains(target)) {
            let what = format!("{target} already gets the alert at once");
            check.problem("escalate_to", what, "name a target that is not in targets");
        }
        let escalation = match (own.escalate_after_min, own.escalate_to) {
            (None, to) if to.is_empty() => None,
            (None, _) => {
                check.problem("escalate_after_min", "is required with escalate_to", "15 is usual");
                None
            }
            (Some(_), to) if to.is_empty() => {
                check.problem("escalate_to", "is required with escalate_after_min", "name a target");
                None
            }
            (Some(minutes), to) => {
                if !(1..=LONGEST_WAIT_MIN).contains(&minutes) {
                    let what = format!("{minutes} min is outside 1 to {LONGEST_WAIT_MIN} min");
                    check.problem("escalate_after_min", what, "15 is usual");
                }
                Some((Duration::from_secs(minutes.saturating_mul(60)), to))
            }
        };
        problems.extend(check.finish(Some(())).err().unwrap_or_default());
        let before = rules.iter().position(|rule| !rule.goes_on && rule.matchers.covers(&matchers));
        if let Some(before) = before {
            remarks.push(format!(
                "[[route]] section {} can never match: section {} already decides about all its alerts",
                number + 1,
                before + 1
            ));
        }
        rules.push(Rule { matchers, targets: own.targets, goes_on: own.goes_on, escalation });
    }
    if problems.is_empty() { Ok((rules, remarks)) } else { Err(problems) }
}

fn known_targets(check: &mut Check, key: &str, written: &[String], known: &[&str]) {
    let mut seen = BTreeSet::new();
    for target in written {
        let shown: String = target.chars().take(64).collect();
        if !seen.insert(target) {
            check.problem(key, format!("{shown:?} is named twice"), "name it once");
        } else if !known.contains(&target.as_str()) {
            let remedy = match nearest(target, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if known.is_empty() => "add an [[alert]] section".to_owned(),
                None => format!("known targets: {}", known.join(", ")),
            };
            check.problem(key, format!("there is no [[alert]] section named {shown:?}"), remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resolved(text: &str) -> Result<(Vec<Rule>, Vec<String>), Vec<Problem>> {
        let mut whole: Table = toml::from_str(text).unwrap();
        let tables: Vec<Table> = whole.remove("route").unwrap().try_into().unwrap();
        let sections =
            tables.into_iter().map(|table| RouteSection::read(table).unwrap()).enumerate().collect();
        let accounts = BTreeMap::from([("shop-de".parse().unwrap(), BTreeMap::new())]);
        let object_kinds = BTreeSet::new();
        resolve(sections, &["room", "pager"], Known { accounts: &accounts, object_kinds: &object_kinds })
    }

    #[test]
    fn a_rule_is_read_with_its_defaults() {
        let (rules, remarks) = resolved(
            "[[route]]\nkinds = ['declined']\nmin_amount = '500.00 EUR'\ntargets = ['room']\n\
             escalate_after_min = 15\nescalate_to = ['pager']\n[[route]]\ntargets = ['room']\ncontinue = true\n",
        )
        .unwrap();
        assert_eq!(remarks, Vec::<String>::new());
        let quarter = Duration::from_secs(900);
        assert_eq!(rules[0].escalation, Some((quarter, vec!["pager".to_owned()])));
        assert_eq!(rules[0].matchers.words(), "kinds: declined; at least 500.00 EUR");
        assert_eq!((rules[0].goes_on, rules[1].goes_on), (false, true));
        assert_eq!(rules[1].matchers, Matchers::default());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = resolved(
            "[[route]]\nkinds = ['declinde']\ntargets = ['rooom', 'room', 'room', 'chat']\n\
             [[route]]\ntargets = []\nescalate_to = ['pager']\n\
             [[route]]\ntargets = ['room']\nescalate_after_min = 5\n\
             [[route]]\ntargets = ['room']\nescalate_after_min = 0\nescalate_to = ['room', 'nobody']\n",
        )
        .unwrap_err();
        let found: Vec<String> = problems.iter().map(|problem| problem.to_string()).collect();
        assert_eq!(
            found,
            [
                "route.0.kinds: \"declinde\" is not a kind of alert → did you mean declined?",
                "route.0.targets: there is no [[alert]] section named \"rooom\" → did you mean room?",
                "route.0.targets: \"room\" is named twice → name it once",
                "route.0.targets: there is no [[alert]] section named \"chat\" → known targets: room, pager",
                "route.1.targets: it names no target → name the targets; to hold alerts back for a time, use \
                 `reconciled silence add`",
                "route.1.escalate_after_min: is required with escalate_to → 15 is usual",
                "route.2.escalate_to: is required with escalate_after_min → name a target",
                "route.3.escalate_to: there is no [[alert]] section named \"nobody\" → known targets: room, pager",
                "route.3.escalate_to: room already gets the alert at once → name a target \
                 that is not in targets",
                "route.3.escalate_after_min: 0 min is outside 1 to 360 min → 15 is usual",
            ]
        );
    }

    #[test]
    fn a_rule_behind_one_that_decides_about_all_its_alerts_is_noticed() {
        let remarks = |text: &str| resolved(text).unwrap().1;
        let first = "[[route]]\nkinds = ['declined', 'overdue']\ntargets = ['room']\n";
        let second = "[[route]]\nkinds = ['overdue']\naccounts = ['shop-de']\ntargets = ['pager']\n";
        assert_eq!(
            remarks(&format!("{first}{second}")),
            ["[[route]] section 2 can never match: section 1 already decides about all its alerts"]
        );
        assert_eq!(remarks(&format!("{first}{first}")).len(), 1, "the same section twice");
        assert!(remarks(&format!("{second}{first}")).is_empty());
        assert!(remarks(&format!("{first}continue = true\n{second}")).is_empty());
    }

    #[test]
    fn unknown_keys_are_refused_with_all_that_are_known() {
        let refusal = |text: &str| RouteSection::read(toml::from_str(text).unwrap()).unwrap_err();
        let error = refusal("targets = ['room']\nkind = ['declined']\n");
        assert_eq!(error.path().to_string(), "kind");
        let what = error.inner().message().to_owned();
        assert!(what.contains("unknown field `kind`") && what.contains("min_amount"), "{what}");
        assert!(what.contains("escalate_to"), "{what}");
        let error = refusal("targets = ['room']\nmin_amount = '500'\n");
        assert_eq!(error.path().to_string(), "min_amount");
        assert!(error.inner().message().contains("with its currency"), "{error}");
    }

    #[test]
    fn the_list_of_own_keys_is_the_struct_s() {
        for key in OWN {
            let alone: Table = [((*key).to_owned(), toml::Value::Datetime("2026-01-01".parse().unwrap()))]
                .into_iter()
                .collect();
            let error = serde_path_to_error::deserialize::<_, OwnKeys>(alone).unwrap_err();
            assert!(!error.inner().message().starts_with("unknown field"), "{key}");
        }
    }
}
