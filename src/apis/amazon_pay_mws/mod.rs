//! Amazon Pay through MWS: the "OffAmazonPayments" section, version 2013-01-01 (XML, HMAC).

pub mod kind;
pub mod lifecycle;
pub mod sign;
pub mod wire;
