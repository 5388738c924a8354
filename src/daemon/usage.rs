//! What this process uses of the machine, as Linux shows it under /proc.
//!
//! Owns: reading it. Must never know: who asks.

use std::fs;
use std::time::Duration;

use crate::control::Usage;

/// How long a tick of the CPU times is. Linux shows them in hundredths of a second on every machine.
const TICK: Duration = Duration::from_millis(10);

/// What can be read; nothing of it is needed.
pub(super) fn of_this_process() -> Usage {
    let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
    Usage {
        cpu: text("stat").as_deref().and_then(cpu),
        resident_bytes: text("status").as_deref().and_then(resident_bytes),
        open_files: fs::read_dir("/proc/self/fd").ok().and_then(|files| u64::try_from(files.count()).ok()),
    }
}

/// Time in user and in system mode: the 14th and 15th field. The second field, the program's name, may contain spaces.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(TICK * fields.next()?.ok()? + TICK * fields.next()?.ok()?)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_name_of_the_program_is() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        for bad in ["", "7 (a", "7 (a) S 1", "VmRSS: x kB"] {
            assert_eq!((cpu(bad), resident_bytes(bad)), (None, None), "{bad}");
        }
    }

    #[test]
    fn this_process_uses_something() {
        let usage = of_this_process();
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 1_000_000));
        assert!(usage.open_files.is_some_and(|files| files > 2));
        assert!(usage.cpu.is_some());
    }
}
