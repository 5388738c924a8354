//! How far the machine's clock is trusted. Pure.
//!
//! Owns: the judgment, from the machine's clock, monotonic time, other hosts' dates (`Date` headers), and the
//! time confirmed before this start. Must never know: any room, where a date came from.
//!
//! Each clock is stored as an offset: its time minus the monotonic time of the reading. A correct clock keeps
//! its offset; a jump changes it.
//!
//! # The rules
//!
//! - At first the machine's clock is followed, unconfirmed, but never behind the time confirmed before the
//!   start.
//! - A date that agrees with the machine's clock confirms it. From then on, time follows monotonic time: a
//!   jump of the machine's clock is noticed, but not followed until a date agrees with it.
//! - Dates of two hosts that agree with each other outweigh the machine's clock.
//! - The dates of a single host move only an unconfirmed clock, and only when the host repeats itself and its
//!   dates advance like monotonic time: one absurd header moves nothing.
//! - Without any dates, a clock that ran for hours without a jump is settled: a machine without a network
//!   must close its days, too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Clocks that differ by less are considered equal: a `Date` has whole seconds and needs time to arrive.
pub const NEAR: SignedDuration = SignedDuration::from_mins(2);
/// A longer exchange says nothing: its date may come from its beginning or its end.
pub const LONGEST_EXCHANGE: Duration = Duration::from_secs(10);
/// Dates of one host whose offsets differ by less advance like monotonic time: whole seconds plus travel
/// time.
const STEADY_WITHIN: SignedDuration = SignedDuration::from_secs(12);
/// A single host must repeat itself this many times, over this long.
const ALONE_TIMES: u32 = 3;
const ALONE_FOR: Duration = Duration::from_secs(20);
/// Dates of two hosts count together when they arrived within this time.
const HEARD_TOGETHER: Duration = Duration::from_secs(3600);
/// A clock that ran this long without a jump, and without contradiction, is settled.
const SETTLED_AFTER: Duration = Duration::from_secs(3 * 3600);
/// The same despite contradiction: hosts with useless dates must not keep days open permanently.
const SETTLED_AT_LAST: Duration = Duration::from_secs(24 * 3600);
/// A contradicted, unconfirmed time is avoided for this long, while more dates are compared.
const DOUBTED_FOR: Duration = Duration::from_secs(60);
/// No date before this can be the present: the program is younger.
const EARLIEST: Timestamp = Timestamp::constant(1_577_836_800, 0);
/// The most events kept until somebody takes them.
const EVENTS_MOST: usize = 32;

/// How far the present time is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nobody has confirmed it.
    Unconfirmed,
    /// Nobody has confirmed it, but it has run for hours without a jump.
    Settled,
    /// Another host's clock agreed with it, and monotonic time continues from there.
    Confirmed,
}

/// A break in time. `by` is positive when a clock went forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The machine's clock jumped.
    Jumped {
        /// By how much.
        by: SignedDuration,
    },
    /// The time in use changed.
    Moved {
        /// By how much.
        by: SignedDuration,
    },
}

/// What one host said.
#[derive(Debug, Clone, Copy)]
struct Said {
    offset: SignedDuration,
    first_at: Duration,
    last_at: Duration,
    times: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    /// The machine's clock, as last read.
    wall: SignedDuration,
    /// Since when it has run without a jump.
    steady_since: Duration,
    /// The time in use.
    believed: SignedDuration,
    trust: Trust,
    /// The time confirmed before the start: now is later than that.
    floor: Option<SignedDuration>,
    confirmed_at: Option<Duration>,
    said: BTreeMap<String, Said>,
    /// The first and last time that somebody contradicted the time in use.
    contradicted: Option<(Duration, Duration)>,
    events: Vec<Break>,
}

impl Judge {
    /// The first reading of the machine's clock, at a monotonic moment.
    pub fn new(wall: Timestamp, at: Duration) -> Judge {
        let wall = offset(wall, at);
        Judge {
            wall,
            steady_since: at,
            believed: wall,
            trust: Trust::Unconfirmed,
            floor: None,
            confirmed_at: None,
            said: BTreeMap::new(),
            contradicted: None,
            events: Vec::new(),
        }
    }

    /// `time` was confirmed before the start, so now is later. The time in use is never earlier unless
    /// another host confirms it.
    pub fn was_confirmed(&mut self, time: Timestamp, at: Duration) {
        let floor = offset(time, at);
        self.floor = Some(floor);
        if self.wall < floor - NEAR {
            self.note(Break::Jumped { by: self.wall - floor });
        }
        self.follow(at);
    }

    /// Reads the machine's clock and returns the time to use.
    pub fn now(&mut self, wall: Timestamp, at: Duration) -> Timestamp {
        let wall = offset(wall, at);
        let by = wall - self.wall;
        self.wall = wall;
        if by.abs() > NEAR {
            self.steady_since = at;
            self.note(Break::Jumped { by });
        }
        self.follow(at);
        time(self.believed, at)
    }

    /// Another host's clock showed `date` at the monotonic moment `at`, give or take a few seconds.
    pub fn hear(&mut self, host: &str, date: Timestamp, at: Duration) {
        if date < EARLIEST {
            return;
        }
        let said = offset(date, at);
        if is_near(said, self.wall) {
            return self.confirm(self.wall, at);
        }
        if self.trust == Trust::Confirmed && is_near(said, self.believed) {
            return self.confirm(self.believed, at);
        }
        let first_contradicted_at = self.contradicted.map_or(at, |(first, _)| first);
        self.contradicted = Some((first_contradicted_at, at));
        let mine = self.remember(host, said, at);
        let agrees = |(other, heard): (&String, &Said)| {
            other != host && is_near(heard.offset, said) && at.saturating_sub(heard.last_at) <= HEARD_TOGETHER
        };
        let is_seconded = self.said.iter().any(agrees);
        let is_late_enough = self.floor.is_none_or(|floor| said >= floor - NEAR);
        let insists = mine.times >= ALONE_TIMES && at.saturating_sub(mine.first_at) >= ALONE_FOR;
        if is_seconded || self.trust != Trust::Confirmed && is_late_enough && insists {
            self.confirm(said, at);
        }
    }

    /// How far the present time is trusted.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Nobody confirmed the time, somebody has just contradicted it, and who is right is not known yet.
    pub fn is_doubted(&self, at: Duration) -> bool {
        self.trust != Trust::Confirmed
            && self.contradicted.is_some_and(|(first, _)| at.saturating_sub(first) < DOUBTED_FOR)
    }

    /// How far the machine's clock is ahead of the confirmed time (negative: behind), if it is wrong.
    pub fn wall_error(&self) -> Option<SignedDuration> {
        let error = self.wall - self.believed;
        (self.trust == Trust::Confirmed && error.abs() > NEAR).then_some(error)
    }

    /// The last monotonic moment at which another host agreed.
    pub fn confirmed_at(&self) -> Option<Duration> {
        self.confirmed_at
    }

    /// The breaks since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Break> {
        std::mem::take(&mut self.events)
    }

    fn remember(&mut self, host: &str, offset: SignedDuration, at: Duration) -> Said {
        let new = Said { offset, first_at: at, last_at: at, times: 1 };
        let said = self.said.entry(host.to_owned()).or_insert(new);
        *said = match (said.offset - offset).abs() <= STEADY_WITHIN && said.last_at < at {
            true => Said { last_at: at, times: said.times + 1, ..*said },
            false if said.last_at == at => *said,
            false => new,
        };
        *said
    }

    fn confirm(&mut self, offset: SignedDuration, at: Duration) {
        self.set(offset);
        self.trust = Trust::Confirmed;
        self.confirmed_at = Some(at);
        self.contradicted = None;
        // The floor is obsolete now, and it may have been wrong.
        self.floor = None;
    }

    /// Lets the time in use follow the machine's clock as far as that is trusted.
    fn follow(&mut self, at: Duration) {
        let steady_for = at.saturating_sub(self.steady_since);
        let is_quiet = self.contradicted.is_none_or(|(_, last)| at.saturating_sub(last) >= SETTLED_AFTER);
        let is_settled = steady_for >= SETTLED_AFTER && is_quiet || steady_for >= SETTLED_AT_LAST;
        let wall = self.floor.map_or(self.wall, |floor| self.wall.max(floor));
        match self.trust {
            // Slewing is followed; so is a jump back to the right time.
            Trust::Confirmed if is_near(self.wall, self.believed) => self.believed = self.wall,
            // No host has agreed with the confirmed time since the machine's clock left it hours ago.
            Trust::Confirmed => {
                if is_settled && self.confirmed_at.is_none_or(|last| last < self.steady_since) {
                    self.set(wall);
                    self.trust = Trust::Settled;
                }
            }
            Trust::Unconfirmed | Trust::Settled => {
                self.set(wall);
                self.trust = if is_settled { Trust::Settled } else { Trust::Unconfirmed };
            }
        }
    }

    fn set(&mut self, offset: SignedDuration) {
        let by = offset - self.believed;
        self.believed = offset;
        if by.abs() > NEAR {
            self.note(Break::Moved { by });
        }
    }

    fn note(&mut self, event: Break) {
        if self.events.len() < EVENTS_MOST {
            self.events.push(event);
        }
    }
}

fn offset(time: Timestamp, at: Duration) -> SignedDuration {
    let at = SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
    time.as_duration().saturating_sub(at)
}

fn time(offset: SignedDuration, at: Duration) -> Timestamp {
    let at = SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
    let latest = if offset.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_duration(offset.saturating_add(at)).unwrap_or(latest)
}

fn is_near(one: SignedDuration, other: SignedDuration) -> bool {
    (one - other).abs() <= NEAR
}

#[cfg(test)]
mod tests;
