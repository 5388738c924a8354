//! Whole stories: the one test binary that uses the crate as its users do.

mod sdk_python;
