//! Lets the clock hear the `Date` of every target's answer.
//!
//! Owns: which host said it. Must never know: what the clock makes of it.

use std::sync::Arc;

use super::post::{Post, Posting, checked_address};
use super::target::Outgoing;
use crate::clock::{Clock, JudgedClock};
use crate::http::waits;

/// A way to targets whose answers are heard by a clock.
#[derive(Debug)]
pub struct DatedPost {
    inner: Arc<dyn Post>,
    clock: Arc<JudgedClock>,
}

impl DatedPost {
    /// Sends by `inner`; `clock` hears the dates.
    pub fn over(inner: Arc<dyn Post>, clock: Arc<JudgedClock>) -> DatedPost {
        DatedPost { inner, clock }
    }
}

impl Post for DatedPost {
    fn post<'a>(&'a self, outgoing: &'a Outgoing) -> Posting<'a> {
        Box::pin(async move {
            let began = self.clock.monotonic();
            let answer = self.inner.post(outgoing).await;
            if let Ok(answer) = &answer
                && let Some(date) = answer.date.as_deref().and_then(waits::http_date)
                && let Ok(url) = checked_address(outgoing.url.reveal())
            {
                self.clock.hear(url.host_str().unwrap_or_default(), date, began);
            }
            answer
        })
    }
}
