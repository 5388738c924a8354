//! The steps of a pull as calls to this provider.
//!
//! Owns: which call a step is, what its answer means for the pull, the pages of a list
//! (docs/src/reference/amazon-pay-batch.md, section 9). Must never know: storage, which step is next.

use super::answer::{self, Page};
use super::{
    QUOTAS, ReportType, claims, fetch, list, list_by_ids, list_of_request, next_page, request, search,
};
use crate::apis::amazon_pay_mws::AmazonPayMws;
use crate::apis::amazon_pay_mws::ask::Ask;
use crate::apis::amazon_pay_mws::feeds::answer::{File, Reply, file};
use crate::apis::config::{Environment, Region};
use crate::apis::pace::{Permit, Quota};
use crate::apis::reporting::windows::{Outcome, Pull, Step};
use crate::apis::reporting::{
    Fetched, Leave, Reading, ReportKind, ReportRow, RequestRow, Source, Taken, Taking,
};
use crate::apis::transport::TransportError;
use crate::payments::observation::Failure;

/// The most pages of one list, 100 rows each. No conclusion is drawn from a longer list.
const MOST_PAGES: usize = 20;

/// The report types of an environment.
pub fn kinds_in(environment: Environment) -> Vec<ReportKind> {
    let is_sandbox = environment == Environment::Sandbox;
    let here = ReportType::ALL.into_iter().filter(|kind| kind.exists_in(is_sandbox));
    here.map(|kind| ReportKind {
        word: kind.word(),
        name: kind.name(),
        comes_by_itself: !kind.can_be_requested(),
    })
    .collect()
}

impl Source for AmazonPayMws {
    fn kinds(&self) -> Vec<ReportKind> {
        kinds_in(self.settings.environment)
    }

    fn operations(&self) -> &'static [(&'static str, Quota)] {
        QUOTAS
    }

    fn operation(&self, step: &Step) -> Option<&'static str> {
        match step {
            Step::Request { .. } => Some("RequestReport"),
            Step::Search { .. } | Step::Look { .. } => Some("GetReportRequestList"),
            Step::Name { .. } | Step::List { .. } => Some("GetReportList"),
            Step::Fetch { .. } => Some("GetReport"),
            Step::GiveUp | Step::WaitUntil(_) | Step::Nothing => None,
        }
    }

    fn take<'a>(
        &'a self,
        pull: &'a Pull,
        step: &'a Step,
        permit: Permit,
        leave: &'a dyn Leave,
    ) -> Taking<'a> {
        Box::pin(self.take_step(pull, step, permit, leave))
    }

    fn read(&self, word: &str, file: &Fetched) -> Result<Reading, String> {
        let kind = ReportType::of(word).ok_or_else(|| format!("{word:?} is not a type of report"))?;
        claims::read(kind, &self.settings.seller_id, file)
    }
}

impl AmazonPayMws {
    async fn take_step(&self, pull: &Pull, step: &Step, permit: Permit, leave: &dyn Leave) -> Taken {
        let Some(kind) = ReportType::of(&pull.report_type) else {
            return failed(Failure::Garbled { detail: "the type of report is not known".to_owned() });
        };
        match step {
            Step::Request { window } => self.request_step(kind, pull, *window, permit).await,
            Step::Search { from } => {
                listed(self.request_rows(search(kind, *from), permit, leave).await, Outcome::Searched)
            }
            Step::Look { request_ids } => {
                let ids: Vec<&str> = request_ids.iter().map(String::as_str).collect();
                match list_by_ids(&ids) {
                    Some(ask) => listed(self.request_rows(ask, permit, leave).await, Outcome::Seen),
                    None => taken(Outcome::Seen(Vec::new())),
                }
            }
            Step::Name { window, request_id } => {
                let rows = self.report_rows(list_of_request(request_id), permit, leave).await;
                listed(rows, |rows| Outcome::Named {
                    window: *window,
                    report_id: rows
                        .into_iter()
                        .find(|row| row.request_id.as_deref().is_none_or(|known| known == request_id))
                        .map(|row| row.id),
                })
            }
            Step::List { from, until } => {
                listed(self.report_rows(list(kind, *from, *until), permit, leave).await, Outcome::Listed)
            }
            Step::Fetch { window, report_id } => self.fetch_step(*window, report_id, permit).await,
            Step::GiveUp => taken(Outcome::GaveUp),
            Step::WaitUntil(_) | Step::Nothing => Taken { outcome: None, file: None, trouble: None },
        }
    }

    async fn request_step(&self, kind: ReportType, pull: &Pull, window: usize, permit: Permit) -> Taken {
        let Some(day) = pull.windows.get(window) else {
            return Taken { outcome: None, file: None, trouble: None };
        };
        // Japan accepts no marketplace (section 9).
        let marketplace_id = self.settings.marketplace_id.as_deref();
        let marketplace_id = marketplace_id.filter(|_| self.settings.region != Region::Jp);
        let ask = request(kind, day.from, day.until, marketplace_id);
        let reply = self.ask(&ask, permit).await;
        requested(window, &reply, self.clock.now())
    }

    async fn fetch_step(&self, window: usize, report_id: &str, permit: Permit) -> Taken {
        let reply = self.ask(&fetch(report_id), permit).await;
        match file(reply, self.clock.now()) {
            File::Whole { bytes, content_type } => {
                let file = Some(Fetched { bytes, content_type });
                Taken { outcome: Some(Outcome::Fetched { window }), file, trouble: None }
            }
            File::Spoilt => told(Outcome::Spoilt { window }, "the file does not match its promised MD5"),
            File::Never { code } => taken(Outcome::Never { window, code }),
            File::NotReady => taken(Outcome::Failed { retry_after_s: None }),
            File::Failed(Failure::Refused { detail, .. } | Failure::Gone { detail }) => {
                taken(Outcome::Never { window, code: detail })
            }
            File::Failed(failure) => failed(failure),
        }
    }

    async fn request_rows(
        &self,
        ask: Ask,
        permit: Permit,
        leave: &dyn Leave,
    ) -> Result<Vec<RequestRow>, Failure> {
        self.pages(ask, true, permit, leave, answer::requests).await
    }

    async fn report_rows(
        &self,
        ask: Ask,
        permit: Permit,
        leave: &dyn Leave,
    ) -> Result<Vec<ReportRow>, Failure> {
        self.pages(ask, false, permit, leave, answer::reports).await
    }

    async fn pages<Row>(
        &self,
        first: Ask,
        is_list_of_requests: bool,
        mut permit: Permit,
        leave: &dyn Leave,
        read: fn(&str, &Reply, jiff::Timestamp) -> Result<Page<Row>, Failure>,
    ) -> Result<Vec<Row>, Failure> {
        let mut ask = first;
        let mut rows = Vec::new();
        for _ in 0..MOST_PAGES {
            let reply = self.ask(&ask, permit).await;
            let page = read(ask.action, &reply, self.clock.now())?;
            rows.extend(page.rows);
            let Some(token) = page.next_token else { return Ok(rows) };
            ask = next_page(is_list_of_requests, &token);
            permit = leave.wait(ask.action).await;
        }
        Err(Failure::Garbled { detail: format!("the list has more than {MOST_PAGES} pages") })
    }
}

/// The outcome of a request. It counts as not made if no connection was made, or if the provider throttled or refused
/// it. Everything doubtful is lost, and searched for.
fn requested(window: usize, reply: &Reply, now: jiff::Timestamp) -> Taken {
    if let Err(error @ (TransportError::Connect(_) | TransportError::Tls(_))) = reply {
        // Nothing is sent before there is a connection.
        return told(Outcome::NotNow { window, retry_after_s: None }, &error.to_string());
    }
    match answer::requested(reply, now) {
        Ok(row) => taken(Outcome::Requested { window, row }),
        Err(Failure::Throttled { retry_after, detail }) => {
            let retry_after_s = retry_after.map(|wait| wait.as_secs().saturating_add(1));
            told(Outcome::NotNow { window, retry_after_s }, &detail)
        }
        Err(Failure::Refused { is_whole_account: true, detail }) => {
            // Once the credentials are fixed, the request can succeed, so the day is not given up.
            told(Outcome::NotNow { window, retry_after_s: Some(30 * 60) }, &detail)
        }
        Err(Failure::Refused { detail, .. } | Failure::Gone { detail }) => {
            taken(Outcome::Refused { window, detail })
        }
        Err(failure @ (Failure::Transient { .. } | Failure::Garbled { .. })) => {
            Taken { outcome: None, file: None, trouble: Some(failure.to_string()) }
        }
    }
}

fn listed<Row>(rows: Result<Vec<Row>, Failure>, outcome: impl FnOnce(Vec<Row>) -> Outcome) -> Taken {
    match rows {
        Ok(rows) => taken(outcome(rows)),
        Err(failure) => failed(failure),
    }
}

fn taken(outcome: Outcome) -> Taken {
    Taken { outcome: Some(outcome), file: None, trouble: None }
}

fn told(outcome: Outcome, trouble: &str) -> Taken {
    Taken { trouble: Some(trouble.to_owned()), ..taken(outcome) }
}

fn failed(failure: Failure) -> Taken {
    let retry_after_s = match &failure {
        Failure::Throttled { retry_after, .. } => retry_after.map(|wait| wait.as_secs().saturating_add(1)),
        Failure::Refused { is_whole_account: true, .. } => Some(30 * 60),
        _ => None,
    };
    told(Outcome::Failed { retry_after_s }, &failure.to_string())
}
