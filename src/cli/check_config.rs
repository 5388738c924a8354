//! `reconciled check-config`

use std::collections::BTreeMap;
use std::path::Path;

use super::exit::{Ended, Exit};
use super::local::config_failed;
use super::options::CheckConfigArguments;
use super::screen::Screen;
use super::setup::init::credentials_folder;
use crate::access::Role;
use crate::config::{self, Config, ConfigError, Surroundings};

/// Checks the configuration and reports all problems at once.
pub(super) fn check_config(path: &Path, arguments: &CheckConfigArguments, screen: &mut Screen<'_>) -> Ended {
    let credentials = Some(credentials_folder(arguments.credentials.clone()));
    let surroundings = Surroundings { credentials, ..Surroundings::of_process() };
    let checked = if arguments.no_secrets {
        config::load_without_secrets(path, &surroundings)
    } else {
        config::check(path, &surroundings)
    };
    match checked {
        Ok(config) if arguments.json => {
            screen.json(&serde_json::json!({
                "problems": [],
                "accounts": config.accounts.len(),
                "connections": config.http.words(),
                "access": Role::GRANTED.map(|role| (role.as_str(), config.control.access.holders(role)))
                    .into_iter().collect::<BTreeMap<_, _>>(),
                "renamed": config.renamed,
            }))?;
            Ok(Exit::Ok)
        }
        Ok(config) => {
            screen.line(&summary(path, &config))?;
            for words in config.http.words() {
                screen.line(&words)?;
            }
            for role in Role::GRANTED {
                let holders = config.control.access.holders(role);
                let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
                screen.line(&format!("{}: {holders}", role.as_str()))?;
            }
            for remark in config.routing_remarks() {
                screen.line(&format!("note: {remark}"))?;
            }
            for note in &config.renamed {
                screen.line(&format!("note: {note}"))?;
            }
            if arguments.no_secrets {
                screen.line("secrets were not checked")?;
            }
            Ok(Exit::Ok)
        }
        Err(ConfigError::Bad { problems, .. }) if arguments.json => {
            let rows = problems.iter().map(|problem| {
                serde_json::json!({
                    "line": problem.line, "key": problem.key, "what": problem.what, "remedy": problem.remedy,
                })
            });
            screen.json(&serde_json::json!({ "problems": rows.collect::<Vec<_>>() }))?;
            Ok(Exit::Config)
        }
        Err(error) => Err(config_failed(&error)),
    }
}

fn summary(path: &Path, config: &Config) -> String {
    let accounts: Vec<String> = config
        .accounts
        .iter()
        .map(|account| {
            let environment = if account.api.is_sandbox() { "sandbox" } else { "live" };
            format!("{} ({}, {}, {environment})", account.name, account.api.name(), account.api.region())
        })
        .collect();
    format!("{} is valid: {}", path.display(), accounts.join(", "))
}
