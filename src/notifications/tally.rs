//! What each quarter of an hour brought, for the nightly report.
//!
//! Owns: its stored form. Must never know: days as a person counts them, files.
//!
//! A final state is booked when it is known whether a hint announced it, so a quarter that is over does not change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::documents::{self, Document, DocumentError};
use crate::payments::object::{AccountName, Kind};
use crate::store::{Store, StoreError};
use crate::time::later;

/// A quarter of an hour, in seconds.
const QUARTER_S: i64 = 900;

/// One quarter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Quarter {
    finals: u64,
    announced: u64,
    silent: BTreeSet<Kind>,
}

/// The quarters of one UTC day of one account; those in which nothing happened are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    account: AccountName,
    date: Date,
    quarters: BTreeMap<i64, Quarter>,
}

/// The sum of some quarters of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The account.
    pub account: AccountName,
    /// Final states that polling found.
    pub finals: u64,
    /// Those that a hint announced.
    pub announced: u64,
    /// The kinds that were called silent.
    pub silent: BTreeSet<Kind>,
}

impl Document for Tally {
    const TYPE: &'static str = "notification-tally";

    fn name(&self) -> String {
        name(self.date, &self.account)
    }
}

fn name(date: Date, account: &AccountName) -> String {
    format!("{date}/{account}")
}

fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl Tally {
    /// Reads what is stored of the day of `now`, or begins it.
    pub(super) async fn of_day(
        store: &Store,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<Tally, DocumentError> {
        let date = date_of(now);
        let stored = documents::read(store, &format!("{}/{}", Tally::TYPE, name(date, account))).await?;
        Ok(stored.unwrap_or_else(|| Tally { account: account.clone(), date, quarters: BTreeMap::new() }))
    }

    /// Adds to the quarter of `now`, which must be on this day.
    pub(super) fn add(&mut self, finals: u64, announced: u64, silent: BTreeSet<Kind>, now: Timestamp) {
        let quarter = self.quarters.entry(now.as_second().div_euclid(QUARTER_S)).or_default();
        quarter.finals += finals;
        quarter.announced += announced;
        quarter.silent.extend(silent);
    }
}

/// What the quarters that begin from one time until another brought, by account.
///
/// # Errors
/// The store's.
pub async fn announced_between(
    store: &Store,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Announced>, StoreError> {
    let mut sums: BTreeMap<AccountName, Announced> = BTreeMap::new();
    let (mut date, last) = (date_of(from), date_of(to));
    while date <= last {
        for (_, text) in store.recall_all(&format!("{}/{date}/", Tally::TYPE)).await? {
            let Ok(tally) = serde_json::from_str::<Tally>(&text) else { continue };
            for (number, quarter) in &tally.quarters {
                let begins =
                    later(Timestamp::UNIX_EPOCH, jiff::SignedDuration::from_secs(number * QUARTER_S));
                if begins < from || begins >= to {
                    continue;
                }
                let sum = sums.entry(tally.account.clone()).or_insert_with(|| Announced {
                    account: tally.account.clone(),
                    finals: 0,
                    announced: 0,
                    silent: BTreeSet::new(),
                });
                sum.finals += quarter.finals;
                sum.announced += quarter.announced;
                sum.silent.extend(quarter.silent.iter().cloned());
            }
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    Ok(sums.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Documents;
    use crate::store::Options;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_span_has_its_quarters_also_across_midnight_and_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().to_owned(), ..Options::default() };
        let (store, _) = Store::open(options, Timestamp::UNIX_EPOCH).await.unwrap();
        let tallies: Documents<Tally> = Documents::new(store.clone());
        let shop: AccountName = "shop".parse().unwrap();
        for (time, announced, is_silent) in [
            ("2027-01-15T22:59:59Z", 1, false),
            ("2027-01-15T23:00:00Z", 1, false),
            ("2027-01-16T10:07:00Z", 0, true),
            ("2027-01-16T23:00:00Z", 1, false),
        ] {
            let mut tally = Tally::of_day(&store, &shop, at(time)).await.unwrap();
            let silent = is_silent.then(|| Kind::new("refund").unwrap());
            tally.add(2, announced, silent.into_iter().collect(), at(time));
            tallies.write(&tally).await.unwrap();
        }
        let (from, to) = (at("2027-01-15T23:00:00Z"), at("2027-01-16T23:00:00Z"));
        let found = announced_between(&store, from, to).await.unwrap();
        let silent = BTreeSet::from([Kind::new("refund").unwrap()]);
        assert_eq!(found, [Announced { account: shop, finals: 4, announced: 1, silent }]);
        assert_eq!(announced_between(&store, to, to).await.unwrap(), []);
    }
}
