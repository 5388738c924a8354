//! One test binary: whole-daemon stories, the official SDKs against the simulator, and the house rules.

#![allow(unreachable_pub, reason = "the modules of one test binary share helpers")]

mod layout;
mod memory;
mod months;
mod months_run;
mod sdk_node;
mod sdk_python;
mod stories;
mod world;
