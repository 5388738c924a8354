//! Long operations on the large store: check, backup while it is polled, restore, rebuild.

use reconciled::store::{Store, rebuild, restore};

use crate::Failure;
use crate::machine::{Stopwatch, mebibytes, memory};
use crate::million::{moment, options, prepare};
use crate::objects::{account, kind};
use crate::settings::Settings;
use crate::table::Table;

pub(crate) async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    println!("upkeep of {} objects", settings.objects);
    let place = settings.place("million")?;
    let folder = place.path.join("store");
    let now = moment(prepare(settings, &folder).await?);
    let copy = place.path.join("copy");
    std::fs::remove_dir_all(&copy).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let (store, _) = Store::open(options(&folder), now).await?;
    let watch = Stopwatch::start();
    let (checked, waits) = beside(&store, store.check()).await?;
    let report = checked?;
    table.tell(
        "store check",
        format!("{:.1} s, {} problems, {}", watch.seconds(), report.problem_count, waits),
    );
    let watch = Stopwatch::start();
    let (made, waits) = beside(&store, store.backup(copy.clone())).await?;
    let made = made?;
    table.tell(
        "store backup",
        format!("{:.1} s, {:.0} MiB, {}", watch.seconds(), mebibytes(made.bytes), waits),
    );
    store.close().await?;
    let watch = Stopwatch::start();
    let restored = restore(options(&place.path.join("restored")), copy.clone(), now).await?;
    let (other, _) = Store::open(options(&place.path.join("restored")), now).await?;
    let records: u64 = other.counts().await?.iter().map(|count| count.number).sum();
    other.close().await?;
    table.tell(
        "store restore, index rebuilt",
        format!("{:.1} s, {records} objects, {} entries", watch.seconds(), restored.journal_sequence),
    );
    let watch = Stopwatch::start();
    let rebuilt = rebuild(options(&folder), now).await?;
    table.tell(
        "store rebuild",
        format!("{:.1} s, {} entries applied", watch.seconds(), rebuilt.opening.replayed_entries),
    );
    let (resident, most) = memory();
    table.tell("memory of all that", format!("{resident:.0} MiB now, at most {most:.0} MiB"));
    std::fs::remove_dir_all(&copy)?;
    Ok(std::fs::remove_dir_all(place.path.join("restored"))?)
}

/// Runs a long operation while another task reads and writes; returns its longest waits.
async fn beside<T>(store: &Store, work: impl Future<Output = T>) -> Result<(T, String), Failure> {
    tokio::pin!(work);
    let (mut reads, mut writes, mut count) = (0.0_f64, 0.0_f64, 0);
    loop {
        let look = async {
            let watch = Stopwatch::start();
            store.next_due(&account(0), &kind()).await?;
            let read = watch.seconds();
            let watch = Stopwatch::start();
            store.remember("bench", &format!("{count}")).await?;
            Ok::<_, Failure>((read, watch.seconds()))
        };
        tokio::select! {
            biased;
            done = &mut work => {
                let text = format!("{count} writes beside it, longest wait {:.0} ms to read, {:.0} ms to write", reads * 1e3, writes * 1e3);
                return Ok((done, text));
            }
            looked = look => {
                let (read, write) = looked?;
                reads = reads.max(read);
                writes = writes.max(write);
                count += 1;
            }
        }
    }
}
