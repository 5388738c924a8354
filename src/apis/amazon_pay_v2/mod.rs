//! Amazon Pay API v2.

pub mod sign;
