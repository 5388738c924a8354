//! `reconciled run`

use std::io;
use std::path::Path;
use std::process::ExitCode;

use listenfd::ListenFd;

use super::exit::{Exit, Failed};
use super::finish;
use super::local::{config_failed, start_failed};
use super::options::{LogForm, RunArguments};
use crate::clock::SystemClock;
use crate::config::{self, Config, Surroundings};
use crate::daemon::{self, Ended, Outside};
use crate::telemetry::{self, LogFormat, traces};

/// Runs the daemon.
pub(super) fn run(path: &Path, arguments: RunArguments) -> ExitCode {
    finish(try_run(path, arguments), &mut io::stderr())
}

fn try_run(path: &Path, arguments: RunArguments) -> Result<Exit, Failed> {
    let surroundings = Surroundings::of_process();
    let config = config::load(path, &surroundings).map_err(|error| config_failed(&error))?;
    telemetry::start(log_format(&config, arguments.log), &config.log.filter)
        .map_err(|error| Failed::new(Exit::Config, error, "see log.filter in config.toml"))?;
    if let Some(collector) = &config.traces {
        traces::start(collector)
            .map_err(|error| Failed::new(Exit::Config, error, "see [traces] in config.toml"))?;
    }
    // Before there are other threads: taking the sockets changes the environment.
    let opened = ListenFd::from_env().take_unix_listener(0).map_err(|error| {
        let what = format!("what the service manager opened is not the socket of the operators: {error}");
        Failed::new(Exit::Config, what, "see ListenStream= in reconciled.socket")
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::TryLater, format!("cannot start: {error}"), ""))?;
    let ended = runtime.block_on(async {
        let outside = Outside::real(SystemClock::shared(), surroundings, &config.http)?;
        daemon::run(config, outside, opened).await
    });
    // Tasks that still hang are not awaited: everything important is on disk.
    runtime.shutdown_background();
    traces::stop();
    match ended {
        Ok(Ended::Stopped | Ended::Hurried) => Ok(Exit::Ok),
        Ok(Ended::Broken(error)) => Err(Failed::new(Exit::Disk, format!("the store failed: {error}"), "")),
        Err(error) => Err(start_failed(&error)),
    }
}

fn log_format(config: &Config, asked: LogForm) -> LogFormat {
    match (asked, config.log.format.as_str()) {
        (LogForm::Text, _) | (LogForm::Auto, "text") => LogFormat::Text,
        (LogForm::Json, _) | (LogForm::Auto, "json") => LogFormat::Json,
        (LogForm::Journal, _) | (LogForm::Auto, "journal") => LogFormat::Journal,
        (LogForm::Auto, _) => LogFormat::Auto,
    }
}
