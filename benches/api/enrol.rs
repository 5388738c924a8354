//! Enrolments through the API: one object a request, and a thousand lines a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use reconciled::payments::record::Enrolment;
use serde_json::json;
use tokio::task::JoinSet;

use crate::host::Host;
use crate::line::Line;
use crate::measured::{Broken, Table};
use crate::objects::enrolment;

const LINES: usize = 1_000;

pub async fn run(host: &Host, table: &mut Table) -> Result<(), Broken> {
    let first = AtomicUsize::new(host.size.objects);
    // Other ids than those of the objects that are there.
    let fresh = |count: usize| -> Vec<Enrolment> {
        let from = first.fetch_add(count, Ordering::Relaxed);
        let renamed = |number| {
            let mut one = enrolment(number, host.size.accounts);
            one.object.id = format!("P02-{number:07}-0000000-C000000").parse().expect("letters and digits");
            one
        };
        (from..from + count).map(renamed).collect()
    };
    let direct = fresh(2_000);
    let began = Instant::now();
    for one in direct {
        host.daemon.store().enrol(vec![one], host.daemon.now()).await?;
    }
    let baseline = 2_000.0 / began.elapsed().as_secs_f64();
    for clients in [1, 50] {
        let objects = Arc::new(fresh(2_000 * clients.min(10)));
        let rate = objects.len() as f64 / puts(host, clients, objects).await?;
        table.note(
            format!("enrolments a second, one a request, {clients} clients"),
            format!("{rate:.0}; the store alone, one caller: {baseline:.0}"),
        );
    }
    let objects = fresh(50 * LINES);
    let mut connection = Line::open(&host.socket).await?;
    let began = Instant::now();
    for lines in objects.chunks(LINES) {
        let body: String = lines.iter().map(|one| format!("{}\n", line(one))).collect();
        let (_, text) = connection.send("POST", "/v1/tracked:batch", &body).await?;
        let text = String::from_utf8_lossy(&text);
        if text.matches("\"new\"").count() != LINES {
            return Err(format!("not all are new: {}", text.lines().next().unwrap_or_default()).into());
        }
    }
    let rate = objects.len() as f64 / began.elapsed().as_secs_f64();
    table.note(format!("enrolments a second, {LINES} lines a request, 1 client"), format!("{rate:.0}"));
    Ok(())
}

fn line(one: &Enrolment) -> serde_json::Value {
    let amount = one.details.amount.map(|amount| amount.amount_text());
    json!({
        "account": one.object.account, "kind": one.object.kind, "id": one.object.id,
        "amount": amount, "currency": "EUR", "reference": one.details.merchant_reference,
    })
}

/// The seconds that it took.
async fn puts(host: &Host, clients: usize, objects: Arc<Vec<Enrolment>>) -> Result<f64, Broken> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (next, objects) = (Arc::clone(&next), Arc::clone(&objects));
        let mut connection = Line::open(&host.socket).await?;
        tasks.spawn(async move {
            while let Some(one) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                let path =
                    format!("/v1/tracked/{}/{}/{}", one.object.account, one.object.kind, one.object.id);
                let mut body = line(one);
                body.as_object_mut()
                    .expect("it is an object")
                    .retain(|name, _| !["account", "kind", "id"].contains(&name.as_str()));
                let (status, answer) = connection.send("PUT", &path, &body.to_string()).await?;
                if status != 201 {
                    return Err(Broken::from(String::from_utf8_lossy(&answer).into_owned()));
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(began.elapsed().as_secs_f64())
}
