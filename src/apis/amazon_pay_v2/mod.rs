//! Amazon Pay API v2.
