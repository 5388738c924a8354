//! Each part of a poll alone, in the same run.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use reconciled::apis::amazon_pay_v2::lifecycle::Charge;
use reconciled::apis::amazon_pay_v2::wire::{ObjectKind, read};
use reconciled::http::Response;
use reconciled::payments::decide::{Setting, decide};
use reconciled::payments::observation::Observation;
use reconciled::payments::record::{Details, Enrolment, Record};
use reconciled::payments::schedule::Policy;
use reconciled::store::{Commit, Options, Store};

use super::bare::Bare;
use super::measured::{Broken, cpu_of, each_us};
use super::scene::Scene;

pub const SIGN: &str = "signing";

pub struct Part {
    pub name: &'static str,
    pub cpu_us: f64,
    pub per_second: f64,
}

fn part(name: &'static str, count: usize, work: impl FnOnce() -> Result<(), Broken>) -> Result<Part, Broken> {
    let (began, cpu) = (Instant::now(), cpu_of("self"));
    work()?;
    Ok(told(name, count, began, cpu))
}

fn told(name: &'static str, count: usize, began: Instant, cpu: std::time::Duration) -> Part {
    let cpu_us = each_us(cpu_of("self").saturating_sub(cpu), count);
    Part { name, cpu_us, per_second: count as f64 / began.elapsed().as_secs_f64() }
}

pub async fn measure(scene: &Scene) -> Result<Vec<Part>, Broken> {
    let bare = Bare::new(scene)?;
    let object = scene.objects.first().ok_or("no object")?.clone();
    let id = object.id.to_string();
    let mut parts = Vec::new();
    parts.push(part(SIGN, 2_000, || {
        for _ in 0..2_000 {
            std::hint::black_box(bare.signed(&id)?);
        }
        Ok(())
    })?);
    // The same signature every time: only the round trip remains.
    let request = bare.signed(&id)?;
    let body = bare.send(request.clone()).await?;
    let (began, cpu, count) = (Instant::now(), cpu_of("self"), 4_000);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (bare, request) = (Arc::clone(&bare), request.clone());
        tasks.spawn(async move {
            for _ in 0..count / 16 {
                bare.send(request.clone()).await?;
            }
            Ok::<(), Broken>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    parts.push(told("TLS round trip", count, began, cpu));
    let now: Timestamp = "2026-01-15T12:00:00Z".parse()?;
    let response = Response { status: 200, headers: Vec::new(), body };
    let seen = read(ObjectKind::Charge, &id, &response, now).map_err(|failure| failure.to_string())?;
    parts.push(part("reading the answer", 50_000, || {
        for _ in 0..50_000 {
            let _ = std::hint::black_box(read(ObjectKind::Charge, &id, &response, now));
        }
        Ok(())
    })?);
    let policy = Policy::default();
    let setting = Setting { lifecycle: &Charge, policy: &policy, where_to_look: "", is_sandbox: false };
    let enrolment = |object| Enrolment { object, details: Details::default() };
    let record = Record::enrolled(enrolment(object.clone()), now);
    parts.push(part("deciding", 50_000, || {
        for _ in 0..50_000 {
            std::hint::black_box(decide(&setting, &record, Ok(&seen), now));
        }
        Ok(())
    })?);
    commits(scene, &setting, &seen, now, &mut parts).await?;
    Ok(parts)
}

/// Commits with news and without, 256 at once as in the daemon, each on its own store.
async fn commits(
    scene: &Scene,
    setting: &Setting<'_>,
    seen: &Observation,
    now: Timestamp,
    parts: &mut Vec<Part>,
) -> Result<(), Broken> {
    let options = Options { folder: scene.folder.path().join("store-alone"), ..Options::default() };
    let (store, _) = Store::open(options, now).await?;
    let object = |number: usize| -> Result<_, Broken> {
        Ok(format!("shop-{:05}/charge/S03-0000000-0000000-C{number:06}", number % 100).parse()?)
    };
    let objects =
        (0..8_192).map(object).collect::<Result<Vec<reconciled::payments::object::ObjectRef>, _>>()?;
    let enrolments =
        objects.iter().map(|object| Enrolment { object: object.clone(), details: Details::default() });
    store.enrol(enrolments.collect(), now).await?;
    for name in ["commit of news (durable)", "commit of nothing new"] {
        let mut waiting = Vec::new();
        for object in &objects {
            let record = store.record(object).await?.ok_or("it was enrolled")?;
            let observed = Observation { id: object.id.to_string(), ..seen.clone() };
            let decision = decide(setting, &record, Ok(&observed), now);
            waiting.push(Commit {
                read: record,
                record: decision.record,
                transition: decision.transition,
                enrol: Vec::new(),
                alerts: Vec::new(),
                is_news: decision.is_news,
            });
        }
        let (began, cpu) = (Instant::now(), cpu_of("self"));
        let mut under_way = tokio::task::JoinSet::new();
        for commit in waiting {
            if under_way.len() == 256
                && let Some(ended) = under_way.join_next().await
            {
                ended??;
            }
            let store = store.clone();
            under_way.spawn(async move { store.commit(commit).await });
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        parts.push(told(name, objects.len(), began, cpu));
    }
    store.close().await?;
    Ok(())
}
