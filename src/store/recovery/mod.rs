//! How the files that a process left behind become an open store: lock, marks, replay, salvage, the self-check, and
//! work on the folder of a store that no process has open.
//!
//! Owns: what a crash of the process or the host, or a failing disk, may leave behind, and how to deal with it.
//! Must never know: what a fact is about, how a store in use continues.

pub(crate) mod check;
pub(crate) mod continuity;
pub(crate) mod lock;
pub(crate) mod offline;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod replay;
pub(crate) mod retired;
pub(crate) mod salvage;
