//! `reconciled` sees every Amazon Pay transaction through to its final state.
//!
//! The store knows what is owed. A loop asks what is owed now, does it, and writes down that it is done:
//! objects owed a poll, messages owed to a chat, days owed a report. So a restart needs no recovery code.
//!
//! ```text
//! enrol ─▶ store ─▶ due ─▶ poll ─▶ decide ─▶ commit ─▶ alert (now) / report (tonight)
//! control  store    store  apis    payments   store     alerts        reports
//! ```
//!
//! # The rooms, in reading order
//!
//! - [`payments`]: what an object is, what a state means, what a new sight of it implies, when to look
//!   again. Pure: no clock, no network, no storage, no provider's name.
//! - [`apis`]: how to ask each provider about one object, within its budget. A new one is a folder there and
//!   a line in `src/apis/registry.rs`.
//! - [`store`]: facts in a synced journal, an index that can be rebuilt from it; one commit per decision.
//! - [`reconcile`]: due → poll → decide → commit, for each account by itself.
//! - [`batches`]: a batch of operations is owed its next step: upload, follow, process, fold into objects.
//! - [`calls`]: one operation of an operator's own: journaled, sent once, found out when its answer is lost.
//! - [`settlements`]: a finished day is owed its provider report: fetch, keep, hold against the ledger.
//! - [`alerts`]: outbox → words → target.
//! - [`reports`]: which rows go in which file of a finished day.
//! - [`control`]: what an operator may ask and see, over the socket or straight on the store.
//! - [`config`]: config.toml, checked; all problems at once.
//! - [`daemon`]: everything is built, joined, started and stopped there and nowhere else.
//! - [`cli`]: one file a command.
//! - [`backtest`]: a past of objects, lived through again under one polling policy after another.
//! - `amazon_pay_simulator` (the folder `simulator`): a pretend Amazon Pay, written from the manuals alone. It is a
//!   crate of its own, so that it can share no code with [`apis`].
//! - [`delimited`]: CSV and JSON Lines as people's programs write them.
//! - [`secret`]: what never prints, and where it lies.
//! - [`http`]: what all HTTP clients have in common: proxy, roots, how far a wish to wait is believed.
//! - [`clock`], [`blocking`], [`task`], [`timetable`], [`telemetry`], [`text`]: the plumbing.
//!
//! # The rules
//!
//! - Which room may name which is written down in `tests/it/layout.rs`, which refuses any other arrow.
//! - Decisions are pure functions; effects live in loops. Time and the network come in from outside, so a
//!   month of operation runs in seconds.
//! - Nothing is concluded about money from an error; what is unknown is kept word for word, set apart, told.
//! - Amounts are exact decimals with their currency. Secrets print as hidden; buyer data is never read.
//! - No "running" state is on disk: a crash costs one repeated question or message, never a lost one.

pub mod alerts;
pub mod apis;
pub mod backtest;
pub mod batches;
pub mod blocking;
pub mod calls;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod delimited;
pub mod http;
pub mod payments;
pub mod reconcile;
pub mod reports;
pub mod secret;
pub mod settlements;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod text;
pub mod timetable;
