//! What becomes of one notification on its way, decided by the seed.
//!
//! Owns: the draws, redelivery rules. Must never know: what a notification says.

use std::time::Duration;

use super::forgery::Forgery;
use crate::plan::Announcement;
use crate::provider::Random;
use crate::scenario::{Api, NotificationSettings};

/// For how long one is held back that later ones overtake, shortest and longest.
const HELD: (u64, u64) = (30_000, 300_000);

/// The second copy comes within this time after the first, milliseconds.
const DUPLICATED_WITHIN: u64 = 10_000;

/// A forged message is sent within this time after the change, milliseconds.
const FORGED_WITHIN: u64 = 60_000;

/// What becomes of one notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) is_lost: bool,
    /// How long each copy is on its way.
    pub(super) delays: Vec<Duration>,
    pub(super) is_held: bool,
    /// What somebody else sends, and how long after the change.
    pub(super) forged: Option<(Forgery, Duration)>,
}

/// A generator of its own for each change, so that it does not matter when anybody looks.
pub(super) fn random(seed: u64, account: &str, matter: &str, change: &Announcement) -> Random {
    let Announcement { at, id, state, .. } = change;
    Random::for_matter(seed, &format!("{matter} {account} {id} {state} {at}"), change.serial as u64)
}

/// The fate of the notification of a change. In a calm world all arrive and nobody forges.
pub(super) fn fate(settings: &NotificationSettings, api: Api, is_calm: bool, mut random: Random) -> Fate {
    let whole_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (shortest, longest) = settings.delay;
    // Every draw is made whether it is needed or not: a share more here moves no other.
    let is_lost = random.share(settings.lose);
    let delay = random.between(whole_ms(shortest), whole_ms(longest));
    let is_held = random.share(settings.reorder);
    let held = random.between(HELD.0, HELD.1);
    let is_duplicated = random.share(settings.duplicate);
    let second = random.below(DUPLICATED_WITHIN);
    let is_forged = random.share(settings.forge);
    let (kind, forged_after) = (random.next_u64(), random.below(FORGED_WITHIN));
    let millis = Duration::from_millis;
    if is_calm {
        return Fate { delays: vec![millis(delay)], ..Fate::default() };
    }
    let first = delay + if is_held { held } else { 0 };
    let mut delays = vec![millis(first)];
    delays.extend(is_duplicated.then(|| millis(first + second)));
    let all = Forgery::all(api != Api::Aps);
    let kinds = if settings.forgeries.is_empty() { &all } else { &settings.forgeries };
    let kind = kinds[usize::try_from(kind % kinds.len() as u64).unwrap_or(0)];
    Fate { is_lost, delays, is_held, forged: is_forged.then(|| (kind, millis(forged_after))) }
}

/// The longest time from a change to a message about it.
pub(super) fn longest_delay(settings: &NotificationSettings) -> Duration {
    let held = if settings.reorder > 0.0 { HELD.1 } else { 0 };
    let genuine = settings.delay.1 + Duration::from_millis(held + DUPLICATED_WITHIN);
    genuine.max(Duration::from_millis(FORGED_WITHIN))
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with this status.
    Status(u16),
    /// It was not answered in time.
    TimedOut,
    /// Nobody listens there, or the connection broke.
    Unreachable,
}

/// After how long the same message is delivered again, if at all. `attempt` counts from 1.
///
/// API v2: hourly for three hours after a 5xx or no answer. MWS: hourly for 14 days after anything but a 200, but not
/// after a 4xx or where nobody listens. Payment Services: ten times, every ten seconds, after anything but a 2xx or a 302.
pub fn redelivered_after(api: Api, outcome: Outcome, attempt: u32) -> Option<Duration> {
    const HOUR: Duration = Duration::from_secs(3600);
    let (is_wanted, repetitions, interval) = match (api, outcome) {
        (Api::AmazonPayV2, Outcome::Status(status)) => (status >= 500, 3, HOUR),
        (Api::AmazonPayMws, Outcome::Status(status)) => {
            (status != 200 && !(400..500).contains(&status), 14 * 24, HOUR)
        }
        (Api::AmazonPayV2, outcome) => (outcome == Outcome::TimedOut, 3, HOUR),
        (Api::AmazonPayMws, outcome) => (outcome == Outcome::TimedOut, 14 * 24, HOUR),
        (Api::Aps, Outcome::Status(status)) => {
            (!(200..300).contains(&status) && status != 302, 10, Duration::from_secs(10))
        }
        (Api::Aps, _) => (true, 10, Duration::from_secs(10)),
    };
    (is_wanted && attempt <= repetitions).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_repeats_by_its_own_rule() {
        let table = [
            (Api::AmazonPayV2, Outcome::Status(200), 0),
            (Api::AmazonPayV2, Outcome::Status(404), 0),
            (Api::AmazonPayV2, Outcome::Status(302), 0),
            (Api::AmazonPayV2, Outcome::Status(503), 3),
            (Api::AmazonPayV2, Outcome::TimedOut, 3),
            (Api::AmazonPayV2, Outcome::Unreachable, 0),
            (Api::AmazonPayMws, Outcome::Status(200), 0),
            (Api::AmazonPayMws, Outcome::Status(202), 336),
            (Api::AmazonPayMws, Outcome::Status(302), 336),
            (Api::AmazonPayMws, Outcome::Status(403), 0),
            (Api::AmazonPayMws, Outcome::Status(500), 336),
            (Api::AmazonPayMws, Outcome::TimedOut, 336),
            (Api::AmazonPayMws, Outcome::Unreachable, 0),
            (Api::Aps, Outcome::Status(204), 0),
            (Api::Aps, Outcome::Status(302), 0),
            (Api::Aps, Outcome::Status(400), 10),
            (Api::Aps, Outcome::Status(500), 10),
            (Api::Aps, Outcome::TimedOut, 10),
            (Api::Aps, Outcome::Unreachable, 10),
        ];
        for (api, outcome, expected) in table {
            let repeated = (1..1000).take_while(|n| redelivered_after(api, outcome, *n).is_some()).count();
            assert_eq!(repeated, expected, "{api:?} {outcome:?}");
        }
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(redelivered_after(Api::AmazonPayV2, Outcome::Status(500), 1), hour);
        assert_eq!(redelivered_after(Api::AmazonPayMws, Outcome::Status(500), 336), hour);
        let ten = Some(Duration::from_secs(10));
        assert_eq!(redelivered_after(Api::Aps, Outcome::Status(500), 1), ten);
    }
}
