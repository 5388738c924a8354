//! `reconciled` sees every Amazon Pay transaction through to its final state.
pub mod clock;
pub mod simulator;
