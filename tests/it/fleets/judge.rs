//! The judge: finds everything that is wrong, from the traffic on the wire and the remains at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::plan::{HOSTS, MWS, Plan};
use super::setting::BURST;
use super::world::{Kept, Remains};
use crate::months::log::{Event, OFFICE, ROOM};
use crate::months::model::{is_decline, is_final, may_follow};

/// A message may be repeated if a process ended or stood still this long before or after it was first accepted.
const NEAR: Duration = Duration::from_secs(330);

/// Everything that is wrong.
pub fn judge(plan: &Plan, remains: &Remains) -> Vec<String> {
    let mut wrong = remains.wrong.clone();
    wrong.extend(judge_quotas(plan, remains));
    wrong.extend(judge_stores(remains));
    wrong.extend(judge_messages(remains));
    wrong
}

/// The requests of all hosts together are within the quota of each operation of each account.
fn judge_quotas(plan: &Plan, remains: &Remains) -> Vec<String> {
    let accounts: BTreeMap<&str, &str> =
        remains.lives.iter().map(|life| (life.id.as_str(), life.account.as_str())).collect();
    let entries = remains.log.entries();
    let mut sent: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for entry in &entries {
        if let Event::Asked { id, operation } = &entry.event {
            // Only MWS is asked how it is, which names no object.
            let account = accounts.get(id.as_str()).copied().unwrap_or(MWS);
            sent.entry((account, operation)).or_default().push(entry.at);
        }
    }
    let mut wrong = Vec::new();
    let refill = Duration::from_secs(plan.seconds_a_request);
    for ((account, operation), mut times) in sent {
        if operation == "GetServiceStatus" {
            continue;
        }
        times.sort_unstable();
        // When the budget is full again.
        let mut full_at = Duration::ZERO;
        for at in times {
            full_at = full_at.max(at) + refill;
            if full_at > at + refill * BURST {
                wrong.push(format!("{:.3}s: over the quota of {operation} of {account}", at.as_secs_f64()));
            }
        }
    }
    wrong
}

/// Every host knows the true end of every object, by a way that the manuals allow.
fn judge_stores(remains: &Remains) -> Vec<String> {
    let mut wrong = Vec::new();
    for (host, kept) in HOSTS.iter().zip(&remains.kept) {
        for (life, kept) in remains.lives.iter().zip(kept) {
            let name = format!("{}/{}/{}", life.account, life.kind, life.id);
            let Some((record, history)) = kept else {
                wrong.push(format!("host {host} does not know {name}"));
                continue;
            };
            let state = record.state().map(ToString::to_string);
            if state.as_deref() != Some(life.last_state()) {
                wrong.push(format!(
                    "host {host}: {name} is {state:?}, but is {}; {record:?}",
                    life.last_state()
                ));
            }
            let states: Vec<String> = history.iter().map(|step| step.to.to_string()).collect();
            for two in states.windows(2) {
                if two[0] == two[1] || !may_follow(life.kind, &two[0], &two[1]) {
                    wrong.push(format!("host {host}: the history of {name} is {states:?}"));
                }
            }
            let is_sound = states.iter().all(|state| life.may_be(state));
            if !is_sound || states.iter().filter(|state| is_final(life.kind, state)).count() != 1 {
                wrong.push(format!("host {host}: the history of {name} is {states:?}"));
            }
        }
    }
    // What a host knows of polls without news is its own.
    let histories = |kept: &[Kept]| -> Vec<String> {
        kept.iter().map(|kept| format!("{:?}", kept.as_ref().map(|(_, history)| history))).collect()
    };
    if remains.kept.windows(2).any(|two| histories(&two[0]) != histories(&two[1])) {
        wrong.push("the hosts' stores differ".to_owned());
    }
    wrong
}

/// Everybody hears of every decline: under one key, and once unless a process ended meanwhile.
fn judge_messages(remains: &Remains) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut told: BTreeMap<(&str, String), Vec<(Duration, String)>> = BTreeMap::new();
    let declined: Vec<_> = remains.lives.iter().filter(|life| is_decline(life.last_state())).collect();
    for entry in remains.log.entries() {
        match &entry.event {
            Event::Told { key, kind, id, is_accepted: true } if kind == "declined" => {
                told.entry((OFFICE, id.clone())).or_default().push((entry.at, key.clone()));
            }
            Event::Said { target, title, text, is_accepted: true, .. } if title.starts_with("[DECLINED]") => {
                for life in declined.iter().filter(|life| text.contains(life.id.as_str())) {
                    told.entry((*target, life.id.clone())).or_default().push((entry.at, String::new()));
                }
            }
            _ => {}
        }
    }
    for life in &declined {
        for target in [OFFICE, ROOM] {
            let name = format!("{}/{}/{}", life.account, life.kind, life.id);
            let Some(messages) = told.get(&(target, life.id.clone())) else {
                wrong.push(format!("the decline of {name} was never told to {target}"));
                continue;
            };
            let keys: BTreeSet<&String> = messages.iter().map(|(_, key)| key).collect();
            if keys.len() > 1 {
                wrong.push(format!("the decline of {name} was told to {target} under {keys:?}"));
            }
            let (first, _) = messages[0];
            let is_near = |at: &Duration| at.abs_diff(first) <= NEAR;
            if messages.len() > 1 && !remains.disturbed.iter().any(is_near) {
                wrong.push(format!("the decline of {name} was told to {target} {} times", messages.len()));
            }
        }
    }
    let ids: BTreeSet<&str> = declined.iter().map(|life| life.id.as_str()).collect();
    for (target, id) in told.keys().filter(|(_, id)| !ids.contains(id.as_str())) {
        wrong.push(format!("{target} was told that {id} was declined, which is not so"));
    }
    wrong
}
