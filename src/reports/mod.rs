//! The nightly report: what was decided in a business day, and what was still open at its end.
//!
//! Owns: which rows go in which file, the files, the folder they are published in. Must never know:
//! providers, chats, how the store keeps its rows.
//!
//! # Which day an item belongs to
//!
//! The day on which *we observed* it (`seen_at`), whenever the provider says that it happened; every row has
//! both times. The provider's time can lie in a day whose report is already published, and a published file
//! must never change. So nothing is lost between two days, and nothing is counted twice.
//!
//! # How the state at the end of a day is found
//!
//! From history rows observed before that moment, never from what is known now. An object that was open then
//! and is final today still appears in that day's `pending` file when the report is created again. Objects
//! enrolled at or after the end are left out. Only two things are not in the history, and can make a repeated
//! report differ: the amount and reference of an object not observed before the end (the shop may add them
//! later), and a quarantine for lack of good answers, which writes no history row. A report that differs from
//! the published one becomes a new revision beside it and names what it supersedes.
//!
//! In reading order: `config`, `day`, `standing` (an object at a moment), `columns` (the rows), `sheet` (one
//! CSV file), `totals`, `value` (the equation for money), `money` (captured, refunded, ... by account),
//! `day_files` (all files of a day), `detection` (how late ends were found), `names` and `gather` (reading from the store), `lists` (rows for a
//! person), `meanings`, `summary`, `html`, `workbook` (XLSX), `manifest`, `write` (the folder), `make` (the
//! steps), `figures` (a day in a few numbers), `days` (figures of published days), `published` (reading what was made).

mod channels;
mod columns;
pub mod config;
pub mod day;
mod day_files;
mod days;
mod detection;
mod figures;
mod gather;
mod html;
mod lists;
mod make;
mod manifest;
mod meanings;
mod money;
mod names;
mod published;
mod rhythms;
mod sheet;
mod standing;
mod summary;
#[cfg(test)]
mod tests;
mod totals;
mod value;
mod workbook;
mod write;

pub use channels::{ChannelDay, ChannelFigures, Channels};
pub use config::{ReportsConfig, ReportsSection};
pub use days::{DaySummary, PublishedFile};
pub use figures::DayFigures;
pub use make::{Made, ReportError, Reports};
pub use meanings::Meanings;
pub use published::PublishedDay;
pub use rhythms::{Overviews, Rhythms};
pub use write::{NoProbe, Probe, Step};

/// Version of the columns and of the JSON files. Within a version, columns are only added at the end, never
/// renamed or moved (docs/src/reference/operations.md, section 7.4).
pub const SCHEMA_VERSION: u32 = 1;
