//! The world announces its changes.
//!
//! Owns: who may ask for what is due, and which provider knows an account's changes. Must never know: sockets; what a
//! message says.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::exchange::Outgoing;
use super::super::notifications::{Notification, Outcome, PostOffice, Signer};
use super::super::plan::Window;
use super::super::provider::Provider;
use super::{Simulator, World};

impl Simulator {
    /// What is to be posted until this time and was not handed out before, in the order of time, redeliveries included.
    /// However often it is asked for, each change becomes the same messages.
    pub fn notifications_until(&self, now: Timestamp) -> Vec<Notification> {
        let Some(signer) = self.signer() else { return Vec::new() };
        let drafts = {
            let mut world = self.world();
            let World { providers, post, is_calm, .. } = &mut *world;
            for provider in providers.iter_mut() {
                provider.advance(now);
            }
            post.until(now, *is_calm, |api, merchant, window| announced(providers, api, merchant, window))
        };
        drafts.into_iter().map(|draft| draft.sealed(&signer)).collect()
    }

    /// What is or will be posted after one time until another if nobody calls meanwhile, in the order of time.
    /// Redeliveries and confirmations apart; nothing is handed out or counted.
    pub fn notifications_between(&self, after: Timestamp, until: Timestamp) -> Vec<Notification> {
        let Some(signer) = self.signer() else { return Vec::new() };
        let drafts = {
            let world = self.world();
            let find = |api: &str, merchant: &str, window| announced(&world.providers, api, merchant, window);
            world.post.between(Window { after, until }, world.is_calm, find)
        };
        drafts.into_iter().map(|draft| draft.sealed(&signer)).collect()
    }

    /// When the next message is due of those whose change has been seen by [`Simulator::notifications_until`].
    pub fn next_notification(&self) -> Option<Timestamp> {
        self.world().post.next_due()
    }

    /// How a delivery ended, by this world's clock now. Where the provider would deliver again, a redelivery becomes due.
    pub fn notification_answered(&self, notification: &Notification, outcome: Outcome) {
        let now = self.clock.now();
        self.world().post.answered(notification, outcome, now);
    }

    /// Ends the subscription of this account now, and sends a message that says so.
    ///
    /// # Errors
    /// When the account has none.
    pub fn unsubscribe(&self, account: &str) -> Result<(), String> {
        let now = self.clock.now();
        self.world().post.unsubscribe(account, now)
    }

    /// The ARN of this account's topic.
    pub fn topic_arn(&self, account: &str) -> Option<String> {
        self.world().post.topic(account).map(|(arn, _)| arn)
    }

    /// When the subscription of this account was confirmed by a visit of its `SubscribeURL`.
    pub fn subscription_confirmed_at(&self, account: &str) -> Option<Timestamp> {
        self.world().post.topic(account)?.1
    }

    /// Who signs notifications: its authority is what a client must trust, and what the HTTPS server needs to be the SNS
    /// host as well. `None` when the scenario notifies nobody.
    pub fn signer(&self) -> Option<Arc<Signer>> {
        self.world().post.signer()
    }

    pub(crate) fn notification_ca_file(&self, account: &str) -> Option<PathBuf> {
        self.world().post.ca_file(account)
    }
}

fn announced(
    providers: &[Box<dyn Provider>],
    api: &str,
    merchant: &str,
    window: Window,
) -> Vec<crate::plan::Announcement> {
    let provider = providers.iter().find(|provider| provider.api() == api);
    provider.map(|provider| provider.announcements(merchant, window)).unwrap_or_default()
}

impl World {
    /// The counters of every account that is notified, as JSON.
    pub(super) fn notification_counts(&self) -> Outgoing {
        let post: &PostOffice = &self.post;
        let accounts = post.counts().into_iter().map(|(account, counts)| {
            let named = counts.named().into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
            (account, Value::Object(named.collect()))
        });
        let object: Map<String, Value> = accounts.collect();
        Outgoing::new(200, "application/json", Value::Object(object).to_string())
    }
}
