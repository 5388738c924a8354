//! An alert as text that every target can show.
//!
//! Owns: the order and wording of a message (docs/src/reference/operations.md, sections 1.9 and 3). Must never know:
//! a target's limits or markup, why an alert was raised, anything about a buyer.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use super::summary::LONGEST_DIGEST;
use super::summary::Summary;
use crate::payments::alert::{Alert, Severity};
use crate::text;

/// One line of a message: a label and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Fixed by this program.
    pub label: &'static str,
    /// From outside: never trusted as markup.
    pub value: String,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One alert.
    Single(Box<Alert>),
    /// Several alerts at once, because too many came within a short time. Empty when they are only counted.
    Digest(Vec<Alert>),
    /// A test message that an operator requested.
    Trial,
}

/// A message before any target's markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same content always has the same key, so the receiver can recognise a repetition.
    pub key: String,
    /// The highest severity of its alerts.
    pub severity: Severity,
    /// Whether it is about a sandbox only.
    pub is_sandbox: bool,
    /// One line, which starts with the marks: `[DECLINED] [SANDBOX] ...`.
    pub title: String,
    /// How much, and which order.
    pub facts: Vec<Fact>,
    /// Why, in plain words. Empty in a digest.
    pub why: String,
    /// What to do next.
    pub next: String,
    /// What else is known, one line each.
    pub details: Vec<Fact>,
    /// Where a person can check.
    pub where_to_look: String,
    /// The lines of a digest.
    pub lines: Vec<String>,
    /// When it happened, as far as is known.
    pub occurred_at: Timestamp,
    /// The alerts, for machines.
    pub subject: Subject,
}

/// The message for one alert. Times are in `zone`, with UTC beside it.
pub fn single(alert: &Alert, is_sandbox: bool, zone: &TimeZone) -> Message {
    let mut facts = Vec::new();
    let mut details: Vec<Fact> = moved(alert).iter().map(|text| fact("Moved", text)).collect();
    details.extend(state_text(alert).iter().map(|state| fact("State", state)));
    if let Some(object) = &alert.object {
        facts.push(fact("Amount", &alert.amount.map_or("not known".to_owned(), |amount| amount.to_string())));
        facts.push(fact("Order", alert.merchant_reference.as_deref().unwrap_or("reference not known")));
        details.push(fact("Transaction", &format!("{} {}", object.kind, object.id)));
    }
    details.push(fact("Account", &format!("{} ({})", alert.account, environment(is_sandbox))));
    details.push(fact("When", &when(alert, zone)));
    Message {
        key: alert.key.clone(),
        severity: alert.severity,
        is_sandbox,
        title: format!("{} {}", prefix(alert.kind.as_str(), is_sandbox), line(&alert.headline)),
        facts,
        why: line(&alert.explanation),
        next: line(&alert.advice),
        details,
        where_to_look: line(&alert.where_to_look),
        lines: Vec::new(),
        occurred_at: alert.occurred_at,
        subject: Subject::Single(Box::new(alert.clone())),
    }
}

/// The message for several alerts at once, each with whether it is about a sandbox. The most urgent come first.
/// Nothing is left out, so a caller passes at most [`LONGEST_DIGEST`] alerts.
pub fn digest(alerts: &[(Alert, bool)], key: String) -> Message {
    let mut sorted: Vec<&(Alert, bool)> = alerts.iter().collect();
    sorted.sort_by(|left, right| {
        let by_urgency = right.0.severity.cmp(&left.0.severity);
        by_urgency.then(left.0.found_at.cmp(&right.0.found_at)).then_with(|| left.0.key.cmp(&right.0.key))
    });
    let is_sandbox = !alerts.is_empty() && alerts.iter().all(|(_, is_sandbox)| *is_sandbox);
    let counts = Summary::of(alerts.iter().map(|(alert, _)| alert));
    let lines = sorted.iter().map(|(alert, is_sandbox)| digest_line(alert, *is_sandbox)).collect();
    Message {
        key,
        severity: sorted.first().map_or(Severity::Info, |(alert, _)| alert.severity),
        is_sandbox,
        title: format!(
            "{} {} alerts at once: {}",
            prefix("digest", is_sandbox),
            alerts.len(),
            counts.kinds()
        ),
        facts: numbers(&counts),
        why: String::new(),
        next: "Each line needs the same attention as a single message; the most urgent come first."
            .to_owned(),
        details: Vec::new(),
        where_to_look: "reconciled alerts list; reconciled show ID".to_owned(),
        lines,
        occurred_at: alerts.iter().map(|(alert, _)| alert.occurred_at).max().unwrap_or_default(),
        subject: Subject::Digest(sorted.iter().map(|(alert, _)| alert.clone()).collect()),
    }
}

/// The message for ends that were found long after they happened, with the age of each. It is never critical: nobody
/// is woken by what is a day old.
pub fn late(alerts: &[(Alert, bool)], key: String) -> Message {
    let mut message = digest(alerts, key);
    let counts = Summary::of(alerts.iter().map(|(alert, _)| alert));
    message.severity = message.severity.min(Severity::Warning);
    let mark = prefix("found late", message.is_sandbox);
    message.title = format!("{mark} {}, found long after it happened", counts.kinds());
    "These ended while reconciled could not see it, or were enrolled late. Each line says how long ago."
        .clone_into(&mut message.why);
    let Subject::Digest(sorted) = &message.subject else { return message };
    for (text, alert) in message.lines.iter_mut().zip(sorted) {
        let age_s = alert.found_at.duration_since(alert.occurred_at).as_secs();
        text.push_str(&format!(" · found {} after it happened", span(age_s)));
    }
    message
}

/// The message in the place of very many alerts: only their numbers, and where each can be seen.
pub fn summary(counts: &Summary, is_sandbox: bool, key: String, zone: &TimeZone) -> Message {
    let (first, last) = counts.occurred();
    Message {
        severity: counts.severity(),
        is_sandbox,
        title: format!(
            "{} {} more alerts: {}",
            prefix("summary", is_sandbox),
            counts.count(),
            counts.kinds()
        ),
        facts: numbers(counts),
        why: "More alerts came at once than this target gets singly (alerting.storm_over). None is lost."
            .to_owned(),
        next: "Look for a common cause first, then go through the list.".to_owned(),
        details: vec![fact("When", &format!("{} to {}", stamp(first, zone), stamp(last, zone)))],
        where_to_look: "reconciled alerts list; each alert names this message".to_owned(),
        lines: counts.lines(),
        occurred_at: last,
        subject: Subject::Digest(Vec::new()),
        key,
    }
}

/// The test message (`alerts test`).
pub fn trial(target: &str, now: Timestamp, zone: &TimeZone) -> Message {
    Message {
        key: format!("test/{target}/{}", now.as_second()),
        severity: Severity::Info,
        is_sandbox: false,
        title: "[TEST] reconciled can reach this channel".to_owned(),
        facts: Vec::new(),
        why: "An operator asked for a test message with `reconciled alerts test`.".to_owned(),
        next: "Nothing. Alerts for this target arrive here.".to_owned(),
        details: vec![fact("Target", target), fact("When", &stamp(now, zone))],
        where_to_look: String::new(),
        lines: Vec::new(),
        occurred_at: now,
        subject: Subject::Trial,
    }
}

impl Message {
    /// The same message for a target that gets it in the place of another, if there is one.
    #[must_use]
    pub fn instead_of(mut self, other: Option<&str>) -> Message {
        let text = |other| fact("Instead of", &format!("{other}, which did not accept it"));
        self.details.extend(other.map(text));
        self
    }

    /// Everything but title and lines, labelled, in the order in which a person reads it. Nothing is empty.
    pub fn rows(&self) -> Vec<(&'static str, &str)> {
        let mut rows: Vec<(&'static str, &str)> = Vec::new();
        rows.extend(self.facts.iter().map(|shown| (shown.label, shown.value.as_str())));
        rows.extend([("Why", self.why.as_str()), ("What to do", &self.next)]);
        rows.extend(self.details.iter().map(|shown| (shown.label, shown.value.as_str())));
        rows.push(("Where to look", &self.where_to_look));
        rows.retain(|(_, value)| !value.is_empty());
        rows
    }

    /// The whole message as plain text: for targets without markup, logs of test messages and `alerts list`.
    pub fn plain_text(&self) -> String {
        let rows = self.rows().into_iter().map(|(label, value)| format!("\n{label}: {value}"));
        let lines = self.lines.iter().map(|entry| format!("\n- {entry}"));
        std::iter::once(self.title.clone()).chain(rows).chain(lines).collect()
    }
}

fn fact(label: &'static str, value: &str) -> Fact {
    Fact { label, value: line(value) }
}

/// `[DECLINED] [SANDBOX]`, as in the subjects of docs/src/reference/operations.md, section 3.
fn prefix(kind: &str, is_sandbox: bool) -> String {
    let mark = line(kind).replace('-', " ").to_uppercase();
    if is_sandbox { format!("[{mark}] [SANDBOX]") } else { format!("[{mark}]") }
}

fn environment(is_sandbox: bool) -> &'static str {
    if is_sandbox { "sandbox" } else { "live" }
}

fn state_text(alert: &Alert) -> Option<String> {
    let state = alert.state.as_deref()?;
    Some(match alert.reason.as_deref() {
        Some(reason) => format!("{state}, reason {reason}"),
        None => state.to_owned(),
    })
}

fn when(alert: &Alert, zone: &TimeZone) -> String {
    let late_s = alert.found_at.duration_since(alert.occurred_at).as_secs();
    if late_s < 60 {
        return stamp(alert.occurred_at, zone);
    }
    format!("{}, noticed {} later", stamp(alert.occurred_at, zone), span(late_s))
}

fn span(seconds: i64) -> String {
    match seconds {
        ..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `2026-01-15 10:30:00 CET (09:30:00 UTC)`; only the latter where the zone is UTC.
pub(super) fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    if local.offset().is_zero() {
        return at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    }
    format!("{} ({} UTC)", local.strftime("%Y-%m-%d %H:%M:%S %Z"), at.strftime("%H:%M:%S"))
}

/// What was captured and refunded, unless it is simply the object's amount.
fn moved(alert: &Alert) -> Option<String> {
    let amounts = alert.amounts;
    let parts: Vec<String> = [("captured", amounts.captured), ("refunded", amounts.refunded)]
        .into_iter()
        .filter_map(|(word, money)| Some((word, money.filter(|money| Some(*money) != alert.amount)?)))
        .filter(|(word, money)| *word == "captured" || money.is_positive())
        .map(|(word, money)| format!("{money} {word}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn digest_line(alert: &Alert, is_sandbox: bool) -> String {
    let mut parts = vec![format!("{} {}", prefix(alert.kind.as_str(), is_sandbox), line(&alert.headline))];
    if let Some(reference) = &alert.merchant_reference {
        parts.push(format!("order {}", line(reference)));
    }
    parts.extend(alert.amount.map(|amount| amount.to_string()));
    parts.extend(moved(alert));
    parts.extend(state_text(alert).map(|state| line(&state)));
    parts.extend(alert.object.as_ref().map(|object| format!("{} {}", object.kind, object.id)));
    parts.push(format!("account {}", alert.account));
    parts.join(" · ")
}

/// Totals by currency, and counts by reason.
fn numbers(counts: &Summary) -> Vec<Fact> {
    let facts = [("Total", counts.totals().text().unwrap_or_default()), ("Reasons", counts.reasons())];
    facts.iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| fact(label, value)).collect()
}

/// One safe line.
fn line(text: &str) -> String {
    text::line(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;
    use crate::payments::alert::AlertKind;

    #[test]
    fn a_message_says_what_which_how_much_why_what_next_where_and_when() {
        let text = single(&alert("a/1"), true, &TimeZone::get("Europe/Berlin").unwrap()).plain_text();
        assert_eq!(
            text,
            "[DECLINED] [SANDBOX] A charge was declined\n\
             Amount: 14.00 EUR\n\
             Order: ORDER-1001\n\
             Why: The buyer's bank refused.\n\
             What to do: Cancel the order.\n\
             State: Declined, reason HardDeclined\n\
             Transaction: charge S01-0000000-0000000-C000001\n\
             Account: shop-de (sandbox)\n\
             When: 2026-01-15 10:30:00 CET (09:30:00 UTC), noticed 20 h 5 min later\n\
             Where to look: https://pay.amazon.com/ and reconciled show"
        );
    }

    #[test]
    fn an_alert_about_an_account_has_no_order() {
        let mut about_account = alert("a/2");
        about_account.object = None;
        about_account.kind = AlertKind::CredentialsRefused;
        let text = single(&about_account, false, &TimeZone::UTC).plain_text();
        assert!(text.starts_with("[CREDENTIALS REFUSED] A charge"), "{text}");
        assert!(!text.contains("Order:"), "{text}");
    }

    #[test]
    fn a_digest_names_every_alert_and_adds_up_exactly() {
        let mut alerts: Vec<(Alert, bool)> =
            (1..=3).map(|number| (alert(&format!("a/{number}")), false)).collect();
        alerts[0].0.severity = Severity::Info;
        let message = digest(&alerts, "d".to_owned());
        assert_eq!(message.title, "[DIGEST] 3 alerts at once: 3 declined");
        assert_eq!(message.facts[0].value, "42.00 EUR");
        assert_eq!(message.lines.len(), 3);
        assert!(message.lines[2].contains("C000001"), "the least urgent comes last");
        assert_eq!(message.severity, Severity::Critical);
        assert!(!message.is_sandbox);
    }

    #[test]
    fn what_could_disturb_a_reader_or_forge_a_line_is_written_as_an_escape() {
        let mut hostile = alert("a/3");
        hostile.merchant_reference = Some("A\u{202e}B\u{7}\r\nC\u{200b}".to_owned());
        hostile.explanation =
            "The reason X\nWhat to do: nothing\u{2028} is not in the provider's manual.".to_owned();
        let text = single(&hostile, false, &TimeZone::UTC).plain_text();
        assert!(text.contains("Order: A\\u{202e}B\\u{7}\\r\\nC\\u{200b}\n"), "{text}");
        assert!(text.contains("Why: The reason X\\nWhat to do: nothing\\u{2028} is not"), "{text}");
        let digest = digest(&[(hostile, false)], "d".to_owned()).plain_text();
        assert!(digest.contains("order A\\u{202e}B\\u{7}\\r\\nC\\u{200b} "), "{digest}");
    }
}
