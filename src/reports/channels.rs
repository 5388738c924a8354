//! How many final states of a day a provider's notifications announced.
//!
//! Owns: the form in which a day's figures come in. Must never know: how a notification is verified.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

use crate::payments::object::AccountName;
use crate::store::StoreError;

/// The notifications of one account on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelDay {
    /// The account.
    pub account: AccountName,
    /// Final states that polling found and that could be announced.
    pub finals: u64,
    /// Those that were.
    pub announced: u64,
    /// The kinds that were called silent at some time of the day.
    pub silent: Vec<String>,
}

/// The figures of a span of time.
pub type ChannelFigures = Pin<Box<dyn Future<Output = Result<Vec<ChannelDay>, StoreError>> + Send>>;

/// Finds the figures from one time to another.
type Find = dyn Fn(Timestamp, Timestamp) -> ChannelFigures + Send + Sync;

/// Where the figures of a day come from; nowhere by default.
#[derive(Clone, Default)]
pub struct Channels(Option<Arc<Find>>);

impl Channels {
    /// By this function. What it returns for a span that is over must not change.
    pub fn new(find: impl Fn(Timestamp, Timestamp) -> ChannelFigures + Send + Sync + 'static) -> Channels {
        Channels(Some(Arc::new(find)))
    }

    pub(super) async fn of(&self, from: Timestamp, to: Timestamp) -> Result<Vec<ChannelDay>, StoreError> {
        match &self.0 {
            Some(find) => find(from, to).await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Channels")
    }
}
