//! Verifies messages of Amazon SNS: strict, synchronous, without network, without panics.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]

mod certificate;
mod envelope;
mod message;
mod refusal;
mod topic;
mod url;

pub use certificate::{IssuerUrl, Roots, SigningCertificate};
pub use envelope::Limits;
pub use message::{AgeBound, Kind, Message, SignatureVersion, Verified};
pub use refusal::Refusal;
pub use topic::Topic;
pub use url::{CertificateUrl, ConfirmationUrl};
