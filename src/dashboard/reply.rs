//! An answer to a browser, and its headers.
//!
//! Owns: what a browser may do with a page, the pages for those who cannot have one. Must never know: what a page is
//! about.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::control::problem::{Cause, Problem};
use crate::text;

/// Nothing is loaded from elsewhere, nothing is embedded elsewhere, and no script stands in a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Why there is no page.
pub(super) enum Failure {
    /// Nobody is signed in.
    SignedOut,
    /// The service said no.
    Problem(Problem),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Problem(problem)
    }
}

#[derive(Template)]
#[template(path = "dashboard/signed_out.html")]
struct SignedOut<'a> {
    title: &'a str,
    note: &'a str,
}

#[derive(Template)]
#[template(path = "dashboard/problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    remedy: &'a str,
    candidates: Vec<String>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Failure::SignedOut => sign_in(""),
            Failure::Problem(problem) => {
                let page = ProblemPage {
                    title: problem.cause.title(),
                    detail: &problem.detail,
                    remedy: problem.remedy.as_str(),
                    candidates: problem.candidates.clone(),
                };
                html(StatusCode::from_u16(problem.cause.status()).unwrap_or(StatusCode::BAD_REQUEST), &page)
            }
        }
    }
}

/// The page for those without a session. It says how to get one.
pub(super) fn sign_in(note: &str) -> Response {
    html(StatusCode::UNAUTHORIZED, &SignedOut { title: "Sign in", note })
}

pub(super) async fn nowhere() -> Failure {
    Problem::new(Cause::NotFound, "there is no such page", "the overview is at /").into()
}

/// The answer with a page.
pub(super) fn page(page: &impl Template) -> Response {
    html(StatusCode::OK, page)
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        // The template has escaped all markup. No character may turn the text around or hide in it either.
        Ok(text) => plain(status, "text/html; charset=utf-8", text::lines(&text).into_owned().into_bytes()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                b"see the daemon's log".to_vec(),
            )
        }
    }
}

/// An answer with the headers that all have.
pub(super) fn plain(status: StatusCode, media_type: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_str(media_type);
    headers.insert(CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer`, a browser would hide from its own forms where they come from.
        (REFERRER_POLICY, "same-origin"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
