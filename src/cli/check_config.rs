//! `reconciled check-config`

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::exit::Exit;
use super::finish;
use super::local::config_failed;
use super::options::CheckConfigArguments;
use crate::config::{self, Config, ConfigError, Surroundings};
use crate::text;

/// Checks the configuration and reports all problems at once.
pub(super) fn check_config(path: &Path, arguments: CheckConfigArguments) -> ExitCode {
    let surroundings = Surroundings::of_process();
    let checked = if arguments.no_secrets {
        config::load_without_secrets(path, &surroundings)
    } else {
        config::load(path, &surroundings)
    };
    match checked {
        Ok(config) if arguments.json => {
            let connections = config.http.words();
            let accounts = config.accounts.len();
            println!(
                "{}",
                serde_json::json!({
                    "problems": [], "accounts": accounts, "connections": connections, "renamed": config.renamed,
                })
            );
            Exit::Ok.into()
        }
        Ok(config) => {
            println!("{}", text::line(&summary(path, &config)));
            for words in config.http.words() {
                println!("{}", text::line(&words));
            }
            for account in config.unheard() {
                println!("note: no alert target receives declines of account {account}");
            }
            for note in &config.renamed {
                println!("note: {}", text::line(note));
            }
            if arguments.no_secrets {
                println!("secrets were not checked");
            }
            Exit::Ok.into()
        }
        Err(ConfigError::Bad { problems, .. }) if arguments.json => {
            let rows: Vec<_> = problems
                .iter()
                .map(|problem| {
                    serde_json::json!({
                        "line": problem.line, "key": problem.key, "what": problem.what, "remedy": problem.remedy,
                    })
                })
                .collect();
            println!("{}", text::json(&serde_json::json!({ "problems": rows }).to_string()));
            Exit::Config.into()
        }
        Err(error) => finish(Err(config_failed(&error)), &mut io::stderr()),
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
