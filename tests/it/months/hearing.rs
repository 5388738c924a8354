//! Which target got which decline: the judge of alerts.
//!
//! It compares what reached each target with what `alerting` says. What silences held back, and which escalations
//! nobody needs any more, it takes from the store only if an operator's acts explain it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reconciled::control::messages::{AlertRow, DeliveryRow, DeliveryStatus};

use super::alerting::{Act, Condition, ESCALATES_AFTER, Hearers, hearers};
use super::judge::NEAR;
use super::log::{Entry, Event, OFFICE};
use super::model::{Life, is_decline};
use super::plan::Plan;
use super::world::Remains;

/// What was about to leave when a silence began, leaves.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// A decline must have been escalated this long after it happened, whatever the clocks did.
const ESCALATED_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Begins the text of an escalation.
const ESCALATION: &str = "Escalation, not acknowledged since";
/// What reaches a target although rules send everything but declines elsewhere: it is about the targets themselves, or
/// follows a decline.
const EXEMPT: [&str; 3] = ["target-silent", "undelivered", "recovered"];

/// What one target got about one life.
#[derive(Debug, Clone, Default)]
struct Got {
    keys: BTreeSet<String>,
    at: Vec<Duration>,
}

/// A silence that is certainly in force.
struct InForce {
    act: usize,
    since: (Duration, Timestamp),
    until: Timestamp,
}

pub struct Hearing<'a> {
    plan: &'a Plan,
    remains: &'a Remains,
    crashes: Vec<Duration>,
    places: BTreeMap<String, usize>,
    hearers: Vec<Hearers>,
    /// By life, target, and whether it was an escalation.
    got: BTreeMap<(usize, &'static str, bool), Got>,
    /// Declines that a target got in summaries, which count and name none.
    summed: BTreeMap<&'static str, u64>,
    silences: Vec<InForce>,
    /// When somebody took care of a life's decline.
    cared: BTreeMap<usize, Duration>,
    /// Escalations after somebody took care.
    after_care: Vec<(Duration, usize)>,
    /// Somebody is about to take care of all declines.
    is_caring: bool,
    /// That was so when the daemon crashed, or could not do it.
    is_care_uncertain: bool,
    wrong: Vec<(Duration, usize, String)>,
    /// What is wrong with no life in particular.
    strange: Vec<String>,
}

impl<'a> Hearing<'a> {
    pub fn new(plan: &'a Plan, remains: &'a Remains, crashes: Vec<Duration>) -> Hearing<'a> {
        let of = |life: &Life| hearers(plan.alerting.as_ref(), plan.is_sandbox, life);
        Hearing {
            plan,
            remains,
            crashes,
            places: remains.lives.iter().enumerate().map(|(place, life)| (life.id.clone(), place)).collect(),
            hearers: remains.lives.iter().map(of).collect(),
            got: BTreeMap::new(),
            summed: BTreeMap::new(),
            silences: Vec::new(),
            cared: BTreeMap::new(),
            after_care: Vec::new(),
            is_caring: false,
            is_care_uncertain: false,
            wrong: Vec::new(),
            strange: Vec::new(),
        }
    }

    pub fn hear(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Told { key, kind, id, is_accepted } if kind == "declined" => {
                if let Some(place) = self.places.get(id).copied() {
                    self.reached(entry, (OFFICE, key.as_str()), place, false, *is_accepted);
                }
            }
            Event::Said { target, key, title, text, is_accepted } => {
                let kinds = kinds(title);
                self.look_for_others(entry, target, title, &kinds);
                if !kinds.iter().any(|(kind, _)| kind == "declined") {
                    return;
                }
                if title.starts_with("[SUMMARY]") {
                    let number: u64 =
                        kinds.iter().filter(|(kind, _)| kind == "declined").map(|(_, number)| number).sum();
                    *self.summed.entry(*target).or_default() += if *is_accepted { number } else { 0 };
                    return;
                }
                let named: Vec<(usize, bool)> = self
                    .places
                    .iter()
                    .filter_map(|(id, place)| Some((*place, about(text, id)?.contains(ESCALATION))))
                    .collect();
                for (place, is_escalation) in named {
                    self.reached(entry, (*target, key.as_str()), place, is_escalation, *is_accepted);
                }
            }
            Event::Silenced { act, until } => {
                self.silences.push(InForce { act: *act, since: (entry.at, entry.wall), until: *until });
            }
            Event::Unsilencing { act } => self.silences.retain(|silence| silence.act != *act),
            Event::Caring => {
                self.is_care_uncertain |= self.is_caring;
                self.is_caring = true;
            }
            Event::Ended { .. } => self.is_care_uncertain |= self.is_caring,
            Event::Cared { keys } => {
                self.is_caring = false;
                for (id, place) in &self.places {
                    if keys.iter().any(|key| key.contains(id.as_str())) {
                        self.cared.entry(*place).or_insert(entry.at);
                    }
                }
            }
            _ => {}
        }
    }

    /// With a last rule for everything that is no decline, only the back office may get that.
    fn look_for_others(&mut self, entry: &Entry, target: &str, title: &str, kinds: &[(String, u64)]) {
        let is_closed = self.plan.alerting.as_ref().is_some_and(|alerting| alerting.has_last_rule);
        let is_meant = |(kind, _): &(String, u64)| kind == "declined" || EXEMPT.contains(&kind.as_str());
        if is_closed && !kinds.iter().all(is_meant) {
            self.strange
                .push(format!("at {}s {target} gets what no rule sends it: {title}", entry.at.as_secs()));
        }
    }

    /// The decline of a life has arrived at a target, whether that accepts it or not.
    fn reached(
        &mut self,
        entry: &Entry,
        (target, key): (&'static str, &str),
        place: usize,
        is_escalation: bool,
        is_accepted: bool,
    ) {
        let at = entry.at;
        let (life, hearers) = (&self.remains.lives[place], &self.hearers[place]);
        let meant = if is_escalation { &hearers.later } else { &hearers.at_once };
        if !meant.contains(target) {
            let how = if is_escalation { "escalated" } else { "sent" };
            self.wrong.push((at, place, format!("its decline is {how} to {target}, which no rule says")));
        }
        if let Some(silence) = self.silences.iter().find(|silence| self.is_silenced(silence, entry, life)) {
            let what = format!("its decline is sent to {target} although act {} silences it", silence.act);
            self.wrong.push((at, place, what));
        }
        if is_escalation {
            let declined_at =
                life.course.iter().find(|(_, state, _)| is_decline(state)).map(|(from, ..)| *from);
            if !self.remains.has_jumps && declined_at.is_some_and(|declined| at < declined + ESCALATES_AFTER)
            {
                self.wrong.push((at, place, "its decline is escalated at once".to_owned()));
            }
            if self.cared.get(&place).is_some_and(|cared| *cared + UNDER_WAY < at) {
                self.after_care.push((at, place));
            }
        }
        if is_accepted {
            let got = self.got.entry((place, target, is_escalation)).or_default();
            got.keys.insert(key.to_owned());
            got.at.push(at);
        }
    }

    /// Whether a silence certainly holds back the decline of a life. A wall clock that was set says nothing certain.
    fn is_silenced(&self, silence: &InForce, entry: &Entry, life: &Life) -> bool {
        let (since, since_wall) = silence.since;
        let margin = SignedDuration::try_from(UNDER_WAY).expect("a minute");
        let Some(passed) = entry.at.checked_sub(since) else { return false };
        let by_wall = entry.wall.duration_since(since_wall);
        let difference = by_wall - SignedDuration::try_from(passed).expect("short");
        passed > UNDER_WAY
            && difference.abs() < SignedDuration::from_secs(5)
            && entry.wall + margin < silence.until
            && self.silenced_by(silence.act).is_some_and(|meets| meets.is_met_by(life))
    }

    fn silenced_by(&self, act: usize) -> Option<Condition> {
        match self.plan.alerting.as_ref()?.acts.get(act)? {
            (_, Act::Silence { meets, .. }) => Some(*meets),
            _ => None,
        }
    }

    fn is_crash_near(&self, at: Duration) -> bool {
        self.crashes.iter().any(|crash| at <= *crash && *crash <= at + NEAR)
    }

    /// What is wrong in the end. `news`: how many different declines were shown for each life.
    pub fn conclude(mut self, news: &[usize]) -> (Vec<(Duration, usize, String)>, Vec<String>) {
        for (place, kept) in self.remains.kept.iter().enumerate() {
            let Some((record, _)) = kept else { continue };
            let is_declined = record.state().is_some_and(is_decline);
            if !is_declined {
                if self.got.keys().any(|(of, ..)| *of == place) {
                    self.blame(place, "a decline is reported although it is not declined");
                }
                continue;
            }
            self.conclude_one(place, news[place].max(1));
        }
        // A second decline of the same object is escalated on its own account.
        for (at, place) in self.after_care.clone() {
            if news[place] <= 1 {
                self.wrong.push((at, place, "its decline is escalated although somebody cares".to_owned()));
            }
        }
        (self.wrong, self.strange)
    }

    fn blame(&mut self, place: usize, what: impl Into<String>) {
        self.wrong.push((self.remains.ended_at, place, what.into()));
    }

    fn conclude_one(&mut self, place: usize, news: usize) {
        for ((_, target, _), got) in self.got.clone().range((place, "", false)..(place + 1, "", false)) {
            let has_crashed = got.at.iter().any(|at| self.is_crash_near(*at));
            if !has_crashed && (got.keys.len() > news || got.at.len() > news) {
                let what = format!(
                    "{target} took its decline {} times, under {} keys",
                    got.at.len(),
                    got.keys.len()
                );
                self.blame(place, what);
            }
        }
        let hearers = self.hearers[place].clone();
        for target in hearers.at_once {
            if !self.has(place, target, false)
                && self.delivery(place, target).is_none_or(|row| !self.is_held(place, &row))
            {
                self.blame(place, format!("its decline never reached {target}"));
            }
        }
        for target in hearers.later {
            if self.has(place, target, true) {
                continue;
            }
            let Some(row) = self.delivery(place, target) else {
                self.blame(place, "no escalation of its decline was ever planned");
                continue;
            };
            let happened = self.remains.lives[place].settled_from();
            let is_explained = match row.status {
                DeliveryStatus::Acknowledged => self.is_care_uncertain || self.cared.contains_key(&place),
                DeliveryStatus::Silenced => self.is_held(place, &row),
                DeliveryStatus::Pending => {
                    self.remains.ended_at < happened + ESCALATED_WITHIN && self.remains.has_jumps
                }
                _ => false,
            };
            if !is_explained {
                self.blame(place, format!("its decline was not escalated to {target}: {:?}", row.status));
            }
        }
    }

    /// Whether a target got the decline, by name or in a summary.
    fn has(&mut self, place: usize, target: &'static str, is_escalation: bool) -> bool {
        if self.got.contains_key(&(place, target, is_escalation)) {
            return true;
        }
        let summed = self.summed.entry(target).or_default();
        let is_summed = *summed > 0
            && self.remains.alerts.iter().any(|row| {
                is_about(row, &self.remains.lives[place])
                    && row.deliveries.iter().any(|row| row.target == target && is_in_summary(row))
            });
        *summed -= u64::from(is_summed);
        is_summed
    }

    /// The newest delivery of a life's decline to a target, as the store has it.
    fn delivery(&self, place: usize, target: &str) -> Option<DeliveryRow> {
        let mut rows = self.remains.alerts.iter().filter(|row| is_about(row, &self.remains.lives[place]));
        rows.find_map(|row| row.deliveries.iter().find(|delivery| delivery.target == target).cloned())
    }

    /// Whether a silence held it back that an operator made, that is about this decline, and that was in force.
    fn is_held(&self, place: usize, row: &DeliveryRow) -> bool {
        let mut silences = self.remains.silences.iter().filter(|silence| Some(silence.number) == row.silence);
        row.status == DeliveryStatus::Silenced
            && silences.any(|silence| {
                let act = silence.reason.strip_prefix("act ").and_then(|number| number.parse().ok());
                let meets = act.and_then(|act| self.silenced_by(act));
                meets.is_some_and(|meets| meets.is_met_by(&self.remains.lives[place]))
                    && silence.begins_at <= row.at
                    && row.at < silence.end()
            })
    }
}

fn is_about(row: &AlertRow, life: &Life) -> bool {
    row.alert.object.as_ref().is_some_and(|object| object.id.as_str() == life.id)
}

fn is_in_summary(row: &DeliveryRow) -> bool {
    row.message.as_deref().is_some_and(|key| key.starts_with("summary/"))
}

/// What a message says about one object: its line in a list, or all of it.
fn about(text: &str, id: &str) -> Option<String> {
    if !text.contains(id) {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let lines = body.pointer("/payload/custom_details/Alerts").and_then(|lines| lines.as_array());
    let line = lines.into_iter().flatten().filter_map(|line| line.as_str()).find(|line| line.contains(id));
    Some(line.map_or_else(|| text.to_owned(), str::to_owned))
}

/// The kinds of the alerts that a message is about, by its title, and how many there are of each.
fn kinds(title: &str) -> Vec<(String, u64)> {
    let Some((mark, rest)) = title.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return Vec::new();
    };
    let rest = rest.trim_start_matches("[SANDBOX] ");
    let counts = match mark {
        "DIGEST" | "SUMMARY" => rest.split_once(": ").map_or(rest, |(_, counts)| counts),
        "FOUND LATE" => rest.split_once(", found long").map_or(rest, |(counts, _)| counts),
        _ => return vec![(mark.to_lowercase().replace(' ', "-"), 1)],
    };
    let counted = counts.split(", ").filter_map(|one| {
        let (number, kind) = one.split_once(' ')?;
        Some((kind.to_owned(), number.parse().ok()?))
    });
    counted.collect()
}
