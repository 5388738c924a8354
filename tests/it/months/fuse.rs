//! The moment of a crash. Between two external effects (a write, a sync, a request, an answer) nothing shows outside
//! at which instruction a process died. So a crash at any await point equals a crash just before or just after one of
//! these effects. The fuse counts them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Inner {
    left: AtomicI64,
    is_blown: AtomicBool,
    blown: Notify,
}

/// Burns down by one with every effect of a run, and then stops the run.
#[derive(Debug, Clone, Default)]
pub struct Fuse(Arc<Inner>);

impl Fuse {
    /// Blows at effect number `effects`; `None` means never.
    pub fn of(effects: Option<u64>) -> Fuse {
        let fuse = Fuse::default();
        let left = effects.map_or(i64::MAX, |effects| i64::try_from(effects).unwrap_or(i64::MAX));
        fuse.0.left.store(left, Ordering::SeqCst);
        fuse
    }

    /// From now on, blows at effect number `effects`.
    pub fn shorten(&self, effects: u64) {
        self.0.left.store(i64::try_from(effects).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    fn burn(&self) -> bool {
        if self.0.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.blow();
        }
        self.is_blown()
    }

    pub fn is_blown(&self) -> bool {
        self.0.is_blown.load(Ordering::SeqCst)
    }

    pub fn blow(&self) {
        self.0.is_blown.store(true, Ordering::SeqCst);
        self.0.blown.notify_one();
    }

    /// Waits for the end.
    pub async fn wait(&self) {
        if !self.is_blown() {
            self.0.blown.notified().await;
        }
    }

    /// An effect on the network. Never returns when the process is dead.
    pub async fn step(&self) {
        if self.burn() {
            std::future::pending::<()>().await;
        }
    }

    /// An effect on the disk. Returns an error, which nobody survives to see, when the process is dead.
    pub fn disk_step(&self) -> io::Result<()> {
        match self.burn() {
            true => Err(io::Error::other("the process is dead")),
            false => Ok(()),
        }
    }
}
