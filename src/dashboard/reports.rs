//! The published reports, and their files.
//!
//! Owns: how a file is sent. Must never know: what is in it.

use std::path::PathBuf;

use askama::Template;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use jiff::civil::Date;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::frame::Frame;
use super::reply::{self, Failure, plain};
use super::view::{grouped, size};
use super::visitor::Visitor;
use crate::access::Role;
use crate::control::messages::{DayFigures, FiguresRequest};
use crate::control::problem::{Cause, Problem};

/// Days on the page.
const DAYS: usize = 60;
/// How much of a file is read at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// The page of a report has its style in itself, and no script.
const REPORT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

struct FileLine {
    name: String,
    path: String,
    size: String,
    rows: Option<String>,
    is_page: bool,
}

struct DayLine {
    date: Date,
    revision: u32,
    resolved: String,
    declined: String,
    money: String,
    files: Vec<FileLine>,
}

#[derive(Template)]
#[template(path = "dashboard/reports.html")]
struct Page {
    frame: Frame,
    days: Vec<DayLine>,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, Failure> {
    let days = visitor.ask(FiguresRequest { limit: Some(DAYS) }).await?;
    let days = days.into_iter().map(|day| {
        let live = day.figures.get("live").or(day.figures.get("sandbox")).cloned().unwrap_or_default();
        let file = |file: crate::control::messages::FiguresFile| FileLine {
            path: format!("/reports/{}/{}", day.date, file.name),
            size: size(file.bytes),
            rows: file
                .rows
                .map(|rows| format!("{} {}", grouped(rows), if rows == 1 { "row" } else { "rows" })),
            is_page: file.name == "summary.html",
            name: file.name,
        };
        DayLine {
            date: day.date,
            revision: day.revision,
            resolved: grouped(DayFigures::resolved(&live)),
            declined: grouped(live.declined),
            money: live.declined_texts().join(", "),
            files: day.files.into_iter().map(file).collect(),
        }
    });
    let page = Page { frame: Frame::new(&visitor, "/reports", "Reports"), days: days.collect() };
    Ok(reply::page(&page))
}

/// Sends a file. The page of a day is shown; everything else is saved.
pub(super) async fn file(
    visitor: Visitor,
    Path((date, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let service = &visitor.pages.service;
    if visitor.role < Role::Read {
        return Err(Problem::new(Cause::Forbidden, "reports need the role read", "").into());
    }
    let date = date.parse().map_err(|_| Problem::new(Cause::NotFound, "that is not a day", ""))?;
    let (path, media_type) = service.report_path(date, &name).await?;
    let (bytes, body) = open(path).await.map_err(|error| {
        Problem::new(
            Cause::Unavailable,
            format!("{name} cannot be read: {error}"),
            "see the folder of the reports",
        )
    })?;
    let mut response = plain(StatusCode::OK, &media_type, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    if name == "summary.html" {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(REPORT_POLICY));
    } else {
        let value = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
        headers.insert(CONTENT_DISPOSITION, value.unwrap_or(HeaderValue::from_static("attachment")));
    }
    Ok(response)
}

/// A file of any size, read as it is sent.
async fn open(path: PathBuf) -> std::io::Result<(u64, Body)> {
    let file = File::open(path).await?;
    let bytes = file.metadata().await?.len();
    let chunks = stream::try_unfold(file, async |mut file| {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((chunk, file)))
    });
    Ok((bytes, Body::from_stream(chunks)))
}
