//! What polling by learnt ages knows, for the page of a night.
//!
//! Owns: the form in which it comes in. Must never know: how anything is learnt.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::payments::adaptive::Overview;
use crate::payments::object::AccountName;
use crate::store::StoreError;

/// What accounts have learnt and plan.
pub type Overviews = Pin<Box<dyn Future<Output = Result<Vec<(AccountName, Overview)>, StoreError>> + Send>>;

/// Where it comes from; nowhere by default.
#[derive(Clone, Default)]
pub struct Rhythms(Option<Arc<dyn Fn() -> Overviews + Send + Sync>>);

impl Rhythms {
    /// By this function, at the moment at which a report is made.
    pub fn new(find: impl Fn() -> Overviews + Send + Sync + 'static) -> Rhythms {
        Rhythms(Some(Arc::new(find)))
    }

    pub(super) async fn now(&self) -> Result<Vec<(AccountName, Overview)>, StoreError> {
        match &self.0 {
            Some(find) => find().await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for Rhythms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rhythms")
    }
}
