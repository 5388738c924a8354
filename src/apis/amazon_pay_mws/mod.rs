//! Amazon Pay MWS.
