//! Which target receives which alerts.
//!
//! Owns: the filters. Must never know: addresses, texts, the outbox.

use std::collections::BTreeSet;

use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;

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

/// All routes, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(pub Vec<Route>);

impl Route {
    fn hears(&self, account: &AccountName, is_sandbox: bool) -> bool {
        let of_environment = if is_sandbox { self.hears_sandbox } else { self.hears_live };
        of_environment && (self.accounts.is_empty() || self.accounts.contains(account))
    }

    fn wants(&self, alert: &Alert, is_sandbox: bool) -> bool {
        self.hears(&alert.account, is_sandbox)
            && alert.severity >= self.min_severity
            && (self.kinds.is_empty() || self.kinds.contains(&alert.kind))
    }
}

impl Routes {
    /// The names of the targets that an alert goes to. They are fixed when the alert is raised, so a later change of
    /// the configuration does not affect alerts that are already pending.
    pub fn targets_for(&self, alert: &Alert, is_sandbox: bool) -> Vec<String> {
        let wanting = self.0.iter().filter(|route| route.wants(alert, is_sandbox));
        wanting.map(|route| route.target.clone()).collect()
    }

    /// Whether any target receives declines (critical alerts of the kind `declined`) of an account. If none does,
    /// that is worth a warning at the start.
    pub fn is_heard(&self, account: &AccountName, is_sandbox: bool) -> bool {
        self.0.iter().any(|route| {
            route.hears(account, is_sandbox)
                && (route.kinds.is_empty() || route.kinds.contains(&AlertKind::Declined))
        })
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_alert_is_owed_to_all_who_want_it() {
        let routes = Routes(vec![
            route("all"),
            Route { accounts: ["shop-de".parse().unwrap()].into(), ..route("shop-de") },
            Route { accounts: ["shop-fr".parse().unwrap()].into(), ..route("shop-fr") },
            Route { hears_live: false, hears_sandbox: true, ..route("sandbox") },
            Route { min_severity: Severity::Critical, ..route("critical") },
            Route { kinds: [AlertKind::Overdue].into(), ..route("overdue") },
        ]);
        let declined = alert("a/1");
        assert_eq!(routes.targets_for(&declined, false), ["all", "shop-de", "critical"]);
        assert_eq!(routes.targets_for(&declined, true), ["sandbox"]);
        let warning = Alert { severity: Severity::Warning, kind: AlertKind::Overdue, ..declined };
        assert_eq!(routes.targets_for(&warning, false), ["all", "shop-de", "overdue"]);
    }

    #[test]
    fn an_account_without_a_hearer_is_noticed() {
        let routes =
            Routes(vec![Route { kinds: [AlertKind::Overdue].into(), ..route("overdue") }, route("live")]);
        let account = "shop-de".parse().unwrap();
        assert!(routes.is_heard(&account, false));
        assert!(!routes.is_heard(&account, true));
        assert!(!Routes::default().is_heard(&account, false));
    }
}
