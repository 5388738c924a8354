//! One request to any of the three sections of MWS that are used, signed: payments, feeds, reports.
//!
//! Owns: which path, version and body each section wants (docs/src/reference/amazon-pay-mws.md, section 1;
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

/// The longest result or report that is taken, in bytes: 60,000 answers of 2 KB each, and some.
pub const LONGEST_FILE_BYTES: usize = 256 * 1024 * 1024;

/// The shortest deadline of an exchange that carries a whole file.
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

    /// The path as signed and sent. Feeds and reports have one for both environments
    /// (docs/src/reference/amazon-pay-batch.md, section 1).
    pub fn path(self, settings: &Settings) -> &'static str {
        match self {
            Section::Payments => settings.path(),
            Section::Feeds => "/Feeds/2009-01-01",
            Section::Reports => "/Reports/2009-01-01",
        }
    }
}

/// One request, not yet signed. Its debug print shows no values.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where it goes.
    pub section: Section,
    /// The operation's name, which is also what its quota is kept for.
    pub action: &'static str,
    /// Its parameters besides the common ones.
    pub parameters: Parameters,
    /// The document that is the whole body (`SubmitFeed` only); the parameters then stand in the query.
    pub document: Option<Arc<[u8]>>,
    /// Whether the answer is a whole file, not a short document.
    pub is_for_file: bool,
}

impl Ask {
    /// A request with a short answer.
    pub fn new(section: Section, action: &'static str) -> Ask {
        Ask { section, action, parameters: Parameters::new(), document: None, is_for_file: false }
    }

    /// The same with one parameter more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Ask {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// The same for a whole file.
    #[must_use]
    pub fn for_file(mut self) -> Ask {
        self.is_for_file = true;
        self
    }

    /// Signs it for this moment: every repetition is signed anew (docs/src/reference/amazon-pay-batch.md,
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

/// Who asks, in the form of section 1.3. None of its parts has a letter that would need an escape.
static USER_AGENT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "reconciled/{} (Language=Rust/{}; Platform={})",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_RUST_VERSION"),
        std::env::consts::OS
    )
});
