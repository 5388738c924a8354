//! Pretend Amazon Pay MWS ("OffAmazonPayments").
//!
//! Owns: how the MWS section behaves. Must never know: any other room but `clock`.

use jiff::Timestamp;

use super::exchange::{Incoming, Outgoing};
use super::plan::{Plan, Truth};
use super::provider::{Operation, Provider, Quota, Random};

/// A seller that the provider knows.
#[derive(Clone)]
pub struct MwsMerchant {
    /// The seller id (`A…`), the key of its buckets.
    pub seller_id: String,
    /// The public half of the credentials.
    pub access_key_id: String,
    /// The secret half.
    pub secret_key: String,
    /// Whether planted objects live in the sandbox.
    pub is_sandbox: bool,
    /// `na`, `eu` or `jp`.
    pub region: String,
}

/// Holds the place of the MWS provider: it claims no request.
#[derive(Debug)]
pub struct MwsProvider {
    merchants: usize,
}

impl MwsProvider {
    /// A provider that knows these sellers.
    pub fn new(merchants: Vec<MwsMerchant>) -> MwsProvider {
        MwsProvider { merchants: merchants.len() }
    }
}

impl Provider for MwsProvider {
    fn api(&self) -> &'static str {
        "amazon-pay-mws"
    }

    fn claims(&self, _incoming: &Incoming) -> bool {
        false
    }

    fn operation(&self, _incoming: &Incoming) -> Option<Operation> {
        None
    }

    fn documented_quota(&self, _operation: &Operation) -> Quota {
        Quota::new(1, 1, 1)
    }

    fn throttled(&self, _incoming: &Incoming) -> Outgoing {
        Outgoing::new(503, "text/xml", "")
    }

    fn answer(&mut self, _incoming: &Incoming, _random: &mut Random) -> Outgoing {
        Outgoing::new(501, "text/xml", "")
    }

    fn plant(
        &mut self,
        merchant: &str,
        _plan: &Plan,
        _at: Timestamp,
        _random: &mut Random,
    ) -> Result<String, String> {
        Err(format!("{merchant}: one of {} MWS sellers, and this build pretends no MWS", self.merchants))
    }

    fn truths(&self, _at: Timestamp) -> Vec<Truth> {
        Vec::new()
    }
}
