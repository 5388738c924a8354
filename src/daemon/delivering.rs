//! Delivers pending alerts and events periodically.
//!
//! Owns: those loops, and what their rounds report. Must never know: what is delivered, where to.

use std::sync::Arc;
use std::time::Duration;

use crate::alerts::{self, Deliverer};
use crate::clock::SharedClock;
use crate::events::BackOffice;
use crate::task::{Done, Round, Work};
use crate::time;

/// Delivers the alerts in the outbox.
pub(super) struct AlertDelivery {
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) clock: SharedClock,
}

impl Work for AlertDelivery {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let round = self.deliverer.round().await.map_err(|error| error.to_string())?;
            Ok(delivered(&round, &self.clock))
        })
    }
}

/// Delivers the events of one receiver.
pub(super) struct EventDelivery {
    pub(super) office: Arc<BackOffice>,
    pub(super) clock: SharedClock,
}

impl Work for EventDelivery {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let round = self.office.round().await.map_err(|error| error.to_string())?;
            Ok(delivered(&round, &self.clock))
        })
    }
}

fn delivered(round: &alerts::Round, clock: &SharedClock) -> Done {
    let again_in = if round.is_unfinished {
        Some(Duration::from_secs(1))
    } else {
        round.next_at.map(|next| time::between(clock.now(), next))
    };
    let summary =
        format!("{} delivered, {} to be retried, {} given up", round.delivered, round.retried, round.dead);
    Done { summary, again_in }
}
