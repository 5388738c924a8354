//! Configurations that the program writes itself: for a first account (`init`), and for simulated providers (`demo`,
//! `simulate`).
//!
//! Owns: the text of such files. Must never know: what a section means; the result is checked like any other file.

pub(super) mod init;
pub(super) mod pretend;
pub(super) mod sections;
