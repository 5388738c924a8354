//! The configuration and scenarios.

use std::path::Path;

use amazon_pay_simulator::scenario::Scenario;
use reconciled::config::{ConfigError, Surroundings, check_text};

use super::promises::{is_shown, lines};

/// Words of both.
pub const WORDS: &[&str] = &[
    "[[account]]\n",
    "[[alert]]\n",
    "[store]\n",
    "[poll]\n",
    "[reports]\n",
    "[[population]]\n",
    "[[fault]]\n",
    "[chat]\n",
    "api = \"amazon-pay-mws\"\n",
    "quota = ",
    "{ burst = 1, per_s = 0 }",
    "-1",
    "1e308",
    "nan",
    "inf",
    "9223372036854775807",
    "true",
    "[]",
    "{}",
    "\"\"",
    "'''",
    "\"\"\"",
    "#",
    "\\u0000",
    "2026-01-01",
    "= [[",
    "name = ",
];

/// A configuration file gives a configuration, or problems with key, remedy and an existing line.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match check_text(text, Path::new("/etc/reconciled/config.toml"), &Surroundings::default()) {
        Ok(config) => {
            assert!(!config.accounts.is_empty(), "a configuration without accounts is useless");
            let _ = (format!("{config:?}"), config.unheard());
        }
        Err(ConfigError::Unreadable { .. }) => panic!("no file is read"),
        Err(ConfigError::Bad { problems, .. }) => {
            assert!(!problems.is_empty(), "refused without a problem");
            for problem in problems {
                assert!(!problem.key.is_empty() && !problem.what.is_empty(), "{problem:?}");
                let is_there = |line: usize| (1..=lines(data)).contains(&u64::try_from(line).unwrap_or(0));
                assert!(problem.line.is_none_or(is_there), "{problem}");
                is_shown(&problem.to_string());
            }
        }
    }
}

/// The same for a scenario of the simulator.
pub fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Scenario::parse(text, Path::new("/nonexistent")) {
        Ok(scenario) => drop(format!("{scenario:?}")),
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a problem");
            for problem in error.problems {
                assert!(!problem.key.is_empty() && !problem.remedy.is_empty(), "{problem:?}");
                let is_there = |line: usize| (1..=lines(data)).contains(&u64::try_from(line).unwrap_or(0));
                assert!(problem.line.is_none_or(is_there), "{problem}");
                is_shown(&problem.to_string());
            }
        }
    }
}
