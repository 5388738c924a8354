//! The machine of the measurement, and its memory and disk use.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reconciled::clock::SystemClock;

use crate::Failure;

pub(crate) const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Cores, memory, kernel, load and date in one line.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = field(&text("/proc/meminfo"), "MemTotal:") / MEBIBYTE;
    let kernel = text("/proc/sys/kernel/osrelease");
    let load: String = text("/proc/loadavg").split(' ').take(1).collect();
    let date = SystemClock::shared().now();
    format!("{cores} cores, {memory:.0} GiB, Linux {}, load {load}, {date:.0}", kernel.trim())
}

/// The kibibytes after a name.
fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Resident memory of this process, now and at its peak, in MiB.
pub(crate) fn memory() -> (f64, f64) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (field(&text, "VmRSS:") / 1024.0, field(&text, "VmHWM:") / 1024.0)
}

/// Disk usage of the files in a folder, in bytes: blocks, not lengths.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => disk_bytes(&entry.path())?,
            // A file removed meanwhile uses nothing.
            false => entry.metadata().map_or(0, |data| data.blocks() * 512),
        };
    }
    Ok(bytes)
}

/// Measures a folder continuously, so that peaks between our own measurements are found too.
pub(crate) struct Scales {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scales {
    pub(crate) fn under(folder: &Path) -> Scales {
        let (most, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (folder, seen, stop) = (folder.to_owned(), Arc::clone(&most), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // A folder that is being removed is measured the next time.
                if let Ok(bytes) = disk_bytes(&folder) {
                    seen.fetch_max(bytes, Ordering::Relaxed);
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        Scales { most, is_over, thread: Some(thread) }
    }

    /// The peak so far, in bytes.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for Scales {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

/// Measures seconds.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
