//! Polls that saw nothing new, written down by whoever made them.
//!
//! Owns: when that may be done without the writer. Must never know: what a record means.
//!
//! Nearly all polls see the same again, and the journal is not told of them (`pulse.rs`): nothing has to become
//! durable before they are acknowledged. So while the writer is idle they need neither its queue nor its thread,
//! which cost more than the step itself: the pulse goes straight to the rows that the index has not yet. Nothing is
//! read from the disk: what must be known of the record was kept by whoever looked for what is due
//! ([`super::behind::Behind::hand_out`]). Where it was not, the poll is the writer's.

use std::sync::Arc;

use super::behind::Part;
use super::operations;
use super::types::{Commit, Committed, StoreError};
use super::view::View;
use super::writer::Engine;

impl Engine {
    /// Takes a commit that changes nothing but a pulse. The commit comes back when it changes more, or when
    /// somebody would have to be waited for: it is the writer's then.
    pub(super) fn commit_pulse(
        self: &Arc<Self>,
        commit: Commit,
    ) -> Result<Result<Committed, StoreError>, Box<Commit>> {
        let mut commit = Box::new(commit);
        if commit.tells_the_journal() {
            return Err(commit);
        }
        if let Some(error) = self.trouble() {
            return Ok(Err(error.clone()));
        }
        match self.take_pulse(&mut commit) {
            Ok(Some(committed)) => Ok(Ok(committed)),
            Ok(None) => Err(commit),
            Err(error) if error.is_fatal() => Ok(Err(self.fail(error))),
            Err(error) => Ok(Err(error)),
        }
    }

    /// None when it is not taken.
    fn take_pulse(self: &Arc<Self>, commit: &mut Commit) -> Result<Option<Committed>, StoreError> {
        // In the writer's order of locks. A lock that a panic left behind is the writer's to judge.
        let Ok(_writer_waits) = self.journal.try_lock() else { return Ok(None) };
        let Ok(shared) = self.index.try_read() else { return Ok(None) };
        let Some(index) = shared.as_ref() else { return Ok(None) };
        let revision = {
            let behind = self.following.rows();
            if !behind.has_room() {
                return Ok(None);
            }
            behind.revision(&commit.read.object)?
        };
        let Some(revision) = revision else { return Ok(None) };
        let Some(dated_from) = operations::dated_from_kept(&self.following.kept)? else { return Ok(None) };
        let mut view = View::over(index, &self.following);
        let Some(committed) = operations::pulse_only(&mut view, commit, dated_from, &revision) else {
            return Ok(None);
        };
        let writes = view.take_writes();
        let View { due_earlier, recounts, quiet_since, .. } = view;
        drop(shared);
        self.follow(Part { writes, recounts, quiet_steps: 1, quiet_since })?;
        self.signals.pulse(&due_earlier, false);
        Ok(Some(committed))
    }
}
