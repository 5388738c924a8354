//! The store as a whole: every method, crashes, damage, and a model.

mod clocks;
mod compact;
mod continuity;
mod crash;
mod damage;
mod dates;
mod faults;
mod fixture;
mod follow;
mod lists;
mod maintain;
mod model;
mod moved_forward;
mod outbox;
mod pending;
mod power;
mod proxy;
mod pulse;
mod quiet;
#[allow(dead_code, reason = "the tests of whole processes use the rest")]
mod server;
mod shared;
mod shared_trouble;
mod unpack;
mod unsynced;
mod verbs;
