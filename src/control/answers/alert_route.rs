//! The answer to the question where an alert goes.
//!
//! Owns: the example, and the explanation in words. Must never know: how the rules decide.

use crate::alerts::routes::{self, Verdict};
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::delimited::nearest;
use crate::payments::alert::{Alert, AlertKind, Recipient};
use crate::payments::money::Money;

/// The kind of object of a plain decline, if the account has it.
const PLAIN_KIND: &str = "charge";

impl Service {
    /// Explains where an alert goes.
    pub async fn explain_route(&self, request: &RouteRequest) -> Answer<RouteExplanation> {
        let rooms = self.rooms();
        let rules = rooms.deliverer.routes();
        let alert = match &request.key {
            None => self.example(request)?,
            Some(key) if *request == (RouteRequest { key: Some(key.clone()), ..RouteRequest::default() }) => {
                let known = self.store.alert(key).await.map_err(storage)?;
                let remedy = "`reconciled alerts list` shows the keys";
                let unknown = || Problem::new(Cause::NotFound, format!("there is no alert {key}"), remedy);
                known.ok_or_else(unknown)?.alert
            }
            Some(_) => {
                let what = "an existing alert has its own kind, account and amount";
                return Err(Problem::new(
                    Cause::Malformed,
                    what,
                    "give a key or describe an example, not both",
                ));
            }
        };
        let now = self.clock.now();
        let candidate = rules.candidate(&alert);
        let decision = rules.decide(&alert, candidate.is_sandbox);
        let active = self.silences().active(now).await.map_err(storage)?;
        let silence = active.iter().find(|silence| silence.holds(&candidate)).map(|silence| silence.number);
        let mut explanation = RouteExplanation {
            alert: words(&alert, candidate.is_sandbox),
            rules: Vec::new(),
            targets: Vec::new(),
            escalations: Vec::new(),
            refused: decision.refused.into_iter().map(|(target, why)| RefusedRow { target, why }).collect(),
            silence,
        };
        for (number, (rule, verdict)) in rules.rules.iter().zip(decision.verdicts).enumerate() {
            let (matches, why_not) = match verdict {
                Verdict::Matches => (Some(true), None),
                Verdict::Differs(why) => (Some(false), Some(why)),
                Verdict::NotReached => (None, None),
            };
            let (conditions, targets) = (rule.matchers.words(), rule.targets.clone());
            explanation.rules.push(RuleRow { number: number + 1, conditions, targets, matches, why_not });
        }
        for recipient in decision.recipients {
            match recipient {
                Recipient::Now(target) => explanation.targets.push(target),
                Recipient::Escalation { target, at } => {
                    explanation.escalations.push(EscalationRow { target, at });
                }
            }
        }
        Ok(explanation)
    }

    /// The alert that a request describes.
    fn example(&self, request: &RouteRequest) -> Answer<Alert> {
        let rooms = self.rooms();
        let bad = |what: String, remedy: String| Problem::new(Cause::Unprocessable, what, remedy);
        let names: Vec<&str> = rooms.accounts.iter().map(|account| account.name.as_str()).collect();
        let account = match &request.account {
            None => rooms.accounts.first(),
            Some(name) => rooms.account(name),
        };
        let account = account.ok_or_else(|| {
            let name = request.account.as_ref().map(ToString::to_string).unwrap_or_default();
            bad(format!("there is no account {name}"), format!("known accounts: {}", names.join(", ")))
        })?;
        let plain = routes::example(&account.name, account.is_sandbox);
        let kind = match &request.kind {
            None => plain.kind.clone(),
            Some(word) => AlertKind::ALL.into_iter().find(|kind| kind == word).ok_or_else(|| {
                let known = AlertKind::ALL.iter().map(AlertKind::as_str);
                let remedy = match nearest(word, known.clone()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known kinds: {}", known.collect::<Vec<_>>().join(", ")),
                };
                bad(format!("{word:?} is not a kind of alert"), remedy)
            })?,
        };
        let kinds = account.api.kinds();
        let object_kind = match request.object_kind.as_deref() {
            None => kinds.iter().find(|kind| **kind == PLAIN_KIND).or(kinds.first()).copied(),
            Some(kind) if kinds.contains(&kind) => Some(kind),
            Some(kind) => {
                let what = format!("{} has no objects of the kind {kind:?}", account.name);
                return Err(bad(what, format!("its kinds: {}", kinds.join(", "))));
            }
        };
        let amount = match (&request.amount, &request.currency) {
            (None, None) => None,
            (Some(amount), Some(currency)) => Some(
                Money::parse(amount, currency)
                    .map_err(|error| bad(error.to_string(), "for example 14.00 and EUR".to_owned()))?,
            ),
            _ => {
                let what = "an amount is nothing without its currency".to_owned();
                return Err(bad(what, "give both".to_owned()));
            }
        };
        Ok(Alert {
            kind,
            severity: request.severity.unwrap_or(plain.severity),
            object: object_kind.and_then(|kind| routes::about(&account.name, kind)),
            reason: request.reason.clone(),
            amount,
            found_at: self.clock.now(),
            ..plain
        })
    }
}

fn words(alert: &Alert, is_sandbox: bool) -> String {
    let environment = if is_sandbox { "sandbox" } else { "live" };
    let severity = serde_json::to_value(alert.severity).ok();
    let severity = severity.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
    let mut parts = vec![alert.kind.to_string(), severity, format!("{} ({environment})", alert.account)];
    parts.extend(alert.object.as_ref().map(|object| object.kind.to_string()));
    parts.push(alert.amount.map_or("no amount".to_owned(), |amount| amount.to_string()));
    parts.push(alert.reason.as_ref().map_or("no reason".to_owned(), |reason| format!("reason {reason}")));
    parts.join(", ")
}
