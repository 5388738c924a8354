//! A program of the operator's that delivers a message in its own way.
//!
//! Owns: the keys of its section and what the program reads. Must never know: how a program is run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::webhook::payload;
use crate::alerts::command::Invocation;
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection};
use crate::payments::object::AccountName;
use crate::text;
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("exec");

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// The program's absolute path and its arguments. There is no shell.
    command: Vec<String>,
    /// Whether many alerts at once may be combined into one message.
    #[serde(default)]
    digests: bool,
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let Some((program, arguments)) = self.command.split_first() else {
            setting.problem("command", "it is empty", "write [\"/absolute/path\", \"argument\"]");
            return None;
        };
        let program = PathBuf::from(program);
        if !program.is_absolute() {
            setting.problem(
                "command",
                "the program is not an absolute path",
                "begin it with /; there is no shell",
            );
            return None;
        }
        if !setting.is_blind() && !program.is_file() {
            let remedy =
                "name a program that the service's user can see and run; its home folders are hidden from it";
            setting.problem("command", format!("{} is not a file", program.display()), remedy);
            return None;
        }
        Some(Box::new(Exec {
            program,
            arguments: arguments.to_vec(),
            digests: self.digests,
            sandbox_accounts: setting.sandbox_accounts().clone(),
        }))
    }
}

/// One program.
#[derive(Debug)]
struct Exec {
    program: PathBuf,
    arguments: Vec<String>,
    digests: bool,
    sandbox_accounts: BTreeSet<AccountName>,
}

impl Target for Exec {
    fn likes_digests(&self) -> bool {
        self.digests
    }

    /// The body of a webhook, with the id and the text for people.
    fn compose(&self, message: &Message, _attempt: &Attempt) -> Composed {
        let mut body = payload(message, &self.sandbox_accounts);
        body["id"] = json!(event_id(&message.key));
        body["title"] = json!(message.title);
        body["text"] = json!(message.plain_text());
        let input = text::json(&body.to_string()).into_owned().into_bytes();
        Composed::Command(Invocation {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            input,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{attempt, built, decline, refused};
    use serde_json::Value;

    #[test]
    fn a_program_reads_json_and_text() {
        let target = built("kind = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"exit 0\"]", &[]);
        let Composed::Command(invocation) = target.compose(&decline(), &attempt("2026-01-15T09:30:05Z"))
        else {
            panic!("no command")
        };
        assert_eq!(invocation.arguments, ["-c", "exit 0"]);
        let body: Value = serde_json::from_slice(&invocation.input).unwrap();
        assert_eq!(body["type"], "charge.declined");
        assert_eq!(body["data"]["object"]["amount"], "14.00");
        assert!(
            body["text"].as_str().unwrap().starts_with("[DECLINED] A charge was declined\nAmount: 14.00 EUR")
        );
    }

    #[test]
    fn only_an_absolute_path_to_a_file_is_taken() {
        for command in ["[]", "[\"notify\"]", "[\"/nowhere/notify\"]", "[\"/bin\"]"] {
            let problems = refused(&format!("kind = \"exec\"\ncommand = {command}"), &[]);
            assert_eq!(problems[0].key, "alert.0.command", "{command}");
        }
    }
}
