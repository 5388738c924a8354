//! Owns: which URLs of a message may be fetched.
//! Must never know: how to fetch.
//!
//! A URL is never taken apart by a general parser, which could read it in another way than the HTTP client does. It
//! must begin with exactly `https://HOST/`, where HOST follows from the topic, and go on with plain characters.

use std::fmt;

use crate::refusal::Refusal;
use crate::topic::Topic;

/// The longest URL.
const LONGEST: usize = 2048;

macro_rules! checked_url {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name {
            url: String,
            host: String,
        }

        impl $name {
            /// The whole URL, as the message gave it.
            pub fn as_str(&self) -> &str {
                &self.url
            }

            /// Its host, which is the SNS host of the topic's region.
            pub fn host(&self) -> &str {
                &self.host
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.url)
            }
        }
    };
}

checked_url!(
    /// Where the signing certificate is: `https`, the SNS host of the topic's region, one file name ending in `.pem`.
    ///
    /// Fetch it without following redirects.
    CertificateUrl
);
checked_url!(
    /// A link that confirms or ends a subscription: `https`, the SNS host of the topic's region, its root path.
    ///
    /// Only `SubscribeURL` is signed. Fetching it changes the subscription: leave that to a person's decision, after
    /// the message was verified and for a topic that is expected.
    ConfirmationUrl
);

impl CertificateUrl {
    pub(crate) fn check(url: &str, topic: &Topic) -> Result<CertificateUrl, Refusal> {
        let rest = url.strip_prefix("https://").ok_or(Refusal::CertificateScheme)?;
        let host = topic.host();
        let path = after_host(rest, &host).ok_or(Refusal::CertificateHost)?;
        let name = path.strip_suffix(".pem").ok_or(Refusal::CertificatePath)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || url.len() > LONGEST || !name.bytes().all(is_plain) {
            return Err(Refusal::CertificatePath);
        }
        Ok(CertificateUrl { url: url.to_owned(), host })
    }
}

impl ConfirmationUrl {
    /// `SubscribeURL`: confirms just this topic with just this token.
    pub(crate) fn check(url: &str, topic: &Topic, token: &str) -> Result<ConfirmationUrl, Refusal> {
        let wanted = [("Action", "ConfirmSubscription"), ("TopicArn", topic.arn.as_str()), ("Token", token)];
        ConfirmationUrl::read(url, topic, &wanted).ok_or(Refusal::ConfirmationUrl)
    }

    /// `UnsubscribeURL`, which is never signed.
    pub(crate) fn check_unsubscribe(url: &str, topic: &Topic) -> Result<ConfirmationUrl, Refusal> {
        ConfirmationUrl::read(url, topic, &[("Action", "Unsubscribe")]).ok_or(Refusal::UnsubscribeUrl)
    }

    /// Each wanted parameter must appear exactly once.
    fn read(url: &str, topic: &Topic, wanted: &[(&str, &str)]) -> Option<ConfirmationUrl> {
        let host = topic.host();
        let query = after_host(url.strip_prefix("https://")?, &host)?.strip_prefix('?')?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:&=%".contains(&byte);
        if url.len() > LONGEST || !query.bytes().all(is_plain) {
            return None;
        }
        let given: Vec<(&str, String)> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name, value.replace("%3A", ":").replace("%3a", ":")))
            .collect();
        let is_given_once = |(name, value): &(&str, &str)| {
            let mut values = given.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            values.next().is_some_and(|(_, other)| other == value) && values.next().is_none()
        };
        wanted.iter().all(is_given_once).then(|| ConfirmationUrl { url: url.to_owned(), host })
    }
}

/// What follows the host and its slash.
fn after_host<'a>(rest: &'a str, host: &str) -> Option<&'a str> {
    rest.strip_prefix(host)?.strip_prefix('/')
}
