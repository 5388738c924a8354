//! The door of both counters: the payment section's signature, another version, other bodies.
//!
//! Owns: where parameters stand, carriage, names (docs/src/reference/amazon-pay-batch.md section 3.1).
//! Must never know: feeds, reports.

use crate::exchange::Incoming;

use super::super::form::{self, FormError, Parameters};
use super::super::front_door;
use super::super::merchant::MwsMerchant;
use super::{Denied, Section, Visit, section, table};

const COMMON: [&str; 10] = [
    "AWSAccessKeyId",
    "Action",
    "SellerId",
    "Merchant",
    "MWSAuthToken",
    "SignatureVersion",
    "SignatureMethod",
    "Timestamp",
    "Version",
    "Signature",
];

/// All parameters: of a feed only the query's, for its body is the document; else both together.
pub(super) fn parameters(incoming: &Incoming, section: Section) -> Result<Parameters, FormError> {
    let mut parameters = Parameters::new();
    form::read_into(&mut parameters, incoming.query.as_bytes())?;
    let is_feed =
        section == Section::Feeds && parameters.get("Action").is_some_and(|action| action == "SubmitFeed");
    if !is_feed {
        form::read_into(&mut parameters, &incoming.body)?;
    }
    Ok(parameters)
}

/// The operation of a request that no path sorts: a feed's stands in the query, for its body is the document.
pub(super) fn action(incoming: &Incoming) -> Option<String> {
    let mut parameters = Parameters::new();
    form::read_into(&mut parameters, incoming.query.as_bytes()).ok()?;
    if !parameters.contains_key("Action") {
        form::read_into(&mut parameters, &incoming.body).ok()?;
    }
    parameters.remove("Action")
}

/// The seller acted for: older clients write `Merchant` (section 3.1).
pub(super) fn seller_of(parameters: &Parameters) -> Option<&str> {
    parameters.get("SellerId").or_else(|| parameters.get("Merchant")).map(String::as_str)
}

/// Lets a request in or says why not.
pub(super) fn let_in<'a>(
    incoming: &Incoming,
    merchants: &'a [MwsMerchant],
    delegations: &[(String, String)],
) -> Result<Visit<'a>, Denied> {
    let section = section(incoming)
        .ok_or_else(|| Denied::new(404, "InvalidAddress", "This section and version do not exist"))?;
    let mut parameters = parameters(incoming, section).map_err(|error| Denied::invalid(error.to_string()))?;
    let (seller_id, merchant) =
        front_door::verify(incoming, &parameters, "2009-01-01", merchants, delegations)?;
    let name = parameters.get("Action").cloned().unwrap_or_default();
    let action = table::find(section, &name)
        .ok_or_else(|| Denied::new(404, "InvalidAddress", "The operation does not exist"))?;
    check_carriage(incoming, action.name)?;
    for common in COMMON {
        parameters.remove(common);
    }
    if let Some(stranger) = action.stranger(parameters.keys()) {
        let shown: String = stranger.chars().filter(|letter| !letter.is_control()).take(80).collect();
        return Err(Denied::invalid(format!("{} does not have the parameter {shown}", action.name)));
    }
    Ok(Visit { seller_id, merchant, action: action.name, parameters, at: incoming.at })
}

fn check_carriage(incoming: &Incoming, action: &str) -> Result<(), Denied> {
    if incoming.method != "POST" {
        return Err(Denied::invalid("The method must be POST"));
    }
    let content_type = incoming.header("content-type").unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let wanted = if action == "SubmitFeed" { "text/xml" } else { "application/x-www-form-urlencoded" };
    if media != wanted {
        return Err(Denied::invalid(format!("Content-Type must be {wanted}")));
    }
    // Both forms of the header are wanted by the counters (section 3.1 and 12).
    let agent = incoming.header("user-agent").unwrap_or_default();
    if agent.is_empty() {
        return Err(Denied::new(400, "UserAgentHeaderMissing", "The User-Agent header is missing"));
    }
    if !agent.contains("(Language=") || !agent.contains('/') || !agent.ends_with(')') {
        return Err(Denied::new(400, "UserAgentHeaderMalformed", "The User-Agent header is malformed"));
    }
    Ok(())
}

/// Which environment a marketplace of a region is (section 1).
pub(super) fn environment_of(merchant: &MwsMerchant, marketplace_id: &str) -> Option<bool> {
    let known: &[(&str, bool)] = match merchant.region_digits() {
        "02" => &[
            ("AZAJMM36N6WQL", false),
            ("A3M3RRFO9XDT2G", true),
            ("A53RDEWN57UU5", false),
            ("A1G8446IYHA4MR", true),
        ],
        "03" => &[("A31YDYE76E6TCP", true)],
        _ => &[("AGWSWK15IEJJ7", false), ("A3BXB0YN3XH17H", true)],
    };
    known.iter().find(|(id, _)| *id == marketplace_id).map(|(_, is_sandbox)| *is_sandbox)
}
