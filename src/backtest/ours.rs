//! The daemon's own policy, on a clock set by hand.
//!
//! Owns: no decision of its own. It combines [`decide`], the store's order of service and [`Pace`] as the
//! daemon's reconcile loop does. Must never know: the network, disks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::learning::Learning;
use super::rhythm::Watch;
use super::scene::{Ask, Client, Heard, Scene};
use super::workload::Workload;
use crate::apis::pace::{Pace, Permit};
use crate::clock::HandClock;
use crate::payments::decide::{Setting, decide};
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::observation::{Failure, Observation};
use crate::payments::record::{Details, Enrolment, Record};
use crate::payments::schedule::Policy;
use crate::reconcile::circuit_breaker::{Candidate, Cause, CircuitBreaker, FailedRequest};
use crate::store::{order_of_service, urgent_at};
use crate::time::later;

/// The first wait between probes of refused credentials. No past has any.
const PROBE_INTERVAL: Duration = Duration::from_secs(300);

/// All objects of an operation that have a poll due.
#[derive(Default)]
struct Lanes {
    ordinary: BTreeSet<(Timestamp, usize)>,
    urgent: BTreeSet<(Timestamp, usize)>,
    under_way: usize,
}

pub(super) struct Ours<'a> {
    scene: &'a Scene<'a>,
    watch: &'a Watch,
    account: AccountName,
    clock: Arc<HandClock>,
    pace: Pace,
    records: Vec<Option<Record>>,
    permits: Vec<Option<Permit>>,
    /// By operation.
    lanes: Vec<Lanes>,
    /// The kind that each operation reads.
    kinds: Vec<Option<Kind>>,
    breaker: CircuitBreaker,
    sent_at: Vec<Timestamp>,
    learning: Option<Learning>,
}

impl<'a> Ours<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, watch: &'a Watch, workload: &Workload) -> Ours<'a> {
        let clock = HandClock::starting_at(scene.beginning);
        let pace = Pace::new(clock.clone());
        let account = AccountName::new("backtest").expect("a name of small letters");
        for (operation, quota) in &scene.operations {
            pace.set_quota(&account, operation, *quota);
        }
        let learning = watch.adaptive.map(|spending| {
            let learning = Learning::new(scene, watch, spending);
            if spending.knows_all { learning.knowing(workload) } else { learning }
        });
        Ours {
            scene,
            watch,
            learning,
            account,
            clock,
            pace,
            records: scene.objects.iter().map(|_| None).collect(),
            permits: scene.objects.iter().map(|_| None).collect(),
            lanes: scene.operations.iter().map(|_| Lanes::default()).collect(),
            kinds: (0..scene.operations.len()).map(|operation| kind_of(scene, operation)).collect(),
            breaker: CircuitBreaker::new(PROBE_INTERVAL),
            sent_at: vec![scene.beginning; scene.objects.len()],
        }
    }

    fn at(&self, now: Duration) -> Timestamp {
        later(self.scene.beginning, now)
    }

    fn policy(&self, who: usize) -> &Policy {
        let kind = &self.scene.objects[who].past.object.kind;
        let learnt = self.learning.as_ref().and_then(|learning| learning.policy(kind));
        learnt.unwrap_or_else(|| self.watch.of(kind))
    }

    /// Adds a record to its queues, or removes it.
    fn place(&mut self, who: usize, is_in: bool) {
        let Some(record) = &self.records[who] else { return };
        let Some(due_at) = record.due_at else { return };
        let lanes = &mut self.lanes[self.scene.objects[who].operation];
        let urgent = record.deadline.map(|deadline| (urgent_at(due_at, deadline), who));
        if is_in {
            lanes.ordinary.insert((due_at, who));
            lanes.urgent.extend(urgent);
        } else {
            lanes.ordinary.remove(&(due_at, who));
            urgent.map(|row| lanes.urgent.remove(&row));
        }
    }

    /// Reports the result of a request to the circuit breaker; returns the objects that are due again, and
    /// since when.
    fn pulled_in(
        &mut self,
        who: usize,
        heard: Heard,
        before: Option<Record>,
        at: Timestamp,
    ) -> Vec<(usize, Timestamp)> {
        let object = &self.scene.objects[who].past.object;
        match (heard, before) {
            (Heard::Open | Heard::Ended, _) => {
                let pulled_in = self.breaker.answered(object, at).pulled_in.into_iter();
                let place = |object: &ObjectRef| {
                    self.scene.objects.binary_search_by(|known| known.past.object.cmp(object))
                };
                pulled_in.filter_map(|(object, due_at)| Some((place(&object).ok()?, due_at))).collect()
            }
            (Heard::Unanswered, Some(before)) => {
                let request = FailedRequest {
                    object,
                    cause: Cause::Unanswered,
                    was_in_trouble: before.trouble.failures > 0,
                    was_seen: before.observed.is_some(),
                    due_at: before.due_at.unwrap_or(at).min(at),
                    sent_at: self.sent_at[who],
                };
                self.breaker.failed(request, at);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Makes an object due earlier, as the store does.
    fn pull_in(&mut self, who: usize, due_at: Timestamp) {
        self.place(who, false);
        if let Some(record) = &mut self.records[who] {
            record.due_at = record.due_at.map(|known| known.min(due_at));
        }
        self.place(who, true);
    }

    /// What the provider would show.
    fn observed(&self, who: usize, has_ended: bool) -> Observation {
        let object = &self.scene.objects[who];
        let began = if has_ended { object.past.final_at } else { None };
        Observation {
            updated_at: Some(began.unwrap_or(object.past.created_at)),
            created_at: Some(object.past.created_at),
            ..Observation::plain(
                object.past.object.id.to_string(),
                if has_ended { object.course.last } else { object.course.first },
            )
        }
    }
}

/// The kind of objects that an operation reads; `None` for an operation that our policy does not use.
fn kind_of(scene: &Scene<'_>, operation: usize) -> Option<Kind> {
    let object = scene.objects.iter().find(|object| object.operation == operation)?;
    Some(object.past.object.kind.clone())
}

impl Client for Ours<'_> {
    fn learn(&mut self, who: usize, now: Duration) {
        let past = self.scene.objects[who].past;
        let details = Details { created_at: Some(past.created_at), ..Details::default() };
        let enrolment = Enrolment { object: past.object.clone(), details };
        let mut record = Record::enrolled(enrolment, self.at(now));
        if let Some(learning) = &self.learning {
            record.due_at = Some(learning.first_poll(&self.scene.objects[who], self.at(now)));
        }
        self.records[who] = Some(record);
        self.place(who, true);
    }

    fn turn(&mut self, now: Duration, send: &mut Vec<Ask>) -> Option<Duration> {
        self.clock.set(now);
        let at = self.at(now);
        let mut wake: Option<Duration> = None;
        for (operation, (name, _)) in self.scene.operations.iter().enumerate() {
            let Some(kind) = &self.kinds[operation] else { continue };
            let lanes = &mut self.lanes[operation];
            let most = match self.breaker.allowance(kind, self.watch.most_in_flight, at) {
                Ok(most) => most,
                Err(probe_at) => {
                    let probe_in = probe_at.duration_since(self.scene.beginning);
                    wake = [wake, Duration::try_from(probe_in).ok()].into_iter().flatten().min();
                    continue;
                }
            };
            let room = most.saturating_sub(lanes.under_way);
            if room == 0 {
                continue;
            }
            let due = |lane: &BTreeSet<(Timestamp, usize)>| {
                let rows: Vec<usize> = lane
                    .range(..=(at, usize::MAX))
                    .take(lanes.under_way + room + self.watch.most_in_flight)
                    .map(|(_, who)| *who)
                    .collect();
                rows.into_iter()
            };
            let order = order_of_service(
                std::iter::empty(),
                due(&lanes.urgent),
                due(&lanes.ordinary),
                lanes.under_way + room,
            );
            let mut waiting =
                order.into_iter().filter(|who| self.permits[*who].is_none()).take(room).peekable();
            if waiting.peek().is_none() {
                let next = lanes.ordinary.first().map(|(due_at, _)| *due_at).filter(|due_at| *due_at > at);
                let next = next
                    .and_then(|due_at| Duration::try_from(due_at.duration_since(self.scene.beginning)).ok());
                wake = [wake, next].into_iter().flatten().min();
                continue;
            }
            let waiting: Vec<usize> = waiting.collect();
            let waiting = if self.breaker.is_cautious(kind) {
                let due = waiting.iter().filter_map(|who| self.records[*who].as_ref()).map(|record| {
                    Candidate { object: &record.object, is_in_trouble: record.trouble.failures > 0 }
                });
                self.breaker.choose(kind, due).into_iter().map(|place| waiting[place]).collect()
            } else {
                waiting
            };
            for who in waiting {
                match self.pace.take(&self.account, name) {
                    Err(pause) => {
                        let later = now + pause.max(Duration::from_millis(1));
                        wake = Some(wake.map_or(later, |wake| wake.min(later)));
                        break;
                    }
                    Ok(permit) => {
                        self.permits[who] = Some(permit);
                        self.sent_at[who] = at;
                        self.lanes[operation].under_way += 1;
                        send.push(Ask { who, operation });
                    }
                }
            }
            // An object that comes due while others wait for the budget is considered when one of them is
            // sent.
            let next =
                self.lanes[operation].ordinary.range((at, usize::MAX)..).next().map(|(due_at, _)| *due_at);
            let next =
                next.and_then(|due_at| Duration::try_from(due_at.duration_since(self.scene.beginning)).ok());
            wake = [wake, next].into_iter().flatten().min();
        }
        wake
    }

    fn hear(&mut self, ask: Ask, heard: Heard, now: Duration) {
        self.clock.set(now);
        let Some(mut permit) = self.permits[ask.who].take() else { return };
        self.lanes[ask.operation].under_way -= 1;
        if heard == Heard::Throttled {
            permit.throttled(None);
        }
        drop(permit);
        let seen = match heard {
            Heard::Throttled => Err(Failure::Throttled { retry_after: None, detail: "429".to_owned() }),
            Heard::Unanswered => Err(Failure::Transient { detail: "no answer".to_owned() }),
            Heard::Open => Ok(self.observed(ask.who, false)),
            Heard::Ended => Ok(self.observed(ask.who, true)),
        };
        self.place(ask.who, false);
        let before = self.records[ask.who].clone();
        let at = self.at(now);
        if let (Some(learning), Some(before), Heard::Open | Heard::Ended) =
            (&mut self.learning, &before, heard)
        {
            let has_ended = heard == Heard::Ended;
            learning.heard(&self.scene.objects[ask.who], before, self.sent_at[ask.who], has_ended, at);
        }
        let lifecycle = self.scene.objects[ask.who].course.lifecycle;
        let setting =
            Setting { lifecycle, policy: self.policy(ask.who), where_to_look: "", is_sandbox: false };
        if let Some(record) = &self.records[ask.who] {
            let mut record = decide(&setting, record, seen.as_ref(), self.at(now)).record;
            if heard == Heard::Ended {
                // A past may call a resting state an end (an authorization that was never captured): no
                // policy is charged for what comes after.
                record.due_at = None;
            }
            self.records[ask.who] = Some(record);
        }
        self.place(ask.who, true);
        for (who, due_at) in self.pulled_in(ask.who, heard, before, self.at(now)) {
            self.pull_in(who, due_at);
        }
    }
}
