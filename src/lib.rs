//! `reconciled` follows every Amazon Pay transaction to its final state.
//!
//! The store knows what is due. A loop takes what is due now, does it, and records that it is done: objects
//! due a poll, messages due to be sent, days due a report. So a restart needs no recovery code.
//!
//! ```text
//! enrol ─▶ store ─▶ due ─▶ poll ─▶ decide ─▶ commit ─▶ alert (now) / report (tonight)
//! control  store    store  apis    payments   store     alerts        reports
//! ```
//!
//! # The rooms, in reading order
//!
//! - [`payments`]: what an object is, what a state means, what a new observation implies, when to poll again.
//!   Pure: no clock, no network, no storage, no provider's name.
//! - [`apis`]: how to request one object from each provider, within its budget. A new API is a folder there
//!   and a line in `src/apis/registry.rs`.
//! - [`store`]: facts in a synced journal, an index that can be rebuilt from it; one commit per decision.
//! - [`reconcile`]: due → poll → decide → commit, separately for each account.
//! - [`batches`]: takes a batch of operations through its steps: upload, poll, process, apply to objects.
//! - [`calls`]: a single operation by an operator: journaled, sent once, looked up when its answer is lost.
//! - [`provider_reports`]: the provider's report of each finished day: fetch it, keep it, compare it with the
//!   records.
//! - [`alerts`]: outbox → message → target.
//! - [`events`]: every change of an object, signed, for the shop's back office: outbox → event → receiver.
//! - [`notifications`]: a provider's hint makes its object due now; whether the channel of hints works.
//! - [`intake`]: files of objects to enrol, line by line. [`spool`]: a folder whose files are enrolled.
//! - [`metrics`]: every figure that monitoring can read, and the rules and the dashboard made from the same list.
//! - [`reports`]: which rows go in which file of a finished day.
//! - [`control`]: what an operator may ask and see: every verb once, answered over the socket or straight on the store.
//! - [`dashboard`]: the same answers as pages for a browser.
//! - [`config`]: config.toml, checked; all problems at once.
//! - [`daemon`]: everything is built, joined, started and stopped there and nowhere else.
//! - [`cli`]: one file a command.
//! - [`backtest`]: replays a past of objects under one polling policy after another.
//! - `amazon_pay_simulator` (the folder `simulator`): a simulated Amazon Pay, written from the manuals alone. It is a
//!   crate of its own, so it can share no code with [`apis`].
//! - `sns_verifier` (the folder `sns-verifier`): whether a message of Amazon SNS is genuine. A crate of its own, too:
//!   it knows bytes and time and nothing else.
//! - [`delimited`]: CSV and JSON Lines as people's programs write them.
//! - [`access`]: who may do what on the operators' socket.
//! - [`secret`]: values that never print, and where they are read from.
//! - [`problem`]: what is wrong with something that a person wrote.
//! - [`documents`]: what a room stores by type and name. [`files`]: small files, written whole or not at all.
//! - [`webhook`]: signing keys and stable ids of messages to programs.
//! - [`http`]: one exchange and the one client: proxy, root certificates, limits, how much of a Retry-After is obeyed.
//! - [`clock`], [`blocking`], [`signals`], [`task`], [`timetable`], [`telemetry`], [`text`], [`time`]: the plumbing.
//!
//! # The rules
//!
//! - `tests/it/layout.rs` lists which room may name which, and refuses any other arrow.
//! - Decisions are pure functions; effects live in loops. Time and the network come in from outside, so a
//!   month of operation runs in seconds.
//! - Nothing about money is concluded from an error. Unknown facts are kept word for word, quarantined and
//!   reported.
//! - Amounts are exact decimals with their currency. Secrets print as hidden; buyer data is never read.
//! - No "running" state is on disk: a crash repeats one request or message at most, and loses none.

pub mod access;
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
pub mod dashboard;
pub mod delimited;
pub mod documents;
pub mod events;
pub mod files;
pub mod http;
pub mod intake;
pub mod metrics;
pub mod notifications;
pub mod payments;
pub mod problem;
pub mod provider_reports;
pub mod reconcile;
pub mod reports;
pub mod secret;
pub mod signals;
pub mod spool;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod timetable;
pub mod webhook;
