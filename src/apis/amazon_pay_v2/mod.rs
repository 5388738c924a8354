//! Amazon Pay API v2.

pub mod lifecycle;
mod reasons;
pub mod sign;
pub mod wire;
