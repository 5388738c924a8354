//! One test binary: whole-daemon stories, the official SDKs against the simulator, and the house rules.

mod aps_batch;
mod layout;
