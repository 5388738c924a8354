//! The judge: finds everything that is wrong, from the traffic on the wire and the remains at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::hearing::Hearing;
use super::log::{Entry, Event, Reading};
use super::model::{Beliefs, Life, is_decline, is_final, is_resting, may_follow};
use super::plan::Plan;
use super::reports;
use super::world::Remains;

/// Effects of an answer may be missing after a crash within this time of it.
pub const NEAR: Duration = Duration::from_secs(5);
/// The most polls of an end that a person must check, from the last answer that was odd in another way: three soon,
/// and one every two hours for two days. Crashes cost some more.
const MOST_AFTER_AN_ODD_END: u32 = 32;
/// The most polls of any object within an hour, whatever the trouble.
const MOST_AN_HOUR: u32 = 150;
const HOUR: Duration = Duration::from_secs(3600);

/// What the wire shows about one object.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub acknowledged_at: Option<(Duration, Timestamp)>,
    pub beliefs: Beliefs,
    /// When its end was certainly observed: since the world began, and by the daemon's clock.
    pub ended: Option<(Duration, Timestamp)>,
    /// All good answers with its last state: the moments, by the daemon's clock, at which it may have ended.
    pub ends: Vec<Timestamp>,
    /// Something was wrong with an answer since the last good one.
    is_doubtful: bool,
    /// Failures in a row, without throttling; `None` once a crash makes them uncertain.
    failures: Option<u32>,
    last_answer_at: Duration,
    /// Polls of it, by the hour.
    asked: BTreeMap<u64, u32>,
    keys: BTreeSet<String>,
    /// Kinds of messages about it that the back office accepted.
    told: BTreeSet<String>,
    /// Good answers after its end, since the last odd one.
    seen_after_end: u32,
    /// The reasons shown with its decline, one after another: each new one is news.
    decline_reasons: Vec<Option<String>>,
    accepted_at: Vec<Duration>,
}

/// Judges one world.
pub fn judge(plan: &Plan, remains: &Remains) -> Vec<String> {
    let mut bench = Bench::new(plan, remains);
    for (position, entry) in bench.entries.clone().iter().enumerate() {
        bench.hear(position, entry);
    }
    bench.conclude();
    let news: Vec<usize> = bench.seen.iter().map(|seen| seen.decline_reasons.len()).collect();
    let hearing = Hearing::new(plan, remains, Vec::new());
    let (unheard, strange) = std::mem::replace(&mut bench.hearing, hearing).conclude(&news);
    for (at, place, what) in unheard {
        bench.blame(at, place, what);
    }
    let mut wrong = remains.wrong.clone();
    wrong.extend(bench.wrong);
    wrong.extend(strange);
    wrong.extend(reports::judge(remains, &bench.seen));
    wrong
}

struct Bench<'a> {
    plan: &'a Plan,
    remains: &'a Remains,
    entries: Vec<Entry>,
    /// When the daemon crashed.
    crashes: Vec<Duration>,
    places: BTreeMap<String, usize>,
    seen: Vec<Seen>,
    /// The time in which the provider asked to pause an operation, so that no request of it may leave.
    holds: BTreeMap<(String, String), (Duration, Duration)>,
    hearing: Hearing<'a>,
    /// Children that their parents have certainly shown.
    is_found: BTreeSet<usize>,
    wrong: Vec<String>,
}

impl<'a> Bench<'a> {
    fn new(plan: &'a Plan, remains: &'a Remains) -> Bench<'a> {
        let entries = remains.log.entries();
        let crashes = entries.iter().filter(|entry| matches!(entry.event, Event::Ended { was_crash: true }));
        let crashes: Vec<Duration> = crashes.map(|entry| entry.at).collect();
        Bench {
            plan,
            hearing: Hearing::new(plan, remains, crashes.clone()),
            crashes,
            entries: entries.clone(),
            places: remains.lives.iter().enumerate().map(|(place, life)| (life.id.clone(), place)).collect(),
            seen: vec![Seen { failures: Some(0), ..Seen::default() }; remains.lives.len()],
            holds: BTreeMap::new(),
            is_found: BTreeSet::new(),
            remains,
            wrong: Vec::new(),
        }
    }

    fn is_crash_near(&self, at: Duration) -> bool {
        self.crashes.iter().any(|crash| at <= *crash && *crash <= at + NEAR)
    }

    fn blame(&mut self, at: Duration, place: usize, what: impl std::fmt::Display) {
        let life = &self.remains.lives[place];
        let course: Vec<String> =
            life.course.iter().map(|(from, state, _)| format!("{state}@{}s", from.as_secs())).collect();
        self.wrong.push(format!(
            "{}/{}/{} ({}) at {}s: {what}",
            life.account,
            life.kind,
            life.id,
            course.join(" "),
            at.as_secs()
        ));
    }

    fn hear(&mut self, _position: usize, entry: &Entry) {
        let at = entry.at;
        self.hearing.hear(entry);
        match &entry.event {
            Event::Acknowledged { lives } => {
                for life in lives {
                    self.seen[*life].acknowledged_at.get_or_insert((at, entry.wall));
                }
            }
            Event::Asked { id, operation } => self.asked(at, id, operation),
            Event::Answered { id, operation, made, reading } => {
                let Some(place) = self.places.get(id).copied() else { return };
                let account = self.remains.lives[place].account.clone();
                if let Reading::Throttled { retry_after: Some(wait) } = reading
                    && !self.is_crash_near(at)
                {
                    let (_, until) =
                        self.holds.get(&(account.clone(), operation.clone())).copied().unwrap_or_default();
                    self.holds.insert((account, operation.clone()), (at, until.max(at + *wait)));
                }
                self.answered(place, entry, *made, reading);
            }
            Event::Told { key, kind, id, is_accepted } => self.told(at, key, kind, id, *is_accepted),
            Event::Counted { life, failures } => self.counted(at, *life, *failures),
            Event::Ended { was_crash: true } => {
                self.holds.clear();
                for seen in &mut self.seen {
                    seen.failures = None;
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, at: Duration, id: &str, operation: &str) {
        if operation == "GetServiceStatus" {
            // It is about the provider itself and names no object; its quota counts like any other.
            return;
        }
        let Some(place) = self.places.get(id).copied() else {
            // A child that the provider created, found through its parent.
            if !self.remains.provider_ids.contains(id) {
                self.wrong.push(format!("polls {id}, which does not exist"));
            }
            return;
        };
        let asked = self.seen[place].asked.entry(at.as_secs() / 3600).or_default();
        *asked += 1;
        if *asked == MOST_AN_HOUR {
            self.blame(at, place, format!("a storm: polled {MOST_AN_HOUR} times in one hour"));
        }
        let is_odd = self.remains.lives[place].is_odd();
        if let Some((ended_at, _)) = self.seen[place].ended.filter(|_| !is_odd) {
            self.blame(at, place, format!("polled after its end was observed at {}s", ended_at.as_secs()));
        }
        let account = self.remains.lives[place].account.clone();
        let (since, until) = self.holds.get(&(account, operation.to_owned())).copied().unwrap_or_default();
        // Some requests already had a permit when the Retry-After came.
        if since + Duration::from_secs(1) < at && at + Duration::from_millis(10) < until {
            self.blame(
                at,
                place,
                format!("polled although the provider asked for a pause until {}s", until.as_secs()),
            );
        }
    }

    fn answered(&mut self, place: usize, entry: &Entry, made: Duration, reading: &Reading) {
        let at = entry.at;
        let is_certain = !self.is_crash_near(at);
        let life = &self.remains.lives[place];
        let seen = &mut self.seen[place];
        seen.last_answer_at = at;
        let Reading::Good { is_own_type, has_own_id, state, reason } = reading else {
            if !matches!(reading, Reading::Throttled { .. }) {
                seen.is_doubtful = true;
                seen.failures = seen.failures.map(|failures| failures + 1);
            }
            return;
        };
        let (true_state, true_reason) = life.at(made);
        let is_true = *has_own_id && state == true_state;
        let is_whole = is_true && *is_own_type && reason.as_deref() == true_reason;
        let before = seen.beliefs.clone();
        if is_true {
            // An answer with a wrong reason or type may be believed or not; a correct answer must be.
            seen.beliefs.see(life.kind, state, is_certain && is_whole);
            if is_final(life.kind, state) {
                seen.ends.push(entry.wall);
            }
            if is_decline(state) && seen.decline_reasons.last() != Some(reason) {
                seen.decline_reasons.push(reason.clone());
            }
            self.find_child(place, entry, is_certain);
        }
        let (life, seen) = (&self.remains.lives[place], &mut self.seen[place]);
        if !is_whole {
            // Something else is odd now: a new doubt, and a new reason to look soon and for long.
            seen.seen_after_end = 0;
            seen.is_doubtful = true;
            seen.failures = seen.failures.map(|failures| failures + 1);
            return;
        }
        let follows =
            before.0.iter().all(|from| from.as_deref().is_none_or(|from| may_follow(life.kind, from, state)));
        seen.is_doubtful = !follows;
        if is_certain {
            seen.failures = Some(0);
        }
        let is_again = seen.ended.is_some();
        if is_certain && follows && is_final(life.kind, state) {
            seen.ended.get_or_insert((at, entry.wall));
        }
        // Only good answers count: after a failed poll the next one comes soon.
        seen.seen_after_end += u32::from(is_again);
        if life.is_odd() && seen.seen_after_end == MOST_AFTER_AN_ODD_END {
            self.blame(at, place, format!("observed {MOST_AFTER_AN_ODD_END} times after its end"));
        }
    }

    /// An observation of a parent makes its child known, unless it is uncertain.
    fn find_child(&mut self, place: usize, entry: &Entry, is_certain: bool) {
        let Some(child) = self.remains.lives.iter().position(|other| other.parent == Some(place)) else {
            return;
        };
        if self.is_found.insert(child) {
            self.seen[child].acknowledged_at = Some((entry.at, entry.wall));
        }
        if !is_certain {
            self.is_found.remove(&child);
        }
    }

    fn told(&mut self, at: Duration, key: &str, kind: &str, id: &str, is_accepted: bool) {
        if kind == "credentials-refused" && !self.may_be_refused() {
            self.wrong.push(format!(
                "at {}s the credentials are reported as refused, which they never were",
                at.as_secs()
            ));
        }
        if is_accepted && let Some(place) = self.places.get(id).copied() {
            self.seen[place].told.insert(kind.to_owned());
        }
        if kind != "declined" {
            return;
        }
        let Some(place) = self.places.get(id).copied() else {
            self.wrong.push(format!("reports a decline of {id}, which nobody enrolled"));
            return;
        };
        if !self.remains.lives[place].may_be("Declined") {
            self.blame(at, place, "a decline is reported that never happened");
        }
        self.seen[place].keys.insert(key.to_owned());
        let news = self.seen[place].decline_reasons.len().max(1);
        if self.seen[place].keys.len() > news {
            self.blame(at, place, "its decline is reported under a second key");
        }
        if is_accepted {
            if let Some(before) = self.seen[place].accepted_at.last().copied()
                && self.seen[place].accepted_at.len() >= news
                && !self.is_crash_near(before)
            {
                self.blame(
                    at,
                    place,
                    format!("its decline, accepted at {}s, is reported again", before.as_secs()),
                );
            }
            self.seen[place].accepted_at.push(at);
        }
    }

    /// Whether this world refuses more than single objects.
    fn may_be_refused(&self) -> bool {
        use amazon_pay_simulator::fault::FaultKind;
        let is_refusal =
            |kind: FaultKind| matches!(kind, FaultKind::RefusedCredentials | FaultKind::ClockSkew);
        self.plan.faults.iter().any(|fault| is_refusal(fault.kind)) || !self.plan.jumps.is_empty()
    }

    /// Failures in a row must be those on the wire; throttling does not count.
    fn counted(&mut self, at: Duration, place: usize, failures: u32) {
        let seen = &self.seen[place];
        if let Some(known) = seen.failures
            && seen.last_answer_at + NEAR < at
            && failures > known
        {
            self.blame(at, place, format!("{failures} failures in a row are counted, there were {known}"));
        }
    }

    /// The longest time from an end to its observation, without trouble.
    fn patience(&self, life: &Life, seen: &Seen) -> Duration {
        let interval = |hours: u64| HOUR * u32::try_from(hours).unwrap_or(1) * 106 / 100;
        let resting = life.course.iter().any(|(_, state, _)| is_resting(state));
        let mut longest = HOUR * 106 / 100;
        if resting {
            longest = longest.max(interval(self.plan.resting_h));
        }
        let is_illegal = life.course.windows(2).any(|pair| !may_follow(life.kind, &pair[0].1, &pair[1].1));
        let was_ill = life.settled_from() < self.remains.calm_at + HOUR * 12;
        if is_illegal || seen.is_doubtful || was_ill {
            longest = longest.max(interval(self.plan.quarantine_h));
        }
        // A hold, an open circuit breaker, a clock that was an hour ahead at the decision: only after
        // trouble.
        let troubles = if was_ill { HOUR * 2 + HOUR / 2 } else { HOUR / 12 };
        longest + troubles
    }

    fn conclude(&mut self) {
        if self.remains.over_quota > 0 {
            self.wrong.push(format!("{} requests above the quota", self.remains.over_quota));
        }
        let ended_at = self.remains.ended_at;
        for place in 0..self.seen.len() {
            let life = self.remains.lives[place].clone();
            let seen = self.seen[place].clone();
            if seen.acknowledged_at.is_none() {
                self.blame(ended_at, place, "was never accepted, however long the calm");
                continue;
            }
            let kept = self.remains.kept.get(place).cloned().flatten();
            let Some((record, history)) = kept else {
                self.blame(ended_at, place, "is lost");
                continue;
            };
            if !seen.beliefs.may_be(record.state()) {
                let why =
                    format!("is stored as {:?}, the observations allow {:?}", record.state(), seen.beliefs.0);
                self.blame(ended_at, place, why);
            }
            self.conclude_end(place, &life, &seen, &record);
            let problems = super::history::judge(&life, &record, &history);
            for problem in problems {
                self.blame(ended_at, place, problem);
            }
        }
    }

    fn conclude_end(
        &mut self,
        place: usize,
        life: &Life,
        seen: &Seen,
        record: &reconciled::payments::record::Record,
    ) {
        let ended_at = self.remains.ended_at;
        let last = life.last_state();
        if life.is_refused {
            // While others of its account are answered, it alone is refused.
            let is_alone = (0..self.seen.len()).all(|other| {
                let life = &self.remains.lives[other];
                life.account != self.remains.lives[place].account || life.is_refused
            });
            let is_set_apart = is_alone || record.quarantine.is_some();
            if record.due_at.is_none() || !is_set_apart || record.state().is_some() {
                let why = format!("is refused, and stored as {:?}, due {:?}", record.state(), record.due_at);
                self.blame(ended_at, place, why);
            }
            return;
        }
        // When a crash leaves open what was stored, either is right (and it was checked that it is one).
        let held_for = seen.beliefs.certain().or(record.state()).unwrap_or(last).to_owned();
        if !is_final(life.kind, last) {
            if record.due_at.is_none() {
                self.blame(ended_at, place, "is not watched any more, and has not ended");
            }
            return;
        }
        if held_for != last {
            // An end that cannot follow: quarantined, and watched.
            let cause = record.quarantine.as_ref().map(|quarantine| quarantine.cause.as_str());
            if cause != Some("impossible-move") || record.due_at.is_none() {
                self.blame(ended_at, place, format!("an impossible move was taken as {cause:?}"));
            }
            return;
        }
        self.conclude_words(place, life, seen);
        if life.is_odd() {
            let cause = record.quarantine.as_ref().map(|quarantine| quarantine.cause.as_str());
            if record.state() != Some(last) || cause != Some("different-amount") {
                let why = format!("an odd amount was taken as {cause:?} in {:?}", record.state());
                self.blame(ended_at, place, why);
            }
            return;
        }
        if record.due_at.is_some() || record.state() != Some(last) || record.quarantine.is_some() {
            let why = format!(
                "has ended and is stored as {:?}, due {:?}, quarantined {:?}",
                record.state(),
                record.due_at,
                record.quarantine.as_ref().map(|quarantine| &quarantine.cause)
            );
            self.blame(ended_at, place, why);
            return;
        }
        let Some((first_seen, _)) = seen.ended else { return };
        let since = life.settled_from().max(self.remains.calm_at);
        let bound = since + self.patience(life, seen);
        if first_seen > bound {
            let late = first_seen.saturating_sub(since).as_secs() / 60;
            self.blame(first_seen, place, format!("its end was observed {late} minutes late"));
        }
    }

    /// What must have been reported besides declines.
    fn conclude_words(&mut self, place: usize, life: &Life, seen: &Seen) {
        let ended_at = self.remains.ended_at;
        if seen.ended.is_none() {
            return;
        }
        let is_told = |sorts: &[&str]| sorts.iter().any(|sort| seen.told.contains(*sort));
        if life.is_odd() && !is_told(&["quarantined"]) {
            self.blame(ended_at, place, "its odd amount was never reported");
        }
        if life.ends_unexplained() && !is_told(&["declined", "canceled", "notable"]) {
            self.blame(ended_at, place, "its end without a reason was never reported");
        }
    }
}
