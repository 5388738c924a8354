//! Disk use in a month of hourly polls: fewer objects than a million, but every single round of thirty days,
//! with the daemon's default settings. An hour takes a second here, so the engine has less time to clean up
//! than in reality.

use reconciled::store::Store;

use crate::Failure;
use crate::machine::{Scales, Stopwatch, disk_bytes, mebibytes};
use crate::million::{moment, options, tidy, weigh};
use crate::objects::origin;
use crate::rounds::{fill, round_of};
use crate::settings::Settings;
use crate::table::Table;

const OBJECTS: usize = 20_000;
const ACCOUNTS: usize = 200;
const ROUNDS: i64 = 720;
/// How often in an hour the daemon checks whether to compact the index.
const LOOKS: usize = 6;

pub(crate) async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    println!("bench 4, the month: {OBJECTS} objects, {ROUNDS} rounds");
    let place = settings.place("month")?;
    let folder = place.path.join("store");
    let (store, _) = Store::open(options(&folder), origin()).await?;
    fill(&store, OBJECTS, ACCOUNTS).await?;
    let watch = Stopwatch::start();
    let scales = Scales::under(&folder);
    let mut compactions = 0;
    for number in 0..ROUNDS {
        for part in 0..LOOKS {
            let accounts = ACCOUNTS * part / LOOKS..ACCOUNTS * (part + 1) / LOOKS;
            round_of(&store, accounts, moment(number)).await?;
            compactions += tidy(&store, moment(number)).await?;
        }
        let bytes = disk_bytes(&folder)?;
        if number % 90 == 89 {
            println!("    round {number}: all {:.1} MiB, {:.0} s", mebibytes(bytes), watch.seconds());
        }
    }
    let report = store.check().await?;
    if !report.is_clean() {
        return Err(format!("the store is not well: {:?}", report.problems).into());
    }
    weigh(table, &folder, report.live_bytes, scales.most(), &format!("{ROUNDS} rounds of {OBJECTS}"))?;
    table.tell("index compacted in the month", format!("{compactions} times in {ROUNDS} rounds"));
    Ok(store.close().await?)
}
