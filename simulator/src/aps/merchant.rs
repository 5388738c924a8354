//! Who may call, and how the simulated provider behaves where its documentation leaves a choice.
//!
//! Owns: merchants and habits. Must never know: orders, batches.

use std::fmt;
use std::time::Duration;

/// A merchant that the provider knows (docs/src/reference/aps.md, sections 2.1 and 4).
#[derive(Clone)]
pub struct ApsMerchant {
    /// The key of its buckets, such as `CycHZxVj`.
    pub merchant_identifier: String,
    /// Such as `zx0IPmPy5jp1vAz8Kpg7`.
    pub access_code: String,
    /// What its requests are signed with; hidden in debug prints.
    pub request_phrase: String,
    /// What answers to it are signed with; hidden in debug prints.
    pub response_phrase: String,
    /// How.
    pub signature: ApsSignature,
    /// Whether planted orders live in the sandbox.
    pub is_sandbox: bool,
}

/// How signatures are made (section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApsSignature {
    /// SHA-256 of the wrapped text.
    Sha256,
    /// SHA-512 of the wrapped text.
    Sha512,
    /// HMAC-SHA-256 of the wrapped text under the phrase.
    Hmac256,
    /// HMAC-SHA-512 of the wrapped text under the phrase.
    Hmac512,
}

impl fmt::Display for ApsSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ApsSignature::Sha256 => "SHA-256",
            ApsSignature::Sha512 => "SHA-512",
            ApsSignature::Hmac256 => "HMAC-256",
            ApsSignature::Hmac512 => "HMAC-512",
        })
    }
}

impl fmt::Debug for ApsMerchant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApsMerchant")
            .field("merchant_identifier", &self.merchant_identifier)
            .field("signature", &self.signature)
            .field("is_sandbox", &self.is_sandbox)
            .finish_non_exhaustive()
    }
}

/// How results come back (section 3.4 leaves it open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApsResults {
    /// The CSV text is the body.
    Text,
    /// The CSV text is a member of a signed JSON object.
    Member,
}

/// How the provider behaves where the documentation says nothing.
#[derive(Debug, Clone)]
pub struct ApsHabits {
    /// How long a file is being validated (section 2.5: unknown).
    pub validation_time: Duration,
    /// How long a batch is being processed (section 2.5: unknown).
    pub processing_time: Duration,
    /// How long after an upload the batch is not known yet.
    pub invisible_for: Duration,
    /// The code of results asked for after validation and before processing: `70000` is published, `76000`
    /// is plausible (section 2.4).
    pub validated_code: &'static str,
    /// How results come back.
    pub results: ApsResults,
    /// The share of rows that never come back.
    pub lost_row_share: f64,
    /// Whether answers carry a signature.
    pub is_answer_signed: bool,
}

impl Default for ApsHabits {
    fn default() -> ApsHabits {
        ApsHabits {
            validation_time: Duration::from_secs(60),
            processing_time: Duration::from_secs(300),
            invisible_for: Duration::ZERO,
            validated_code: "70000",
            results: ApsResults::Text,
            lost_row_share: 0.0,
            is_answer_signed: true,
        }
    }
}
