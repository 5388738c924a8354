//! The pages of the dashboard: how long the daemon takes for the HTML of each.

use std::time::{Duration, Instant};

use reconciled::access::Caller;
use reconciled::access::users::Users;
use reconciled::control::messages::{DashboardLink, DashboardRole};

use crate::host::Host;
use crate::measured::{Broken, Goal, Row, Table};
use crate::objects::enrolment;

const TIMES: usize = 20;
const GOAL_MS: f64 = 300.0;

pub async fn run(host: &Host, table: &mut Table) -> Result<(), Broken> {
    let service = host.daemon.service();
    let request = DashboardLink { role: Some(DashboardRole::Operate), ..DashboardLink::default() };
    let link = service.carry_out(request, &Caller::own(&Users::of_machine())).await;
    let link = link.map_err(|problem| problem.detail)?.url;
    let (_, token) = link.split_once("token=").ok_or("the link has no token")?;
    let pages = Pages::of(host)?;
    let opened = pages.send(&format!("/login?token={token}"), "").await?;
    let cookie = opened.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
    let object = enrolment(host.size.objects / 2, host.size.accounts).object;
    let object_page = format!("/objects/{object}");
    let search = format!("/objects?q={}", object.id);
    for path in [
        "/",
        "/objects",
        "/objects?show=finished",
        &search,
        &object_page,
        "/declines",
        "/alerts",
        "/accounts",
        "/reports",
        "/batches",
        "/calls",
        "/audit",
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            // A session may send 50 requests a second.
            tokio::time::sleep(Duration::from_millis(30)).await;
            let began = Instant::now();
            let answer = pages.send(path, &cookie).await?;
            let (status, text) = (answer.status(), answer.bytes().await?);
            times.push(began.elapsed().as_secs_f64() * 1e3);
            bytes = text.len();
            if !(status.is_success() || status.is_redirection()) {
                return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&text)).into());
            }
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let name = if path == search { "/objects?q=ID" } else { path };
        let name = if path == object_page { "/objects/OBJECT" } else { name };
        table.add(Row {
            what: format!("page {name} on {} objects, the slowest of {TIMES}, in ms", host.size.objects),
            measured: format!("{:.1} ms, the first {first:.1} ms, {} kB", times[TIMES / 2], bytes / 1_000),
            baseline: String::new(),
            judged: times[TIMES - 1],
            goal: Goal::AtMost(GOAL_MS),
        });
    }
    Ok(())
}

/// The pages over TCP, as a browser gets them.
struct Pages {
    client: reqwest::Client,
    base: String,
}

impl Pages {
    fn of(host: &Host) -> Result<Pages, Broken> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Ok(Pages { client: client.tls_certs_only([]).build()?, base: format!("http://{}", host.address) })
    }

    async fn send(&self, path: &str, cookie: &str) -> Result<reqwest::Response, Broken> {
        Ok(self.client.get(format!("{}{path}", self.base)).header("cookie", cookie).send().await?)
    }
}
