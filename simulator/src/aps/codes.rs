//! The texts beside codes (docs/src/reference/aps.md, sections 2.4 and 5.4).
//!
//! Owns: words, which no client may depend on. Must never know: who is answered.

/// The text of a five-digit code, by its last three digits.
pub(super) fn message(code: &str) -> &'static str {
    match code.get(2..).unwrap_or_default() {
        "000" => "Success",
        "001" => "Missing parameter",
        "002" => "Invalid parameter format",
        "004" => "Invalid command",
        "006" => "Technical problem",
        "007" => "Duplicate order number",
        "008" => "Signature mismatch",
        "009" => "Invalid merchant identifier",
        "010" => "Invalid access code",
        "013" => "Invalid currency code",
        "029" => "Insufficient funds",
        "034" => "Operation not allowed",
        "036" => "Order not found",
        "042" => "The amount is above the authorized amount",
        "048" => "The amount is above the captured amount",
        "051" => "Technical error",
        "064" => "3-D Secure check requested",
        "072" => "Transaction has been cancelled by the consumer",
        "073" => "Invalid request format",
        "078" => "Transaction rejected by the fraud screening",
        "090" => "Transaction in review",
        "136" => "The Batch file validation is failed.",
        "138" => "The Batch file still under validation.",
        "140" => "The Batch file still under processing.",
        "141" => "The Batch reference does not exist.",
        "142" => "The Batch file header is invalid.",
        "144" => "Invalid Batch file.",
        "146" => "The Batch reference is already exist.",
        "147" => "Process batch request received",
        "662" => "The order is not confirmed yet",
        "666" => "Transaction declined",
        "777" => "The transaction is processed, confirmation not received",
        "784" => "The transaction is still being processed",
        _ => "See the code",
    }
}
