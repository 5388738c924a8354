//! The `[[notifications]]` sections: which accounts are notified of changes, and what goes wrong on the way.
//!
//! Owns: their keys and checks. Must never know: what a notification says, or how it is signed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::super::notifications::{Forgery, SignatureVersion};
use super::check::Findings;
use super::written::{Seconds, SecondsRange, WrittenWindow};
use super::{Account, Api};

/// How one account is notified.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationSettings {
    /// The account's name.
    pub account: String,
    /// Where notifications are posted.
    pub url: String,
    /// The only authority that an `https` URL is trusted for, PEM.
    pub ca_file: Option<PathBuf>,
    /// How the envelope is signed (SNS).
    pub signature_version: SignatureVersion,
    /// The `Subject` of the envelope; left out when there is none (SNS).
    pub subject: Option<String>,
    /// How the subscription begins (SNS).
    pub subscription: Subscription,
    /// When the subscription ends, after the start (SNS).
    pub unsubscribed_after: Option<Duration>,
    /// How parameters are written (aps).
    pub encoding: Encoding,
    /// The share that never arrives.
    pub lose: f64,
    /// How long one is on its way, shortest and longest.
    pub delay: (Duration, Duration),
    /// The share that is delivered twice.
    pub duplicate: f64,
    /// The share that is held back for so long that later ones overtake it.
    pub reorder: f64,
    /// The share of changes beside which somebody else sends a forged message.
    pub forge: f64,
    /// The kinds of forgery; empty: all that the account's API has.
    pub forgeries: Vec<Forgery>,
    /// Times after the start, from and until, in which everything is lost.
    pub silent: Vec<(Duration, Duration)>,
    /// Times after the start in which the signing certificate cannot be fetched (SNS).
    pub certificate_outages: Vec<(Duration, Duration)>,
    /// What is at the address of the signing certificate (SNS).
    pub certificate: CertificateAnswer,
}

/// What is answered at the address of the signing certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateAnswer {
    /// The certificate.
    #[default]
    Good,
    /// One that ran out in 2001.
    Expired,
    /// One that is valid from the year 4000 on.
    NotYetValid,
    /// One for another name.
    OtherName,
    /// One that no authority has signed.
    SelfSigned,
    /// A redirect to another host.
    Redirect,
    /// Text without end.
    Endless,
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subscription {
    /// It was confirmed long ago.
    #[default]
    Confirmed,
    /// A `SubscriptionConfirmation` is sent at the start. Notifications do not wait for an answer.
    Offered,
    /// A `SubscriptionConfirmation` is sent at the start. Notifications begin once its `SubscribeURL` was fetched.
    Required,
}

/// How the parameters of feedback are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// A JSON object.
    #[default]
    Json,
    /// A form.
    Form,
}

impl NotificationSettings {
    /// Settings with which everything arrives at once and nothing else does.
    pub fn flawless(account: impl Into<String>, url: impl Into<String>) -> NotificationSettings {
        NotificationSettings {
            account: account.into(),
            url: url.into(),
            ca_file: None,
            signature_version: SignatureVersion::One,
            subject: None,
            subscription: Subscription::Confirmed,
            unsubscribed_after: None,
            encoding: Encoding::Json,
            lose: 0.0,
            delay: (Duration::ZERO, Duration::ZERO),
            duplicate: 0.0,
            reorder: 0.0,
            forge: 0.0,
            forgeries: Vec::new(),
            silent: Vec::new(),
            certificate_outages: Vec::new(),
            certificate: CertificateAnswer::Good,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenNotifications {
    account: String,
    url: String,
    ca_file: Option<String>,
    signature_version: Option<u8>,
    subject: Option<String>,
    subscription: Option<String>,
    unsubscribe_after_s: Option<Seconds>,
    encoding: Option<String>,
    #[serde(default)]
    lose: f64,
    #[serde(default)]
    delay_s: SecondsRange,
    #[serde(default)]
    duplicate: f64,
    #[serde(default)]
    reorder: f64,
    #[serde(default)]
    forge: f64,
    #[serde(default)]
    forgeries: Vec<Forgery>,
    #[serde(default)]
    silent: Vec<WrittenWindow>,
    #[serde(default)]
    certificate_outage: Vec<WrittenWindow>,
    certificate: Option<CertificateAnswer>,
}

pub(super) fn settings(
    written: WrittenNotifications,
    (accounts, earlier): (&[Account], &[NotificationSettings]),
    folder: &Path,
    findings: &mut Findings<'_>,
) -> Option<NotificationSettings> {
    for (key, share) in [
        ("lose", written.lose),
        ("duplicate", written.duplicate),
        ("reorder", written.reorder),
        ("forge", written.forge),
    ] {
        findings.share(key, share);
    }
    if written.delay_s.0 > written.delay_s.1 {
        findings.add("delay_s", "the shortest is above the longest", "write [shortest, longest]");
    }
    if earlier.iter().any(|settings| settings.account == written.account) {
        let problem = format!("`{}` has two sections", written.account);
        findings.add("account", problem, "write one section for each account");
    }
    check_url(&written, findings);
    let silent = windows("silent", &written.silent, findings);
    let certificate_outages = windows("certificate_outage", &written.certificate_outage, findings);
    let Some(account) = accounts.iter().find(|account| account.name == written.account) else {
        findings.add("account", format!("`{}` is not declared", written.account), "declare it above");
        return None;
    };
    check_api(&written, account.api, findings);
    Some(NotificationSettings {
        signature_version: signature_version(&written, findings),
        subscription: subscription(&written, findings),
        encoding: encoding(&written, findings),
        ca_file: written.ca_file.map(|file| folder.join(file)),
        subject: written.subject,
        unsubscribed_after: written.unsubscribe_after_s.map(|seconds| seconds.0),
        lose: written.lose,
        delay: (written.delay_s.0, written.delay_s.1),
        duplicate: written.duplicate,
        reorder: written.reorder,
        forge: written.forge,
        forgeries: written.forgeries,
        silent,
        certificate_outages,
        certificate: written.certificate.unwrap_or_default(),
        ..NotificationSettings::flawless(written.account, written.url)
    })
}

fn check_url(written: &WrittenNotifications, findings: &mut Findings<'_>) {
    let is_secure = written.url.starts_with("https://");
    let rest = written.url.strip_prefix("https://").or(written.url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() || written.url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        let problem = format!("`{}` is no address", written.url);
        findings.add("url", problem, "write one like http://127.0.0.1:8081/notifications/ACCOUNT");
    }
    if is_secure && written.ca_file.is_none() {
        findings.add("ca_file", "is missing", "name the authority to trust for an https URL");
    }
    if !is_secure && written.ca_file.is_some() {
        findings.add("ca_file", "has no effect on an http URL", "leave it out");
    }
}

/// Keys that mean something to one way of delivery only.
fn check_api(written: &WrittenNotifications, api: Api, findings: &mut Findings<'_>) {
    let is_sns = api != Api::Aps;
    let of_sns = [
        ("signature_version", written.signature_version.is_some()),
        ("subject", written.subject.is_some()),
        ("subscription", written.subscription.is_some()),
        ("unsubscribe_after_s", written.unsubscribe_after_s.is_some()),
        ("certificate_outage", !written.certificate_outage.is_empty()),
        ("certificate", written.certificate.is_some()),
    ];
    for (key, _) in of_sns.iter().filter(|(_, is_given)| *is_given && !is_sns) {
        findings.add(key, "belongs to Amazon SNS, which aps does not use", "leave it out");
    }
    if is_sns && written.encoding.is_some() {
        findings.add("encoding", "belongs to aps", "leave it out");
    }
    for forgery in written.forgeries.iter().filter(|forgery| forgery.is_of_sns() != is_sns) {
        let remedy = format!("write some of: {}", Forgery::names(is_sns));
        findings.add("forgeries", format!("`{}` is not for {}", forgery.name(), api.name()), remedy);
    }
}

fn signature_version(written: &WrittenNotifications, findings: &mut Findings<'_>) -> SignatureVersion {
    match written.signature_version {
        None | Some(1) => SignatureVersion::One,
        Some(2) => SignatureVersion::Two,
        Some(other) => {
            findings.add("signature_version", format!("`{other}` is no version"), "write 1 or 2");
            SignatureVersion::One
        }
    }
}

fn subscription(written: &WrittenNotifications, findings: &mut Findings<'_>) -> Subscription {
    match written.subscription.as_deref() {
        None | Some("confirmed") => Subscription::Confirmed,
        Some("offered") => Subscription::Offered,
        Some("required") => Subscription::Required,
        Some(other) => {
            let remedy = "write confirmed, offered or required";
            findings.add("subscription", format!("`{other}` is no beginning"), remedy);
            Subscription::Confirmed
        }
    }
}

fn encoding(written: &WrittenNotifications, findings: &mut Findings<'_>) -> Encoding {
    match written.encoding.as_deref() {
        None | Some("json") => Encoding::Json,
        Some("form") => Encoding::Form,
        Some(other) => {
            findings.add("encoding", format!("`{other}` is no encoding"), "write json or form");
            Encoding::Json
        }
    }
}

fn windows(key: &str, written: &[WrittenWindow], findings: &mut Findings<'_>) -> Vec<(Duration, Duration)> {
    if written.iter().any(|window| window.to_s.0 <= window.from_s.0) {
        findings.add(key, "the window ends before it begins", "write a to_s above from_s");
    }
    written.iter().map(|window| (window.from_s.0, window.to_s.0)).collect()
}
