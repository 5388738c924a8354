//! One account's topic and subscription at Amazon SNS.
//!
//! Owns: names and addresses of both, whether it is subscribed, what the SNS host answers. Must never know: changes.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::envelope::{Envelope, MessageKind, subscription_id, written};
use super::signer::host;
use super::signing::SignatureVersion;
use crate::exchange::Outgoing;
use crate::scenario::Subscription;

/// The AWS account of Amazon Pay in everything that was captured.
const AMAZON_PAY: &str = "291180941288";

/// The namespace of SNS answers.
const NAMESPACE: &str = "https://sns.amazonaws.com/doc/2010-03-31/";

/// A topic with its one subscription.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) arn: String,
    pub(super) host: String,
    certificate_path: String,
    token: String,
    begins: Subscription,
    confirmed_at: Option<Timestamp>,
    unsubscribed_at: Option<Timestamp>,
}

impl Topic {
    /// The topic of an account: the same in every run.
    pub(super) fn new(account: &str, merchant_id: &str, region: &str, begins: Subscription) -> Topic {
        let (region, marketplace) = match region {
            "eu" => ("eu-west-1", "A3M3RRFO9XDT2G"),
            "jp" => ("ap-northeast-1", "A31YDYE76E6TCP"),
            _ => ("us-east-1", "A3BXB0YN3XH17H"),
        };
        Topic {
            arn: format!("arn:aws:sns:{region}:{AMAZON_PAY}:{marketplace}{merchant_id}"),
            host: host(region),
            certificate_path: format!(
                "/SimpleNotificationService-{}.pem",
                &hex(account, "certificate")[..32]
            ),
            token: hex(account, "token").repeat(4),
            begins,
            confirmed_at: None,
            unsubscribed_at: None,
        }
    }

    /// Where the signing certificate is.
    pub(super) fn certificate_url(&self) -> String {
        format!("https://{}{}", self.host, self.certificate_path)
    }

    pub(super) fn is_certificate(&self, path: &str) -> bool {
        path == self.certificate_path
    }

    /// Whether what is published now is delivered.
    pub(super) fn is_subscribed(&self, at: Timestamp) -> bool {
        let is_confirmed = self.begins != Subscription::Required
            || self.confirmed_at.is_some_and(|confirmed| confirmed <= at);
        is_confirmed && self.unsubscribed_at.is_none_or(|unsubscribed| at < unsubscribed)
    }

    pub(super) fn confirmed_at(&self) -> Option<Timestamp> {
        self.confirmed_at
    }

    pub(super) fn unsubscribe(&mut self, at: Timestamp) {
        self.unsubscribed_at = Some(self.unsubscribed_at.map_or(at, |known| known.min(at)));
    }

    /// A message of this topic, not yet signed.
    pub(super) fn envelope(
        &self,
        (message_id, message): (String, String),
        subject: Option<String>,
        at: Timestamp,
        version: SignatureVersion,
    ) -> Envelope {
        let subscription = format!("{}:{}", self.arn, subscription_id(&self.arn));
        Envelope {
            kind: MessageKind::Notification,
            message_id,
            token: None,
            topic_arn: self.arn.clone(),
            subject,
            message,
            subscribe_url: None,
            timestamp: written(at),
            signature_version: version.word().to_owned(),
            signing_cert_url: self.certificate_url(),
            unsubscribe_url: Some(format!(
                "https://{}/?Action=Unsubscribe&SubscriptionArn={subscription}",
                self.host
            )),
        }
    }

    /// A confirmation that is asked for, or that the subscription has ended.
    pub(super) fn confirmation(&self, kind: MessageKind, message_id: String, at: Timestamp) -> Envelope {
        let subscribe_url = format!(
            "https://{}/?Action=ConfirmSubscription&TopicArn={}&Token={}",
            self.host, self.arn, self.token
        );
        let arn = &self.arn;
        let message = match kind {
            MessageKind::UnsubscribeConfirmation => format!(
                "You have chosen to deactivate subscription {arn}:{}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message.",
                subscription_id(arn)
            ),
            _ => format!(
                "You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the SubscribeURL \
                 included in this message."
            ),
        };
        let genuine = self.envelope((message_id, message), None, at, SignatureVersion::One);
        Envelope {
            kind,
            token: Some(self.token.clone()),
            subscribe_url: Some(subscribe_url),
            unsubscribe_url: None,
            ..genuine
        }
    }

    /// What the host answers to a visit of `SubscribeURL` or `UnsubscribeURL`; `None` when it is that of no such URL
    /// of this topic. A visit that ends the subscription says so.
    pub(super) fn visit(&mut self, query: &str, at: Timestamp) -> Option<(Outgoing, bool)> {
        let query = query.replace("%3A", ":").replace("%3a", ":");
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name))
        };
        let subscription = format!("{}:{}", self.arn, subscription_id(&self.arn));
        match value("Action")?.1 {
            "ConfirmSubscription" if value("TopicArn")?.1 == self.arn => {
                if value("Token").is_none_or(|(_, token)| token != self.token) {
                    let body = format!(
                        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>InvalidParameter</Code>\
                         <Message>Invalid token</Message></Error></ErrorResponse>"
                    );
                    return Some((Outgoing::new(400, "text/xml", body), false));
                }
                let has_ended = self.unsubscribed_at.is_some_and(|unsubscribed| unsubscribed <= at);
                self.confirmed_at = self.confirmed_at.filter(|_| !has_ended).or(Some(at));
                self.unsubscribed_at = self.unsubscribed_at.filter(|_| !has_ended);
                let result = format!("<SubscriptionArn>{subscription}</SubscriptionArn>");
                Some((done("ConfirmSubscription", &result), false))
            }
            "Unsubscribe" if value("SubscriptionArn")?.1 == subscription => {
                self.unsubscribe(at);
                Some((done("Unsubscribe", ""), true))
            }
            _ => None,
        }
    }
}

fn done(action: &str, result: &str) -> Outgoing {
    let result = match result {
        "" => String::new(),
        result => format!("<{action}Result>{result}</{action}Result>"),
    };
    let body = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
         </{action}Response>",
        subscription_id(action)
    );
    Outgoing::new(200, "text/xml", body)
}

fn hex(account: &str, matter: &str) -> String {
    let digest = digest(&SHA256, format!("{matter} of {account}").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a time after the start lies in one of these windows.
pub(super) fn is_within(windows: &[(Duration, Duration)], since_start: Duration) -> bool {
    windows.iter().any(|(from, until)| (*from..*until).contains(&since_start))
}
