//! The self-check of the rows: is every row linked to the one before it?
//!
//! Owns: finding problems. Must never know: how to repair them. It changes nothing.

use super::PAGE;
use super::database::Database;
use super::follow::unlinked;
use super::lease::Link;
use crate::store::engine::Engine;
use crate::store::journal::entry::ChainHash;
use crate::store::mutex::locked;
use crate::store::recovery::check::{CheckReport, stay};
use crate::store::types::StoreError;

/// Reads all rows up to what this host has acknowledged, and names the first broken link.
pub(crate) fn check_rows(
    engine: &Engine,
    database: &Database,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let last = Link::of(locked(&engine.journal).end());
    engine.meter.begin("reading the database", last.sequence);
    let mut end = Link { sequence: 0, hash: ChainHash::default() };
    while end.sequence < last.sequence {
        stay(engine)?;
        let rows = match database.read(end.sequence, PAGE) {
            Ok(rows) => rows,
            Err(trouble) => {
                report.problem(format!("database: row {} cannot be read: {trouble}", end.sequence + 1));
                return Ok(());
            }
        };
        if let Some(broken) = unlinked(end, &rows) {
            report.problem(format!("database: row {broken} is not linked to the row before it"));
            return Ok(());
        }
        let wanted = |sequence: u64| sequence <= last.sequence;
        let Some(reached) = rows.iter().rev().find(|row| wanted(row.sequence)) else {
            report.problem(format!("database: row {} is missing", end.sequence + 1));
            return Ok(());
        };
        engine.meter.advance(reached.sequence - end.sequence);
        end = Link { sequence: reached.sequence, hash: reached.hash };
    }
    if end != last {
        report.problem(format!("database: row {} differs from the entry in this host's copy", end.sequence));
    }
    Ok(())
}
