//! What happens later: unverified hints are polled, verdicts are reported and followed, counts are stored.
//!
//! Owns: the order. Must never know: what a verdict means for polling (its port does).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::channel::Channel;
use super::fusion::Verdict;
use super::tally::Tally;
use super::{Hub, alert_text, sound};
use crate::apis::Account;
use crate::documents::Documents;
use crate::http::BoxFuture;
use crate::payments::object::Kind;
use crate::payments::observation::EndedPoll;
use crate::store::{Announced, StoreError};

/// The longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Names the kinds of an account whose final states are announced, so that these may be polled less often.
pub type Relaxing =
    Arc<dyn Fn(Arc<Account>, BTreeSet<Kind>) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

/// What follows from the health of a channel.
#[derive(Clone)]
pub struct Ports {
    /// Adapts polling.
    pub relaxing: Relaxing,
}

impl Hub {
    /// A poll ended. Cheap; what follows is done in the next round.
    pub fn polled(&self, polled: &EndedPoll<'_>) {
        if !self.is_on() {
            return;
        }
        let Some(channel) = self.channel(&polled.object.account) else { return };
        let account = channel.account();
        let kinds = account.api.notifications().map(|notifier| notifier.announced_kinds());
        let mut known = channel.known();
        if polled.became_final {
            known.state.lane.remove(polled.object);
        }
        if known.polled(polled, kinds.unwrap_or_default(), self.moment()) {
            self.wake.notify_one();
        }
    }

    /// Does what is due. Returns how long to wait before the next round.
    ///
    /// # Errors
    /// The store's.
    pub async fn round(&self, ports: &Ports) -> Result<Duration, StoreError> {
        let mut wait = LONGEST_WAIT;
        for channel in self.all() {
            if let Some(left) = self.one(&channel, ports).await? {
                wait = wait.min(left);
            }
        }
        self.save_sometimes().await?;
        Ok(wait.max(Duration::from_millis(100)))
    }

    async fn one(&self, channel: &Channel, ports: &Ports) -> Result<Option<Duration>, StoreError> {
        let (account, now) = (channel.account(), self.clock.now());
        let waits_end = channel.known().end_waits(self.moment());
        let per_hour = self.settings.unverified_per_hour;
        let (finals, announced) = std::mem::take(&mut channel.known().booked);
        if finals > 0 {
            let silent = channel.known().fusion.kinds_that_are(Verdict::Silent);
            if let Some(mut tally) = sound(Tally::of_day(&self.store, &account.name, now).await)? {
                tally.add(finals, announced, silent, now);
                let tallies: Documents<Tally> = Documents::new(self.store.clone());
                sound(tallies.write(&tally).await)?;
            }
        }
        let to_report = channel.known().fusion.to_report(now);
        let is_news = !to_report.is_empty();
        for (kind, verdict, at) in to_report {
            match verdict {
                Verdict::Silent => {
                    tracing::warn!(account = %account.name, %kind, "notifications have stopped")
                }
                Verdict::Healthy | Verdict::Unknown => {
                    tracing::info!(account = %account.name, %kind, "notifications announce what polling finds");
                }
            }
            self.raise(&account, alert_text::verdict(&account, &kind, verdict, at, now)).await?;
            let mut known = channel.known();
            known.fusion.reported(&kind, verdict, now);
            known.is_fusion_changed = true;
        }
        if is_news {
            self.save().await?;
        }
        let healthy = channel.known().fusion.kinds_that_are(Verdict::Healthy);
        (ports.relaxing)(Arc::clone(&account), healthy).await?;
        loop {
            let next = channel.known().state.lane.next(per_hour, now);
            let Some(object) = next else { break };
            let answers = self.store.announce(vec![object.clone()], now).await?;
            let mut known = channel.known();
            known.is_changed = true;
            known.state.lane.remove(&object);
            if answers == [Announced::Due] {
                known.state.lane.spend(per_hour, now);
                known.state.counts.unverified_polled += 1;
            }
        }
        let known = channel.known();
        let lane = (known.state.lane.len() > 0).then(|| known.state.lane.wait(per_hour, now)).flatten();
        Ok(waits_end.into_iter().chain(lane).min())
    }
}
