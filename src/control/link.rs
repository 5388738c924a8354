//! The page behind the link of an alert: a person who has the link can say that they are handling it.
//!
//! Owns: the page, and what a request for it does. Must never know: how a link is signed, sockets.
//!
//! A `GET` changes nothing: chats and mail scanners open links on their own. Only the button on the page acknowledges.

use askama::Template;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::gate::Gate;
use super::messages::AcknowledgeRequest;
use super::problem::{Cause, Problem};
use super::routes::typed;
use super::service::{Answer, Service, storage};
use crate::access::Caller;
use crate::alerts::link::Links;
pub(super) use crate::alerts::link::PATH;
use crate::text;

/// Nothing is loaded, no other page may show this one in a frame, and its button leads nowhere else.
const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[derive(Template)]
#[template(path = "acknowledge.html")]
struct Page {
    title: &'static str,
    headline: String,
    note: String,
    has_button: bool,
}

/// Answers a request for a link.
pub(super) async fn answer(links: &Links, gate: &Gate, service: &Service, head: &Parts) -> Response {
    page(links, gate, service, head).await.map_or_else(IntoResponse::into_response, shown)
}

async fn page(links: &Links, gate: &Gate, service: &Service, head: &Parts) -> Answer<Page> {
    let is_told = match head.method {
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        _ => return Err(Problem::new(Cause::WrongMethod, "a link allows only GET and POST", "")),
    };
    // The link is in a chat, so a browser says that another site's page led here. The button must be of this page.
    if is_told {
        gate.is_meant(&head.headers)?
    } else {
        gate.is_called_right(&head.headers)?
    }
    let unknown = || {
        Problem::new(
            Cause::NotFound,
            "this is not the link of an alert",
            "open the link exactly as it was sent",
        )
    };
    let key = links.key_of(head.uri.path()).ok_or_else(unknown)?;
    if is_told {
        let request = AcknowledgeRequest { keys: vec![key.clone()], all: false };
        service.carry_out(request, &Caller::of_link()).await?;
    }
    let row = service.store.alert(&key).await.map_err(storage)?.ok_or_else(unknown)?;
    let headline = text::line(&row.alert.headline).into_owned();
    Ok(match row.acknowledged {
        Some(done) => Page {
            title: "Acknowledged",
            headline,
            note: format!("Acknowledged at {} by {}. Nobody else is alerted.", done.at, text::line(&done.by)),
            has_button: false,
        },
        None => Page {
            title: "Are you handling this?",
            headline,
            note: "Nobody has acknowledged it yet.".to_owned(),
            has_button: true,
        },
    })
}

fn shown(page: Page) -> Response {
    let Ok(body) = page.render() else {
        return Problem::new(Cause::Unavailable, "the page could not be made", "").into_response();
    };
    let mut response = typed(200, "text/html; charset=utf-8", body.into_bytes());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // The address is the permission, so no other site learns it.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
