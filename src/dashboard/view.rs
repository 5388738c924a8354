//! How times, amounts and states are written on a page.
//!
//! Owns: these words. Must never know: any page, where a value comes from.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};

use crate::access::users::Users;
use crate::control::explain::span;
use crate::control::messages::{AlertRow, DeliveryStatus, WatchedObject};
use crate::payments::alert::Severity;
use crate::payments::lifecycle::{Outcome, Phase};

/// A time, as its distance from now; the exact time is in its tooltip.
pub(super) struct When {
    at: Timestamp,
    now: Timestamp,
    /// Once it is past, it is due now.
    is_due: bool,
}

impl When {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> When {
        When { at, now, is_due: false }
    }

    /// When something is to be done: what is past is due now.
    pub(super) fn due(at: Option<Timestamp>, now: Timestamp) -> Option<When> {
        at.map(|at| When { at, now, is_due: true })
    }

    pub(super) fn some(at: Option<Timestamp>, now: Timestamp) -> Option<When> {
        at.map(|at| When::new(at, now))
    }

    /// Its distance from now: `in 5 min`.
    pub(super) fn words(&self) -> String {
        let distance = self.at.duration_since(self.now);
        match distance.as_secs() {
            0 => "now".to_owned(),
            seconds if seconds > 0 => format!("in {}", span(distance)),
            _ if self.is_due => "now".to_owned(),
            _ => format!("{} ago", span(distance)),
        }
    }
}

/// It consists of digits, letters and our own markup.
impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.at.round(jiff::Unit::Second).unwrap_or(self.at);
        let words = self.words();
        write!(formatter, "<time datetime=\"{exact}\" title=\"{exact}\">{words}</time>")
    }
}

/// A length of time in seconds: `3 h 20 min`.
pub(super) fn length(seconds: u64) -> String {
    span(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// A length of time in its largest unit alone: `3 h`, `12 d`.
pub(super) fn coarse(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `1 234 567`: with thin spaces, which read alike in every country.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// A word with its colour. The word alone says everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) tone: &'static str,
    pub(super) word: String,
}

impl Badge {
    pub(super) fn new(tone: &'static str, word: impl Into<String>) -> Badge {
        Badge { tone, word: word.into() }
    }

    /// The state of an object, coloured by what it means.
    pub(super) fn of_object(object: &WatchedObject) -> Badge {
        let state = object.state.clone().unwrap_or_else(|| "not seen yet".to_owned());
        if object.quarantine.is_some() {
            return Badge::new("odd", state);
        }
        Badge::new(object.outcome.map_or("plain", tone), state)
    }

    pub(super) fn of_severity(severity: Severity) -> Badge {
        match severity {
            Severity::Critical => Badge::new("bad", "critical"),
            Severity::Warning => Badge::new("odd", "warning"),
            Severity::Info => Badge::new("plain", "info"),
        }
    }
}

/// The colour of an outcome.
pub(super) fn tone(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "good",
        Outcome::Declined => "bad",
        Outcome::Canceled | Outcome::Closed => "calm",
        Outcome::Undecided | Outcome::Open => "plain",
    }
}

/// The word for a phase.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Moving => "moving",
        Phase::Resting => "resting",
        Phase::Final => "final",
    }
}

/// The path of an object's page.
pub(super) fn path(object: &impl fmt::Display) -> String {
    format!("/objects/{object}")
}

/// Who did something, by the name of the user where the machine knows it: `alice` for `uid:1000`.
pub(super) fn who(users: &Users, by: &str) -> String {
    let uid = by.strip_prefix("uid:").and_then(|uid| uid.parse().ok());
    uid.and_then(|uid| users.name_of(uid)).unwrap_or(by).to_owned()
}

/// The outcome of each delivery of an alert, in a few words.
pub(super) fn deliveries(row: &AlertRow) -> Vec<Badge> {
    let badge = |delivery: &crate::control::messages::DeliveryRow| {
        let target = &delivery.target;
        match delivery.status {
            DeliveryStatus::Pending if delivery.is_escalation => {
                Badge::new("plain", format!("{target}: if nobody acknowledges it"))
            }
            DeliveryStatus::Pending => Badge::new("plain", format!("{target}: pending")),
            DeliveryStatus::Delivered => Badge::new("good", format!("{target}: delivered")),
            DeliveryStatus::Dead => Badge::new("bad", format!("{target}: given up")),
            DeliveryStatus::Silenced => Badge::new("calm", format!("{target}: silenced")),
            DeliveryStatus::Acknowledged => Badge::new("calm", format!("{target}: not needed")),
            DeliveryStatus::Withheld => Badge::new("calm", format!("{target}: not sent")),
        }
    };
    row.deliveries.iter().map(badge).collect()
}

/// A path with the fields that are not empty as its query.
pub(super) fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let given = fields.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = given.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The links of a list with these filters: to its first page, unless that is shown, and to the next one.
pub(super) struct Pager {
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl Pager {
    /// `shown` is the cursor of the page that is shown, and `next` that of the next one.
    pub(super) fn new(path: &str, fields: &[(&str, &str)], shown: &str, next: Option<String>) -> Pager {
        let at = |cursor: String| address(path, &[fields, &[("cursor", &*cursor)]].concat());
        Pager { first: (!shown.is_empty()).then(|| address(path, fields)), next: next.map(at) }
    }
}

/// A value in a query.
pub(super) fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_read_at_a_glance() {
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_000)),
            ("0".into(), "999".into(), "1\u{202f}000".into())
        );
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (size(12), size(1_234), size(12_345_678)),
            ("12 B".into(), "1.2 kB".into(), "12.3 MB".into())
        );
        assert_eq!(length(12_000), "3 h 20 min");
        let coarsely = [59, 3_599, 90_000, 172_800].map(coarse);
        assert_eq!(coarsely, ["59 s", "59 min", "25 h", "2 d"]);
    }

    #[test]
    fn a_time_is_its_distance_and_its_tooltip_is_exact() {
        let now: Timestamp = "2026-01-15T09:30:00Z".parse().unwrap();
        let when = When::new("2026-01-15T06:10:00.25Z".parse().unwrap(), now).to_string();
        let exact = "2026-01-15T06:10:00Z";
        assert_eq!(when, format!("<time datetime=\"{exact}\" title=\"{exact}\">3 h 19 min ago</time>"));
    }

    #[test]
    fn the_pages_of_a_list_keep_what_is_filtered() {
        let fields = [("phase", "moving"), ("state", ""), ("kind", "a&b=c\"<")];
        let pager = Pager::new("/objects", &fields, "x", Some("x/y".to_owned()));
        assert_eq!(pager.first.unwrap(), "/objects?phase=moving&kind=a%26b%3Dc%22%3C");
        assert_eq!(pager.next.unwrap(), "/objects?phase=moving&kind=a%26b%3Dc%22%3C&cursor=x%2Fy");
        let only = Pager::new("/objects", &[], "", None);
        assert!(only.first.is_none() && only.next.is_none());
    }
}
