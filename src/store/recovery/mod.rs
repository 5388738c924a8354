//! From the files that a process left to a store that is open: lock, marks, replay, salvage, the self-check, and work
//! on the folder of a store that nobody has open.
//!
//! Owns: what a crash, a stop of the host or a failing disk may leave, and what is made of it. Must never know: what
//! a fact is about, how a store at work goes on.

pub(crate) mod check;
pub(crate) mod continuity;
pub(crate) mod lock;
pub(crate) mod offline;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod replay;
pub(crate) mod retired;
pub(crate) mod salvage;
