//! The style and the script, from the binary.
//!
//! Owns: how they are cached. Must never know: what they do.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::reply::plain;
use crate::text::hex;

pub(super) async fn style(headers: HeaderMap) -> Response {
    asset(
        &headers,
        "text/css; charset=utf-8",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/dashboard/app.css")),
    )
}

pub(super) async fn script(headers: HeaderMap) -> Response {
    asset(
        &headers,
        "text/javascript; charset=utf-8",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/dashboard/app.js")),
    )
}

/// The browser keeps it and asks whether it is still the same.
fn asset(headers: &HeaderMap, media_type: &str, text: &'static str) -> Response {
    let tag = format!("\"{}\"", &hex(digest(&SHA256, text.as_bytes()).as_ref())[..32]);
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match is_known {
        true => plain(StatusCode::NOT_MODIFIED, media_type, Vec::new()),
        false => plain(StatusCode::OK, media_type, text),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, HeaderValue::from_str(&tag).expect("a digest is made of letters and digits"));
    response
}
