//! Takes files from the spool folder, as the configuration in force says.
//!
//! Owns: as whom their lines are enrolled. Must never know: how files are read.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::present;
use super::rooms::Rooms;
use crate::access::{Caller, Role};
use crate::control::Service;
use crate::control::messages::Enrol;
use crate::spool::{self, Enrolling};
use crate::task::{Done, Round, Work};

/// Between two looks into the folder.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// One look into the folder in each round.
pub(super) struct Spooling {
    pub(super) service: Service,
    pub(super) rooms: Arc<RwLock<Arc<Rooms>>>,
}

impl Work for Spooling {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let Some(settings) = present(&self.rooms).config.spool.clone() else {
                return Ok(Done { summary: "no folder is configured".to_owned(), again_in: None });
            };
            let service = self.service.clone();
            let enrolling: Enrolling = Arc::new(move |lines| {
                let service = service.clone();
                Box::pin(async move {
                    // The name is one that no user can have.
                    let caller = Caller { name: Some("spool:".to_owned()), ..Caller::of_token(Role::Enrol) };
                    let results = service.carry_out(Enrol::from(lines), &caller).await;
                    results.map_err(|problem| problem.detail)
                })
            });
            let taken = spool::round(&settings, &enrolling).await?;
            let spool::Taken { files, lines, bad } = taken;
            Ok(Done { summary: format!("{files} files with {lines} lines, {bad} bad"), again_in: None })
        })
    }
}
