//! One request: read, verified, counted, and its effect made durable before it is answered.
//!
//! Owns: which lane a notification is in, and the answer. Must never know: sockets, what a hint does (`effect`).

use super::certificates::Missing;
use super::channel::Channel;
use super::seen::Seen;
use super::{Hub, alert_text};
use crate::apis::notifications::sns::{Content, Sealed};
use crate::apis::notifications::{Envelope, Notification, Notifier, Refused};
use crate::payments::object::AccountName;
use crate::store::StoreError;

/// A request as it arrived.
pub struct Received<'a> {
    /// The body.
    pub body: &'a [u8],
    /// Looks up a header by its lower-case name.
    pub header: &'a (dyn Fn(&str) -> Option<String> + Send + Sync),
}

/// The header that marks a request that this program sent to try the way to itself.
pub(super) const TRY_HEADER: &str = "x-reconciled-try";

/// How a request is answered. No answer says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What it said is durable, or was so before.
    Stored,
    /// It is refused; sending it again would not help.
    Refused,
    /// There is no such account.
    NoAccount,
    /// It cannot be stored now: send it again.
    Later,
}

impl Answer {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Answer::Stored => 200,
            Answer::Refused => 400,
            Answer::NoAccount => 404,
            Answer::Later => 503,
        }
    }
}

/// How far a notification is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Verified,
    /// The reason why not.
    Unverified(&'static str),
}

impl Hub {
    /// Receives one request. Returns once what it says is durable.
    pub async fn receive(&self, account: &str, received: &Received<'_>) -> Answer {
        let channel = AccountName::new(account).ok().and_then(|account| self.channel(&account));
        let Some(channel) = channel.filter(|_| self.is_on()) else { return Answer::NoAccount };
        self.note_try(received);
        let account = channel.account();
        let Some(notifier) = account.api.notifications() else { return Answer::NoAccount };
        let result = match notifier.envelope() {
            Envelope::Own => self.receive_own(&channel, notifier, received).await,
            Envelope::Sns => self.receive_sealed(&channel, notifier, received).await,
        };
        match result {
            Ok(answer) => answer,
            Err(Failed::Refused(refused)) => {
                let mut known = channel.known();
                known.state.refused(refused.reason, self.clock.now());
                known.is_changed = true;
                tracing::debug!(account = %account.name, reason = refused.reason, "a notification is refused");
                Answer::Refused
            }
            Err(Failed::Store(error)) => {
                tracing::warn!(account = %account.name, %error, "a notification cannot be stored");
                self.postponed(&channel)
            }
        }
    }

    async fn receive_own(
        &self,
        channel: &Channel,
        notifier: &dyn Notifier,
        received: &Received<'_>,
    ) -> Result<Answer, Failed> {
        let notification = notifier.read(received.body, &media_type(received))?;
        let key = notification.key.clone().unwrap_or_default();
        self.once(channel, &key, self.verified(channel, notification)).await
    }

    async fn receive_sealed(
        &self,
        channel: &Channel,
        notifier: &dyn Notifier,
        received: &Received<'_>,
    ) -> Result<Answer, Failed> {
        let headers = ["x-amz-sns-message-type", "x-amz-sns-message-id", "x-amz-sns-topic-arn"];
        let headers = headers.map(|name| (name, (received.header)(name)));
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            value.as_deref()
        };
        let sealed = Sealed::read(received.body, header)?;
        let trust = self.trust_in(channel, notifier, &sealed).await?;
        match (sealed.content(), trust) {
            (Content::Notification(text), Trust::Verified) => {
                let notification = notifier.read(text.as_bytes(), "application/json");
                let stored = async {
                    match notification {
                        Ok(notification) => self.verified(channel, notification).await,
                        Err(refused) => Err(refused.into()),
                    }
                };
                self.once(channel, &sealed.key(), stored).await
            }
            (Content::Notification(text), Trust::Unverified(reason)) => {
                let notification = notifier.read(text.as_bytes(), "application/json")?;
                self.unverified(channel, notification, reason).await
            }
            (Content::Confirmation { url }, Trust::Verified | Trust::Unverified(UNTRUSTED_TOPIC)) => {
                let at = self.clock.now();
                let is_new = channel.known().state.asks(sealed.topic(), &url, at);
                if is_new {
                    self.write_state(channel).await?;
                    let account = channel.account();
                    tracing::warn!(account = %account.name, "a topic asks to confirm its subscription");
                }
                Ok(Answer::Stored)
            }
            (Content::Unsubscribed, Trust::Verified) => self.unsubscribed(channel).await,
            // Without proof it means nothing, and with proof later it will come again.
            (Content::Confirmation { .. } | Content::Unsubscribed, Trust::Unverified(reason)) => {
                let mut known = channel.known();
                known.state.unverified(reason);
                known.is_changed = true;
                drop(known);
                Ok(self.postponed(channel))
            }
        }
    }

    /// How far an envelope is trusted.
    async fn trust_in(
        &self,
        channel: &Channel,
        notifier: &dyn Notifier,
        sealed: &Sealed,
    ) -> Result<Trust, Failed> {
        let is_trusted = channel.known().state.trusts(sealed.topic());
        let certificate = match self.certificates.at(sealed.certificate_url(), is_trusted).await {
            Ok(certificate) => certificate,
            Err(Missing::Unavailable) => return Ok(Trust::Unverified("certificate_unavailable")),
            Err(Missing::UnknownIssuer) => return Ok(Trust::Unverified("certificate_chain")),
            Err(Missing::Refused(refused)) => return Err(refused.into()),
        };
        let now = self.clock.now();
        sealed.verify(&certificate, notifier.redelivered_for(), now)?;
        let mut known = channel.known();
        if known.state.trusts(sealed.topic()) {
            self.certificates.prove(sealed.certificate_url());
            return Ok(Trust::Verified);
        }
        known.state.offer(sealed.topic(), now);
        known.is_changed = true;
        Ok(Trust::Unverified(UNTRUSTED_TOPIC))
    }

    /// Does `effect` unless it was done before.
    async fn once(
        &self,
        channel: &Channel,
        key: &str,
        effect: impl Future<Output = Result<Answer, Failed>>,
    ) -> Result<Answer, Failed> {
        let seen = channel.known().memory.begin(key);
        match seen {
            Seen::Before => {
                let mut known = channel.known();
                known.state.counts.duplicates += 1;
                known.is_changed = true;
                Ok(Answer::Stored)
            }
            Seen::InProgress => Ok(self.postponed(channel)),
            Seen::New => {
                let mut ending = Ending { channel, key, is_stored: false };
                let result = effect.await;
                ending.is_stored = matches!(result, Ok(Answer::Stored));
                result
            }
        }
    }

    /// A verified notification.
    async fn verified(&self, channel: &Channel, notification: Notification) -> Result<Answer, Failed> {
        let now = self.clock.now();
        self.apply(channel, &notification, now).await?;
        let mut known = channel.known();
        known.state.counts.verified += 1;
        known.state.counts.last_verified_at = Some(now);
        known.state.unsubscribed_at = None;
        known.is_changed = true;
        Ok(Answer::Stored)
    }

    async fn unsubscribed(&self, channel: &Channel) -> Result<Answer, Failed> {
        let now = self.clock.now();
        let account = channel.account();
        let is_new = {
            let mut known = channel.known();
            known.state.counts.verified += 1;
            known.state.confirmed_at = None;
            known.state.unsubscribed_at.replace(now).is_none()
        };
        self.write_state(channel).await?;
        if is_new {
            self.raise(&account, alert_text::unsubscribed(&account, now), now).await?;
        }
        Ok(Answer::Stored)
    }

    pub(super) fn postponed(&self, channel: &Channel) -> Answer {
        let mut known = channel.known();
        known.state.counts.postponed += 1;
        known.is_changed = true;
        Answer::Later
    }
}

/// The reason of a genuine message whose topic nobody trusts.
pub(super) const UNTRUSTED_TOPIC: &str = "untrusted_topic";

/// Ends the progress of a new notification even if its request is dropped.
struct Ending<'a> {
    channel: &'a Channel,
    key: &'a str,
    is_stored: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.channel.known().memory.end(self.key, self.is_stored);
    }
}

/// Why a request has no effect.
#[derive(Debug)]
pub(super) enum Failed {
    Refused(Refused),
    Store(StoreError),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        Failed::Refused(refused)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

fn media_type(received: &Received<'_>) -> String {
    let written = (received.header)("content-type").unwrap_or_default();
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
