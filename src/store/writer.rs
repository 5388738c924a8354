//! The single writer: a caller that finds it idle becomes the leader, and serves everyone who arrives meanwhile, in
//! groups.
//!
//! Owns: who leads, and that every caller is answered. Must never know: what an operation means, how a group is
//! written.
//!
//! The writer has no thread of its own: the leader runs on the runtime's blocking pool. In tests with paused time, that
//! also keeps the clock from running ahead.

use std::sync::{Arc, Weak};

use super::engine::{Engine, News};
use super::group::{Answer, Group, Operation, Work};
use super::index::keys;
use super::index::pulse::{self, Pulse};
use super::index::value::Stored;
use super::index::view::View;
use super::journal::Journal;
use super::mutex::locked;
use super::operations;
use super::queue::Change;
use super::types::{Commit, Committed, StoreError};

/// A group after the attempt to write it.
struct Finished {
    operations: Vec<Box<dyn Operation>>,
    outcome: Result<(), StoreError>,
    goes_on: bool,
}

impl Engine {
    /// Runs an operation in a group, and returns when the group is durable.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnMut(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.submit(work)?;
        self.wait(answer).await
    }

    /// Like [`Engine::write`], but if nobody else is writing, the group is built and synced on this thread.
    pub(super) async fn write_here<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnMut(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
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
                // Callers that arrived meanwhile are served on the blocking pool.
                Ok(leadership) => drop(crate::blocking::run(move || leadership.lead())),
                Err(undone) => drop(crate::blocking::run(move || undone().lead())),
            }
        }
        self.wait(answer).await
    }

    /// Queues an operation; its result arrives through the channel once the group is durable.
    pub(super) fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnMut(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (answer, leadership) = self.enqueue(work)?;
        if let Some(leadership) = leadership {
            crate::blocking::run(move || leadership.lead());
        }
        Ok(answer)
    }

    /// Queues an operation. If nobody is serving the queue, the caller gets the leadership and must serve it.
    fn enqueue<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnMut(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(Answer<T>, Option<Leadership>), StoreError> {
        if let Some(error) = self.trouble() {
            return Err(error.clone());
        }
        let (work, answer) = Work::new(work);
        let mut waiting = locked(&self.waiting);
        waiting.operations.push_back(Box::new(work));
        let is_led = std::mem::replace(&mut waiting.has_leader, true);
        drop(waiting);
        let leadership = (!is_led).then(|| Leadership { engine: Arc::downgrade(self), is_over: false });
        Ok((answer, leadership))
    }

    /// Waits for the answer to [`Engine::submit`].
    pub(super) async fn wait<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.trouble().cloned().unwrap_or(StoreError::Closed)),
        }
    }

    /// Takes the next operation.
    fn next_operation(&self) -> Option<Box<dyn Operation>> {
        locked(&self.waiting).operations.pop_front()
    }

    /// Builds and writes one group. Whether the leader continues is decided before anybody gets the outcome, so a
    /// caller that drops the store after its last answer finds it free.
    fn run_group(self: &Arc<Self>) -> Finished {
        let mut operations = Vec::new();
        let outcome = self.build_and_write(&mut locked(&self.journal), &mut operations);
        let outcome = outcome.map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        });
        let goes_on = match outcome {
            Ok(()) => self.has_more(),
            Err(_) => self.drop_waiting(),
        };
        Finished { operations, outcome, goes_on }
    }

    /// Whether operations are waiting. If not, the leader has resigned.
    fn has_more(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        waiting.has_leader = !waiting.operations.is_empty();
        waiting.has_leader
    }

    /// Drops the operations that wait. Their channels close, which tells the callers that there is no writer any more.
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
        operations: &mut Vec<Box<dyn Operation>>,
    ) -> Result<(), StoreError> {
        loop {
            let (payloads, effects) = {
                let shared = self.shared_index();
                let view = View::over(shared.as_ref().ok_or(StoreError::Closed)?, &self.polls);
                let is_shared = self.shared.get().is_some();
                let mut group = Group::new(view, journal.end().sequence + 1, is_shared);
                if let Some(error) = operations.iter_mut().find_map(|operation| operation.run(&mut group)) {
                    return Err(error);
                }
                while group.has_room(operations.len()) {
                    let Some(mut operation) = self.next_operation() else { break };
                    let fatal = operation.run(&mut group);
                    operations.push(operation);
                    if let Some(error) = fatal {
                        return Err(error);
                    }
                }
                (group.payloads, group.view.effects)
            };
            if self.take_effect(journal, News::Own(payloads), effects)? {
                break;
            }
            self.catch_up_in(journal)?;
        }
        self.write_pulses_if_worth_it(None);
        Ok(())
    }

    /// Handles a commit that changes only a pulse. If it changes more, or would have to wait, the commit is returned,
    /// and the writer must handle it.
    ///
    /// Such polls are not journaled (`pulse.rs`), so nothing has to become durable before they are acknowledged. While
    /// the writer is idle they therefore need neither its queue nor its thread, which would cost more than the step
    /// itself. Nothing is read from the disk: the revision was kept when the record was read to be polled. If it was
    /// not kept, the writer handles the poll.
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

    /// None if the writer must handle the commit.
    fn take_pulse(self: &Arc<Self>, commit: &mut Commit) -> Option<Committed> {
        // If the lock is held, a group is being built and may concern the same object. A poisoned lock is left for the
        // writer to judge.
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

/// The right and duty to serve the queue. It does not keep the store open; the waiting callers do.
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
        for operation in finished.operations {
            operation.acknowledge(finished.outcome.clone());
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.is_over) {
            let _ = engine.fail(StoreError::Broken("the writer stopped in the middle of a group".to_owned()));
            engine.drop_waiting();
        }
    }
}
