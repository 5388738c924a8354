//! Lists and single objects over the socket: fifty readers, each sends its next request as soon as it has the answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::host::Host;
use crate::line::Line;
use crate::measured::{Broken, Goal, Row, Table, cpu_of, each_us};
use crate::objects::{account, enrolment, scramble};

const READERS: usize = 50;
const GOAL_MS: f64 = 50.0;

/// What is requested in turn: a name and how to make the path for a number.
type Kind = (&'static str, fn(usize, usize) -> String);

const KINDS: [Kind; 5] = [
    ("list, 100 rows", |_, _| "/v1/tracked".to_owned()),
    ("list of an account, 100 rows", |number, accounts| {
        format!("/v1/tracked?account={}", account(number % accounts))
    }),
    ("search for a state that nobody has", |_, _| "/v1/tracked?state=Captured".to_owned()),
    ("search for an id", |number, accounts| {
        format!("/v1/tracked/~/~/{}", enrolment(number, accounts).object.id)
    }),
    ("explain", |number, accounts| {
        let object = enrolment(number, accounts).object;
        format!("/v1/explain/{}/{}/{}", object.account, object.kind, object.id)
    }),
];

pub async fn run(host: &Host, seconds: usize, table: &mut Table) -> Result<(), Broken> {
    let socket: Arc<PathBuf> = Arc::new(host.socket.clone());
    for (name, path) in KINDS {
        let (polls_before, cpu) = (host.polls()?, cpu_of("self"));
        let until = Instant::now() + Duration::from_secs(u64::try_from(seconds)? / KINDS.len() as u64 + 1);
        let began = Instant::now();
        let mut readers = JoinSet::new();
        for reader in 0..READERS {
            let (socket, size) = (Arc::clone(&socket), host.size);
            readers.spawn(async move {
                let mut line = Line::open(&socket).await?;
                let mut times = Vec::new();
                while Instant::now() < until {
                    let lot = scramble((reader * 1_000_000 + times.len()) as u64);
                    let number = usize::try_from(lot % size.objects as u64)?;
                    let began = Instant::now();
                    line.get(&path(number, size.accounts)).await?;
                    times.push(began.elapsed());
                }
                Ok::<_, Broken>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(read) = readers.join_next().await {
            times.extend(read??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu_us = each_us(cpu_of("self") - cpu, times.len());
        let polls = (host.polls()? - polls_before) as f64 / seconds;
        if polls < 1.0 {
            return Err("nothing was polled meanwhile".into());
        }
        times.sort_unstable();
        let ms = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
        table.add(Row {
            what: format!("{name}, of {}, {READERS} readers, p99 in ms", host.size.objects),
            measured: format!(
                "p50 {:.1} ms, {:.0} a second, {cpu_us:.0} us of processor time each, readers included",
                ms(50),
                times.len() as f64 / seconds
            ),
            baseline: format!("{polls:.0} polls a second meanwhile"),
            judged: ms(99),
            goal: Goal::AtMost(GOAL_MS),
        });
    }
    Ok(())
}
