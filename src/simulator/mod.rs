//! A pretend Amazon Pay, written from the providers' manuals alone.
//!
//! Owns: how the providers behave. Must never know: any other room but `clock`; it must not share our
//! code for the wire, or both would be wrong together.

pub mod amazon_pay_mws;
pub mod exchange;
pub mod fate;
pub mod plan;
pub mod provider;
