//! Which target receives which alerts.
//!
//! Owns: the filters of the targets, the rules, and how both decide. Must never know: addresses, texts, the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::condition;
use super::matchers::{Candidate, Labels, Matchers, word};
use crate::payments::alert::{Alert, AlertKind, Recipient, Severity};
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::time::later;

/// The alerts that one target receives. An empty set means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The target's name.
    pub target: String,
    /// These accounts.
    pub accounts: BTreeSet<AccountName>,
    /// Whether it receives alerts about live accounts.
    pub hears_live: bool,
    /// Whether it receives alerts about sandbox accounts.
    pub hears_sandbox: bool,
    /// The lowest severity.
    pub min_severity: Severity,
    /// These kinds of alerts.
    pub kinds: BTreeSet<AlertKind>,
}

/// Where the alerts go that meet some conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The conditions.
    pub matchers: Matchers,
    /// The targets.
    pub targets: Vec<String>,
    /// Whether the rules after it decide as well.
    pub goes_on: bool,
    /// How long a critical alert waits for an acknowledgement, and the targets that get it then.
    pub escalation: Option<(Duration, Vec<String>)>,
}

/// The filters of all targets and all rules, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// The filters of the targets.
    pub filters: Vec<Route>,
    /// The rules. The first one that matches decides; without a match, every target is meant.
    pub rules: Vec<Rule>,
    /// The labels of the accounts.
    pub labels: BTreeMap<AccountName, Labels>,
    /// The sandbox accounts.
    pub sandbox_accounts: BTreeSet<AccountName>,
}

/// What a rule says about an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The alert meets its conditions.
    Matches,
    /// It does not, and why.
    Differs(String),
    /// An earlier rule has decided.
    NotReached,
}

/// Where an alert goes, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What each rule says.
    pub verdicts: Vec<Verdict>,
    /// Who gets it.
    pub recipients: Vec<Recipient>,
    /// Targets that the rules chose and whose own filters refuse it, with the reason.
    pub refused: Vec<(String, String)>,
}

impl Route {
    /// Why the target's own filters refuse an alert; none if they accept it.
    fn refusal(&self, alert: &Alert, is_sandbox: bool) -> Option<String> {
        let (is_heard, environment) =
            if is_sandbox { (self.hears_sandbox, "sandbox") } else { (self.hears_live, "live") };
        if !is_heard {
            return Some(format!("its environments do not include {environment}"));
        }
        if !self.accounts.is_empty() && !self.accounts.contains(&alert.account) {
            return Some(format!("its accounts do not include {}", alert.account));
        }
        if alert.severity < self.min_severity {
            return Some(format!("its min_severity is {}", word(self.min_severity)));
        }
        if !self.kinds.is_empty() && !self.kinds.contains(&alert.kind) {
            return Some(format!("its kinds do not include {}", alert.kind));
        }
        None
    }
}

impl Routes {
    /// The targets that an alert goes to. They are fixed when the alert is raised, so a later change of the
    /// configuration does not affect alerts that are already pending.
    pub fn targets_for(&self, alert: &Alert, is_sandbox: bool) -> Vec<Recipient> {
        self.decide(alert, is_sandbox).recipients
    }

    /// An alert with what is known about its account.
    pub fn candidate<'a>(&'a self, alert: &'a Alert) -> Candidate<'a> {
        static NONE: Labels = Labels::new();
        let labels = self.labels.get(&alert.account).unwrap_or(&NONE);
        Candidate { alert, is_sandbox: self.sandbox_accounts.contains(&alert.account), labels }
    }

    /// Where an alert goes, and why. The end of a condition goes where its beginning went.
    pub fn decide(&self, alert: &Alert, is_sandbox: bool) -> Decision {
        let begun = condition::as_begun(alert);
        let (is_end, alert) = (begun.is_some(), begun.as_ref().unwrap_or(alert));
        let candidate = Candidate { is_sandbox, ..self.candidate(alert) };
        let mut decision = Decision::default();
        let (mut chosen, mut escalations): (Vec<Recipient>, Vec<Recipient>) = (Vec::new(), Vec::new());
        let (mut is_matched, mut is_decided) = (false, false);
        for rule in &self.rules {
            if is_decided {
                decision.verdicts.push(Verdict::NotReached);
                continue;
            }
            if let Some(why) = rule.matchers.refusal(&candidate) {
                decision.verdicts.push(Verdict::Differs(why));
                continue;
            }
            decision.verdicts.push(Verdict::Matches);
            (is_matched, is_decided) = (true, !rule.goes_on);
            chosen.extend(rule.targets.iter().cloned().map(Recipient::Now));
            let Some((after, targets)) = &rule.escalation else { continue };
            if is_end {
                chosen.extend(targets.iter().cloned().map(Recipient::Now));
            } else if alert.severity == Severity::Critical {
                let at = later(alert.found_at, *after);
                escalations.extend(
                    targets.iter().map(|target| Recipient::Escalation { target: target.clone(), at }),
                );
            }
        }
        if !is_matched {
            chosen = self.filters.iter().map(|filter| Recipient::Now(filter.target.clone())).collect();
        }
        let mut named = BTreeSet::new();
        for recipient in chosen.into_iter().chain(escalations) {
            let target = recipient.target();
            if !named.insert(target.to_owned()) {
                continue;
            }
            let filter = self.filters.iter().find(|filter| filter.target == target);
            match filter.and_then(|filter| filter.refusal(alert, is_sandbox)) {
                None => decision.recipients.push(recipient),
                Some(why) => decision.refused.push((target.to_owned(), why)),
            }
        }
        decision
    }

    /// Whether every decline of an account reaches some target at once: a plain one, and one that each rule describes.
    /// If not, that is worth a warning at the start.
    pub fn is_heard(&self, account: &AccountName, is_sandbox: bool) -> bool {
        let plain = example(account, is_sandbox);
        let described = self.rules.iter().map(|rule| described(&plain, &rule.matchers));
        described.chain([plain.clone()]).all(|alert| {
            let recipients = self.targets_for(&alert, is_sandbox);
            recipients.iter().any(|recipient| matches!(recipient, Recipient::Now(_)))
        })
    }
}

/// A decline of an account, as far as rules can tell. It has no time: the caller knows the time.
pub fn example(account: &AccountName, is_sandbox: bool) -> Alert {
    let severity = if is_sandbox { Severity::Warning } else { Severity::Critical };
    let now = jiff::Timestamp::UNIX_EPOCH;
    Alert {
        object: about(account, "charge"),
        state: Some("Declined".to_owned()),
        headline: "A charge was declined".to_owned(),
        ..Alert::new(AlertKind::Declined, "example", severity, account, now)
    }
}

/// A made-up object of a kind.
pub fn about(account: &AccountName, kind: &str) -> Option<ObjectRef> {
    let id = ObjectId::new("example").ok()?;
    Some(ObjectRef { account: account.clone(), kind: Kind::new(kind).ok()?, id })
}

/// The same decline, but with the amount, the reason and the kind of object that some conditions ask for.
fn described(plain: &Alert, matchers: &Matchers) -> Alert {
    let object = matchers.object_kinds.first().and_then(|kind| about(&plain.account, kind));
    Alert {
        object: object.or_else(|| plain.object.clone()),
        reason: matchers.reasons.first().cloned(),
        amount: matchers.min_amount,
        ..plain.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::matchers::parse_money;
    use super::super::tests::alert;
    use super::*;

    fn route(target: &str) -> Route {
        Route {
            target: target.to_owned(),
            accounts: BTreeSet::new(),
            hears_live: true,
            hears_sandbox: false,
            min_severity: Severity::Info,
            kinds: BTreeSet::new(),
        }
    }

    fn filtered(filters: Vec<Route>) -> Routes {
        Routes { filters, ..Routes::default() }
    }

    fn rule(conditions: &str, targets: &[&str]) -> Rule {
        Rule {
            matchers: toml::from_str(conditions).unwrap(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            ..Rule::default()
        }
    }

    fn names(recipients: &[Recipient]) -> Vec<&str> {
        recipients.iter().map(Recipient::target).collect()
    }

    #[test]
    fn without_rules_an_alert_goes_to_every_target_whose_filters_accept_it() {
        let routes = filtered(vec![
            route("all"),
            Route { accounts: ["shop-de".parse().unwrap()].into(), ..route("shop-de") },
            Route { accounts: ["shop-fr".parse().unwrap()].into(), ..route("shop-fr") },
            Route { hears_live: false, hears_sandbox: true, ..route("sandbox") },
            Route { min_severity: Severity::Critical, ..route("critical") },
            Route { kinds: [AlertKind::Overdue].into(), ..route("overdue") },
        ]);
        let declined = alert("a/1");
        assert_eq!(names(&routes.targets_for(&declined, false)), ["all", "shop-de", "critical"]);
        assert_eq!(names(&routes.targets_for(&declined, true)), ["sandbox"]);
        let warning = Alert { severity: Severity::Warning, kind: AlertKind::Overdue, ..declined };
        assert_eq!(names(&routes.targets_for(&warning, false)), ["all", "shop-de", "overdue"]);
    }

    #[test]
    fn an_account_without_a_hearer_is_noticed() {
        let routes =
            filtered(vec![Route { kinds: [AlertKind::Overdue].into(), ..route("overdue") }, route("live")]);
        let account = "shop-de".parse().unwrap();
        assert!(routes.is_heard(&account, false));
        assert!(!routes.is_heard(&account, true));
        assert!(!Routes::default().is_heard(&account, false));
    }

    #[test]
    fn a_rule_that_sends_some_declines_nowhere_is_noticed() {
        let account = "shop-de".parse().unwrap();
        let silent = Route { hears_live: false, hears_sandbox: true, ..route("sandbox") };
        for conditions in
            ["min_amount = '100 EUR'", "reasons = ['HardDeclined']", "object_kinds = ['refund']", ""]
        {
            let mut routes = filtered(vec![route("live"), silent.clone()]);
            routes.rules = vec![rule(conditions, &["sandbox"])];
            assert!(!routes.is_heard(&account, false), "{conditions}");
            routes.rules[0].targets.push("live".to_owned());
            assert!(routes.is_heard(&account, false), "{conditions}");
        }
        let mut others = filtered(vec![route("live"), silent]);
        others.rules = vec![rule("kinds = ['overdue']", &["sandbox"])];
        assert!(others.is_heard(&account, false), "other kinds are no declines");
    }

    #[test]
    fn the_first_rule_that_matches_decides_unless_it_goes_on() {
        let mut routes = filtered(vec![route("room"), route("pager"), route("office"), route("log")]);
        routes.rules = vec![
            Rule { goes_on: true, ..rule("", &["log"]) },
            rule("kinds = ['declined']\nmin_amount = '500 EUR'", &["pager", "room"]),
            rule("kinds = ['declined']", &["room"]),
            rule("kinds = ['declined', 'overdue']", &["office"]),
        ];
        let small = alert("a/1");
        let large = Alert { amount: parse_money("500.00 EUR").ok(), ..small.clone() };
        let foreign = Alert { amount: parse_money("500.00 USD").ok(), ..small.clone() };
        let overdue = Alert { kind: AlertKind::Overdue, ..small.clone() };
        let other = Alert { kind: AlertKind::Batch, ..small.clone() };
        for (alert, targets) in [
            (&small, vec!["log", "room"]),
            (&large, vec!["log", "pager", "room"]),
            (&foreign, vec!["log", "room"]),
            (&overdue, vec!["log", "office"]),
            (&other, vec!["log"]),
        ] {
            assert_eq!(names(&routes.targets_for(alert, false)), targets, "{:?}", alert.amount);
        }
        let verdicts = routes.decide(&small, false).verdicts;
        assert_eq!(verdicts[1], Verdict::Differs("14.00 EUR is below 500.00 EUR".to_owned()));
        assert_eq!((&verdicts[2], &verdicts[3]), (&Verdict::Matches, &Verdict::NotReached));
        routes.rules.remove(0);
        assert_eq!(names(&routes.targets_for(&other, false)), ["room", "pager", "office", "log"]);
    }

    #[test]
    fn a_target_s_own_filters_hold_above_every_rule() {
        let mut routes =
            filtered(vec![Route { min_severity: Severity::Critical, ..route("pager") }, route("room")]);
        routes.rules = vec![rule("", &["pager", "room"])];
        let warning = Alert { severity: Severity::Warning, ..alert("a/1") };
        let decision = routes.decide(&warning, false);
        assert_eq!(names(&decision.recipients), ["room"]);
        let why = "its min_severity is critical".to_owned();
        assert_eq!(decision.refused, [("pager".to_owned(), why)]);
        assert!(
            routes.targets_for(&alert("a/1"), true).is_empty(),
            "no rule brings a sandbox to a live target"
        );
    }

    #[test]
    fn the_end_of_a_condition_goes_where_its_beginning_went() {
        let rule = Rule {
            targets: vec!["all".to_owned()],
            escalation: Some((Duration::from_secs(900), vec!["pager".to_owned()])),
            ..Rule::default()
        };
        let pager = Route { min_severity: Severity::Critical, ..route("pager") };
        let routes = Routes { filters: vec![route("all"), pager], rules: vec![rule], ..Routes::default() };
        let ended = Alert {
            kind: AlertKind::CredentialsAccepted,
            severity: Severity::Info,
            key: "credentials-accepted/shop-de/1".to_owned(),
            ..alert("a/1")
        };
        assert_eq!(routes.targets_for(&ended, false), [Recipient::from("all"), Recipient::from("pager")]);
        let news = Alert { severity: Severity::Info, ..alert("a/2") };
        assert_eq!(routes.targets_for(&news, false), [Recipient::from("all")]);
    }

    #[test]
    fn only_a_critical_alert_escalates_and_never_to_a_target_that_has_it() {
        let mut routes = filtered(vec![route("room"), route("pager")]);
        let quarter = Duration::from_secs(900);
        let escalation = Some((quarter, vec!["pager".to_owned(), "room".to_owned()]));
        routes.rules = vec![Rule { escalation, ..rule("", &["room"]) }];
        let critical = alert("a/1");
        let at = later(critical.found_at, quarter);
        let expected = [Recipient::from("room"), Recipient::Escalation { target: "pager".to_owned(), at }];
        assert_eq!(routes.targets_for(&critical, false), expected);
        let warning = Alert { severity: Severity::Warning, ..critical };
        assert_eq!(routes.targets_for(&warning, false), [Recipient::from("room")]);
    }
}
