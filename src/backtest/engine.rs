//! The event loop: who sends a request when, when it arrives, and when the answer is back.
//!
//! Owns: the order of events, and counting. Must never know: how any policy decides.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use super::course::course_of;
use super::draws::Draws;
use super::measure::{CaughtUp, Measured, SeenEnd};
use super::rhythm::{How, Rhythm};
use super::scene::{Ask, Client, Heard, PastObject, Scene};
use super::server::{Server, Verdict};
use super::workload::Workload;
use super::{ours, peers};
use crate::apis::pace::Quota;
use crate::time::between;

/// The operation that reads a charge's permission.
const PERMISSION: &str = "GetChargePermission";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Known(usize),
    Arrives(Ask),
    Heard(Ask, Heard),
}

/// Runs a workload under one policy.
pub fn run(workload: &Workload, rhythm: &Rhythm) -> Measured {
    let scene = scene(workload);
    match &rhythm.how {
        How::Ours(policies) => {
            live(workload, rhythm, &scene, &mut ours::Ours::new(&scene, policies, workload))
        }
        How::Timers(timers) => {
            live(workload, rhythm, &scene, &mut peers::OnTimers::new(&scene, timers.clone()))
        }
        How::Rounds(rounds) => live(workload, rhythm, &scene, &mut peers::InRounds::new(&scene, *rounds)),
    }
}

fn scene(workload: &Workload) -> Scene<'_> {
    let beginning = workload.beginning();
    let mut operations = vec![PERMISSION];
    let mut objects: Vec<PastObject<'_>> = workload
        .pasts
        .iter()
        .map(|past| {
            let course = course_of(past.object.kind.as_str(), past.final_state.as_deref(), past.is_declined);
            let operation =
                operations.iter().position(|name| *name == course.operation).unwrap_or_else(|| {
                    operations.push(course.operation);
                    operations.len() - 1
                });
            let known_at = match &workload.outage {
                Some(outage) if outage.contains(&past.created_at) => outage.end,
                _ => past.created_at,
            };
            PastObject {
                past,
                course,
                operation,
                created: between(beginning, past.created_at),
                known: between(beginning, known_at),
                ended: past.final_at.map(|at| between(beginning, at)),
            }
        })
        .collect();
    // By name, as the store keeps them: when two are due at the same moment, the first by name is polled
    // first.
    objects.sort_by(|one, other| one.past.object.cmp(&other.past.object));
    let operations = operations.into_iter().map(|name| (name, workload.quota_of(name))).collect();
    Scene { objects, operations, permission: 0, beginning }
}

/// The counts of a run.
struct Count {
    polls: Vec<u64>,
    /// When the provider, or the polling machine, was back.
    back_at: Option<Duration>,
    /// The first answer after that.
    answered: Vec<Option<Duration>>,
    unanswered: u64,
    seen: Vec<Option<Duration>>,
    over_quota: u64,
    moody: u64,
    after_final: u64,
}

fn live(workload: &Workload, rhythm: &Rhythm, scene: &Scene<'_>, client: &mut impl Client) -> Measured {
    let down = workload.outage.as_ref().map_or(Duration::ZERO..Duration::ZERO, |outage| {
        between(scene.beginning, outage.start)..between(scene.beginning, outage.end)
    });
    let silent = workload.silence.as_ref().map_or(Duration::ZERO..Duration::ZERO, |silence| {
        between(scene.beginning, silence.start)..between(scene.beginning, silence.end)
    });
    let quotas: Vec<Quota> = scene.operations.iter().map(|(_, quota)| *quota).collect();
    let mut server = Server::new(&quotas, workload.throttled_permille, workload.seed);
    let mut transits = Draws::of(workload.seed ^ 0x0074_7261_6e73_6974);
    let mut transit = || {
        let spread_ms = workload.transit_ms.end.saturating_sub(workload.transit_ms.start);
        Duration::from_millis(workload.transit_ms.start + transits.number(spread_ms))
    };
    let mut count = Count {
        polls: vec![0; scene.objects.len()],
        back_at: Some(down.end.max(silent.end)).filter(|at| !at.is_zero()),
        answered: vec![None; scene.objects.len()],
        unanswered: 0,
        seen: vec![None; scene.objects.len()],
        over_quota: 0,
        moody: 0,
        after_final: 0,
    };
    // Events at the same moment happen in the order in which they were added.
    let mut events = BinaryHeap::new();
    let mut thought = 0_u64;
    let mut think = |events: &mut BinaryHeap<_>, at: Duration, event: Event| {
        thought += 1;
        events.push(Reverse((at, thought, event)));
    };
    for (who, object) in scene.objects.iter().enumerate() {
        think(&mut events, object.known, Event::Known(who));
    }
    let end = between(scene.beginning, workload.end());
    let mut wake: Option<Duration> = None;
    let mut send = Vec::new();
    loop {
        let next = events.peek().map(|Reverse((at, _, _))| *at);
        let Some(now) = [next, wake].into_iter().flatten().min().filter(|now| *now <= end) else { break };
        let mut has_turn = wake.is_some_and(|wake| wake <= now);
        while let Some(Reverse((_, _, event))) =
            events.peek().filter(|Reverse((at, _, _))| *at <= now).copied()
        {
            events.pop();
            match event {
                Event::Known(who) => client.learn(who, now),
                Event::Arrives(ask) => {
                    let heard = if silent.contains(&now) {
                        count.unanswered += 1;
                        Heard::Unanswered
                    } else {
                        count.arrives(&mut server, &scene.objects[ask.who], ask, now)
                    };
                    think(&mut events, now + transit(), Event::Heard(ask, heard));
                    continue;
                }
                Event::Heard(ask, heard) => {
                    if matches!(heard, Heard::Open | Heard::Ended)
                        && count.back_at.is_some_and(|back_at| back_at <= now)
                    {
                        count.answered[ask.who].get_or_insert(now);
                    }
                    if heard == Heard::Ended {
                        count.seen[ask.who].get_or_insert(now);
                    }
                    client.hear(ask, heard, now);
                }
            }
            has_turn = true;
        }
        if !has_turn {
            continue;
        }
        if down.contains(&now) {
            wake = Some(down.end);
            continue;
        }
        let wanted = client.turn(now, &mut send);
        wake = wanted.map(|wake| wake.max(now + Duration::from_millis(1)));
        wake = wake.map(|wake| if down.contains(&wake) { down.end } else { wake });
        for ask in send.drain(..) {
            count.polls[ask.who] += 1;
            count.after_final += u64::from(count.seen[ask.who].is_some());
            think(&mut events, now + transit(), Event::Arrives(ask));
        }
    }
    let lost = if down.is_empty() { &silent } else { &down };
    measured(workload, rhythm, scene, &count, lost)
}

impl Count {
    fn arrives(&mut self, server: &mut Server, object: &PastObject<'_>, ask: Ask, now: Duration) -> Heard {
        match server.ask(ask.operation, now) {
            Verdict::OverQuota => self.over_quota += 1,
            Verdict::Moody => self.moody += 1,
            Verdict::Let if ask.operation != object.operation => return Heard::Open,
            Verdict::Let if object.ended.is_some_and(|ended| ended <= now) => return Heard::Ended,
            Verdict::Let => return Heard::Open,
        }
        Heard::Throttled
    }
}

fn measured(
    workload: &Workload,
    rhythm: &Rhythm,
    scene: &Scene<'_>,
    count: &Count,
    down: &Range<Duration>,
) -> Measured {
    let mut delays = Vec::new();
    let mut ends = Vec::new();
    let mut declines = Vec::new();
    for ((object, seen), polls) in scene.objects.iter().zip(&count.seen).zip(&count.polls) {
        let Some(ended) = object.ended else { continue };
        let delay = seen.map(|seen| {
            // No policy can help that the machine was down or the provider silent.
            let lost = seen.min(down.end).saturating_sub(ended.max(down.start));
            seen.saturating_sub(ended).saturating_sub(lost)
        });
        ends.push(SeenEnd { ended, delay, polls: *polls });
        delays.push(delay);
        if object.past.is_declined {
            declines.push(delay);
        }
    }
    let measured = Measured::of(
        workload,
        rhythm,
        &count.polls,
        delays,
        declines,
        [count.over_quota, count.moody, count.after_final],
    );
    ends.sort_by_key(|end| end.ended);
    Measured { unanswered: count.unanswered, caught_up: caught_up(scene, count), ends, ..measured }
}

/// How long it took after an outage to poll everything that was waiting.
fn caught_up(scene: &Scene<'_>, count: &Count) -> Option<CaughtUp> {
    let back_at = count.back_at?;
    let mut waiting = vec![0_u32; scene.operations.len()];
    let mut took = Some(Duration::ZERO);
    for (who, object) in scene.objects.iter().enumerate() {
        if object.known > back_at || count.seen[who].is_some_and(|seen| seen < back_at) {
            continue;
        }
        waiting[object.operation] += 1;
        let answered = count.answered[who].map(|at| at.saturating_sub(back_at));
        took = took.zip(answered).map(|(took, answered)| took.max(answered));
    }
    let needed = scene.operations.iter().zip(&waiting);
    let needed = needed.map(|((_, quota), waiting)| quota.per * waiting.saturating_sub(quota.burst));
    Some(CaughtUp {
        objects: waiting.iter().copied().map(u64::from).sum(),
        took_s: took.map(|took| took.as_secs()),
        quota_needs_s: needed.max().unwrap_or_default().as_secs(),
    })
}
