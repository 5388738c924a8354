//! Connects the nightly report to the figures of notifications.
//!
//! Owns: that connection. Must never know: what a notification says, how a report is written.

use crate::notifications;
use crate::reports::{ChannelDay, Channels};
use crate::store::Store;

/// The figures of notifications in the nightly report.
pub(super) fn channels(store: Store) -> Channels {
    Channels::new(move |from, to| {
        let store = store.clone();
        Box::pin(async move {
            let found = notifications::announced_between(&store, from, to).await?;
            let day = |sum: notifications::Announced| ChannelDay {
                account: sum.account,
                finals: sum.finals,
                announced: sum.announced,
                silent: sum.silent.iter().map(ToString::to_string).collect(),
            };
            Ok(found.into_iter().map(day).collect())
        })
    })
}
