//! The options of `store`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::control::messages;
use crate::control::verbs::Verb;

/// `store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// [`messages::StoreCheck`]
    #[command(about = messages::StoreCheck::SPEC.help, after_help = "\
If the daemon is running, it checks its own store without stopping work. If it
is stopped, the command opens the store, which repairs what a crash may have
left, and then checks it. The exit code is 74 if anything is wrong, and 65 if
the journal is damaged or lacks entries, so that the store does not open. Every
problem is named.

Examples:
  reconciled store check
  reconciled store check --json")]
    Check(StoreCheckArguments),
    /// [`messages::BackupRequest`]
    #[command(about = messages::BackupRequest::SPEC.help, after_help = "\
If the daemon is running, it writes the copy itself, so name a folder that it
may write to. The copy is read to its end before the command reports success.

Example:
  reconciled store backup --to /var/lib/reconciled/backup-2026-01-15")]
    Backup(StoreBackupArguments),
    /// [`messages::StoreCompact`]
    #[command(about = messages::StoreCompact::SPEC.help, after_help = "\
The daemon compacts automatically when the index has grown
(store.compact_above_mib, store.compact_every). The index is copied without its
old data, the copy is compared, and then it replaces the index: there must be
disk space for the copy. Compaction pauses repeatedly so that other work
continues: a million objects took 308 s. The command waits ten minutes for the
daemon; the daemon finishes the compaction in any case.

Example:
  reconciled store compact")]
    Compact(StoreCompactArguments),
    /// Replace the store with a backup. The daemon must be stopped.
    #[command(after_help = "\
The backup is read to its end first; a damaged backup is refused. The old store
is kept next to the new one, in a folder whose name is printed at the end.

Examples:
  reconciled store restore --from /var/lib/reconciled/backup-2026-01-15
  reconciled store restore --from /mnt/old/store --skip-damage")]
    Restore(StoreRestoreArguments),
    /// Rebuild the index from the journal. The daemon must be stopped.
    #[command(after_help = "\
The new index contains everything that is in the journal. Journal entries that
cannot be read are named, and what the old index still holds of them is kept;
the exit code is 65 if there are any. If acknowledged entries are missing (a
file is gone, or the journal ends too early), nothing is done: put the files
back, restore a backup, or continue with what is left with --accept-loss.

Examples:
  reconciled store rebuild
  reconciled store rebuild --accept-loss")]
    Rebuild(StoreRebuildArguments),
    /// Write this host's store to the database of a shared store. The daemons must be stopped.
    #[command(after_help = "\
For `[store] engine = \"postgres\"`. Adds to the database every journal entry that
this host has and the database lacks: all of them if the database is new, the
last ones if a failover lost them. The database must have no other history.
Interrupted, the same command goes on where it was. Afterwards the folder is a
copy. To go back to files, stop the daemons on all hosts, set the engine to
\"files\" on one of them, and remove the file \"copy\" from its store's folder.

Example:
  reconciled store import")]
    Import,
}

/// `store check`
#[derive(Debug, Args)]
pub struct StoreCheckArguments {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `store compact`
#[derive(Debug, Args)]
pub struct StoreCompactArguments {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `store backup`
#[derive(Debug, Args)]
pub struct StoreBackupArguments {
    /// The folder to copy to: empty, or not existing yet.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `store restore`
#[derive(Debug, Args)]
pub struct StoreRestoreArguments {
    /// The folder of a backup, or of a store that no process has open.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Accept a damaged backup: unreadable entries are left out and named.
    #[arg(long)]
    pub skip_damage: bool,
}

/// `store rebuild`
#[derive(Debug, Args)]
pub struct StoreRebuildArguments {
    /// Continue although acknowledged entries are missing: what is left is kept, and what is missing is named.
    #[arg(long)]
    pub accept_loss: bool,
}
