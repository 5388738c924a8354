//! The API under `/v1`: addresses, methods, bodies and statuses (docs/src/reference/operations.md section 8.4),
//! each handler a thin call into the service.
//!
//! One deviation: DELETE answers 200 with what became of it instead of 204, because an operator wants
//! to know whether the object was watched at all.
//!
//! Owns: addresses and HTTP. Must never know: how a verb is done, sockets.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batching::BatchRequest;
use super::calling::CallRequest;
use super::fetching::FetchRequest;
use super::fields::Field;
use super::messages::*;
use super::problem::{Cause, Problem};
use super::service::Service;
use super::wanted::{self, LINE_BYTES_MAX, Texts, Wanted};

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The largest body of a batch, in bytes.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest body of a question about batches, in bytes; divide what is larger.
const SUBMISSION_BYTES_MAX: usize = 15 * 1024 * 1024;
/// How much of a body that is too large is still read, in bytes.
const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The media type of JSON Lines.
pub(super) const JSON_LINES: &str = "application/x-ndjson";

/// How long the server waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the rest of a request's body.
    pub(super) body: Duration,
    /// For the answer of a verb that only reads or writes the store.
    pub(super) answer: Duration,
    /// For the answer of a verb that makes files, talks to chats or touches every object.
    pub(super) slow_answer: Duration,
}

/// Who is at the other end of the socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// As the kernel says it (SO_PEERCRED).
    pub(super) uid: Option<u32>,
}

impl Peer {
    /// The name under which what it does is kept (docs/src/reference/operations.md section 6.5).
    fn actor(self) -> String {
        self.uid.map_or_else(|| "uid:unknown".to_owned(), |uid| format!("uid:{uid}"))
    }
}

#[derive(Clone)]
struct Desk {
    service: Service,
    patience: Patience,
}

type Answered = Result<Response, Problem>;

/// All addresses.
pub(super) fn router(service: Service, patience: Patience) -> Router {
    Router::new()
        .route("/v1/tracked", get(list))
        .route("/v1/tracked:batch", post(enrol_batch))
        .route("/v1/tracked/{account}/{kind}/{id}", get(show).put(enrol_one).delete(forget))
        .route("/v1/accept/{account}/{kind}/{id}", post(accept))
        .route("/v1/explain/{account}/{kind}/{id}", get(explain))
        .route("/v1/poll", post(poll))
        .route("/v1/batches", post(batch))
        .route("/v1/calls", post(call))
        .route("/v1/provider-reports", post(provider_reports))
        .route("/v1/status", get(status))
        .route("/v1/alerts", get(alerts))
        .route("/v1/alerts:redeliver", post(redeliver))
        .route("/v1/alerts:test", post(test_alerts))
        .route("/v1/reports/{day}", post(report))
        .route("/v1/reload", post(reload))
        .route("/v1/store", get(store_stats))
        .route("/v1/store:check", post(check_store))
        .route("/v1/store:backup", post(backup))
        .route("/v1/store:compact", post(compact))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Desk { service, patience })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.cause.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = typed(status, "application/problem+json", written(&self));
        if self.cause == Cause::Unavailable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

fn typed(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn written(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages have text keys only")
}

fn json(message: &impl Serialize) -> Answered {
    Ok(typed(StatusCode::OK, "application/json", written(message)))
}

/// Reads a body to its end, up to a size and within a time. What is too large is read on and thrown
/// away for a while: who still writes would see a broken pipe instead of the reason.
async fn body_of(request: Request, desk: &Desk, bytes_max: usize) -> Result<Bytes, Problem> {
    let reading = async move {
        let mut parts = request.into_body().into_data_stream();
        let mut body = Vec::new();
        let mut bytes: usize = 0;
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Problem::new(Cause::Malformed, "the body broke off", ""))?;
            bytes = bytes.saturating_add(part.len());
            if bytes > DRAIN_BYTES_MAX {
                break;
            }
            if bytes <= bytes_max {
                body.extend_from_slice(&part);
            }
        }
        if bytes > bytes_max {
            let detail = format!("the body is larger than {bytes_max} bytes");
            return Err(Problem::new(Cause::TooLarge, detail, "send it in parts"));
        }
        Ok(Bytes::from(body))
    };
    tokio::select! {
        body = reading => body,
        () = desk.service.clock().sleep(desk.patience.body) => {
            Err(Problem::new(Cause::TooSlow, "the body did not arrive in time", "send it faster or in parts"))
        }
    }
}

/// Waits for an answer no longer than `limit`. What was begun in the store is finished all the same.
async fn within<T>(
    desk: &Desk,
    limit: Duration,
    answering: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::select! {
        answer = answering => answer,
        () = desk.service.clock().sleep(limit) => Err(Problem::new(
            Cause::Unavailable,
            format!("no answer within {} s", limit.as_secs()),
            "see the daemon's log and `reconciled status`; the request may be repeated",
        )),
    }
}

/// Reads a JSON body; an empty one stands for `{}`.
fn message<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|bad| {
        Problem::new(Cause::Malformed, format!("the body: {bad}"), "send the JSON of the manual")
    })
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri).map(|Query(read)| read).map_err(|bad| {
        Problem::new(
            Cause::Malformed,
            format!("the query: {}", bad.body_text()),
            "see `reconciled list --help`",
        )
    })
}

type Named = Path<(String, String, String)>;

fn selector(Path((account, kind, id)): Named) -> Result<Selector, Problem> {
    // `%2E` is a dot that was escaped twice; no id has a percent sign.
    let id = id.replace("%2E", ".");
    format!("{account}/{kind}/{id}").parse().map_err(|bad: String| {
        Problem::new(Cause::Malformed, bad, "name it as account/kind/id; ~ leaves account or kind open")
    })
}

async fn list(State(desk): State<Desk>, uri: Uri) -> Answered {
    let request: ListRequest = query(&uri)?;
    json(&within(&desk, desk.patience.answer, desk.service.list(&request)).await?)
}

async fn show(State(desk): State<Desk>, named: Named) -> Answered {
    let selector = selector(named)?;
    json(&within(&desk, desk.patience.answer, desk.service.show(&selector)).await?)
}

async fn explain(State(desk): State<Desk>, named: Named) -> Answered {
    let selector = selector(named)?;
    json(&within(&desk, desk.patience.answer, desk.service.explain(&selector)).await?)
}

/// 201 new, 200 the same or enriched, 409 when it contradicts, 422 when it cannot be taken.
async fn enrol_one(State(desk): State<Desk>, named: Named, request: Request) -> Answered {
    let selector = selector(named)?;
    let body = body_of(request, &desk, BODY_BYTES_MAX).await?;
    let wanted = details(selector, &body)?;
    let results = within(&desk, desk.patience.answer, desk.service.enrol(vec![wanted])).await?;
    let result = results.into_iter().next().ok_or_else(|| Problem::new(Cause::Internal, "no result", ""))?;
    let reason = || result.reason.clone().unwrap_or_default();
    match result.outcome {
        EnrolOutcome::New => Ok(typed(StatusCode::CREATED, "application/json", written(&result))),
        EnrolOutcome::Enriched | EnrolOutcome::Same => json(&result),
        EnrolOutcome::Conflict => {
            let remedy = "forget it and enrol it again if the new details are right";
            Err(Problem::new(Cause::Conflict, reason(), remedy))
        }
        EnrolOutcome::Bad => Err(Problem::new(Cause::Unprocessable, reason(), "mend it and send it again")),
    }
}

/// The details in the body of an enrolment whose object the address names.
fn details(selector: Selector, body: &[u8]) -> Result<Wanted, Problem> {
    let map: serde_json::Map<String, serde_json::Value> = message(body)?;
    let unprocessable = |reason| Problem::new(Cause::Unprocessable, reason, "mend it and send it again");
    let (mut texts, _) = wanted::texts_of(&map).map_err(unprocessable)?;
    let mut name = |field, text: Option<String>| -> Result<(), String> {
        text.map_or(Ok(()), |text| Texts::set(&mut texts, field, &text))
    };
    let named = name(Field::Id, Some(selector.id.to_string()))
        .and_then(|()| name(Field::Account, selector.account.map(String::from)))
        .and_then(|()| name(Field::Kind, selector.kind.map(String::from)));
    named.and_then(|()| texts.read(0)).map_err(unprocessable)
}

/// JSON Lines in, JSON Lines out: one result a line, in order. Lines that cannot be read are told as bad.
async fn enrol_batch(State(desk): State<Desk>, request: Request) -> Answered {
    let body = body_of(request, &desk, BATCH_BYTES_MAX).await?;
    let mut results = Vec::new();
    let mut places = Vec::new();
    let mut wanted = Vec::new();
    for (line, text) in (1u64..).zip(body.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let read = if text.len() > LINE_BYTES_MAX {
            Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
        } else {
            wanted::from_json(text, line)
        };
        let mut result = EnrolResult { line, outcome: EnrolOutcome::Bad, object: None, reason: None };
        match read {
            Ok(read) => {
                places.push(results.len());
                wanted.push(read);
            }
            Err(reason) => result.reason = Some(reason),
        }
        results.push(result);
    }
    let became = within(&desk, desk.patience.answer, desk.service.enrol(wanted)).await?;
    for (place, became) in places.into_iter().zip(became) {
        results[place] = became;
    }
    let mut lines = Vec::new();
    for result in &results {
        lines.extend(written(result));
        lines.push(b'\n');
    }
    Ok(typed(StatusCode::OK, JSON_LINES, lines))
}

async fn forget(State(desk): State<Desk>, Extension(peer): Extension<Peer>, named: Named) -> Answered {
    let selector = selector(named)?;
    json(&within(&desk, desk.patience.answer, desk.service.forget(&selector, &peer.actor())).await?)
}

async fn accept(State(desk): State<Desk>, Extension(peer): Extension<Peer>, named: Named) -> Answered {
    let selector = selector(named)?;
    json(&within(&desk, desk.patience.answer, desk.service.accept(&selector, &peer.actor())).await?)
}

async fn poll(State(desk): State<Desk>, request: Request) -> Answered {
    let request: PollRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.poll(&request)).await?)
}

async fn batch(State(desk): State<Desk>, request: Request) -> Answered {
    let request: BatchRequest = message(&body_of(request, &desk, SUBMISSION_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.batch(request)).await?)
}

async fn call(State(desk): State<Desk>, request: Request) -> Answered {
    let request: CallRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.call(request)).await?)
}

async fn provider_reports(State(desk): State<Desk>, request: Request) -> Answered {
    let request: FetchRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.provider_reports(request)).await?)
}

async fn status(State(desk): State<Desk>) -> Answered {
    json(&within(&desk, desk.patience.answer, desk.service.status()).await?)
}

async fn alerts(State(desk): State<Desk>, uri: Uri) -> Answered {
    let request: AlertsRequest = query(&uri)?;
    json(&within(&desk, desk.patience.answer, desk.service.alerts(&request)).await?)
}

async fn redeliver(State(desk): State<Desk>, request: Request) -> Answered {
    let request: RedeliverRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.redeliver(&request)).await?)
}

async fn test_alerts(State(desk): State<Desk>, request: Request) -> Answered {
    let request: TestRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.test_alerts(&request)).await?)
}

/// `/v1/reports/2026-01-15:run`, or `latest:run` for the last finished day.
async fn report(State(desk): State<Desk>, Path(day): Path<String>) -> Answered {
    let remedy = "name it as /v1/reports/2026-01-15:run or /v1/reports/latest:run";
    let Some(day) = day.strip_suffix(":run") else {
        return Err(Problem::new(Cause::NotFound, "there is no such address", remedy));
    };
    let date: Option<Date> = match day {
        "latest" => None,
        day => Some(day.parse().map_err(|_| Problem::new(Cause::Malformed, "that is not a date", remedy))?),
    };
    json(&within(&desk, desk.patience.slow_answer, desk.service.report(date)).await?)
}

async fn reload(State(desk): State<Desk>, Extension(peer): Extension<Peer>) -> Answered {
    let actor = peer.actor();
    let reloading = async { Ok(desk.service.reload(&actor).await) };
    json(&within(&desk, desk.patience.slow_answer, reloading).await?)
}

async fn store_stats(State(desk): State<Desk>) -> Answered {
    json(&desk.service.store_stats())
}

async fn check_store(State(desk): State<Desk>, Extension(peer): Extension<Peer>) -> Answered {
    json(&within(&desk, desk.patience.slow_answer, desk.service.self_check(&peer.actor())).await?)
}

async fn backup(State(desk): State<Desk>, Extension(peer): Extension<Peer>, request: Request) -> Answered {
    let request: BackupRequest = message(&body_of(request, &desk, BODY_BYTES_MAX).await?)?;
    json(&within(&desk, desk.patience.slow_answer, desk.service.backup(&request, &peer.actor())).await?)
}

async fn compact(State(desk): State<Desk>, Extension(peer): Extension<Peer>) -> Answered {
    json(&within(&desk, desk.patience.slow_answer, desk.service.compact(&peer.actor())).await?)
}

/// The process and the store answer (docs/src/reference/operations.md section 6.3).
async fn healthy(State(desk): State<Desk>) -> Answered {
    within(&desk, desk.patience.answer, desk.service.check_store()).await?;
    let health = desk.service.host().health();
    json(&Greeting { status: "ok".to_owned(), pid: health.pid, version: health.version })
}

async fn ready(State(desk): State<Desk>) -> Answered {
    let health = desk.service.host().health();
    if health.is_ready {
        return json(&Greeting { status: "ready".to_owned(), pid: health.pid, version: health.version });
    }
    let detail =
        if health.complaints.is_empty() { "still starting".to_owned() } else { health.complaints.join("; ") };
    Err(Problem::new(Cause::Unavailable, detail, "see `reconciled status`"))
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(
        Cause::NotFound,
        format!("there is no address {}", uri.path()),
        "the API begins at /v1/status",
    )
}

async fn wrong_method() -> Problem {
    Problem::new(Cause::WrongMethod, "the address does not know this method", "see the Allow header")
}
