//! x
mod lines;
mod poll;
mod problem;
mod section;
