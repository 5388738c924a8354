//! One signed request to any of the three MWS sections in use: payments, feeds, reports.
//!
//! Owns: the path, version and body that each section requires (docs/src/reference/amazon-pay-mws.md, section 1;
//! docs/src/reference/amazon-pay-batch.md, sections 1 and 3.1). Must never know: the network, what an answer means.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use super::config::Settings;
use super::sign::{Parameters, Target, signed_body};
use super::wire;
use crate::apis::transport::{Method, Request};

/// The longest result or report that is accepted, in bytes: room for more than 60,000 answers of 2 KB each.
pub const LONGEST_FILE_BYTES: usize = 256 * 1024 * 1024;

/// The minimum deadline of an exchange that carries a whole file.
const FILE_DEADLINE: Duration = Duration::from_secs(180);

/// A section of MWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// "OffAmazonPayments", 2013-01-01: single calls.
    Payments,
    /// "Feeds", 2009-01-01: batches.
    Feeds,
    /// "Reports", 2009-01-01.
    Reports,
}

impl Section {
    /// The version in the common parameters.
    pub fn version(self) -> &'static str {
        match self {
            Section::Payments => "2013-01-01",
            Section::Feeds | Section::Reports => "2009-01-01",
        }
    }

    /// The path to sign and send. Feeds and reports use one path for both environments
    /// (docs/src/reference/amazon-pay-batch.md, section 1).
    pub fn path(self, settings: &Settings) -> &'static str {
        match self {
            Section::Payments => settings.path(),
            Section::Feeds => "/Feeds/2009-01-01",
            Section::Reports => "/Reports/2009-01-01",
        }
    }
}

/// One request, not yet signed. Its debug output shows no values.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The section that it goes to.
    pub section: Section,
    /// The operation's name, which is also the key of its quota.
    pub action: &'static str,
    /// Its parameters besides the common ones.
    pub parameters: Parameters,
    /// The document that is the whole body (`SubmitFeed` only). The parameters then go into the query string.
    pub document: Option<Arc<[u8]>>,
    /// Whether the answer is a whole file rather than a short document.
    pub is_for_file: bool,
}

/// Fetches a report, byte for byte (docs/src/reference/amazon-pay-batch.md, section 9).
pub fn report(report_id: &str) -> Ask {
    Ask::new(Section::Reports, "GetReport").with("ReportId", report_id).for_file()
}

impl Ask {
    /// A request with a short answer.
    pub fn new(section: Section, action: &'static str) -> Ask {
        Ask { section, action, parameters: Parameters::new(), document: None, is_for_file: false }
    }

    /// The same request with one more parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Ask {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// The same request, answered with a whole file.
    #[must_use]
    pub fn for_file(mut self) -> Ask {
        self.is_for_file = true;
        self
    }

    /// Signs the request with the current time. Every retry is signed again (docs/src/reference/amazon-pay-batch.md,
    /// section 13).
    pub fn sign(&self, settings: &Settings, now: Timestamp) -> Request {
        let timestamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let own = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut parameters: BTreeMap<&str, &str> = own.collect();
        parameters.extend([
            ("AWSAccessKeyId", settings.access_key_id.as_str()),
            ("Action", self.action),
            ("SellerId", settings.seller_id.as_str()),
            ("SignatureMethod", "HmacSHA256"),
            ("SignatureVersion", "2"),
            ("Timestamp", timestamp.as_str()),
            ("Version", self.section.version()),
        ]);
        if let Some(token) = &settings.mws_auth_token {
            parameters.insert("MWSAuthToken", token.expose());
        }
        let path = self.section.path(settings);
        let method = Method::Post;
        let target = Target { method: method.as_str(), host: settings.signed_host(), path: path.to_owned() };
        let line = signed_body(&settings.key, &target, &parameters);
        let base = settings.endpoint.base();
        let (url, content_type, body) = match &self.document {
            Some(document) => (format!("{base}{path}?{line}"), "text/xml; charset=UTF-8", document.to_vec()),
            None => (format!("{base}{path}"), self.form_type(), line.into_bytes()),
        };
        let has_file = self.is_for_file || self.document.is_some();
        Request {
            method,
            url,
            headers: vec![("content-type", content_type.to_owned()), ("user-agent", USER_AGENT.clone())],
            body,
            deadline: if has_file { settings.deadline.max(FILE_DEADLINE) } else { settings.deadline },
            longest_body: if self.is_for_file { LONGEST_FILE_BYTES } else { wire::LONGEST_BODY_BYTES },
            is_beginning_enough: false,
        }
    }

    fn form_type(&self) -> &'static str {
        match self.section {
            Section::Payments => "application/x-www-form-urlencoded",
            Section::Feeds | Section::Reports => "application/x-www-form-urlencoded; charset=UTF-8",
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ask")
            .field("section", &self.section)
            .field("action", &self.action)
            .field("document_bytes", &self.document.as_ref().map(|document| document.len()))
            .finish_non_exhaustive()
    }
}

/// The `User-Agent`, in the form of section 1.3. No part of it contains a character that needs escaping.
static USER_AGENT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "reconciled/{} (Language=Rust/{}; Platform={})",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_RUST_VERSION"),
        std::env::consts::OS
    )
});
