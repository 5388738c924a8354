//! What all HTTP clients of this process have in common, whatever they carry.
//!
//! Owns: how connections are made (proxy, trusted roots), dates in headers, how far the other side's wish to
//! wait is believed. Must never know: a provider, an alert target, what a request says.

pub mod connections;
pub mod waits;
