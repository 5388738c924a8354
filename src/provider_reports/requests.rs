//! What is requested: by an operator, and every night.
//!
//! Owns: which days a download has, and which of them are already kept. Must never know: how anything is requested.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::archive::{Archive, Kept};
use super::download::{Download, Tally};
use super::{Account, DownloadError, Downloads, source};
use crate::apis::reporting::ReportKind;
use crate::apis::reporting::windows::{MOST_DAYS, Phase, Pull};
use crate::time::earlier;

/// Rows are keyed by the change of a state, and rows of the last days may still arrive. A file that was fetched this
/// long after the end of its day counts as complete (docs/src/reference/amazon-pay-batch.md, section 9).
const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(3 * 24);
/// What was fetched within this time is not fetched again, however recent its day is.
const FRESH: SignedDuration = SignedDuration::from_hours(12);
/// How many days before the one that just ended are fetched again every night.
const NIGHTS_BACK: i64 = 3;

/// What an operator requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The short names of the types; empty for all types of the account.
    pub words: Vec<String>,
    /// The first day, UTC.
    pub from: Date,
    /// The last day, UTC.
    pub to: Date,
    /// Fetch days again that are already kept, and read their files again.
    pub is_anew: bool,
}

impl Downloads {
    /// Requests reports. The same request again continues the downloads in progress, and requests nothing that is
    /// kept.
    ///
    /// # Errors
    /// When the days or types cannot be fetched, or the store or the folder fails.
    pub async fn begin(&self, account: &Account, wanted: &Wanted) -> Result<Vec<Download>, DownloadError> {
        let from = midnight(wanted.from)?;
        let until = midnight(wanted.to.checked_add(1.day()).map_err(|_| out_of_time())?)?;
        let kinds = kinds(account, &wanted.words)?;
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let known = self.downloads_of(&account.name).await?;
        let now = self.clock.now();
        let mut downloads = Vec::new();
        for kind in kinds {
            let before = known.iter().find(|download| {
                !download.is_nightly
                    && download.word == kind.word
                    && (download.from, download.until) == (from, until)
            });
            let mut download = match before {
                Some(download) if !download.is_closed => download.clone(),
                _ => self.fresh(account, kind, (from, until), wanted.is_anew, false).await?,
            };
            if wanted.is_anew {
                download.is_anew = true;
                download.pull.again(true, now);
            }
            self.stored.write(&download).await?;
            downloads.push(download);
        }
        self.wake.notify_one();
        Ok(downloads)
    }

    /// Requests the day that just ended, the days before it whose rows may still arrive, and the days that were
    /// missed. A nightly download that has not ended is left as it is. Returns how many downloads are new.
    ///
    /// # Errors
    /// When a type is unknown, or the store or the folder fails.
    pub async fn begin_night(&self, account: &Account, words: &[String]) -> Result<u64, DownloadError> {
        let kinds = kinds(account, words)?;
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let known = self.downloads_of(&account.name).await?;
        let now = self.clock.now();
        let today = midnight(now.to_zoned(TimeZone::UTC).date())?;
        let mut begun = 0;
        for kind in kinds {
            let before = known.iter().find(|download| download.is_nightly && download.word == kind.word);
            if before.is_some_and(|download| !download.is_closed) {
                continue;
            }
            let until = if kind.comes_by_itself { now } else { today };
            let earliest = earlier(until, days(MOST_DAYS));
            let reached = before.map_or(today, |download| download.until.min(today));
            let from = earlier(reached, days(NIGHTS_BACK)).max(earliest);
            let download = self.fresh(account, kind, (from, until), false, true).await?;
            self.stored.write(&download).await?;
            begun += 1;
        }
        if begun > 0 {
            self.wake.notify_one();
        }
        Ok(begun)
    }

    /// The downloads of an account, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, account: &Account) -> Result<Vec<Download>, DownloadError> {
        self.downloads_of(&account.name).await
    }

    async fn fresh(
        &self,
        account: &Account,
        kind: ReportKind,
        (from, until): (Timestamp, Timestamp),
        is_anew: bool,
        is_nightly: bool,
    ) -> Result<Download, DownloadError> {
        let now = self.clock.now();
        let pull = if kind.comes_by_itself {
            Pull::of_list(kind.name, from, until, now)?
        } else {
            let mut pull = Pull::of_days(kind.name, from, until, now)?;
            if !is_anew {
                let kept = Archive::of(account, kind.word).kept_in(from, until).await?;
                spare(&mut pull, &kept, now);
            }
            pull
        };
        Ok(Download {
            account: account.name.clone(),
            word: kind.word.to_owned(),
            from,
            until,
            asked_at: now,
            is_nightly,
            is_anew,
            is_closed: false,
            tally: Tally::default(),
            unread: Vec::new(),
            pull,
        })
    }
}

/// Skips days that are kept and were fetched late enough, or very recently.
fn spare(pull: &mut Pull, kept: &[Kept], now: Timestamp) {
    let mut newest: BTreeMap<(Timestamp, Timestamp), &Kept> = BTreeMap::new();
    for file in kept {
        let place = newest.entry((file.from, file.until)).or_insert(file);
        if place.fetched_at < file.fetched_at {
            *place = file;
        }
    }
    for window in &mut pull.windows {
        let Some(file) = newest.get(&(window.from, window.until)) else { continue };
        let is_whole = file.fetched_at.duration_since(window.until) >= SETTLED_AFTER;
        let is_fresh = now.duration_since(file.fetched_at).abs() < FRESH;
        if file.is_read && (is_whole || is_fresh) {
            window.phase = match &file.report_id {
                // Not fetched again, but read again: it counts as a failure until it can be read.
                Some(report_id) if file.is_unread => {
                    Phase::Ready { report_id: report_id.clone(), next_at: now, spoilt: 0 }
                }
                Some(report_id) => Phase::Fetched { report_id: report_id.clone() },
                None => Phase::Empty,
            };
        }
    }
}

fn kinds(account: &Account, words: &[String]) -> Result<Vec<ReportKind>, DownloadError> {
    let known = source(account)?.kinds();
    if words.is_empty() {
        return Ok(known);
    }
    let find = |word: &String| {
        let found = known.iter().find(|kind| kind.word == word || kind.name == word).copied();
        found.ok_or_else(|| DownloadError::UnknownType {
            account: account.name.clone(),
            word: word.chars().take(80).collect(),
            known: known.iter().map(|kind| kind.word).collect::<Vec<&str>>().join(", "),
        })
    };
    words.iter().map(find).collect()
}

fn midnight(day: Date) -> Result<Timestamp, DownloadError> {
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| out_of_time())
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn out_of_time() -> DownloadError {
    DownloadError::Range(crate::apis::reporting::windows::BadRange::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn kept(day: &str, fetched_at: &str, report_id: Option<&str>) -> Kept {
        let from = at(&format!("{day}T00:00:00Z"));
        Kept {
            from,
            until: from.checked_add(SignedDuration::from_hours(24)).unwrap(),
            fetched_at: at(fetched_at),
            report_id: report_id.map(str::to_owned),
            is_read: true,
            trouble: None,
            is_unread: false,
        }
    }

    #[test]
    fn days_fetched_late_or_a_moment_ago_are_spared_and_others_fetched_again() {
        let now = at("2026-03-10T06:00:00Z");
        let of = |files: &[Kept]| {
            let (from, until) = (at("2026-03-01T00:00:00Z"), at("2026-03-02T00:00:00Z"));
            let mut pull = Pull::of_days("X", from, until, now).unwrap();
            spare(&mut pull, files, now);
            pull.windows[0].phase.clone()
        };
        let whole = kept("2026-03-01", "2026-03-05T00:00:00Z", Some("1"));
        let early = kept("2026-03-01", "2026-03-04T00:00:00Z", Some("2"));
        let just_now = kept("2026-03-01", "2026-03-10T05:00:00Z", None);
        let other_day = kept("2026-03-02", "2026-03-10T05:00:00Z", None);
        let unread = Kept { is_read: false, ..whole.clone() };
        let unreadable = Kept { is_unread: true, ..whole.clone() };
        let again = Phase::Ready { report_id: "1".to_owned(), next_at: now, spoilt: 0 };
        assert_eq!(of(&[unreadable]), again, "read again, not fetched again");
        assert_eq!(of(&[]), Phase::Owed);
        assert_eq!(of(std::slice::from_ref(&whole)), Phase::Fetched { report_id: "1".to_owned() });
        assert_eq!(of(std::slice::from_ref(&early)), Phase::Owed);
        assert_eq!(of(&[early, whole]), Phase::Fetched { report_id: "1".to_owned() });
        assert_eq!(of(&[just_now]), Phase::Empty);
        assert_eq!(of(&[other_day, unread]), Phase::Owed);
    }
}
