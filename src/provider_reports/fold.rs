//! Processes a file: compares its rows with the watched objects, and rejects rows that cannot be used.
//!
//! Owns: the order of reporting and recording; any step may be repeated. Must never know: columns, what a difference
//! is.

use std::collections::BTreeMap;

use super::alert_text::Place;
use super::archive::{Archive, Manifest, Read};
use super::compare::{Verdict, compare};
use super::download::{Download, Tally, Unread};
use super::{Account, DownloadError, Downloads, Ports, source};
use crate::apis::reporting::windows::Window;
use crate::apis::reporting::{Claim, Fetched, Reading, Says};
use crate::blocking;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Details, Enrolment};
use crate::store::{AlertFilter, Enrolled, OwedAlert};
use crate::text;

/// The maximum number of bad lines named in an alert. All of them are in the file of rejected rows.
const MOST_LINES_TOLD: usize = 10;

impl Downloads {
    /// Reads a kept file and does everything that follows from it. If the file cannot be read, also returns why.
    pub(super) async fn fold(
        &self,
        account: &Account,
        ports: &Ports,
        (download, window): (&Download, &Window),
        (mut manifest, file): (Manifest, Fetched),
    ) -> Result<(Tally, Option<Unread>), DownloadError> {
        let now = self.clock.now();
        let place = Place { download, window, where_to_look: account.api.where_to_look(), now };
        let report_id = manifest.report_id.clone().unwrap_or_default();
        let archive = Archive::of(account, &download.word);
        let (own, word) = (account.clone(), download.word.clone());
        // Millions of rows take seconds, and other loops must not wait for that.
        let read = move || source(&own).map_err(|error| error.to_string())?.read(&word, &file);
        let read = blocking::run(read).await;
        let read = read.unwrap_or_else(|_| Err("reading it broke down".to_owned()));
        let mut tally = Tally { files: 1, ..Tally::default() };
        let (reading, mut trouble) = match read {
            Ok(reading) => {
                let trouble = trouble(&reading);
                (reading, trouble)
            }
            Err(why) => (Reading::default(), vec![why]),
        };
        tally.rows = reading.rows;
        tally.rejected = count(reading.rejected.len());
        self.hold_against(account, ports, place, &reading, &mut tally).await?;
        let is_unread = !trouble.is_empty() && reading.used() == 0;
        if is_unread && reading.rows > 0 {
            trouble.insert(0, format!("none of its {} can be used", text::count(reading.rows, "row")));
        }
        let why = trouble.join("; ");
        if !why.is_empty() && !self.is_told(&archive, window, &report_id, &why).await? {
            let alert = place.unusable(&report_id, &why, reading.used(), &archive.shown(&manifest));
            self.tell(account, ports, alert).await?;
        }
        tally.unreadable = u64::from(is_unread);
        let unread = is_unread.then(|| Unread {
            from: window.from,
            report_id,
            why: why.clone(),
            kept_at: archive.shown(&manifest),
        });
        manifest.read = Some(Read {
            columns: reading.columns,
            rows: tally.rows,
            rejected: tally.rejected,
            trouble: Some(why).filter(|why| !why.is_empty()),
            is_unread,
        });
        archive.note(manifest, reading.rejected).await?;
        Ok((tally, unread))
    }

    /// Whether an earlier file of the same day had the same trouble: a recent day's report is fetched every night.
    async fn is_told(
        &self,
        archive: &Archive,
        window: &Window,
        report_id: &str,
        why: &str,
    ) -> Result<bool, DownloadError> {
        // A report that the provider makes on its own schedule has a time instead of a day: each one is different.
        if window.from == window.until {
            return Ok(false);
        }
        let kept = archive.kept_in(window.from, window.until).await?;
        Ok(kept.iter().any(|file| {
            (file.from, file.until) == (window.from, window.until)
                && file.report_id.as_deref() != Some(report_id)
                && file.trouble.as_deref() == Some(why)
        }))
    }

    async fn hold_against(
        &self,
        account: &Account,
        ports: &Ports,
        place: Place<'_>,
        reading: &Reading,
        tally: &mut Tally,
    ) -> Result<(), DownloadError> {
        let store = self.stored.store();
        let mut found = Vec::new();
        for claim in newest(&reading.claims) {
            let object =
                ObjectRef { account: account.name.clone(), kind: claim.kind.clone(), id: claim.id.clone() };
            let Some(record) = store.record(&object).await? else {
                tally.unknown += 1;
                if account.discover && account.api.accepts(&object.kind, &object.id).is_ok() {
                    found.push(Enrolment { object, details: details(&claim) });
                }
                continue;
            };
            tally.compared += 1;
            match compare(account.api.lifecycle(&object.kind), &record, &claim) {
                Verdict::Agrees => {}
                Verdict::News => {
                    store.hint(&object, place.now).await?;
                }
                Verdict::Differs(differences) => {
                    tally.differing += 1;
                    let alerts = differences.iter().map(|found| place.difference(&record, &claim, found));
                    self.tell_differences(account, ports, &object, alerts.collect()).await?;
                }
            }
        }
        let outcomes = store.enrol(found, place.now).await?;
        tally.enrolled += count(outcomes.iter().filter(|outcome| **outcome == Enrolled::New).count());
        Ok(())
    }

    /// Requests a poll of an object before it reports a new difference. If the process is killed in between, the
    /// object is only polled once more. A difference that was reported before causes no poll.
    async fn tell_differences(
        &self,
        account: &Account,
        ports: &Ports,
        object: &ObjectRef,
        alerts: Vec<crate::payments::alert::Alert>,
    ) -> Result<(), DownloadError> {
        let store = self.stored.store();
        let filter = AlertFilter {
            object: Some(object.clone()),
            kind: Some(crate::payments::alert::AlertKind::ReportDifference.to_string()),
            ..AlertFilter::default()
        };
        let mut told = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.alerts(filter.clone(), cursor.take(), 100).await?;
            told.extend(page.items.into_iter().map(|row| row.alert.key));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let new: Vec<_> = alerts.into_iter().filter(|alert| !told.contains(&alert.key)).collect();
        if new.is_empty() {
            return Ok(());
        }
        store.ask(vec![object.clone()], self.clock.now()).await?;
        for alert in new {
            tracing::warn!(%object, key = alert.key, "a provider's report differs from the record");
            self.tell(account, ports, alert).await?;
        }
        Ok(())
    }

    pub(super) async fn tell(
        &self,
        account: &Account,
        ports: &Ports,
        alert: crate::payments::alert::Alert,
    ) -> Result<(), DownloadError> {
        let targets = (ports.routes)(&alert, account.is_sandbox);
        self.stored.store().raise(vec![OwedAlert { alert, targets }]).await?;
        Ok(())
    }
}

/// The newest claim about each object, because a file has a row for every state. The amounts of several postings of one
/// object cannot be compared with the object's own amount, so such a claim has no amount.
fn newest(claims: &[Claim]) -> Vec<Claim> {
    let mut newest: BTreeMap<(&str, &str), Claim> = BTreeMap::new();
    for claim in claims {
        match newest.entry((claim.kind.as_str(), claim.id.as_str())) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(claim.clone());
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                // Of two rows with the same second, the first counts: files start with the newest row.
                if claim.at > known.at {
                    *known = claim.clone();
                }
                if known.says == Says::Settled {
                    known.amount = None;
                }
            }
        }
    }
    newest.into_values().collect()
}

/// The details that a report gives for an object that was not watched. A settlement's amount may be in a different
/// currency.
fn details(claim: &Claim) -> Details {
    Details {
        amount: claim.amount.filter(|_| claim.says != Says::Settled),
        merchant_reference: claim.reference.clone(),
        created_at: claim.created_at,
        parent: claim.parent.clone(),
    }
}

fn trouble(reading: &Reading) -> Vec<String> {
    let mut trouble = reading.remarks.clone();
    if !reading.rejected.is_empty() {
        let named = reading.rejected.iter().take(MOST_LINES_TOLD);
        let lines: Vec<String> =
            named.map(|row| format!("line {} ({} {})", row.line, row.column, row.why)).collect();
        let more = reading.rejected.len().saturating_sub(MOST_LINES_TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        trouble.push(format!(
            "bad: {}: {}{more}",
            text::count(reading.rejected.len(), "row"),
            lines.join(", ")
        ));
    }
    trouble
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
