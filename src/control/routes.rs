//! The daemon's HTTP side: routes built from the table of verbs, bodies, statuses and deadlines
//! (docs/src/reference/operations.md section 8.4).
//!
//! One deviation: DELETE answers 200 with the result instead of 204, because an operator wants to know whether the
//! object was watched at all.
//!
//! Owns: HTTP. Must never know: any one verb, sockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Extension, RawPathParams, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use futures_util::StreamExt;
use futures_util::stream::{iter, unfold};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::audit::Subject;
use super::conditions::{Conditions, tag};
use super::enrol_lines::{DRAIN_BYTES_MAX, LinesRequest, Part};
use super::live::{self, EVENT_STREAM, STREAMS_MAX};
use super::places::Busy;
use super::problem::{Cause, Problem};
use super::service::Service;
use super::verbs::{
    Entry, Incoming, JSON, JSON_LINES, Method, OBJECT, Reply, Run, Spec, TABLE, meant, table_reading,
};
use crate::access::{Caller, Role};
use crate::telemetry::traces;

/// The largest body of a caller who may do nothing at that path: enough to say what was refused.
const STRANGERS_BODY_BYTES_MAX: usize = 64 * 1024;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long the server waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the rest of a request's body.
    pub(super) body: Duration,
    /// For the answer of a verb that only reads or writes the store.
    pub(super) answer: Duration,
    /// For the answer of a verb that creates files, contacts chats or touches every object.
    pub(super) slow_answer: Duration,
}

#[derive(Clone)]
struct AppState {
    service: Service,
    patience: Patience,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    /// How many more may follow the live events.
    streams: Arc<Semaphore>,
}

/// One route for each method and path of the table. Verbs that share a path are distinguished by their tag.
pub(super) fn router(service: Service, patience: Patience, stop: CancellationToken) -> Router {
    let mut addresses: Vec<(Method, &str)> =
        TABLE.iter().map(|entry| (entry.spec.method, entry.spec.path)).collect();
    addresses.dedup();
    let mut router = Router::new();
    for (method, path) in addresses {
        let is_there = |entry: &&Entry| entry.spec.method == method && entry.spec.path == path;
        let entries: Vec<&'static Entry> = TABLE.iter().filter(is_there).collect();
        let route = entries[0].spec.route();
        let handler =
            move |state, caller, parameters, request| answer(entries, state, caller, parameters, request);
        router = router.route(&route, on(filter(method), handler));
    }
    router.fallback(nowhere).method_not_allowed_fallback(wrong_method).with_state(AppState {
        service,
        patience,
        stop,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    })
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Put => MethodFilter::PUT,
        Method::Post => MethodFilter::POST,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// Answers a request with the verb that it addresses.
async fn answer(
    entries: Vec<&'static Entry>,
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let conditions = Conditions::of(request.headers());
    let last_event = request.headers().get(LAST_EVENT_ID).cloned();
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let parameters = parameters.map_err(|wrong| {
        Problem::new(Cause::Malformed, format!("the path: {}", wrong.body_text()), "write it in UTF-8")
    })?;
    let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Run::Lines = entries[0].run {
        return lines(&state, caller, entries[0].spec, &media_type, &query, request).await;
    }
    let weakest = entries.iter().map(|entry| entry.spec.role).min().unwrap_or(Role::WriteMoney);
    let permitted = state.service.permit(&caller, weakest, entries[0].spec.path);
    let bytes_max = match permitted {
        Ok(()) => entries.iter().map(|entry| entry.spec.body_bytes_max).max().unwrap_or_default(),
        Err(_) => STRANGERS_BODY_BYTES_MAX,
    };
    let body = body_of(request, &state, bytes_max).await;
    let (entry, body) = match (body.and_then(|body| Ok((meant(&entries, &body)?, body))), permitted) {
        (Ok(found), _) => found,
        (Err(problem), Ok(())) => return Err(problem),
        (Err(_), Err(refusal)) => {
            let path = entries[0].spec.path;
            state.service.audit.refused(&caller, path, Subject::default(), weakest).await;
            return Err(refusal);
        }
    };
    let limit = if entry.spec.is_slow { state.patience.slow_answer } else { state.patience.answer };
    let incoming = Incoming { parameters, query, media_type, body };
    let Run::Whole(run) = entry.run else {
        return stream(&state, caller, entry, last_event).await;
    };
    let is_read = entry.spec.method == Method::Get;
    let answering = async {
        let service = match !is_read && conditions.are_given() {
            true => service_if(&state, &conditions, entry, &caller, &incoming).await?,
            false => state.service.clone(),
        };
        run(service, caller, incoming).await
    };
    let answered = {
        let mut span = traces::span("request");
        span.set("path", entry.spec.path);
        let answered = within(&state, limit, answering).await;
        span.set("result", answered.as_ref().map_or_else(|problem| problem.cause.word(), |_| "answered"));
        answered
    };
    let Reply { status, media_type, body, .. } = answered?;
    if entry.spec.method == Method::Put && conditions.ask_for_new() && status != 201 {
        // Somebody else was faster.
        return Err(Problem::changed("the object"));
    }
    let tag = (is_read && media_type == JSON).then(|| tag(&body));
    match tag {
        None => Ok(typed(status, media_type, body)),
        Some(tag) => Ok(tagged(typed(status, media_type, body), &tag, &conditions)),
    }
}

/// The service for a request that expects a state of the object that its path names, if the object is in that state.
async fn service_if(
    state: &AppState,
    conditions: &Conditions,
    entry: &Entry,
    caller: &Caller,
    incoming: &Incoming,
) -> Result<Service, Problem> {
    let is_shown = |entry: &&Entry| entry.spec.method == Method::Get && entry.spec.path == OBJECT;
    let mut shown = None;
    if let Some(show) = TABLE.iter().find(is_shown).filter(|_| entry.spec.is_conditional)
        && let Run::Whole(run) = show.run
    {
        let named = Incoming { parameters: incoming.parameters.clone(), ..Incoming::default() };
        shown = match run(state.service.clone(), caller.clone(), named).await {
            Ok(reply) => Some(reply),
            Err(problem) if problem.cause == Cause::NotFound => None,
            Err(problem) => return Err(problem),
        };
    }
    if !conditions.hold(shown.as_ref().map(|reply| tag(&reply.body)).as_deref()) {
        return Err(Problem::changed("the object"));
    }
    let expected_revision = shown.and_then(|reply| reply.revision);
    Ok(Service { expected_revision, ..state.service.clone() })
}

/// Enrols the lines of a body as it arrives. If the request fails before its first answer, its HTTP status is that of
/// the problem. If it fails later, the problem is the last line.
async fn lines(
    state: &AppState,
    caller: Caller,
    spec: Spec,
    media_type: &str,
    query: &str,
    request: Request,
) -> Result<Response, Problem> {
    let service = state.service.clone();
    let permitted = service.permit(&caller, spec.role, spec.name());
    if permitted.is_err() {
        service.audit.refused(&caller, spec.name(), Subject::default(), spec.role).await;
    }
    let table = match permitted.and_then(|()| table_reading(media_type, query)) {
        Ok(table) => table,
        Err(problem) => {
            let _ = body_of(request, state, 0).await;
            return Err(problem);
        }
    };
    // The connection does not give way to others until every line is answered.
    let busy = request.extensions().get::<Arc<Busy>>().cloned();
    let Patience { body: idle_timeout, answer: store_timeout, .. } = state.patience;
    let stop = state.stop.clone();
    let body = request.into_body().into_data_stream();
    let enrolment = LinesRequest { service, caller, spec, table, idle_timeout, store_timeout, stop };
    let mut parts = enrolment.begin(body);
    let first = parts.next().await.expect("an answer has a last part");
    match first {
        Part { lines, end: Some(Err(problem)) } if lines.is_empty() => Err(problem),
        Part { lines, end: Some(Ok(())) } => Ok(typed(200, JSON_LINES, lines)),
        first => {
            let rest = unfold((parts, busy), |(mut parts, busy)| async move {
                let part = parts.next().await?;
                Some((part.text(), (parts, busy)))
            });
            let mut response = typed(200, JSON_LINES, Vec::new());
            *response.body_mut() =
                Body::from_stream(iter([first.text()]).chain(rest).map(Ok::<_, Infallible>));
            Ok(response)
        }
    }
}

/// Answers with the live events, from the one after the last that the caller got.
async fn stream(
    state: &AppState,
    caller: Caller,
    entry: &Entry,
    last_event: Option<HeaderValue>,
) -> Result<Response, Problem> {
    let path = entry.spec.path;
    if let Err(refusal) = state.service.permit(&caller, entry.spec.role, path) {
        state.service.audit.refused(&caller, path, Subject::default(), entry.spec.role).await;
        return Err(refusal);
    }
    let last_seen = match last_event {
        None => None,
        Some(value) => {
            let number = value.to_str().ok().and_then(|text| text.parse().ok());
            let wrong =
                || Problem::new(Cause::Malformed, "Last-Event-ID is not the id of an event", "omit it");
            Some(number.ok_or_else(wrong)?)
        }
    };
    let Ok(permit) = Arc::clone(&state.streams).try_acquire_owned() else {
        let detail = format!("{STREAMS_MAX} programs follow the events already");
        return Err(Problem::new(Cause::TooMany, detail, "close another stream"));
    };
    let events = live::events(state.service.clone(), caller, path, last_seen, state.stop.clone(), permit);
    let mut response = typed(200, EVENT_STREAM, Vec::new());
    *response.body_mut() = Body::from_stream(events);
    Ok(response)
}

/// Adds its tag to an answer, or answers without a body if the caller has it already.
fn tagged(mut response: Response, tag: &str, conditions: &Conditions) -> Response {
    if conditions.know(tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    let tag = HeaderValue::from_str(tag).expect("a tag is hexadecimal digits");
    response.headers_mut().insert(ETAG, tag);
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("messages have text keys only");
        let mut response = typed(self.cause.status(), "application/problem+json", body);
        if let Some(wait) = self.cause.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(wait));
        }
        response
    }
}

pub(super) fn typed(status: u16, media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Reads a body to its end, up to a size and within a time limit. The rest of a body that is too large is read and
/// discarded for a while: otherwise the writer would see a broken pipe instead of the reason.
async fn body_of(request: Request, state: &AppState, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let reading = async move {
        let mut parts = request.into_body().into_data_stream();
        let mut body = Vec::new();
        let mut bytes: usize = 0;
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Problem::new(Cause::Malformed, "the body ended early", ""))?;
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
        Ok(body)
    };
    tokio::select! {
        body = reading => body,
        () = state.service.clock().sleep(state.patience.body) => {
            Err(Problem::new(Cause::TooSlow, "the body did not arrive in time", "send it faster or in parts"))
        }
    }
}

/// Waits for an answer no longer than `limit`. Work that has begun in the store is finished anyway.
async fn within<T>(
    state: &AppState,
    limit: Duration,
    answering: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::select! {
        answer = answering => answer,
        () = state.service.clock().sleep(limit) => Err(Problem::new(
            Cause::Unavailable,
            format!("no answer within {} s", limit.as_secs()),
            "see the daemon's log and `reconciled status`; you may repeat the request",
        )),
    }
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(Cause::NotFound, format!("there is no path {}", uri.path()), "the API starts at /v1/status")
}

async fn wrong_method() -> Problem {
    Problem::new(Cause::WrongMethod, "the path does not support this method", "see the Allow header")
}
