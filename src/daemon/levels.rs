//! How much of each quota was left at a clean stop.
//!
//! Owns: the names under which this is stored. Must never know: how a budget is counted.
//!
//! The levels are one stored value while that is short. The levels of thousands of accounts are longer than a journal
//! entry may be, so they are written in pieces, and the value holds the number of pieces.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::pace::{Pace, SavedLevel};
use crate::documents;
use crate::store::{Store, StoreError};

const LEVELS: &str = "quota-levels";
/// Levels per piece: about 200 KB.
const PIECE_LEVELS: usize = 1_000;

/// The content of the value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Saved {
    /// All levels.
    Levels(Vec<SavedLevel>),
    /// The number of pieces, each stored under its own name.
    InPieces { pieces: usize },
}

fn piece_name(number: usize) -> String {
    format!("{LEVELS}/{number}")
}

/// Saves the levels of the budgets, at a clean stop.
///
/// # Errors
/// The store's.
pub(super) async fn save(store: &Store, pace: &Pace, now: Timestamp) -> Result<(), StoreError> {
    let levels = pace.saved(now);
    if levels.len() <= PIECE_LEVELS {
        return remember(store, LEVELS, &Saved::Levels(levels)).await;
    }
    let mut pieces = 0;
    for piece in levels.chunks(PIECE_LEVELS) {
        remember(store, &piece_name(pieces), &Saved::Levels(piece.to_vec())).await?;
        pieces += 1;
    }
    // Written last: a stop that is interrupted before this is not a clean one, and none of the pieces are used.
    remember(store, LEVELS, &Saved::InPieces { pieces }).await
}

async fn remember(store: &Store, name: &str, saved: &Saved) -> Result<(), StoreError> {
    match serde_json::to_string(saved) {
        Ok(text) => store.remember(name, &text).await,
        Err(error) => {
            tracing::warn!(%error, "the quota levels cannot be saved; the budgets will start empty");
            Ok(())
        }
    }
}

/// Restores the saved levels. A budget whose level cannot be read starts empty.
///
/// # Errors
/// The store's.
pub(super) async fn restore(store: &Store, pace: &Pace, now: Timestamp) -> Result<(), StoreError> {
    match documents::read_if_sound(store, LEVELS).await? {
        Some(Saved::Levels(levels)) => pace.restore(&levels, now),
        Some(Saved::InPieces { pieces }) => {
            for number in 0..pieces {
                if let Some(Saved::Levels(levels)) =
                    documents::read_if_sound(store, &piece_name(number)).await?
                {
                    pace.restore(&levels, now);
                }
            }
        }
        None => {}
    }
    Ok(())
}

/// Forgets the saved levels: a process other than the daemon is about to use the budgets, so they are no longer true.
///
/// # Errors
/// The store's.
pub(super) async fn forget(store: &Store) -> Result<(), StoreError> {
    store.remember(LEVELS, "[]").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::pace::Quota;
    use crate::clock::HandClock;
    use crate::payments::object::AccountName;
    use crate::store::Options;

    const NOW: Timestamp = Timestamp::constant(1_770_000_000, 0);

    fn account(number: usize) -> AccountName {
        AccountName::new(format!("shop-{number:05}")).unwrap()
    }

    /// Budgets of this many accounts, with three operations each, which start empty.
    fn pace(accounts: usize) -> Pace {
        let pace = Pace::new(HandClock::starting_at(NOW));
        for number in 0..accounts {
            for operation in ["Get", "List", "Create"] {
                pace.set_quota(&account(number), operation, Quota::LIVE);
            }
        }
        pace
    }

    #[tokio::test]
    async fn a_budget_is_as_it_was_however_many_there_are() {
        for accounts in [0, 2, 400, 7_000] {
            let folder = tempfile::tempdir().unwrap();
            let options = Options { folder: folder.path().join("store"), ..Options::default() };
            let (store, _) = Store::open(options, NOW).await.unwrap();
            let before = pace(accounts);
            for number in (0..accounts).step_by(2) {
                before.assume_full(&account(number), "List");
            }
            save(&store, &before, NOW).await.unwrap();
            let after = pace(accounts);
            restore(&store, &after, NOW).await.unwrap();
            assert_eq!(after.saved(NOW), before.saved(NOW), "{accounts} accounts");
            forget(&store).await.unwrap();
            let spent = pace(accounts);
            restore(&store, &spent, NOW).await.unwrap();
            assert_eq!(spent.saved(NOW), pace(accounts).saved(NOW), "{accounts} accounts");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_starts_empty() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().join("store"), ..Options::default() };
        let (store, _) = Store::open(options, NOW).await.unwrap();
        for text in ["", "{}", "7", r#"[{"account":"shop"}]"#, r#"{"pieces":3}"#] {
            store.remember(LEVELS, text).await.unwrap();
            let spent = pace(2);
            restore(&store, &spent, NOW).await.unwrap();
            assert_eq!(spent.saved(NOW), pace(2).saved(NOW), "{text}");
        }
    }
}
