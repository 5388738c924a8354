//! How a command ends: the codes of sysexits.h (docs/src/reference/operations.md section 4.3). `status` alone ends like
//! a monitoring plugin: 0, 1, 2 or 3.
//!
//! Owns: the codes, and the one form in which a failed command reports why. Must never know: any command.

use std::process::ExitCode;

use crate::control::problem::{Cause, Problem};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// Only `status`: a person should look at something.
    Warning,
    /// Only `status`: a person must act now.
    Critical,
    /// Only `status`: the state cannot be found out.
    Unknown,
    /// The command line makes no sense (EX_USAGE).
    Usage,
    /// Some of the input was bad (EX_DATAERR).
    Data,
    /// An input file, or the requested object, does not exist (EX_NOINPUT).
    NoInput,
    /// The daemon or the store cannot be reached (EX_UNAVAILABLE).
    Unavailable,
    /// A broken invariant (EX_SOFTWARE).
    Software,
    /// A file cannot be created (EX_CANTCREAT).
    CannotCreate,
    /// The disk failed (EX_IOERR).
    Disk,
    /// Try again later (EX_TEMPFAIL).
    TryLater,
    /// It is unknown whether the provider did it (EX_PROTOCOL).
    InDoubt,
    /// Not allowed (EX_NOPERM).
    NotAllowed,
    /// The configuration is invalid (EX_CONFIG).
    Config,
}

impl Exit {
    /// The numeric code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Warning => 1,
            Exit::Critical => 2,
            Exit::Unknown => 3,
            Exit::Usage => 64,
            Exit::Data => 65,
            Exit::NoInput => 66,
            Exit::Unavailable => 69,
            Exit::Software => 70,
            Exit::CannotCreate => 73,
            Exit::Disk => 74,
            Exit::TryLater => 75,
            Exit::InDoubt => 76,
            Exit::NotAllowed => 77,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command failed: what went wrong, what to do about it, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    /// The code.
    pub exit: Exit,
    /// What went wrong.
    pub what: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl Failed {
    /// A failure with what went wrong and what to do about it.
    pub fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Failed {
        Failed { exit, what: what.into(), remedy: remedy.into() }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Failed {
        let exit = match problem.cause {
            Cause::NotFound => Exit::NoInput,
            Cause::Malformed | Cause::Ambiguous | Cause::UnsupportedMediaType | Cause::WrongMethod => {
                Exit::Usage
            }
            Cause::Unprocessable | Cause::Conflict | Cause::PreconditionFailed | Cause::TooLarge => {
                Exit::Data
            }
            Cause::Forbidden | Cause::Unauthenticated => Exit::NotAllowed,
            Cause::TooSlow | Cause::TooMany => Exit::TryLater,
            Cause::Unavailable => Exit::Unavailable,
            Cause::Internal => Exit::Software,
        };
        let mut what = problem.detail;
        for candidate in &problem.candidates {
            what.push_str("\n  ");
            what.push_str(candidate);
        }
        Failed { exit, what, remedy: problem.remedy }
    }
}

impl From<std::io::Error> for Failed {
    /// A closed pipe (`| head`) only means that the reader has seen enough, so it is not an error.
    fn from(error: std::io::Error) -> Failed {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failed::new(Exit::Ok, "", ""),
            _ => Failed::new(Exit::Disk, error.to_string(), ""),
        }
    }
}

/// The result of a command.
pub type Ended = Result<Exit, Failed>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_become_codes_that_a_script_can_tell_apart() {
        let code = |cause| Failed::from(Problem::new(cause, "a", "b")).exit.code();
        assert_eq!(code(Cause::NotFound), 66);
        assert_eq!(code(Cause::Ambiguous), 64);
        assert_eq!(code(Cause::Conflict), 65);
        assert_eq!(code(Cause::Unavailable), 69);
        let mut problem = Problem::new(Cause::Ambiguous, "S01 names two objects", "say which");
        problem.candidates = vec!["a/charge/S01".to_owned(), "b/charge/S01".to_owned()];
        assert_eq!(Failed::from(problem).what, "S01 names two objects\n  a/charge/S01\n  b/charge/S01");
    }
}
