//! The options of `dashboard`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, ValueEnum};

use crate::control::messages::DashboardRole;

/// `dashboard`
#[derive(Debug, Args)]
pub struct DashboardArguments {
    /// The most that the session may do; by default, what you may do, except moving money.
    #[arg(long, value_enum)]
    pub role: Option<RoleWord>,
}

/// A role as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// See all and change nothing.
    Read,
    /// Also poll, accept, forget, acknowledge.
    Operate,
}

impl From<RoleWord> for DashboardRole {
    fn from(word: RoleWord) -> DashboardRole {
        match word {
            RoleWord::Read => DashboardRole::Read,
            RoleWord::Operate => DashboardRole::Operate,
        }
    }
}
