//! Runs a program that delivers a message.
//!
//! Owns: how it is started and stopped, and what its exit code means. Must never know: which program, what a message
//! says.
//!
//! The program gets the message on its standard input, no shell, no environment of ours and no open files. What it
//! prints is dropped, except one machine word on standard error.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::alerts::classify::{Verdict, machine_word};
use crate::clock::Sleep;

/// How much of standard error is kept, in bytes.
const LONGEST_WORDS: usize = 4096;

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments, as they are: there is no shell.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: Vec<u8>,
}

/// Runs a program to its end, or kills it, and the processes that it started, when `deadline` completes.
pub(super) async fn run(invocation: Invocation, mut deadline: Sleep) -> Verdict {
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let why = format!("the command cannot be started: {}", error.kind());
            return Verdict::Denied { after: None, why };
        }
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut said = Vec::new();
    let ended = {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read it all may still have delivered: its exit code says so.
                let _ = stdin.write_all(&invocation.input).await;
            }
        };
        let listen = listen(stderr, &mut said);
        tokio::pin!(feed, listen);
        let (mut is_fed, mut is_silent) = (false, false);
        loop {
            tokio::select! {
                biased;
                () = &mut listen, if !is_silent => is_silent = true,
                () = &mut feed, if !is_fed => is_fed = true,
                status = child.wait() => break Some(status),
                () = &mut deadline => break None,
            }
        }
    };
    match ended {
        Some(Ok(status)) => by_exit(status, machine_word(&said)),
        Some(Err(error)) => {
            Verdict::Retry { after: None, why: format!("the command was lost: {}", error.kind()) }
        }
        None => {
            if let Some(group) = group {
                // It has not been waited for, so the number is still its own.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Verdict::Retry {
                after: None,
                why: "the command did not end within the deadline and was killed".to_owned(),
            }
        }
    }
}

/// Reads standard error to its end, so that the program never waits for us, and keeps the beginning.
async fn listen(stderr: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let room = LONGEST_WORDS - said.len();
        said.extend_from_slice(&buffer[..length.min(room)]);
    }
}

/// 0 is success; 65 (EX_DATAERR) says that this message can never be taken; 77, 78, 126 and 127 (no permission, a bad
/// configuration, not executable, not found) must be repaired; all others are tried again.
fn by_exit(status: ExitStatus, word: Option<&str>) -> Verdict {
    let Some(code) = status.code() else {
        return Verdict::Retry { after: None, why: "the command was killed by a signal".to_owned() };
    };
    let why = format!("exit code {code}");
    let verdict = match code {
        0 => Verdict::Delivered,
        65 => Verdict::Refused { why },
        77 | 78 | 126 | 127 => Verdict::Denied { after: None, why },
        _ => Verdict::Retry { after: None, why },
    };
    verdict.quoting(word)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alerts::targets::tests::words;
    use crate::clock::SystemClock;

    async fn script(text: &str, input: Vec<u8>, limit: Duration) -> String {
        let invocation = Invocation {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), text.to_owned()],
            input,
        };
        words(run(invocation, SystemClock::shared().sleep(limit)).await)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_exit_code_decides() {
        for (text, expected) in [
            ("exit 0", "delivered"),
            ("exit 65", "refused exit code 65"),
            ("exit 127", "denied exit code 127"),
            ("echo quota_full >&2; exit 75", "retry exit code 75 quota_full"),
            ("echo 'Jane Doe' >&2; exit 1", "retry exit code 1"),
            ("kill -9 $$", "retry the command was killed by a signal"),
        ] {
            assert_eq!(script(text, Vec::new(), LONG).await, expected, "{text}");
        }
    }

    #[tokio::test]
    async fn it_gets_the_message_and_nothing_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got").display().to_string();
        let input = vec![b'x'; 300_000];
        assert_eq!(script(&format!("cat > {file}"), input.clone(), LONG).await, "delivered");
        assert_eq!(std::fs::read(&file).unwrap(), input);
        assert_eq!(script(&format!("env > {file}"), Vec::new(), LONG).await, "delivered");
        let seen = std::fs::read_to_string(&file).unwrap();
        assert!(!seen.contains("CARGO") && seen.contains("PATH=/usr/local/bin:/usr/bin:/bin"), "{seen}");
    }

    #[tokio::test]
    async fn neither_deaf_nor_talkative_nor_parental_programs_block_us() {
        assert_eq!(script("exit 0", vec![b'x'; 1_000_000], LONG).await, "delivered");
        let talk = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; exit 3";
        assert_eq!(script(talk, Vec::new(), LONG).await, "retry exit code 3");
        assert_eq!(script("sleep 600 & exit 0", Vec::new(), LONG).await, "delivered");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid").display().to_string();
        let hang = format!("sleep 600 & echo $! > {file}; wait");
        let mut limit = Duration::from_millis(200);
        // The limit may pass before the program has come as far as to write the file.
        while !std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')) {
            let outcome = script(&hang, Vec::new(), limit).await;
            assert_eq!(outcome, "retry the command did not end within the deadline and was killed");
            limit *= 2;
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        // A killed process takes a moment to disappear.
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_named_by_what_is_wrong() {
        let invocation =
            Invocation { program: "/nowhere/canary".into(), arguments: Vec::new(), input: Vec::new() };
        let outcome = words(run(invocation, SystemClock::shared().sleep(LONG)).await);
        assert_eq!(outcome, "denied the command cannot be started: entity not found");
    }
}
