//! The store of a configuration is opened: by the daemon, which may have to wait for a database, or by a command.
//!
//! Owns: what the configuration means for the store, and what is reported to the service manager and the log meanwhile.
//! Must never know: what is in the store.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{BATCHES, Outside, RUN, manager};
use crate::clock::SharedClock;
use crate::config::StoreConfig;
use crate::store::disk::Disk;
use crate::store::tables::Tables;
use crate::store::{Meter, OpenError, Opening, Options, Shared, Store};

/// The database of the store, if several hosts share it.
pub(crate) fn shared_store(config: &StoreConfig, clock: &SharedClock) -> Option<Shared> {
    Some(shared(config.database.as_ref()?.tables(config.lease), config, clock))
}

fn shared(tables: Arc<dyn Tables>, config: &StoreConfig, clock: &SharedClock) -> Shared {
    Shared { tables, lease_term: config.lease, clock: clock.clone(), while_waiting: None }
}

/// Opens it. The journal is written to `disk`.
pub(super) async fn open(
    config: &StoreConfig,
    outside: &Outside,
    command: &str,
    disk: Arc<dyn Disk>,
    now: Timestamp,
) -> Result<(Store, Opening), OpenError> {
    let (meter, clock) = (Meter::default(), &outside.clock);
    let is_daemon = command == RUN;
    let telling = is_daemon.then(|| manager::Opening::begin(meter.clone(), clock.clone()));
    let telling = Arc::new(Mutex::new(telling));
    let given = outside.database.clone().map(|tables| shared(tables, config, clock));
    let mut shared = given.or_else(|| shared_store(config, clock));
    if let Some(shared) = shared.as_mut().filter(|_| is_daemon) {
        shared.while_waiting = Some(manager::while_waiting(Arc::clone(&telling)));
    }
    let options = Options {
        meter,
        folder: config.folder.clone(),
        cache_bytes: config.cache_mib * 1024 * 1024,
        free_floor_bytes: config.min_free_mib * 1024 * 1024,
        compact_above_bytes: config.compact_above_mib * 1024 * 1024,
        command: command.to_owned(),
        beside: vec![BATCHES.to_owned()],
        shared,
        disk,
        ..Options::default()
    };
    let (store, opening) = Store::open(options, now).await?;
    drop(telling.lock().unwrap_or_else(PoisonError::into_inner).take());
    for line in opening.remarks() {
        tracing::warn!("{line}");
    }
    Ok((store, opening))
}
