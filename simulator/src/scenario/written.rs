//! A scenario as written: the shape of the TOML file, not yet checked for sense.
//!
//! Owns: the keys and their types. Must never know: what the values mean together.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::super::fault::FaultKind;
use super::mws::WrittenMws;
use super::notifications::WrittenNotifications;
use super::problem::{Problem, ScenarioError, line_of};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    pub(super) seed: u64,
    pub(super) date_tolerance_s: Option<Seconds>,
    #[serde(default)]
    pub(super) account: Vec<Spanned<WrittenAccount>>,
    #[serde(default)]
    pub(super) mws: Vec<Spanned<WrittenMws>>,
    #[serde(default)]
    pub(super) population: Vec<Spanned<WrittenPopulation>>,
    #[serde(default)]
    pub(super) fault: Vec<Spanned<WrittenFault>>,
    pub(super) chat: Option<Spanned<WrittenChat>>,
    pub(super) aps: Option<Spanned<WrittenAps>>,
    #[serde(default)]
    pub(super) notifications: Vec<Spanned<WrittenNotifications>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenAccount {
    pub(super) name: String,
    pub(super) api: String,
    pub(super) merchant_id: String,
    pub(super) region: Option<String>,
    pub(super) environment: String,
    pub(super) public_key_id: Option<String>,
    pub(super) public_key_file: Option<String>,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_key_file: Option<String>,
    pub(super) access_code: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) request_phrase_file: Option<String>,
    pub(super) response_phrase_file: Option<String>,
    #[serde(default)]
    pub(super) quota: Vec<WrittenQuota>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenQuota {
    pub(super) operation: String,
    pub(super) capacity: u32,
    pub(super) refill: u32,
    pub(super) per_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPopulation {
    pub(super) account: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) count: u64,
    #[serde(default)]
    pub(super) age_s: SecondsRange,
    #[serde(default)]
    pub(super) not_found_for_s: SecondsRange,
    pub(super) reference_prefix: Option<String>,
    #[serde(default)]
    pub(super) currencies: Vec<WrittenCurrency>,
    #[serde(default)]
    pub(super) outcome: Vec<WrittenOutcome>,
    #[serde(default)]
    pub(super) decides_created: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCurrency {
    pub(super) code: String,
    #[serde(default = "one")]
    pub(super) share: f64,
    pub(super) amount: [String; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenOutcome {
    #[serde(default = "one")]
    pub(super) share: f64,
    #[serde(default)]
    pub(super) steps: Vec<WrittenStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStep {
    #[serde(default)]
    pub(super) after_s: SecondsRange,
    pub(super) state: String,
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFault {
    pub(super) kind: FaultKind,
    pub(super) account: Option<String>,
    pub(super) operation: Option<String>,
    #[serde(default = "one")]
    pub(super) share: f64,
    pub(super) from_s: Option<Seconds>,
    pub(super) to_s: Option<Seconds>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) status: Option<u16>,
    pub(super) skew_s: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenChat {
    #[serde(default)]
    pub(super) failure_share: f64,
    #[serde(default)]
    pub(super) throttled_share: f64,
    #[serde(default)]
    pub(super) throttled: Vec<WrittenWindow>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) file: Option<String>,
    #[serde(default)]
    pub(super) script: Vec<super::chat_script::WrittenScript>,
    #[serde(default)]
    pub(super) limit: Vec<super::chat_script::WrittenLimit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenWindow {
    pub(super) from_s: Seconds,
    pub(super) to_s: Seconds,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenAps {
    pub(super) validation_s: Option<Seconds>,
    pub(super) processing_s: Option<Seconds>,
    pub(super) not_known_for_s: Option<Seconds>,
    #[serde(default)]
    pub(super) lost_row_share: f64,
    pub(super) validated_code: Option<String>,
    pub(super) results: Option<String>,
    pub(super) signed_answers: Option<bool>,
}

/// A time in seconds, with or without decimals.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Seconds(pub(super) Duration);

/// A time in seconds, or the shortest and the longest.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(from = "OneOrTwo")]
pub(super) struct SecondsRange(pub(super) Duration, pub(super) Duration);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of seconds from 0, or [shortest, longest]")]
enum OneOrTwo {
    One(Seconds),
    Two([Seconds; 2]),
}

impl From<OneOrTwo> for SecondsRange {
    fn from(written: OneOrTwo) -> SecondsRange {
        match written {
            OneOrTwo::One(seconds) => SecondsRange(seconds.0, seconds.0),
            OneOrTwo::Two([shortest, longest]) => SecondsRange(shortest.0, longest.0),
        }
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Seconds, String> {
        Duration::try_from_secs_f64(seconds)
            .map(Seconds)
            .map_err(|_| format!("`{seconds}` is not a number of seconds from 0"))
    }
}

fn one() -> f64 {
    1.0
}

impl Written {
    pub(super) fn parse(text: &str) -> Result<Written, ScenarioError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let spanned = error.span().and_then(|span| text.get(span)).unwrap_or_default();
            let shown = |letter: &char| !letter.is_control();
            let key: String =
                spanned.lines().next().unwrap_or_default().trim().chars().filter(shown).take(80).collect();
            let key = if key.is_empty() { "the file".to_owned() } else { key };
            ScenarioError::one(Problem {
                line,
                key,
                problem: error.message().to_owned(),
                remedy: "see `simulate --example` for every key".to_owned(),
            })
        })
    }
}
