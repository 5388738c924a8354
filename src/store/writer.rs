//! The one writer: a caller that finds it idle becomes the leader, and serves all who come meanwhile in groups.
//!
//! Owns: who leads, and that everybody is answered. Must never know: what an operation means, how a group is written.
//!
//! There is no thread of its own: the leader runs on the runtime's blocking pool, which also keeps a test's
//! paused time from running ahead.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::engine::Engine;
use super::group::{Acknowledge, Answer, Group, Operation};
use super::index::keys;
use super::index::pulse::{self, Pulse};
use super::index::value::Stored;
use super::index::view::View;
use super::journal::Journal;
use super::mutex::locked;
use super::operations;
use super::queue::Change;
use super::types::{Commit, Committed, StoreError};

/// A group that is written, or not.
struct Finished {
    acknowledgements: Vec<Acknowledge>,
    outcome: Result<(), StoreError>,
    goes_on: bool,
}

impl Engine {
    /// Runs an operation in a group, and returns when the group is durable.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.submit(work)?;
        self.wait(answer).await
    }

    /// The same for one who waits alone: if nobody else is writing, the group is made and synced on this thread.
    pub(super) async fn write_here<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, leadership) = self.enqueue(work)?;
        if let Some(leadership) = leadership {
            let lead_one = move || {
                let mut leadership = leadership;
                leadership.lead_one();
                leadership
            };
            match crate::blocking::here(lead_one) {
                Ok(leadership) if leadership.is_over => {}
                // Those who came meanwhile are served elsewhere.
                Ok(leadership) => drop(crate::blocking::run(move || leadership.lead())),
                Err(undone) => drop(crate::blocking::run(move || undone().lead())),
            }
        }
        self.wait(answer).await
    }

    /// Queues an operation; what it returns comes through the channel once the group is durable.
    pub(super) fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (answer, leadership) = self.enqueue(work)?;
        if let Some(leadership) = leadership {
            crate::blocking::run(move || leadership.lead());
        }
        Ok(answer)
    }

    /// Queues an operation, and says who has to serve the queue if nobody does.
    fn enqueue<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(Answer<T>, Option<Leadership>), StoreError> {
        if let Some(error) = self.trouble() {
            return Err(error.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let operation: Operation = Box::new(move |group| {
            let result = work(group);
            let fatal = result.as_ref().err().filter(|error| error.is_fatal()).cloned();
            let acknowledge: Acknowledge = Box::new(move |outcome| {
                // The caller may have gone; the work is done all the same.
                let _ = sender.send(outcome.and(result));
            });
            (acknowledge, fatal)
        });
        let mut waiting = locked(&self.waiting);
        waiting.operations.push_back(operation);
        let is_led = std::mem::replace(&mut waiting.has_leader, true);
        drop(waiting);
        let leadership = (!is_led).then(|| Leadership { engine: Arc::downgrade(self), is_over: false });
        Ok((receiver, leadership))
    }

    /// The end of [`Engine::submit`].
    pub(super) async fn wait<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.trouble().cloned().unwrap_or(StoreError::Closed)),
        }
    }

    /// Takes the next operation.
    fn next_operation(&self) -> Option<Operation> {
        locked(&self.waiting).operations.pop_front()
    }

    /// One group. Whether the leader goes on is decided before anybody gets the outcome: a caller that drops the
    /// store after its last answer finds it free.
    fn run_group(self: &Arc<Self>) -> Finished {
        let mut acknowledgements = Vec::new();
        let outcome = self.build_and_write(&mut locked(&self.journal), &mut acknowledgements);
        let outcome = outcome.map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        });
        let goes_on = match outcome {
            Ok(()) => self.has_more(),
            Err(_) => self.drop_waiting(),
        };
        Finished { acknowledgements, outcome, goes_on }
    }

    /// Whether somebody waits; else the leader has resigned.
    fn has_more(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        waiting.has_leader = !waiting.operations.is_empty();
        waiting.has_leader
    }

    /// Lets all who wait know (by the end of their channels) that there is no writer any more.
    fn drop_waiting(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        let operations = std::mem::take(&mut waiting.operations);
        waiting.has_leader = false;
        drop(waiting);
        drop(operations);
        false
    }

    fn build_and_write(
        self: &Arc<Self>,
        journal: &mut Journal,
        acknowledgements: &mut Vec<Acknowledge>,
    ) -> Result<(), StoreError> {
        let (payloads, effects) = {
            let shared = self.shared_index();
            let view = View::over(shared.as_ref().ok_or(StoreError::Closed)?, &self.polls);
            let mut group = Group::new(view, journal.end().sequence + 1);
            while group.has_room(acknowledgements.len()) {
                let Some(operation) = self.next_operation() else { break };
                let (acknowledge, fatal) = operation(&mut group);
                acknowledgements.push(acknowledge);
                if let Some(error) = fatal {
                    return Err(error);
                }
            }
            (group.payloads, group.view.effects)
        };
        self.take_effect(journal, &payloads, effects)?;
        self.write_pulses_if_worth_it(None);
        Ok(())
    }

    /// Takes a commit that changes nothing but a pulse. The commit comes back when it changes more, or when it would
    /// have to wait for somebody: it is the writer's then.
    ///
    /// Such polls are not in the journal (`pulse.rs`): nothing has to become durable before they are
    /// acknowledged. So while the writer is idle they need neither its queue nor its thread, which cost more than the
    /// step itself. Nothing is read from the disk: what must be known of the record was kept when it was read to be
    /// polled. Where it was not, the poll is the writer's.
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
            Some(committed) => Ok(Ok(committed)),
            None => Err(commit),
        }
    }

    /// None when it is not taken.
    fn take_pulse(self: &Arc<Self>, commit: &mut Commit) -> Option<Committed> {
        // A group is in the making, and may be about the same object. A lock that a panic left behind is the writer's
        // to judge.
        let _writer_waits = self.journal.try_lock().ok()?;
        let key = pulse::key(&keys::record(&commit.read.object, false));
        let mut polls = locked(&self.polls);
        let revision = polls.revision(&key)?;
        if !operations::date_quietly(commit, polls.dated_from, revision.value) {
            return Some(Committed::Stale);
        }
        let Commit { read, record, .. } = commit;
        let value = Pulse::between(read, record)?;
        let change = Change::between(Some(read), Some(record));
        let is_earlier = change.as_ref().is_some_and(Change::is_earlier);
        let pulse = Stored { value, sequence: revision.sequence };
        polls.take([(key, Some(pulse))].into(), change.as_slice(), record.polled_at);
        drop(polls);
        if is_earlier {
            self.signals.pulse(&[&record.object.account].into(), false);
        }
        self.write_pulses_if_worth_it(record.polled_at);
        Some(Committed::Written)
    }
}

/// The right and duty to serve the queue. It does not keep the store open: who waits does.
struct Leadership {
    engine: Weak<Engine>,
    is_over: bool,
}

impl Leadership {
    fn lead(mut self) {
        while !self.is_over {
            self.lead_one();
        }
    }

    fn lead_one(&mut self) {
        let Some(engine) = self.engine.upgrade() else {
            self.is_over = true;
            return;
        };
        let finished = engine.run_group();
        drop(engine);
        self.is_over = !finished.goes_on;
        for acknowledge in finished.acknowledgements {
            acknowledge(finished.outcome.clone());
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.is_over) {
            let _ = engine.fail(StoreError::Broken("the writer stopped in the middle".to_owned()));
            engine.drop_waiting();
        }
    }
}
