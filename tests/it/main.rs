//! One test binary: whole stories, and the official SDKs against the simulator.

mod sdk_node;
mod sdk_python;
