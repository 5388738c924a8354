//! Delivers alerts to people: outbox → message → target.
//!
//! Owns: which target receives what, the texts, and each target's configuration, limits and escaping. Must never
//! know: why an alert was raised, how the outbox is stored.
//!
//! A new kind of target is one file in [`targets`] and its line there. In reading order: `config` (the configured
//! targets), `setting` (checks of their keys), `matchers` (conditions), `rules` (the `[[route]]` sections), `routes`
//! (which target receives what), `silences` (what is held back), `escalation` (what nobody acknowledged), `link` (where
//! that is done), `message` (the
//! text), `target`
//! (what every target can do), `fit` (how texts are cut), `targets` (each kind), `send` (how a message leaves), with
//! `mail` and `command`, `classify` (what an answer means), `condition` (which alerts belong together), `conditions`
//! (which last now), `outbox` (when to retry), `alerting`, `burst` and `summary` (what is combined), `deliver` (the loop
//! over all of it).

pub mod alerting;
pub mod burst;
pub mod classify;
pub mod command;
pub mod condition;
pub mod conditions;
pub mod config;
pub mod deliver;
pub mod escalation;
pub mod fit;
pub mod link;
pub mod mail;
pub mod matchers;
pub mod message;
pub mod outbox;
pub mod routes;
pub mod rules;
pub mod send;
pub mod setting;
pub mod silences;
pub mod summary;
pub mod target;
pub mod targets;

pub use alerting::Alerting;
pub use config::{AlertConfig, AlertSection};
pub use deliver::{Deliverer, Round};
pub use routes::Routes;
pub use rules::RouteSection;

#[cfg(test)]
pub(crate) mod tests {
    use crate::payments::alert::{Alert, AlertKind, Severity};
    use crate::payments::money::Money;

    /// A declined charge. The digits after the `/` of the key become part of its id.
    pub(crate) fn alert(key: &str) -> Alert {
        let number: u32 = key.rsplit('/').next().unwrap_or_default().parse().unwrap();
        Alert {
            key: key.to_owned(),
            kind: AlertKind::Declined,
            severity: Severity::Critical,
            account: "shop-de".parse().unwrap(),
            object: Some(format!("shop-de/charge/S01-0000000-0000000-C{number:06}").parse().unwrap()),
            merchant_reference: Some("ORDER-1001".to_owned()),
            amount: Some(Money::parse("14.00", "EUR").unwrap()),
            amounts: Default::default(),
            state: Some("Declined".to_owned()),
            reason: Some("HardDeclined".to_owned()),
            headline: "A charge was declined".to_owned(),
            explanation: "The buyer's bank refused.".to_owned(),
            advice: "Cancel the order.".to_owned(),
            where_to_look: "https://pay.amazon.com/ and reconciled show".to_owned(),
            occurred_at: "2026-01-15T09:30:00Z".parse().unwrap(),
            found_at: "2026-01-16T05:35:00Z".parse().unwrap(),
            event: None,
        }
    }
}
