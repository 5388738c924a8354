//! Takes files from the spool folder, as the configuration in force says.
//!
//! Owns: as whom their lines are enrolled. Must never know: how files are read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::present;
use super::rooms::Rooms;
use crate::access::{Caller, Role};
use crate::control::Service;
use crate::control::messages::Enrol;
use crate::spool::{self, Enrolling};
use crate::task::{Done, Round, Work};

/// How often the folder is read.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// Takes the files that are there in each round.
pub(super) struct Spooling {
    service: Service,
    rooms: Arc<RwLock<Arc<Rooms>>>,
    stop: CancellationToken,
    progress: AtomicU64,
}

impl Spooling {
    /// `stop` ends a round after the lines that are being enrolled.
    pub(super) fn new(service: Service, rooms: Arc<RwLock<Arc<Rooms>>>, stop: CancellationToken) -> Spooling {
        Spooling { service, rooms, stop, progress: AtomicU64::new(0) }
    }

    fn enrolling(&self) -> Enrolling {
        let (service, stop) = (self.service.clone(), self.stop.clone());
        Arc::new(move |lines| {
            let (service, stop) = (service.clone(), stop.clone());
            Box::pin(async move {
                if stop.is_cancelled() {
                    return Err("stopping".to_owned());
                }
                // The name is one that no user can have.
                let caller = Caller { name: Some("spool:".to_owned()), ..Caller::of_token(Role::Enrol) };
                let results = service.carry_out(Enrol::from(lines), &caller).await;
                results.map_err(|problem| problem.detail)
            })
        })
    }
}

impl Work for Spooling {
    fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let Some(settings) = present(&self.rooms).config.spool.clone() else {
                return Ok(Done { summary: "no folder is configured".to_owned(), again_in: None });
            };
            let summary = match spool::round(&settings, &self.enrolling(), &self.progress).await {
                Ok(spool::Taken { files, lines, bad }) => {
                    format!("{files} files with {lines} lines, {bad} bad")
                }
                Err(_) if self.stop.is_cancelled() => "the rest is enrolled after the next start".to_owned(),
                Err(why) => return Err(why),
            };
            Ok(Done { summary, again_in: None })
        })
    }
}
