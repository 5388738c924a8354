//! A check of the way from the outside to the listener, step by step.
//!
//! Owns: the steps, and the remedy of each obstacle. Must never know: commands, sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::receive::{Received, TRY_HEADER};
use super::requests::{ChannelView, NotDone, by_reason, request};
use super::{Hub, settings::Settings};
use crate::http::{Method, TransportError};
use crate::payments::object::AccountName;
use crate::text::{count, hex};

/// One step of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckStep {
    /// What was checked.
    pub what: String,
    /// Whether it is as it must be.
    pub is_ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do; empty when it is well.
    pub remedy: String,
}

impl CheckStep {
    fn ok(what: &str, detail: impl Into<String>) -> CheckStep {
        CheckStep { what: what.to_owned(), is_ok: true, detail: detail.into(), remedy: String::new() }
    }

    fn failed(what: &str, detail: impl Into<String>, remedy: impl Into<String>) -> CheckStep {
        CheckStep { what: what.to_owned(), is_ok: false, detail: detail.into(), remedy: remedy.into() }
    }
}

impl Hub {
    /// Notes that a request of [`Hub::check`] arrived. False for every other request.
    pub(super) fn note_try(&self, received: &Received<'_>) -> bool {
        self.with_try(received, |known| known.has_arrived = true)
    }

    /// Notes that a request of [`Hub::check`] came through a proxy that is not trusted to say who its peer is.
    pub(super) fn note_proxy(&self, received: &Received<'_>, proxy: IpAddr) {
        let _ = self.with_try(received, |known| known.unnamed_proxy = Some(proxy));
    }

    fn with_try(&self, received: &Received<'_>, change: impl FnOnce(&mut Try)) -> bool {
        let Some(mark) = (received.header)(TRY_HEADER) else { return false };
        let mut tries = self.tries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tries.get_mut(&mark).map(change).is_some()
    }

    /// Tries the way from the outside to the listener, as far as one host can: it sends a message that must be refused
    /// to the public address and sees whether it arrives here.
    ///
    /// # Errors
    /// When the account has no notifications.
    pub async fn check(&self, account: &AccountName) -> Result<Vec<CheckStep>, NotDone> {
        let channel = self.find(account)?;
        let Some(listen) = self.address() else {
            let (detail, remedy) = match self.trouble() {
                Some(trouble) => (trouble, "correct it: the daemon tries again every half minute"),
                None if self.is_on() => ("nothing listens".to_owned(), "start the daemon"),
                None => {
                    let remedy = "write [notifications] listen = \"127.0.0.1:8081\" and restart";
                    ("notifications are off".to_owned(), remedy)
                }
            };
            return Ok(vec![CheckStep::failed("listener", detail, remedy)]);
        };
        let mut steps = vec![listener(listen, &self.settings)];
        let Some(url) = self.settings.url(account) else {
            let remedy = "write [notifications] public_url = \"https://...\": what the provider can reach";
            steps.push(CheckStep::failed("public address", "none is configured", remedy));
            return Ok(steps);
        };
        steps.push(CheckStep::ok("public address", url.clone()));
        steps.extend(self.try_way(&channel, &url).await);
        steps.push(what_came(&self.view(&channel)));
        Ok(steps)
    }

    async fn try_way(&self, channel: &Channel, url: &str) -> Vec<CheckStep> {
        let account = channel.account();
        let Some(notifier) = account.api.notifications() else { return Vec::new() };
        let mut mark = [0_u8; 16];
        if rand::fill(&mut mark).is_err() {
            return Vec::new();
        }
        let mark = hex(&mark);
        let tries = || self.tries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tries().insert(mark.clone(), Try::default());
        let (media_type, body) = notifier.refused_example();
        let headers = vec![("content-type", media_type.to_owned()), (TRY_HEADER, mark.clone())];
        let sent = self.public.send(request(Method::Post, url, headers, body)).await;
        let known = tries().remove(&mark).unwrap_or_default();
        way(sent.map(|response| response.status), known)
    }
}

/// The outcome of a request that this process sent to itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Try {
    has_arrived: bool,
    unnamed_proxy: Option<IpAddr>,
}

/// Whether the listener is as it should be.
fn listener(listen: SocketAddr, settings: &Settings) -> CheckStep {
    let is_for_proxy = settings.trusted_proxies.iter().any(|network| !network.is_loopback());
    let listens = format!("listens at {listen}");
    if settings.tls.is_some() || listen.ip().is_loopback() || is_for_proxy {
        return CheckStep::ok("listener", listens);
    }
    let remedy = "listen at 127.0.0.1, or write certificate_file and key, or name the proxy of another host in \
                  trusted_proxies";
    CheckStep::failed("listener", format!("{listens} without TLS, open to other hosts"), remedy)
}

/// What the answer to a message that must be refused shows.
fn way(sent: Result<u16, TransportError>, known: Try) -> Vec<CheckStep> {
    let (tls, reach, answer) = ("certificate of the address", "reachable", "a forged message is refused");
    let status = match sent {
        Err(TransportError::Tls(why)) => {
            let remedy = "renew or complete the certificate of the public address: providers refuse it, too";
            return vec![CheckStep::failed(tls, why, remedy)];
        }
        Err(error) => {
            let remedy = "open the firewall for the public address and let the proxy forward /notifications/. This host \
                          may be unable to reach its own public address: then try from another one";
            return vec![CheckStep::failed(reach, error.to_string(), remedy)];
        }
        Ok(status) => status,
    };
    let mut steps = vec![CheckStep::ok(tls, "accepted, or not used (http)")];
    if known.has_arrived {
        steps.push(CheckStep::ok(reach, "the message arrived at this process"));
    } else {
        let detail = format!("HTTP {status}, but the message did not arrive at this process");
        let remedy = match status {
            301..=308 => "the proxy redirects; providers follow no redirect. Configure the final address",
            401 | 403 => {
                "something in front refuses it, such as a firewall for web applications. Exempt this path"
            }
            404 => "the proxy does not forward the path /notifications/, or strips part of it",
            502..=504 => {
                "the proxy does not reach the listener: compare its upstream with [notifications] listen"
            }
            _ => "another program answers at this address",
        };
        steps.push(CheckStep::failed(reach, detail, remedy));
        return steps;
    }
    if let Some(proxy) = known.unnamed_proxy {
        let detail =
            format!("{proxy} forwards messages but is not in trusted_proxies: all senders share one limit");
        let remedy = format!("write [notifications] trusted_proxies = [\"{proxy}\"] and restart");
        steps.push(CheckStep::failed("senders", detail, remedy));
    }
    steps.push(match status {
        400 => CheckStep::ok(answer, "HTTP 400, as expected"),
        status => {
            let remedy = "the proxy changes answers; the provider must see 200 and 400 as they are";
            CheckStep::failed(answer, format!("HTTP {status}"), remedy)
        }
    });
    steps
}

/// What to do when messages cannot be verified, for the most frequent reason.
fn unverified_remedy(reasons: &BTreeMap<String, u64>) -> &'static str {
    match reasons.iter().max_by_key(|(_, number)| **number).map(|(reason, _)| reason.as_str()) {
        Some("certificate_unavailable") => {
            "let this host reach https://sns.REGION.amazonaws.com, where the signing certificate is"
        }
        Some("certificate_chain") => {
            "let this host reach http://crt.*.amazontrust.com, or name Amazon's issuing certificates in \
             intermediates_file"
        }
        _ => "compare the trusted topic with those that `reconciled notifications list` shows",
    }
}

fn none_verified(what: &str, view: &ChannelView) -> CheckStep {
    let reasons = &view.counts.unverified_by_reason;
    let detail = format!("messages arrive, but none could be verified: {}", by_reason(reasons));
    CheckStep::failed(what, detail, unverified_remedy(reasons))
}

/// Whether genuine messages have come.
fn what_came(view: &ChannelView) -> CheckStep {
    let what = "genuine notifications";
    if view.needs_topic && view.topics.is_empty() {
        let shown = view.offered.iter().map(|offered| {
            format!(
                "{} (AWS account {}, {})",
                offered.topic,
                offered.owner(),
                count(offered.messages, "message")
            )
        });
        let shown: Vec<String> = shown.collect();
        return match shown.as_slice() {
            [_, ..] => CheckStep::failed(
                what,
                format!("no topic is trusted; these send genuine messages: {}", shown.join(", ")),
                format!(
                    "find out which one is the provider's, because anybody can have a topic; then: reconciled notifications trust {} TOPIC",
                    view.account
                ),
            ),
            [] if view.counts.unverified > 0 => none_verified(what, view),
            [] => CheckStep::failed(
                what,
                "none has arrived yet",
                format!("enter the address in {}, and send a test notification there", view.where_to_paste),
            ),
        };
    }
    match view.counts.last_verified_at {
        Some(at) => CheckStep::ok(what, format!("{} so far, the last at {at}", view.counts.verified)),
        None if view.counts.unverified > 0 => none_verified(what, view),
        None => CheckStep::failed(
            what,
            "none has arrived yet",
            format!("enter the address in {}", view.where_to_paste),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_on_the_way_has_its_remedy() {
        let arrived = |has_arrived| Try { has_arrived, unnamed_proxy: None };
        let last = |sent, has_arrived| way(sent, arrived(has_arrived)).pop().unwrap();
        assert!(last(Ok(400), true).is_ok && way(Ok(400), arrived(true)).len() == 3);
        assert!(!last(Ok(200), true).is_ok);
        let expired = last(Err(TransportError::Tls("the certificate has expired".to_owned())), false);
        assert!(!expired.is_ok && expired.remedy.contains("certificate"));
        assert!(last(Err(TransportError::Timeout), false).remedy.contains("firewall"));
        for (status, part) in [
            (301, "redirect"),
            (403, "web applications"),
            (404, "path"),
            (502, "upstream"),
            (200, "another program"),
        ] {
            let step = last(Ok(status), false);
            assert!(!step.is_ok && step.remedy.contains(part), "{status}: {step:?}");
        }
    }
    #[test]
    fn a_listener_for_other_hosts_needs_tls_or_a_proxy_that_is_named() {
        let step = |listen: &str, proxies: &[&str]| {
            let trusted_proxies =
                proxies.iter().filter_map(|text| super::super::Network::from_text(text)).collect();
            listener(listen.parse().unwrap(), &Settings { trusted_proxies, ..Settings::default() }).is_ok
        };
        assert!(step("127.0.0.1:8081", &[]) && step("[::1]:8081", &[]));
        assert!(!step("0.0.0.0:8081", &[]) && !step("192.0.2.1:8081", &["127.0.0.1"]));
        assert!(step("0.0.0.0:8081", &["10.0.0.0/8"]));
    }

    #[test]
    fn a_proxy_that_is_not_named_is_found() {
        let known = Try { has_arrived: true, unnamed_proxy: Some("10.0.0.7".parse().unwrap()) };
        let steps = way(Ok(400), known);
        let found: Vec<&CheckStep> = steps.iter().filter(|step| !step.is_ok).collect();
        assert!(
            found.len() == 1 && found[0].remedy.contains("trusted_proxies = [\"10.0.0.7\"]"),
            "{steps:?}"
        );
    }
    #[test]
    fn a_check_says_why_nothing_that_came_could_be_verified() {
        let step = |reasons: serde_json::Value| {
            let view: ChannelView = serde_json::from_value(serde_json::json!({
                "account": "shop", "is_on": true, "url": null, "where_to_paste": "Seller Central", "needs_topic": true,
                "topics": [], "offered": [], "pending": [], "confirmed_at": null, "unsubscribed_at": null,
                "counts": { "unverified": 3, "unverified_by_reason": reasons }, "unknown": [],
                "unverified_waiting": 0, "health": "unknown", "health_since": null, "kinds": {},
                "last_hint_at": null, "delay_p50_below_s": null, "delay_p95_below_s": null,
            }))
            .unwrap();
            what_came(&view)
        };
        let chain = step(serde_json::json!({ "certificate_chain": 2, "certificate_unavailable": 1 }));
        assert!(
            chain.detail.contains("certificate_chain 2") && chain.remedy.contains("amazontrust"),
            "{chain:?}"
        );
        let blocked = step(serde_json::json!({ "certificate_unavailable": 3 }));
        assert!(!blocked.is_ok && blocked.remedy.contains("sns.REGION.amazonaws.com"), "{blocked:?}");
    }
}
