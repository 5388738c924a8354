//! The moment of a crash. Between two effects on the world outside (a write, a sync, a request, an answer)
//! nothing that a process does can be told from a crash before or after it; so a crash at any await point is
//! a crash just before or just after one of these. The fuse counts them.

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

/// Burns down by one step with every effect of a life, and then stops the world for it.
#[derive(Debug, Clone, Default)]
pub struct Fuse(Arc<Inner>);

impl Fuse {
    /// Blows at the `effects`-th effect; never when there is none.
    pub fn of(effects: Option<u64>) -> Fuse {
        let fuse = Fuse::default();
        let left = effects.map_or(i64::MAX, |effects| i64::try_from(effects).unwrap_or(i64::MAX));
        fuse.0.left.store(left, Ordering::SeqCst);
        fuse
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

    /// An effect on the network; never returns when the process has died by now.
    pub async fn step(&self) {
        if self.burn() {
            std::future::pending::<()>().await;
        }
    }

    /// An effect on the disk; an error, which nobody will live to see, when the process has died by now.
    pub fn disk_step(&self) -> io::Result<()> {
        match self.burn() {
            true => Err(io::Error::other("the process is dead")),
            false => Ok(()),
        }
    }
}
