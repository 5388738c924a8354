//! Faults: everything a server or the network does to a client that no manual promises.
//!
//! Owns: the kinds of fault, when one strikes, and what it makes of an answer. Must never know: how a
//! provider works; of its bodies it knows only the outermost words that a fault replaces.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::exchange::{Carriage, Outgoing};
use super::hostile;
use super::provider::Random;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 500 in the provider's own error format.
    #[serde(rename = "server_error_500")]
    ServerError500,
    /// 502 with a gateway's plain words.
    #[serde(rename = "server_error_502")]
    ServerError502,
    /// 503 in the provider's own error format.
    #[serde(rename = "server_error_503")]
    ServerError503,
    /// 504 with an empty body.
    #[serde(rename = "server_error_504")]
    ServerError504,
    /// 503 with a web page.
    HtmlErrorPage,
    /// The provider's throttled answer although the quota is not used up; `retry_after_s` adds the header.
    Throttle,
    /// Nothing is answered; the connection stays open.
    Hang,
    /// The head is answered, then nothing.
    HangAfterHead,
    /// The head and half the body are answered, then nothing.
    HangMidBody,
    /// The connection is reset before any byte.
    Reset,
    /// The connection ends in the middle of the body.
    TruncatedBody,
    /// A body of 50 MB.
    OversizedBody,
    /// A body that never ends.
    EndlessBody,
    /// The body at one byte a second.
    SlowBody,
    /// 200 with no body.
    EmptyBody,
    /// The answer speaks of another object.
    WrongId,
    /// The answer names a state that no manual lists.
    UnknownState,
    /// The answer names a reason that no manual lists.
    UnknownReason,
    /// Entities that expand without end (XML) or nesting without end (JSON).
    EntityBomb,
    /// A small body that says it is gzip and would unpack to 50 MB.
    GzipBomb,
    /// 307 to a link-local address, the classic way to a cloud host's credentials.
    Redirect,
    /// 401 or 403 (`status`), as for a key that was withdrawn.
    RefusedCredentials,
    /// The provider's clock is off by `skew_s`, so that it refuses fresh signatures. Nothing happens earlier or later
    /// because of it.
    ClockSkew,
    /// The right body under `text/html`.
    WrongContentType,
    /// 10,000 headers.
    ManyHeaders,
}

/// One fault of the scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only requests of this account; `None`: of all.
    pub account: Option<String>,
    /// Only this operation (the provider's own name); `None`: all.
    pub operation: Option<String>,
    /// In this share (0 to 1) of the requests concerned.
    pub share: f64,
    /// Only from this time after the start ...
    pub from: Duration,
    /// ... until just before this one; `None`: for ever.
    pub until: Option<Duration>,
    /// For [`FaultKind::Throttle`] and the 5xx kinds: the `Retry-After` header, seconds.
    pub retry_after_s: Option<u64>,
    /// For [`FaultKind::RefusedCredentials`]: 401 or 403.
    pub status: u16,
    /// For [`FaultKind::ClockSkew`]: seconds that the provider's clock is ahead (behind when negative).
    pub skew_s: i64,
}

/// At which point of an answer's making a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It answers in the provider's place.
    Instead,
    /// It lets the provider see another time.
    Clock,
    /// It spoils the provider's good answer.
    Afterwards,
}

impl FaultKind {
    /// When it acts.
    pub fn stage(self) -> Stage {
        use FaultKind as Kind;
        match self {
            Kind::ServerError500
            | Kind::ServerError502
            | Kind::ServerError503
            | Kind::ServerError504
            | Kind::HtmlErrorPage
            | Kind::Throttle
            | Kind::Hang
            | Kind::Reset
            | Kind::OversizedBody
            | Kind::EndlessBody
            | Kind::EmptyBody
            | Kind::EntityBomb
            | Kind::GzipBomb
            | Kind::Redirect
            | Kind::RefusedCredentials => Stage::Instead,
            Kind::ClockSkew => Stage::Clock,
            Kind::HangAfterHead
            | Kind::HangMidBody
            | Kind::TruncatedBody
            | Kind::SlowBody
            | Kind::WrongId
            | Kind::UnknownState
            | Kind::UnknownReason
            | Kind::WrongContentType
            | Kind::ManyHeaders => Stage::Afterwards,
        }
    }
}

impl Fault {
    /// A fault that strikes every request, always.
    pub fn always(kind: FaultKind) -> Fault {
        Fault {
            kind,
            account: None,
            operation: None,
            share: 1.0,
            from: Duration::ZERO,
            until: None,
            retry_after_s: None,
            status: 403,
            skew_s: 3600,
        }
    }

    /// Whether it strikes this request, `since_start` after the start.
    pub fn strikes(
        &self,
        account: &str,
        operation: &str,
        since_start: Duration,
        random: &mut Random,
    ) -> bool {
        let drawn = random.share(self.share);
        drawn
            && self.account.as_deref().is_none_or(|wanted| wanted == account)
            && self.operation.as_deref().is_none_or(|wanted| wanted == operation)
            && since_start >= self.from
            && self.until.is_none_or(|until| since_start < until)
    }

    /// The answer in the provider's place. `throttled` is the provider's own answer to an empty bucket.
    pub fn instead(&self, is_xml: bool, throttled: Outgoing) -> Outgoing {
        use FaultKind as Kind;
        match self.kind {
            Kind::Throttle => self.with_retry_after(throttled),
            Kind::ServerError500 => self.with_retry_after(hostile::error(500, is_xml)),
            Kind::ServerError503 => self.with_retry_after(hostile::error(503, is_xml)),
            Kind::ServerError502 => {
                self.with_retry_after(Outgoing::new(502, "text/plain", "upstream connect error"))
            }
            Kind::ServerError504 => self.with_retry_after(Outgoing::new(504, "text/html", "")),
            Kind::HtmlErrorPage => self.with_retry_after(Outgoing::new(503, "text/html", hostile::PAGE)),
            Kind::RefusedCredentials => hostile::error(self.status, is_xml),
            Kind::Redirect => Outgoing::new(307, "text/html", "")
                .with_header("location", "http://169.254.169.254/latest/meta-data/"),
            Kind::Hang => Outgoing::new(200, "text/plain", "").carried(Carriage::Hang),
            Kind::Reset => Outgoing::new(200, "text/plain", "").carried(Carriage::Reset),
            Kind::OversizedBody => {
                hostile::filler(is_xml).carried(Carriage::Repeat(Some(hostile::OVERSIZED_BYTES)))
            }
            Kind::EndlessBody => hostile::filler(is_xml).carried(Carriage::Repeat(None)),
            Kind::EntityBomb => hostile::bomb(is_xml),
            Kind::GzipBomb => hostile::gzip_bomb(is_xml),
            _ => Outgoing::new(200, hostile::content_type(is_xml), ""),
        }
    }

    /// The time as a provider with this fault sees it.
    pub fn shifted(&self, at: Timestamp) -> Timestamp {
        at.checked_add(SignedDuration::from_secs(self.skew_s)).unwrap_or(at)
    }

    /// The provider's good answer, spoilt; `None` when there is nothing in it to spoil.
    pub fn spoil(&self, answer: Outgoing) -> Option<Outgoing> {
        use FaultKind as Kind;
        if !(200..300).contains(&answer.status) || answer.body.is_empty() {
            return None;
        }
        let half = answer.body.len() / 2;
        match self.kind {
            Kind::HangAfterHead => Some(answer.carried(Carriage::HangAfter(0))),
            Kind::HangMidBody => Some(answer.carried(Carriage::HangAfter(half))),
            Kind::TruncatedBody => Some(answer.carried(Carriage::CutAfter(half))),
            Kind::SlowBody => Some(answer.carried(Carriage::Drip(1))),
            Kind::WrongId => hostile::replace_word(answer, hostile::Word::Id),
            Kind::UnknownState => hostile::replace_word(answer, hostile::Word::State),
            Kind::UnknownReason => hostile::replace_word(answer, hostile::Word::Reason),
            Kind::WrongContentType => Some(hostile::retyped(answer)),
            Kind::ManyHeaders => Some(hostile::with_many_headers(answer)),
            _ => Some(answer),
        }
    }

    fn with_retry_after(&self, answer: Outgoing) -> Outgoing {
        match self.retry_after_s {
            Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(fault: &Fault, account: &str, operation: &str, second: u64) -> bool {
        fault.strikes(account, operation, Duration::from_secs(second), &mut Random::new(1))
    }

    #[test]
    fn a_fault_keeps_to_its_account_operation_and_window() {
        let fault = Fault {
            account: Some("shop".into()),
            operation: Some("GetCharge".into()),
            from: Duration::from_secs(10),
            until: Some(Duration::from_secs(20)),
            ..Fault::always(FaultKind::Hang)
        };
        for (account, operation, second, expected) in [
            ("shop", "GetCharge", 9, false),
            ("shop", "GetCharge", 10, true),
            ("shop", "GetCharge", 19, true),
            ("shop", "GetCharge", 20, false),
            ("shop", "GetRefund", 15, false),
            ("other", "GetCharge", 15, false),
        ] {
            assert_eq!(
                strikes(&fault, account, operation, second),
                expected,
                "{account} {operation} {second}"
            );
        }
    }

    #[test]
    fn a_share_is_kept_about() {
        let fault = Fault { share: 0.2, ..Fault::always(FaultKind::Reset) };
        let mut random = Random::new(3);
        let struck = (0..1000).filter(|_| fault.strikes("a", "b", Duration::ZERO, &mut random)).count();
        assert!((150..250).contains(&struck), "{struck}");
    }

    #[test]
    fn a_throttle_is_the_providers_own_with_the_wait_added() {
        let own = Outgoing::new(429, "application/json", "{}");
        let fault = Fault { retry_after_s: Some(7), ..Fault::always(FaultKind::Throttle) };
        let answer = fault.instead(false, own.clone());
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
        assert_eq!(Fault::always(FaultKind::Throttle).instead(false, own).header("retry-after"), None);
    }

    #[test]
    fn a_refusal_is_not_spoilt() {
        let refused = Outgoing::new(404, "application/json", "{}");
        assert!(Fault::always(FaultKind::TruncatedBody).spoil(refused).is_none());
    }

    #[test]
    fn a_cut_leaves_half() {
        let answer = Outgoing::new(200, "application/json", "0123456789");
        let cut = Fault::always(FaultKind::TruncatedBody).spoil(answer).expect("a good answer is spoilt");
        assert_eq!(cut.carriage, Carriage::CutAfter(5));
    }
}
