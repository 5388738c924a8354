//! One test binary: whole-daemon stories, the official SDKs against the simulator, and the house rules.

mod layout;
mod mws_batch;
mod sdk_node;
mod sdk_python;
