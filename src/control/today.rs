//! The present day in a few numbers, counted as it goes on.
//!
//! Owns: which part of the day is counted already. Must never know: verbs, what a row means.
//!
//! A day can have a hundred thousand rows, and the dashboard asks every few seconds. So rows that are some minutes old
//! are counted once and kept; only the newest are read again. Rows are dated by one clock and written soon after, so no
//! row appears behind what is counted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::payments::object::AccountName;
use crate::payments::record::Transition;
use crate::reports::DayFigures;
use crate::reports::day::Day;
use crate::store::{Cursor, Store, StoreError};

/// Rows that are older are counted once.
const SETTLES_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// How many rows are read at once, and how many pages for one answer.
const PAGE: usize = 1_000;
const PAGES_MAX: usize = 30;

/// The figures of the day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// By environment.
    pub(super) figures: BTreeMap<String, DayFigures>,
    /// Whether every row was counted.
    pub(super) is_whole: bool,
}

/// What is counted once.
#[derive(Debug, Default)]
struct Settled {
    /// The beginning of its day.
    day: Option<Timestamp>,
    figures: BTreeMap<String, DayFigures>,
    /// Every row before this is counted.
    until: Timestamp,
    /// A part that is being counted: its end, and where to continue.
    reading: Option<(Timestamp, Cursor)>,
}

/// Counts the present day.
#[derive(Debug, Default)]
pub struct TodayCount(Mutex<Settled>);

impl TodayCount {
    /// The figures of `day`, which contains `now`.
    pub(super) async fn count(
        &self,
        store: &Store,
        day: &Day,
        now: Timestamp,
        is_sandbox: impl Fn(&AccountName) -> bool + Send + Sync,
    ) -> Result<Counted, StoreError> {
        let mut settled = self.0.lock().await;
        if settled.day != Some(day.start) {
            *settled = Settled { day: Some(day.start), until: day.start, ..Settled::default() };
        }
        let add = |figures: &mut BTreeMap<String, DayFigures>, row: &Transition| {
            let environment = if is_sandbox(&row.object.account) { "sandbox" } else { "live" };
            figures.entry(environment.to_owned()).or_default().add(row);
        };
        let mut pages = PAGES_MAX;
        let horizon = now.saturating_sub(SETTLES_AFTER).unwrap_or(now);
        let goes_on = settled.reading.take().map(|(end, cursor)| (end, Some(cursor)));
        let fresh = (horizon > settled.until).then_some((horizon, None));
        if let Some((end, mut after)) = goes_on.or(fresh) {
            loop {
                let page = store.transitions(settled.until, end, after, PAGE).await?;
                page.items.iter().for_each(|row| add(&mut settled.figures, row));
                pages -= 1;
                match page.next {
                    None => break,
                    Some(next) if pages == 0 => {
                        settled.reading = Some((end, next));
                        return Ok(Counted { figures: settled.figures.clone(), is_whole: false });
                    }
                    next => after = next,
                }
            }
            settled.until = end;
        }
        let mut counted = Counted { figures: settled.figures.clone(), is_whole: true };
        let mut after = None;
        loop {
            let page = store.transitions(settled.until, day.end, after, PAGE).await?;
            page.items.iter().for_each(|row| add(&mut counted.figures, row));
            after = page.next;
            if after.is_none() {
                return Ok(counted);
            }
            pages = pages.saturating_sub(1);
            if pages == 0 {
                return Ok(Counted { is_whole: false, ..counted });
            }
        }
    }
}
