//! The commands, one file each. A command sends a verb to the daemon or, if the daemon is stopped, answers it from
//! the store.
//!
//! Owns: the command line, what is printed, exit codes. Must never know: tables, wire formats, signatures.

pub mod args;
pub mod backtest_options;
pub mod call_options;
pub mod connection;
pub mod exit;
mod file_forms;
pub mod options;
pub mod options_alerts;
mod options_audit;
mod options_batch;
mod options_dashboard;
pub mod options_events;
mod options_metrics;
pub mod options_notifications;
mod options_silence;
mod options_store;
pub mod screen;

mod accept;
mod alerts;
mod audit;
mod backtest;
mod backtest_file;
mod batch;
mod call;
mod check_config;
mod completions;
mod dashboard;
mod demo;
mod enrol;
mod events;
mod explain;
mod fetch_reports;
mod forget;
mod init_options;
mod list;
mod local;
mod man;
mod metrics;
mod notifications;
mod pages;
mod poll;
mod progress;
mod reload;
mod report;
mod rhythm;
mod run;
mod setup;
mod show;
mod silence;
mod simulate;
mod status;
mod store;
mod wrap;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use self::args::{Arguments, Command};
use self::connection::{Connection, Local};
use self::exit::{Ended, Exit, Failed};
use self::options_audit::{AuditArguments, AuditCommand};
use self::options_events::EventsCommand;
use self::screen::{Screen, complain, wants_colour};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Surroundings};

/// The whole program: reads the command line, runs the command, returns the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let config = arguments.config;
    match arguments.command {
        Command::Run(options) => run::run(&config, options),
        Command::Demo(options) => demo::demo(options),
        Command::Simulate(options) => simulate::simulate(options),
        command => {
            let (mut out, mut err) = (io::BufWriter::new(io::stdout()), io::stderr());
            let mut screen = Screen {
                out: &mut out,
                err: &mut err,
                has_colour: wants_colour(),
                is_watched: io::stderr().is_terminal(),
            };
            let ended = quick(command, &config, &mut screen);
            let flushed = screen.out.flush().map_err(Failed::from);
            finish(ended.and_then(|exit| flushed.map(|()| exit)), screen.err)
        }
    }
}

/// Runs a command that ends without being stopped.
fn quick(command: Command, config_path: &Path, screen: &mut Screen<'_>) -> Ended {
    match command {
        Command::CheckConfig(options) => check_config::check_config(config_path, &options, screen),
        Command::Init(options) => setup::init::init(config_path, &options, screen),
        Command::Completions(options) => completions::completions(&options, screen),
        Command::Man(options) => man::man(&options, screen),
        Command::Backtest(options) => backtest::backtest(&options, config_path, screen),
        Command::Metrics(options) if let Some(file) = metrics::file(&options) => {
            write!(screen.out, "{file}")?;
            Ok(Exit::Ok)
        }
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Failed::new(Exit::TryLater, format!("cannot start: {error}"), ""))?;
            runtime.block_on(async {
                let clock = SystemClock::shared();
                if let Command::Status(options) = command {
                    let socket = config::socket(config_path, &Surroundings::of_process());
                    return status::status(&options, &socket, &clock, screen).await;
                }
                let local = local::load(config_path, &clock)?;
                operate(command, &*local, &clock, screen).await
            })
        }
    }
}

/// An operator's command, through the daemon or directly on the store.
pub async fn operate(
    command: Command,
    local: &dyn Local,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    if let Command::Store(command) = command {
        return store::store(command, local, clock, screen).await;
    }
    if let Command::Audit(AuditArguments { command: Some(AuditCommand::Verify(options)), .. }) = &command {
        return store::verify_audit(options, local, clock, screen).await;
    }
    if let Command::Status(options) = command {
        return status::status(&options, local.socket(), clock, screen).await;
    }
    if let Command::Events(EventsCommand::Schema(options)) = &command {
        return events::print_schema(options.event_type.as_deref(), screen);
    }
    let connection = Connection::open(local).await?;
    let ended = match command {
        Command::Enrol(options) => enrol::enrol(options, &connection, clock, screen).await,
        Command::List(options) => list::list(&options, &connection, clock, screen).await,
        Command::Show(options) => show::show(&options, &connection, clock, screen).await,
        Command::Explain(options) => explain::explain(&options, &connection, screen).await,
        Command::Rhythm(options) => rhythm::rhythm(&options, &connection, screen).await,
        Command::Poll(options) => poll::poll(options, &connection, clock, screen).await,
        Command::Forget(options) => forget::forget(&options, &connection, screen).await,
        Command::Accept(options) => accept::accept(&options, &connection, screen).await,
        Command::Report(options) => report::report(&options, &connection, screen).await,
        Command::Audit(options) => audit::audit(&options, &connection, clock, screen).await,
        Command::Alerts(command) => alerts::alerts(command, &connection, screen).await,
        Command::Silence(command) => silence::silence(command, &connection, screen).await,
        Command::Events(command) => events::events(command, &connection, clock, screen).await,
        Command::Batch(command) => batch::batch(command, &connection, screen).await,
        Command::Notifications(command) => {
            notifications::notifications(command, &connection, clock, screen).await
        }
        Command::Call(options) => call::call(options, &connection, screen).await,
        Command::FetchReports(options) => {
            fetch_reports::fetch_reports(options, &connection, clock, screen).await
        }
        Command::Metrics(_) => metrics::metrics(&connection, screen).await,
        Command::Dashboard(options) => dashboard::dashboard(&options, &connection, screen).await,
        Command::Reload(_) => reload::reload(&connection, screen).await,
        Command::Run(_)
        | Command::Demo(_)
        | Command::Simulate(_)
        | Command::CheckConfig(_)
        | Command::Init(_)
        | Command::Store(_)
        | Command::Status(_)
        | Command::Backtest(_)
        | Command::Completions(_)
        | Command::Man(_) => Err(Failed::new(Exit::Software, "this command needs no store", "")),
    };
    let closed = connection.close().await;
    ended.and_then(|exit| closed.map(|()| exit))
}

/// Reports why a command failed, if it did, and returns its exit code.
fn finish(ended: Ended, err: &mut dyn Write) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failed) => {
            if failed.exit != Exit::Ok {
                let _ = complain(&failed, err);
            }
            failed.exit.into()
        }
    }
}
