//! `reconciled store check | backup | compact | restore | rebuild | import`

use std::io;
use std::path::{Path, PathBuf};

use super::connection::{Action, Connection, Local};
use super::exit::{Ended, Exit, Failed};
use super::local::open_failed;
use super::options_audit::AuditVerifyArguments;
use super::options_store::{
    StoreBackupArguments, StoreCheckArguments, StoreCommand, StoreCompactArguments, StoreRebuildArguments,
    StoreRestoreArguments,
};
use super::progress::watch;
use super::screen::{Screen, Tone};
use crate::access::Caller;
use crate::access::users::Users;
use crate::clock::SharedClock;
use crate::control::audit::{Audit, Subject};
use crate::control::client::Client;
use crate::control::messages::{
    AuditVerified, AuditVerify, BackupReport, BackupRequest, CheckReport, Compacted, StoreCheck,
    StoreCompact, StoreStats,
};
use crate::control::problem::Cause;
use crate::store::{self, OpenError, Opening, Options, Store};
use crate::text;

/// Carries out the command, through the daemon where that makes sense.
pub(super) async fn store(
    command: StoreCommand,
    local: &dyn Local,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let daemon = Connection::daemon(local).await?;
    let work = Work { options: local.store_options(), clock };
    match (command, daemon) {
        (StoreCommand::Check(options), Some(client)) => {
            let look = async || client.ask(StoreStats {}).await.ok()?.work;
            let report = watch(client.ask(StoreCheck {}), look, clock, screen).await??;
            Connection::Daemon(client.clone()).say(Action::Read, screen)?;
            checked(&report, &options, screen)
        }
        (StoreCommand::Check(options), None) => work.check(&options, screen).await,
        (StoreCommand::Backup(options), Some(client)) => {
            let report = backup_by_daemon(&client, &options, clock, screen).await?;
            Connection::Daemon(client).say(Action::Read, screen)?;
            backed_up(&report, &options.to, screen)
        }
        (StoreCommand::Backup(options), None) => work.backup(&options, screen).await,
        (StoreCommand::Compact(options), Some(client)) => {
            let look = async || client.ask(StoreStats {}).await.ok()?.work;
            let done = watch(client.ask(StoreCompact {}), look, clock, screen).await??;
            Connection::Daemon(client.clone()).say(Action::Read, screen)?;
            compacted(&done, &options, screen)
        }
        (StoreCommand::Compact(options), None) => work.compact(&options, screen).await,
        (StoreCommand::Restore(_) | StoreCommand::Rebuild(_) | StoreCommand::Import, Some(client)) => {
            Err(Failed::new(
                Exit::Unavailable,
                format!("the daemon (pid {}) has the store open", client.greeting().pid),
                "stop it first: systemctl stop reconciled",
            ))
        }
        (StoreCommand::Import, None) => work.import(screen).await,
        (StoreCommand::Restore(options), None) => work.restore(options, screen).await,
        (StoreCommand::Rebuild(options), None) => work.rebuild(&options, screen).await,
    }
}

/// Carries out `audit verify`: it reads the same journal, in the same two ways.
pub(super) async fn verify_audit(
    options: &AuditVerifyArguments,
    local: &dyn Local,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let verified = match Connection::daemon(local).await? {
        Some(client) => {
            let look = async || client.ask(StoreStats {}).await.ok()?.work;
            let verified = watch(client.ask(AuditVerify {}), look, clock, screen).await??;
            Connection::Daemon(client.clone()).say(Action::Read, screen)?;
            verified
        }
        None => Work { options: local.store_options(), clock }.verify(screen).await?,
    };
    if options.json {
        screen.json(&verified)?;
    } else {
        let entries = text::count(verified.entries, "journal entry");
        screen.line(&format!("{entries}, the last is {} with hash {}", verified.last, verified.digest))?;
        problems(&verified.problems, verified.problem_count, screen)?;
    }
    if verified.problem_count == 0 {
        screen.note("every entry is linked to the one before")?;
        return Ok(Exit::Ok);
    }
    screen.note("the audit trail is not whole: compare it with a backup")?;
    Ok(Exit::Data)
}

async fn backup_by_daemon(
    client: &Client,
    options: &StoreBackupArguments,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Result<BackupReport, Failed> {
    let request = BackupRequest { to: std::path::absolute(&options.to)? };
    let look = async || client.ask(StoreStats {}).await.ok()?.work;
    watch(client.ask(request), look, clock, screen).await?.map_err(|problem| {
        let is_about_the_folder = problem.cause == Cause::Unprocessable;
        let failed = Failed::from(problem);
        if is_about_the_folder { Failed { exit: Exit::CannotCreate, ..failed } } else { failed }
    })
}

/// Work on a store that no daemon has open.
struct Work<'a> {
    options: Options,
    clock: &'a SharedClock,
}

impl Work<'_> {
    /// Waits for work on the folder and shows its progress.
    async fn watched<T>(&self, work: impl Future<Output = T>, screen: &mut Screen<'_>) -> Result<T, Failed> {
        let meter = self.options.meter.clone();
        Ok(watch(work, async || meter.progress(), self.clock, screen).await?)
    }

    fn say(&self, done: &str, screen: &mut Screen<'_>) -> io::Result<()> {
        screen.note(&format!("daemon not running: {done} the store at {}", self.options.folder.display()))
    }

    /// Opens the store as it is. A command about a store never creates one.
    async fn open(&self, screen: &mut Screen<'_>) -> Result<(Store, Opening), Failed> {
        let folder = &self.options.folder;
        if !folder.join("format").exists() && !folder.join("journal").exists() {
            let what = format!("there is no store at {}", folder.display());
            return Err(Failed::new(Exit::NoInput, what, "see store.folder in config.toml"));
        }
        let opening = Store::open(self.options.clone(), self.clock.now());
        match self.watched(opening, screen).await? {
            Ok((store, opening)) => {
                remark(&opening, screen)?;
                Ok((store, opening))
            }
            Err(error) => {
                self.name_damage(&error, screen).await?;
                Err(open_failed(&error))
            }
        }
    }

    /// Opening stops at the first damage, but an operator wants to know about all of it.
    async fn name_damage(&self, error: &OpenError, screen: &mut Screen<'_>) -> Result<(), Failed> {
        if !matches!(error, OpenError::Damaged(_)) {
            return Ok(());
        }
        let looking = store::inspect(self.options.clone(), self.clock.now());
        if let Ok(report) = self.watched(looking, screen).await? {
            for problem in &report.problems {
                screen.toned(problem, Tone::Bad)?;
            }
        }
        Ok(())
    }

    async fn check(&self, options: &StoreCheckArguments, screen: &mut Screen<'_>) -> Ended {
        let (store, _) = self.open(screen).await?;
        let report = self.watched(store.check(), screen).await?;
        let closed = store.close().await;
        self.say("read", screen)?;
        let exit = checked(&report.map_err(disk)?, options, screen)?;
        closed.map(|()| exit).map_err(disk)
    }

    async fn verify(&self, screen: &mut Screen<'_>) -> Result<AuditVerified, Failed> {
        let (store, _) = self.open(screen).await?;
        let report = self.watched(store.check_journal(), screen).await?;
        let closed = store.close().await;
        self.say("read", screen)?;
        let report = report.map_err(disk)?;
        closed.map(|()| report.into()).map_err(disk)
    }

    async fn backup(&self, options: &StoreBackupArguments, screen: &mut Screen<'_>) -> Ended {
        let to = std::path::absolute(&options.to)?;
        let (store, _) = self.open(screen).await?;
        let made = self.watched(store.backup(to), screen).await?;
        let closed = store.close().await;
        self.say("read", screen)?;
        let made = made.map_err(|error| {
            Failed::new(
                Exit::CannotCreate,
                error.to_string(),
                "name an empty or new folder outside the store",
            )
        })?;
        let exit = backed_up(&made, &options.to, screen)?;
        closed.map(|()| exit).map_err(disk)
    }

    async fn compact(&self, options: &StoreCompactArguments, screen: &mut Screen<'_>) -> Ended {
        let (store, _) = self.open(screen).await?;
        let done = self.watched(store.compact(), screen).await?;
        let closed = store.close().await;
        self.say("compacted", screen)?;
        let exit = compacted(&done.map_err(disk)?, options, screen)?;
        closed.map(|()| exit).map_err(disk)
    }

    async fn restore(&self, options: StoreRestoreArguments, screen: &mut Screen<'_>) -> Ended {
        if !options.from.join("format").exists() {
            let what = format!("there is no backup at {}", options.from.display());
            return Err(Failed::new(Exit::NoInput, what, "name the folder that `store backup --to` created"));
        }
        let settings = Options { skip_damage: options.skip_damage, ..self.options.clone() };
        let restoring = store::restore(settings.clone(), options.from.clone(), self.clock.now());
        let restored = self.watched(restoring, screen).await?.map_err(|error| not_restored(&error))?;
        if let Some(aside) = &restored.aside {
            screen.note(&format!("the old store is kept in {}", aside.display()))?;
        }
        let opening = Store::open(settings, self.clock.now());
        let (store, opening) = self.watched(opening, screen).await?.map_err(|error| open_failed(&error))?;
        for damage in &opening.skipped {
            screen.toned(&format!("lost: {damage}"), Tone::Bad)?;
        }
        if let Some(torn) = &restored.torn {
            let text = format!("the backup is cut off: {torn}: everything after that is lost");
            screen.toned(&text, Tone::Bad)?;
        }
        let subject = Subject::one(options.from.display().to_string());
        let audit = Audit::new(store.clone(), self.clock.clone());
        audit.record(&Caller::own(&Users::of_machine()), "store restore", subject).await.map_err(disk)?;
        drop(audit);
        let counts = store.counts().await;
        store.close().await.map_err(disk)?;
        let records: u64 = counts.map_err(disk)?.iter().map(|count| count.number).sum();
        self.say("restored", screen)?;
        screen.line(&format!(
            "in place: {}, {}, {} bytes",
            text::count(records, "object"),
            text::count(restored.journal_sequence, "journal entry"),
            restored.bytes
        ))?;
        let is_whole = opening.skipped.is_empty() && restored.torn.is_none();
        Ok(if is_whole { Exit::Ok } else { Exit::Data })
    }

    async fn import(&self, screen: &mut Screen<'_>) -> Ended {
        let importing = store::import(self.options.clone(), self.clock.now());
        let imported = self.watched(importing, screen).await?.map_err(|error| open_failed(&error))?;
        self.say("read", screen)?;
        screen.line(&format!(
            "{} added to the database, which has {} now",
            text::count(imported.added, "journal entry"),
            imported.last
        ))?;
        Ok(Exit::Ok)
    }

    async fn rebuild(&self, options: &StoreRebuildArguments, screen: &mut Screen<'_>) -> Ended {
        let settings = Options { accept_loss: options.accept_loss, ..self.options.clone() };
        let rebuilding = store::rebuild(settings, self.clock.now());
        let rebuilt = self.watched(rebuilding, screen).await?.map_err(|error| open_failed(&error))?;
        self.say("rebuilt", screen)?;
        for damage in &rebuilt.damaged {
            screen.toned(&format!("cannot be read: {damage}"), Tone::Bad)?;
        }
        for lost in &rebuilt.lost {
            screen.toned(&format!("the journal lacks entries: {lost}"), Tone::Bad)?;
        }
        // The skipped entries have already been named.
        remark(&Opening { skipped: Vec::new(), ..rebuilt.opening.clone() }, screen)?;
        screen
            .line(&format!("{} applied", text::count(rebuilt.opening.replayed_entries, "journal entry")))?;
        if rebuilt.damaged.is_empty() && rebuilt.lost.is_empty() {
            return Ok(Exit::Ok);
        }
        screen.line(&format!(
            "kept from the old index, of the entries that are missing or cannot be read: {}",
            text::count(rebuilt.rescued_rows, "row")
        ))?;
        screen.note("everything else in them is lost: enrol again what the shop created in that time")?;
        Ok(Exit::Data)
    }
}

fn disk(error: store::StoreError) -> Failed {
    Failed::new(Exit::Disk, error.to_string(), "")
}

fn not_restored(error: &OpenError) -> Failed {
    let failed = open_failed(error);
    match error {
        OpenError::Damaged(damage) => Failed::new(
            Exit::Data,
            format!("the backup is damaged: {damage}"),
            "choose another backup, or accept this one with --skip-damage",
        ),
        _ => failed,
    }
}

fn remark(opening: &Opening, screen: &mut Screen<'_>) -> io::Result<()> {
    opening.remarks().iter().try_for_each(|line| screen.note(line))
}

fn checked(report: &CheckReport, options: &StoreCheckArguments, screen: &mut Screen<'_>) -> Ended {
    if options.json {
        screen.json(report)?;
    } else {
        screen.line(&format!(
            "{}, {}, {}, {}",
            text::count(report.records, "object"),
            text::count(report.transitions, "state change"),
            text::count(report.alerts, "alert"),
            text::count(report.journal_entries, "journal entry")
        ))?;
        problems(&report.problems, report.problem_count, screen)?;
    }
    if report.is_clean() {
        screen.note("nothing is wrong")?;
        return Ok(Exit::Ok);
    }
    screen.note(&format!(
        "{}; `reconciled store rebuild` rebuilds what the journal contains",
        text::count(report.problem_count, "problem")
    ))?;
    Ok(Exit::Disk)
}

fn problems(named: &[String], number: u64, screen: &mut Screen<'_>) -> io::Result<()> {
    named.iter().try_for_each(|problem| screen.toned(problem, Tone::Bad))?;
    match number.saturating_sub(named.len() as u64) {
        0 => Ok(()),
        more => screen.toned(&format!("and {more} more"), Tone::Bad),
    }
}

fn compacted(done: &Compacted, options: &StoreCompactArguments, screen: &mut Screen<'_>) -> Ended {
    if options.json {
        screen.json(done)?;
    } else {
        screen.line(&format!(
            "{} of {} bytes in all; the index's file had {} bytes and has {} now",
            text::count(done.rows, "row"),
            done.live_bytes,
            done.bytes_before,
            done.bytes_after
        ))?;
    }
    Ok(Exit::Ok)
}

fn backed_up(report: &BackupReport, to: &Path, screen: &mut Screen<'_>) -> Ended {
    for damage in &report.damage {
        screen.toned(&format!("the store itself is damaged, and so is the copy: {damage}"), Tone::Bad)?;
    }
    let shown: PathBuf = std::path::absolute(to)?;
    screen.line(&format!(
        "{}: {}, {} bytes in {}",
        shown.display(),
        text::count(report.journal_sequence, "journal entry"),
        report.bytes,
        text::count(report.segments, "file")
    ))?;
    Ok(if report.damage.is_empty() { Exit::Ok } else { Exit::Data })
}
