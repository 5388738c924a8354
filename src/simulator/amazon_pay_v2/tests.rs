//! The provider through its front door, every request truly signed.
