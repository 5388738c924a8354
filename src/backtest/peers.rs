//! Other people's policies: small models of what shops run today.
//!
//! Owns: timers and rounds. Must never know: budgets (they have none), our schedule, the measures.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::rhythm::{Rounds, Timers};
use super::scene::{Ask, Client, Heard, Scene};

/// A timer for each object.
pub(super) struct OnTimers<'a> {
    scene: &'a Scene<'a>,
    timers: Timers,
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    looks: Vec<usize>,
    /// The first of two requests is sent, the second is still to come.
    halfway: Vec<usize>,
}

impl<'a> OnTimers<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, timers: Timers) -> OnTimers<'a> {
        let looks = vec![0; scene.objects.len()];
        OnTimers { scene, timers, due: BinaryHeap::new(), looks, halfway: Vec::new() }
    }

    /// Sets the timer for the next poll, unless that was the last.
    fn set(&mut self, who: usize, now: Duration) {
        let waits = &self.timers.waits;
        let wait = match waits.get(self.looks[who]) {
            Some(wait) => Some(wait),
            None if self.timers.is_endless => waits.last(),
            None => None,
        };
        if let Some(wait) = wait {
            self.due.push(Reverse((now + *wait, who)));
        }
    }
}

impl Client for OnTimers<'_> {
    fn learn(&mut self, who: usize, now: Duration) {
        if !(self.timers.skips_refunds && self.scene.objects[who].is_refund()) {
            self.set(who, now);
        }
    }

    fn turn(&mut self, now: Duration, send: &mut Vec<Ask>) -> Option<Duration> {
        let objects = &self.scene.objects;
        send.extend(self.halfway.drain(..).map(|who| Ask { who, operation: objects[who].operation }));
        while let Some(Reverse((_, who))) = self.due.peek().filter(|Reverse((at, _))| *at <= now).copied() {
            self.due.pop();
            self.looks[who] += 1;
            let operation =
                if self.timers.asks_twice { self.scene.permission } else { objects[who].operation };
            send.push(Ask { who, operation });
        }
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn hear(&mut self, ask: Ask, heard: Heard, now: Duration) {
        match heard {
            Heard::Ended => {}
            Heard::Throttled | Heard::Unanswered if self.timers.stops_on_failure => {}
            Heard::Open if self.timers.asks_twice && ask.operation == self.scene.permission => {
                self.halfway.push(ask.who);
            }
            Heard::Throttled | Heard::Unanswered | Heard::Open => self.set(ask.who, now),
        }
    }
}

/// Rounds over all that is open, one request after the other.
pub(super) struct InRounds<'a> {
    scene: &'a Scene<'a>,
    rounds: Rounds,
    /// Open objects, by creation or by last poll.
    open: BTreeSet<(Duration, usize)>,
    keys: Vec<Duration>,
    /// The rest of the present round.
    left: VecDeque<usize>,
    is_asking: bool,
    free_at: Duration,
    next_round: Duration,
}

impl<'a> InRounds<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, rounds: Rounds) -> InRounds<'a> {
        // Rounds start by the wall clock, whenever the first object was created.
        let into_day = scene.beginning.duration_since(Timestamp::UNIX_EPOCH).as_secs().rem_euclid(86_400);
        let into_day = Duration::from_secs(u64::try_from(into_day).unwrap_or(0));
        let mut first = rounds.offset;
        while first < into_day {
            first += rounds.period;
        }
        InRounds {
            scene,
            rounds,
            open: BTreeSet::new(),
            keys: scene.objects.iter().map(|object| object.created).collect(),
            left: VecDeque::new(),
            is_asking: false,
            free_at: Duration::ZERO,
            next_round: first - into_day,
        }
    }
}

impl Client for InRounds<'_> {
    fn learn(&mut self, who: usize, _now: Duration) {
        self.open.insert((self.keys[who], who));
    }

    fn turn(&mut self, now: Duration, send: &mut Vec<Ask>) -> Option<Duration> {
        if self.is_asking {
            return None;
        }
        if self.left.is_empty() {
            // A round that came due during another one, or while the machine was down, is skipped.
            while self.next_round < now {
                self.next_round += self.rounds.period;
            }
            if self.next_round == now {
                self.left = self
                    .open
                    .iter()
                    .take(self.rounds.most.unwrap_or(usize::MAX))
                    .map(|(_, who)| *who)
                    .collect();
                self.next_round += self.rounds.period;
                self.free_at = now;
            }
        }
        let Some(who) = self.left.front().copied() else { return Some(self.next_round) };
        if now < self.free_at {
            return Some(self.free_at);
        }
        self.left.pop_front();
        self.is_asking = true;
        send.push(Ask { who, operation: self.scene.objects[who].operation });
        None
    }

    fn hear(&mut self, ask: Ask, heard: Heard, now: Duration) {
        self.is_asking = false;
        self.free_at = now + self.rounds.pause;
        let key = (self.keys[ask.who], ask.who);
        let is_closed =
            heard == Heard::Open && self.rounds.closes_refunds && self.scene.objects[ask.who].is_refund();
        if heard == Heard::Ended || is_closed {
            self.open.remove(&key);
        } else if self.rounds.by_last_look {
            self.open.remove(&key);
            self.keys[ask.who] = now;
            self.open.insert((now, ask.who));
        }
    }
}
