//! The answers about silences and acknowledgements.
//!
//! Owns: what a silence must say, and what each answer does. Must never know: alert texts, targets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::alerts::matchers::Known;
use crate::alerts::silences::{self, Silences};
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, PAGE_ROWS, Service, storage};
use crate::store::AlertFilter;
use crate::time::{earlier, later};

/// `--all` acknowledges no alert that is older.
const LONGEST_UNACKNOWLEDGED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a silence that has ended is listed.
const LISTED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most characters of a silence's reason.
const REASON_CHARACTERS_MAX: usize = 300;

impl Service {
    pub(super) fn silences(&self) -> Silences {
        self.rooms().deliverer.silences().clone()
    }

    /// Adds a silence.
    pub async fn add_silence(&self, request: SilenceAdd, actor: &str) -> Answer<SilenceRow> {
        let now = self.clock.now();
        let ends_at = self.checked_end(&request, now)?;
        let silence = Silence {
            number: 0,
            matchers: request.matchers,
            by: actor.to_owned(),
            reason: request.reason.trim().to_owned(),
            begins_at: now,
            ends_at,
            until_resolved: request.until_resolved,
            ended: None,
        };
        let silence = self.silences().add(silence).await.map_err(storage)?;
        Ok(row(silence, &BTreeMap::new(), now))
    }

    /// When a silence ends, if everything about it makes sense.
    fn checked_end(&self, request: &SilenceAdd, now: Timestamp) -> Answer<Timestamp> {
        let bad = |what: String, remedy: &str| Err(Problem::new(Cause::Unprocessable, what, remedy));
        let matchers = &request.matchers;
        if *matchers == Matchers::default() {
            let remedy = "name at least one condition, such as an account or a kind (--account, --kind)";
            return bad("a silence of every alert would hide everything".to_owned(), remedy);
        }
        let rooms = self.rooms();
        let object_kinds = rooms.accounts.iter().flat_map(|account| account.api.kinds().to_vec());
        let object_kinds: BTreeSet<String> = object_kinds.map(str::to_owned).collect();
        let known = Known { accounts: &rooms.deliverer.routes().labels, object_kinds: &object_kinds };
        let unknown = matchers.unknown_words(known);
        if let Some((_, _, remedy)) = unknown.first() {
            let what: Vec<String> = unknown.iter().map(|(key, what, _)| format!("{key}: {what}")).collect();
            return bad(what.join("; "), remedy);
        }
        if !(1..=REASON_CHARACTERS_MAX).contains(&request.reason.trim().chars().count()) {
            let what = format!("the reason is not a text of 1 to {REASON_CHARACTERS_MAX} characters");
            return bad(what, "say why, for your colleagues (--because)");
        }
        if request.until_resolved && !silences::can_be_resolved(matchers) {
            let remedy = "name kinds that have an end, such as no-success (--kind), or let it end after a time (--for)";
            return bad("some of these alerts report no condition that ends".to_owned(), remedy);
        }
        let latest = later(now, silences::LONGEST);
        let ends_at = match (request.for_s, request.until) {
            (Some(_), Some(_)) => return bad("it has two ends".to_owned(), "give --for or --until"),
            (Some(seconds), None) => later(now, Duration::from_secs(seconds).min(silences::LONGEST * 2)),
            (None, Some(until)) => until,
            (None, None) if request.until_resolved => latest,
            (None, None) => {
                return bad("it has no end".to_owned(), "give --for, --until or --until-resolved");
            }
        };
        if ends_at <= now || ends_at > latest {
            return bad(
                format!("it would end at {ends_at}"),
                "the end must be later than now and within 30 days",
            );
        }
        Ok(ends_at)
    }

    /// The silences, the newest first.
    pub async fn list_silences(&self, request: &SilenceList) -> Answer<Vec<SilenceRow>> {
        let now = self.clock.now();
        let oldest = earlier(now, LISTED_FOR);
        let mut all = self.silences().all().await.map_err(storage)?;
        all.retain(|silence| request.all || silence.end() > oldest);
        let since = all.iter().map(|silence| silence.begins_at).min().unwrap_or(now);
        let held = self.silences().held_back(since).await.map_err(storage)?;
        Ok(all.into_iter().rev().map(|silence| row(silence, &held, now)).collect())
    }

    /// Ends a silence.
    pub async fn end_silence(&self, number: u64, actor: &str) -> Answer<SilenceRow> {
        let now = self.clock.now();
        let ended = self.silences().end(number, actor, now).await.map_err(storage)?;
        let ended = ended.ok_or_else(|| {
            let remedy = "`reconciled silence list --all` shows all";
            Problem::new(Cause::NotFound, format!("there is no silence {number}"), remedy)
        })?;
        let held = self.silences().held_back(ended.begins_at).await.map_err(storage)?;
        Ok(row(ended, &held, now))
    }

    /// Acknowledges alerts.
    pub async fn acknowledge(&self, request: AcknowledgeRequest, actor: &str) -> Answer<Acknowledged> {
        if request.all != request.keys.is_empty() {
            return Err(Problem::new(Cause::Malformed, "name either keys or all", ""));
        }
        let keys = if request.all { self.unacknowledged().await? } else { request.keys };
        let now = self.clock.now();
        let mut done = Acknowledged::default();
        for key in keys {
            match self.store.acknowledge(&key, actor, now).await.map_err(storage)? {
                true => done.keys.push(key),
                false => done.unknown.push(key),
            }
        }
        Ok(done)
    }

    /// The alerts of the last month with an escalation that nobody has acknowledged.
    async fn unacknowledged(&self) -> Answer<Vec<String>> {
        let oldest = earlier(self.clock.now(), LONGEST_UNACKNOWLEDGED);
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.store.alerts(AlertFilter::default(), after, PAGE_ROWS.0).await.map_err(storage)?;
            let waits = |row: &&AlertRow| {
                use DeliveryStatus::{Acknowledged, Silenced};
                let mut escalations = row.deliveries.iter().filter(|row| row.is_escalation);
                row.acknowledged.is_none()
                    && escalations.any(|row| !matches!(row.status, Acknowledged | Silenced))
            };
            keys.extend(page.items.iter().filter(waits).map(|row| row.alert.key.clone()));
            let is_past = page.items.last().is_some_and(|row| row.alert.found_at < oldest);
            after = page.next;
            if is_past || after.is_none() {
                return Ok(keys);
            }
        }
    }
}

fn row(silence: Silence, held: &BTreeMap<u64, u64>, now: Timestamp) -> SilenceRow {
    let held_back = held.get(&silence.number).copied().unwrap_or_default();
    SilenceRow { is_active: silence.is_active(now), held_back, silence }
}
