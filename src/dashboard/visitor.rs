//! Who looks: the session of a request, how it begins and ends, and whether a form was sent by a page of it.
//!
//! Owns: the cookie, the check of forms. Must never know: any page, how sessions are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::Pages;
use super::reply::{Failure, plain, sign_in};
use crate::access::sessions::{SESSION_LASTS, Session, Sessions};
use crate::access::{Caller, Role};
use crate::control::problem::{Cause, Problem};
use crate::control::service::Answer;
use crate::control::tcp::{SESSION_COOKIE, session_cookie, too_many};
use crate::control::verbs::Verb;

/// The largest form, in bytes, and how long it may take to arrive.
const FORM_BYTES_MAX: usize = 64 * 1024;
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Somebody with a session.
pub(super) struct Visitor {
    pub(super) session: Session,
    pub(super) pages: Pages,
    /// What this visitor may do at this moment.
    pub(super) role: Role,
    /// The path and query of this request.
    pub(super) here: String,
}

impl Visitor {
    pub(super) fn caller(&self) -> &Caller {
        &self.session.caller
    }

    /// Whether buttons that change something are shown.
    pub(super) fn may_operate(&self) -> bool {
        self.role >= Role::Operate
    }

    /// Answers a verb as it would be answered to a command of the same user.
    pub(super) async fn ask<V: Verb>(&self, verb: V) -> Answer<V::Answer> {
        let (service, caller) = (self.pages.service.clone(), self.caller().clone());
        let clock = service.clock().clone();
        // What has begun is finished, even if the browser goes away.
        let answering = tokio::spawn(async move { service.carry_out(verb, &caller).await });
        tokio::select! {
            answer = answering => answer.unwrap_or_else(|_| {
                Err(Problem::new(Cause::Internal, "the request ended unexpectedly", "see the daemon's log"))
            }),
            () = clock.sleep(ANSWER_WITHIN) => Err(Problem::new(
                Cause::Unavailable,
                format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
                "see the daemon's log and `reconciled status`",
            )),
        }
    }
}

impl FromRequestParts<Pages> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Visitor, Failure> {
        let service = &pages.service;
        let now = service.clock().monotonic();
        let cookie = session_cookie(&parts.headers);
        let (all, cookie) = service.sessions.as_ref().zip(cookie).ok_or(Failure::SignedOut)?;
        let session = all.admit(cookie, now).map_err(too_many)?.ok_or(Failure::SignedOut)?;
        let role = service.role_of(&session.caller);
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Ok(Visitor { session, pages: pages.clone(), role, here })
    }
}

/// A form that a page of the visitor's own session has sent.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    fields: BTreeMap<String, String>,
}

impl Posted {
    /// A field; empty if it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Back to the page that the form was on, which then says what was done.
    pub(super) fn done(&self, said: &str) -> Response {
        let back = self.fields.get("back").map_or("/", String::as_str);
        // Only a path of this dashboard, never another site.
        let is_own =
            back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\r', '\n', '#']);
        let back = if is_own { without_said(back) } else { "/".to_owned() };
        let sign = if back.contains('?') { '&' } else { '?' };
        see_other(&format!("{back}{sign}said={said}"))
    }
}

/// The same path without what an earlier form said.
fn without_said(path: &str) -> String {
    match path.split_once('?') {
        None => path.to_owned(),
        Some((path, query)) => {
            let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("said=")).collect();
            if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
        }
    }
}

impl FromRequest<Pages> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request, pages: &Pages) -> Result<Posted, Failure> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, pages).await?;
        let reading = to_bytes(body, FORM_BYTES_MAX);
        let malformed = |what: &str| Problem::new(Cause::Malformed, what, "send the form of a page");
        let body = tokio::select! {
            body = reading => body.map_err(|_| malformed("the form is too large, or ended early"))?,
            () = pages.service.clock().sleep(FORM_WITHIN) => {
                return Err(Problem::new(Cause::TooSlow, "the form did not arrive in time", "send it again").into());
            }
        };
        let whole = Request::from_parts(parts, Body::from(body));
        let Form(fields) = Form::<BTreeMap<String, String>>::from_request(whole, &())
            .await
            .map_err(|_| malformed("that is not a form"))?;
        if !visitor.session.has_sent(fields.get("csrf").map_or("", String::as_str)) {
            let remedy = "open the page again and repeat what you did";
            return Err(Problem::new(
                Cause::Forbidden,
                "the form was not sent by a page of this session",
                remedy,
            )
            .into());
        }
        Ok(Posted { visitor, fields })
    }
}

#[derive(Deserialize)]
pub(super) struct LinkQuery {
    #[serde(default)]
    token: String,
}

/// Exchanges a link for a session. The address then no longer has the secret.
pub(super) async fn log_in(
    State(pages): State<Pages>,
    method: Method,
    Query(LinkQuery { token }): Query<LinkQuery>,
) -> Result<Response, Failure> {
    let service = &pages.service;
    let (Some(sessions), true) = (&service.sessions, method == Method::GET) else {
        return Err(Failure::SignedOut);
    };
    let opened = sessions.open(&token, service.clock().monotonic());
    let opened = opened.map_err(|error| Problem::new(Cause::Unavailable, error.to_string(), ""))?;
    let Some(cookie) = opened else {
        return Ok(sign_in("This link was used already, or is older than a minute."));
    };
    Ok(with_cookie(see_other("/"), &set_cookie(sessions, &cookie, SESSION_LASTS)))
}

/// Ends the session.
pub(super) async fn log_out(
    State(pages): State<Pages>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, Failure> {
    drop(posted);
    if let (Some(sessions), Some(cookie)) = (&pages.service.sessions, session_cookie(&headers)) {
        sessions.close(cookie);
    }
    let page = sign_in("You are signed out.");
    let gone = pages.service.sessions.as_ref().map(|all| set_cookie(all, "", Duration::ZERO));
    Ok(match gone {
        Some(gone) => with_cookie(page, &gone),
        None => page,
    })
}

fn set_cookie(sessions: &Sessions, value: &str, lasts: Duration) -> String {
    let secure = if sessions.is_over_tls() { "; Secure" } else { "" };
    let lasts_s = lasts.as_secs();
    format!("{SESSION_COOKIE}={value}; HttpOnly; SameSite=Strict{secure}; Path=/; Max-Age={lasts_s}")
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let value = HeaderValue::from_str(cookie).expect("a cookie is made of visible characters");
    response.headers_mut().insert(SET_COOKIE, value);
    response
}

fn see_other(path: &str) -> Response {
    let mut response = plain(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Vec::new());
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, path);
    response
}
