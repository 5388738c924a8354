//! The request budget of an account and operation.

/// Leave to send one request.
#[derive(Debug)]
pub struct Permit;
