//! The options of `init`.
//!
//! Owns: names, help and parsing. Must never know: what is written.

use std::path::PathBuf;

use clap::Args;

use crate::payments::object::AccountName;

/// `init`
#[derive(Debug, Clone, Default, Args)]
pub struct InitArguments {
    /// Your own name for the account, such as shop-de.
    #[arg(long, value_name = "NAME")]
    pub account: Option<AccountName>,
    /// The API: amazon-pay-v2, amazon-pay-mws or aps [default with --account: amazon-pay-v2].
    #[arg(long)]
    pub api: Option<String>,
    /// The region: na, eu or jp; aps has none.
    #[arg(long)]
    pub region: Option<String>,
    /// live or sandbox.
    #[arg(long)]
    pub environment: Option<String>,
    /// The seller id (MWS) or merchant identifier (aps); v2 needs none.
    #[arg(long, value_name = "ID")]
    pub merchant_id: Option<String>,
    /// The public key id (v2), access key id (MWS) or access code (aps).
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
    /// The time zone of the business day, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The folder of the secrets [default: $CREDENTIALS_DIRECTORY, else /etc/credstore].
    #[arg(long, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// Replace an existing configuration.
    #[arg(long)]
    pub force: bool,
}
