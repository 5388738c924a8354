//! One request: read, verified, counted, and its effect made durable before it is answered.
//!
//! Owns: which lane a notification is in, and the answer. Must never know: sockets, what a hint does (`effect`).

use jiff::Timestamp;

use super::certificates::Missing;
use super::channel::Channel;
use super::seen::Seen;
use super::state::Asked;
use super::{Hub, alert_text};
use crate::apis::notifications::sns::{Content, Sealed};
use crate::apis::notifications::{Envelope, Notification, Notifier, Refused, TOO_OLD};
use crate::payments::object::AccountName;
use crate::store::StoreError;
use crate::text::sha256;

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
    /// It is refused, or there is no such account; sending it again would not help.
    Refused,
    /// It cannot be stored now: send it again.
    Later,
}

impl Answer {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Answer::Stored => 200,
            Answer::Refused => 400,
            Answer::Later => 503,
        }
    }
}

/// How far a notification is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Verified,
    Unverified(Unverified),
}

/// Why a message is not verifiable, and from where it says that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unverified {
    /// A stable word for counts.
    pub(super) reason: &'static str,
    /// It names a trusted topic, so that it may be verifiable when it comes again.
    pub(super) names_trusted: bool,
    /// When it says that it was sent.
    pub(super) sent_at: Timestamp,
}

impl Hub {
    /// Receives one request. Returns once what it says is durable.
    pub async fn receive(&self, account: &str, received: &Received<'_>) -> Answer {
        let channel = AccountName::new(account).ok().and_then(|account| self.channel(&account));
        let Some(channel) = channel.filter(|_| self.is_on()) else { return Answer::Refused };
        let is_own_try = self.note_try(received);
        let account = channel.account();
        let Some(notifier) = account.api.notifications() else { return Answer::Refused };
        let result = match notifier.envelope() {
            Envelope::Own => self.receive_own(&channel, notifier, received).await,
            Envelope::Sns => self.receive_sealed(&channel, notifier, received).await,
        };
        match result {
            Ok(answer) => answer,
            // What this program sends to try the way is no news.
            Err(Failed::Refused(_)) if is_own_try => Answer::Refused,
            Err(Failed::Refused(refused)) => {
                let mut known = channel.known();
                known.state.refused(refused.reason, self.clock.now());
                known.is_changed = true;
                tracing::debug!(account = %account.name, reason = refused.reason, "a notification is refused");
                Answer::Refused
            }
            Err(Failed::Store(error)) => {
                tracing::warn!(account = %account.name, error, "a notification cannot be stored");
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
        let key = key_today(notification.key.as_deref().unwrap_or_default(), self.clock.now());
        self.once(channel, &key, None, self.verified(channel, notification)).await
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
        let (key, sent_at) = (sealed.key(), sealed.sent_at());
        match (sealed.content(), trust) {
            (Content::Notification(text), Trust::Verified) => {
                let notification = notifier.read(text.as_bytes(), "application/json");
                let stored = async {
                    match notification {
                        Ok(notification) => {
                            let answer = self.verified(channel, notification).await?;
                            channel.known().state.sent(sent_at);
                            Ok(answer)
                        }
                        Err(refused) => Err(refused.into()),
                    }
                };
                self.once(channel, &key, Some(sent_at), stored).await
            }
            (Content::Notification(text), Trust::Unverified(why)) => {
                let notification = notifier.read(text.as_bytes(), "application/json")?;
                self.unverified(channel, notification, why).await
            }
            (Content::Confirmation { url }, Trust::Verified) => {
                self.once(channel, &key, Some(sent_at), self.asked(channel, &sealed, &url)).await
            }
            (Content::Confirmation { url }, Trust::Unverified(why)) if why.reason == UNTRUSTED_TOPIC => {
                self.asked(channel, &sealed, &url).await
            }
            (Content::Unsubscribed, Trust::Verified) => {
                self.once(channel, &key, Some(sent_at), self.unsubscribed(channel, sent_at)).await
            }
            // Without proof it means nothing, and with proof later it will come again.
            (Content::Confirmation { .. } | Content::Unsubscribed, Trust::Unverified(why)) => {
                let mut known = channel.known();
                known.state.unverified(why.reason);
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
        let names_trusted = channel.known().state.trusts(sealed.topic());
        let unverified =
            |reason| Ok(Trust::Unverified(Unverified { reason, names_trusted, sent_at: sealed.sent_at() }));
        let certificate = match self.certificates.at(sealed.certificate_url(), names_trusted).await {
            Ok(certificate) => certificate,
            Err(Missing::Unavailable) => return unverified("certificate_unavailable"),
            Err(Missing::UnknownIssuer) => return unverified("certificate_chain"),
            // It came from the SNS host, unless something on the way put its own in place, or our clock is wrong.
            Err(Missing::Refused(refused)) => return unverified(refused.reason),
        };
        let now = self.clock.now();
        if let Err(refused) = sealed.verify(&certificate, notifier.redelivered_for(), now) {
            let is_about_time = TIME_FAULTS.contains(&refused.reason);
            let is_ours = is_about_time && !self.clock.is_sure();
            return if is_ours { unverified(refused.reason) } else { Err(refused.into()) };
        }
        let mut known = channel.known();
        if known.state.trusts(sealed.topic()) {
            self.certificates.prove(sealed.certificate_url());
            return Ok(Trust::Verified);
        }
        known.state.offer(sealed.topic(), now);
        known.is_changed = true;
        unverified(UNTRUSTED_TOPIC)
    }

    /// A genuine request of a topic to confirm its subscription.
    async fn asked(&self, channel: &Channel, sealed: &Sealed, url: &str) -> Result<Answer, Failed> {
        let (asked, is_trusted) = {
            let mut known = channel.known();
            known.is_changed = true;
            let asked = known.state.asks(sealed.topic(), url, sealed.sent_at(), self.clock.now());
            (asked, known.state.trusts(sealed.topic()))
        };
        if asked == Asked::Full {
            return Ok(self.postponed(channel));
        }
        // The topics of others can ask without end, so only their first request is written at once.
        if (asked == Asked::New || is_trusted)
            && let Err(error) = self.write_state(channel).await
        {
            channel.known().state.pending.retain(|pending| pending.topic != sealed.topic());
            return Err(error.into());
        }
        if asked == Asked::New {
            let account = channel.account();
            tracing::warn!(account = %account.name, "a topic asks to confirm its subscription");
        }
        Ok(Answer::Stored)
    }

    /// Does `effect` unless it was done before.
    async fn once(
        &self,
        channel: &Channel,
        key: &str,
        sent_at: Option<Timestamp>,
        effect: impl Future<Output = Result<Answer, Failed>>,
    ) -> Result<Answer, Failed> {
        let seen = channel.known().memory.begin(key, sent_at);
        match seen {
            Seen::Before => {
                let mut known = channel.known();
                known.state.counts.duplicates += 1;
                known.is_changed = true;
                Ok(Answer::Stored)
            }
            Seen::InProgress => Ok(self.postponed(channel)),
            Seen::Forgotten => Err(TOO_OLD.into()),
            Seen::New => {
                let mut ending = Ending { channel, key, sent_at, is_stored: false };
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
        known.is_changed = true;
        Ok(Answer::Stored)
    }

    async fn unsubscribed(&self, channel: &Channel, sent_at: Timestamp) -> Result<Answer, Failed> {
        let now = self.clock.now();
        let account = channel.account();
        if channel.known().state.clone().ends(sent_at) {
            self.raise(&account, alert_text::unsubscribed(&account, now)).await?;
        }
        {
            let mut known = channel.known();
            known.state.counts.verified += 1;
            known.state.ends(sent_at);
        }
        self.write_state(channel).await?;
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

/// Faults that a wrong clock of this machine explains.
const TIME_FAULTS: [&str; 4] =
    ["too_old", "from_the_future", "certificate_expired", "certificate_not_yet_valid"];

/// A key that counts for one day: two events of one order can have the same signature.
fn key_today(key: &str, now: Timestamp) -> String {
    let day = now.as_second().div_euclid(86_400);
    sha256(format!("{day} {key}").as_bytes())
}

/// Ends the progress of a new notification even if its request is dropped.
struct Ending<'a> {
    channel: &'a Channel,
    key: &'a str,
    sent_at: Option<Timestamp>,
    is_stored: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.channel.known().memory.end(self.key, self.sent_at, self.is_stored);
    }
}

/// Why a request has no effect.
#[derive(Debug)]
pub(super) enum Failed {
    Refused(Refused),
    /// It cannot be stored now, and why.
    Store(String),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        Failed::Refused(refused)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error.to_string())
    }
}

fn media_type(received: &Received<'_>) -> String {
    let written = (received.header)("content-type").unwrap_or_default();
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
