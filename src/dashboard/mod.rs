//! The dashboard: pages for a browser, made from the answers of the same verbs as the commands.
//!
//! Owns: the pages, who may open them, their forms. Must never know: tables, wire formats of providers, sockets.
//!
//! Each page is readable without JavaScript and loads nothing from elsewhere; one small script keeps it fresh. A page
//! shows one screen of a list, and numbers that are kept as counters: a store of a million objects does not slow it down.
//! Whatever a page shows passes through a template that escapes markup, and through [`crate::text`].
//!
//! In reading order: `reply` (the answer to a browser), `visitor` (who looks), `frame` (what stands around each page), `view` (how times, amounts and states
//! are written), `chart`, one file for each page, `actions` (the forms).

mod accounts;
mod actions;
mod alerts;
mod assets;
mod audit;
mod batches;
mod calls;
mod chart;
mod declines;
mod frame;
mod objects;
mod overview;
mod reply;
mod reports;
mod view;
mod visitor;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};

use crate::control::Service;

/// What every page works on.
#[derive(Clone)]
struct Pages {
    service: Service,
}

/// All pages of a service.
pub fn pages(service: Service) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/objects", get(objects::list))
        .route("/objects/{account}/{kind}/{id}", get(objects::one))
        .route("/declines", get(declines::page))
        .route("/alerts", get(alerts::page))
        .route("/accounts", get(accounts::page))
        .route("/reports", get(reports::page))
        .route("/reports/{date}/{name}", get(reports::file))
        .route("/batches", get(batches::list))
        .route("/batches/{reference}", get(batches::one))
        .route("/calls", get(calls::page))
        .route("/audit", get(audit::page))
        .route("/login", get(visitor::log_in))
        .route("/logout", post(visitor::log_out))
        .route("/do/poll", post(actions::poll))
        .route("/do/accept", post(actions::accept))
        .route("/do/forget", post(actions::forget))
        .route("/do/acknowledge", post(actions::acknowledge))
        .route("/do/decline", post(actions::decline))
        .route("/do/add-silence", post(actions::add_silence))
        .route("/do/end-silence", post(actions::end_silence))
        .route("/assets/app.css", get(assets::style))
        .route("/assets/app.js", get(assets::script))
        .fallback(reply::nowhere)
        .with_state(Pages { service })
}
