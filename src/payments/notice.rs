//! Writes the [`Alert`]s. Each can be read without context: what, which order, how much, why, what to do next, and
//! where to look it up.

use jiff::{Timestamp, Unit};

use super::alert::{Alert, AlertKind, Severity};
use super::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use super::observation::Observation;
use super::record::{Quarantine, Record};
use super::schedule::{Milestone, state_began};

/// What all alerts about one object share.
#[derive(Clone, Copy)]
pub(super) struct Notice<'a> {
    /// The object as it is after the decision.
    pub(super) record: &'a Record,
    /// A link to the provider's own page about the object.
    pub(super) where_to_look: &'a str,
    /// Whether it is play: nobody loses money by it.
    pub(super) is_sandbox: bool,
    /// When it was found.
    pub(super) now: Timestamp,
}

impl Notice<'_> {
    fn alert(&self, kind: AlertKind, severity: Severity, occasion: &str) -> Alert {
        let record = self.record;
        let severity = if self.is_sandbox { severity.min(Severity::Warning) } else { severity };
        let observation = record.observed.as_ref().map(|observed| &observed.observation);
        let occasion = format!("{}/{occasion}", record.object);
        Alert {
            object: Some(record.object.clone()),
            merchant_reference: record.merchant_reference().map(str::to_owned),
            amount: record.amount(),
            amounts: observation.map(|seen| seen.amounts).unwrap_or_default(),
            state: observation.map(|seen| seen.state.clone()),
            reason: observation.and_then(|seen| seen.reasons.first().cloned()),
            where_to_look: self.where_to_look.to_owned(),
            occurred_at: observation.and_then(|seen| seen.updated_at).unwrap_or(self.now),
            ..Alert::new(kind, &occasion, severity, &record.object.account, self.now)
        }
    }

    /// Amount and order come first: a phone shows only the beginning of a line.
    fn subject(&self) -> String {
        let record = self.record;
        let object = format!("{} {}", words(record.object.kind.as_str()), record.object.id);
        match (record.amount(), record.merchant_reference()) {
            (Some(amount), Some(order)) => format!("{amount} for order {order}: {object}"),
            (Some(amount), None) => format!("{amount}: {object}"),
            (None, Some(order)) => format!("order {order}: {object}"),
            (None, None) => object,
        }
    }

    /// The state and when it began: the same however often it is observed.
    fn episode(&self) -> String {
        let state = self.record.state().unwrap_or("unseen");
        format!("{state}@{}", state_began(self.record))
    }

    /// Money was refused, or the object ended in a way that somebody should check.
    /// `None` when the end is what the merchant asked for.
    pub(super) fn ending(
        &self,
        lifecycle: &dyn Lifecycle,
        facts: &StateFacts,
        observation: &Observation,
        previous: Option<&str>,
        news: &str,
    ) -> Option<Alert> {
        let known: Vec<ReasonFacts> =
            observation.reasons.iter().filter_map(|code| lifecycle.reason(facts.name, code)).collect();
        let loudest = known.iter().copied().max_by_key(|reason| loudness(reason.tone));
        let is_decline = facts.outcome == Outcome::Declined;
        let general = lifecycle.advice_without_reason(facts.name);
        // A missing reason is treated like the worst one.
        let lacks_reason = observation.reasons.is_empty() && !general.is_empty();
        let listed = lifecycle.reasons(facts.name).iter().map(|reason| reason.tone);
        let unnamed = match listed.max_by_key(|tone| loudness(*tone)).filter(|_| lacks_reason) {
            _ if is_decline => Tone::Alarming,
            Some(worst) => worst,
            None => Tone::Expected,
        };
        let tone = loudest.map_or(unnamed, |reason| reason.tone);
        if !is_decline && tone == Tone::Expected {
            return None;
        }
        let (kind, severity, verb) = if is_decline {
            (AlertKind::Declined, Severity::Critical, "was declined")
        } else if facts.outcome == Outcome::Canceled {
            (AlertKind::Canceled, Severity::Warning, "was canceled")
        } else if lacks_reason && facts.phase == Phase::Final {
            (AlertKind::Notable, Severity::Warning, "ended without a reason")
        } else {
            (AlertKind::Notable, Severity::Warning, "needs attention")
        };
        let mut alert = self.alert(kind, severity, &format!("{}{news}", self.episode()));
        let after = previous.filter(|_| is_decline).map(|from| format!(" after {from}")).unwrap_or_default();
        alert.headline = format!("{} {verb}{after}", capitalised(&self.subject()));
        let codes = observation.reasons.join(", ");
        alert.explanation = match (loudest, codes.is_empty()) {
            (Some(reason), _) => format!("{codes}: {}", reason.meaning),
            (None, true) => format!("{} No reason was given.", facts.meaning),
            (None, false) => format!("{} The provider does not document the reason {codes}.", facts.meaning),
        };
        let advice = loudest.map_or(general, |reason| reason.advice);
        alert.advice = match (soft_decline_hint(observation), advice.is_empty()) {
            (Some(hint), _) => format!("{advice} {hint}").trim().to_owned(),
            (None, true) => "Check the order and decide what to do.".to_owned(),
            (None, false) => advice.to_owned(),
        };
        if is_decline && previous.is_some_and(|from| is_past_opening(lifecycle, from)) {
            alert.advice.push_str(" It had already been authorized, so the goods may have shipped: stop them if you can, or ask the buyer to pay another way.");
        }
        Some(alert)
    }

    /// The object is quarantined because something about it cannot be right.
    pub(super) fn quarantined(&self, quarantine: &Quarantine) -> Alert {
        let occasion = match &quarantine.evidence {
            Some(evidence) => {
                let words = std::iter::once(&evidence.state).chain(&evidence.reasons);
                let seen = words.map(String::as_str).collect::<Vec<_>>().join("+");
                format!("{}/{seen}@{}", quarantine.cause, quarantine.since)
            }
            None => format!("{}@{}", quarantine.cause, quarantine.since),
        };
        let mut alert = self.alert(AlertKind::Quarantined, Severity::Critical, &occasion);
        if let Some(evidence) = &quarantine.evidence {
            alert.state = Some(evidence.state.clone());
            alert.reason = evidence.reasons.first().cloned();
            alert.occurred_at = evidence.updated_at.unwrap_or(self.now);
        }
        alert.headline = format!("{} needs a manual check", capitalised(&self.subject()));
        alert.explanation = quarantine.explanation.clone();
        let is_believed = self.record.observed.as_ref().is_some_and(|observed| {
            quarantine.evidence.as_ref().is_some_and(|seen| seen.state == observed.observation.state)
        });
        let concluded = if is_believed {
            "The state was accepted; the unexpected part of the answer was not."
        } else {
            "Nothing was concluded from it."
        };
        alert.advice = format!(
            "{concluded} Compare the shop's order with the provider's page. The object is polled less and less \
             often, and is released once the provider's answer makes sense. If the answer is correct, run \
             `reconciled accept {}`.",
            self.record.object.id
        );
        alert
    }

    /// A moving object has taken longer than anybody should wait uninformed.
    pub(super) fn overdue(&self, milestone: &Milestone, lifecycle: &dyn Lifecycle) -> Alert {
        let mut alert = self.alert(AlertKind::Overdue, Severity::Warning, &self.episode());
        let state =
            self.record.state().map_or("is still unseen".to_owned(), |state| format!("is still {state}"));
        let began = state_began(self.record);
        alert.headline = format!("{} {state} after {}", capitalised(&self.subject()), age(began, self.now));
        alert.explanation = match &self.record.trouble.last_detail {
            Some(detail) => {
                format!("A decision was due by {}. The last attempt failed: {detail}.", milestone.at)
            }
            None => format!("A decision was due by {}. Polling continues as usual.", milestone.at),
        };
        alert.advice = lifecycle.advice_when_overdue().to_owned();
        alert.occurred_at = milestone.at;
        alert
    }

    /// A guarantee or an expiry of a resting object is near. Only the last countdown is a warning.
    pub(super) fn countdown(
        &self,
        milestone: &Milestone,
        (left, is_last): (&str, bool),
        lifecycle: &dyn Lifecycle,
    ) -> Alert {
        let occasion = format!("{}-{left}/{}", milestone.name, self.episode());
        let severity = if is_last { Severity::Warning } else { Severity::Info };
        let mut alert = self.alert(AlertKind::Expiring, severity, &occasion);
        let (subject, ends_in) = (capitalised(&self.subject()), age(self.now, milestone.at));
        let is_authorization = lifecycle.expires() == "the authorization";
        (alert.headline, alert.advice) = match milestone.name {
            "guarantee" => (
                format!("{subject} is not captured yet: the guarantee that a capture is processed at once ends in {ends_in}"),
                "Capture it if the order has shipped; a later capture may be slow and may be declined.".to_owned(),
            ),
            _ if is_authorization => (
                format!("{subject} is not captured yet: the authorization ends in {ends_in}"),
                "Capture it if the order has shipped, or cancel it; after that the money is no longer reserved."
                    .to_owned(),
            ),
            _ => (
                format!("{subject} ends in {ends_in}"),
                format!(
                    "Charge what is still to be paid before {} ends; after that the buyer must check out again.",
                    lifecycle.expires()
                ),
            ),
        };
        alert.explanation = format!("It ends at {}.", milestone.at);
        alert.occurred_at = milestone.at;
        alert
    }
}

/// Whether a state is, or directly follows, an open one: an authorization that was granted.
fn is_past_opening(lifecycle: &dyn Lifecycle, word: &str) -> bool {
    let Some(facts) = lifecycle.state(word) else { return false };
    facts.outcome == Outcome::Open
        || lifecycle.states().iter().filter_map(|state| lifecycle.state(state)).any(|state| {
            state.outcome == Outcome::Open && facts.phase == Phase::Moving && state.next.contains(&facts.name)
        })
}

fn loudness(tone: Tone) -> u8 {
    match tone {
        Tone::Expected => 0,
        Tone::Notable => 1,
        Tone::Alarming => 2,
    }
}

fn soft_decline_hint(observation: &Observation) -> Option<&'static str> {
    observation.is_soft_decline.then_some("The provider says that another attempt may succeed.")
}

fn words(kind: &str) -> String {
    kind.replace('-', " ")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// The time between two moments, in its two largest units (`2d 3h`, `5m`).
pub fn age(from: Timestamp, to: Timestamp) -> String {
    let minutes = to.duration_since(from).round(Unit::Minute).map_or(0, |span| span.as_mins()).max(0);
    let (days, hours, rest) = (minutes / 1440, minutes % 1440 / 60, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{rest}m"),
        (0, _) => format!("{hours}h {rest}m"),
        _ => format!("{days}d {hours}h"),
    }
}
