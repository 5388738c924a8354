//! Blocking work: off the runtime's own threads, or as a task in a deterministic order.
//!
//! Owns: where such work runs, and how blocking code waits for a future. Must never know: what the work is.
//!
//! Usually it runs on the runtime's blocking pool, and the machine decides in which order its results and the other
//! tasks become ready. A simulation needs an order that its seed decides. There the work is a task like any other, on
//! the one thread that everything runs on.

use std::cell::Cell;
use std::marker::PhantomData;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::JoinHandle;

thread_local! {
    static IS_IN_ORDER: Cell<bool> = const { Cell::new(false) };
}

/// While this is held, blocking work started by its thread runs on that thread, as a task among the others. It is for
/// simulations on a single-threaded runtime: on any other, it would block the tasks of a thread.
#[derive(Debug)]
#[must_use = "the order ends when it is dropped"]
pub struct InOrder {
    /// The setting before. The marker keeps this from being sent to another thread.
    was: (bool, PhantomData<*const ()>),
}

impl InOrder {
    /// Starts the deterministic order on this thread.
    pub fn begin() -> InOrder {
        InOrder { was: (IS_IN_ORDER.replace(true), PhantomData) }
    }
}

impl Drop for InOrder {
    fn drop(&mut self) {
        IS_IN_ORDER.set(self.was.0);
    }
}

/// Starts the work; await the handle for its outcome. Must be called inside a runtime.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match IS_IN_ORDER.get() {
        true => tokio::spawn(async move { work() }),
        false => tokio::task::spawn_blocking(work),
    }
}

/// Does short work on the current thread, which saves waking another thread and being woken by it. This is done only if
/// it keeps no task waiting, because the runtime can move them to another thread; otherwise returns the work undone.
pub fn here<W: FnOnce() -> T, T>(work: W) -> Result<T, W> {
    let can_others_move =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    match !IS_IN_ORDER.get() && can_others_move() {
        true => Ok(tokio::task::block_in_place(work)),
        false => Err(work),
    }
}

/// A runtime with one thread, for calls that block their callers and for related tasks. Neither a busy main runtime nor
/// paused time delays it.
///
/// In a simulation there is no such thread: a call must be ready when it is first polled, and a task runs on the
/// simulation's runtime.
#[derive(Debug)]
pub struct Calls(Option<Runtime>);

impl Calls {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(name: &str) -> std::io::Result<Calls> {
        if IS_IN_ORDER.get() {
            return Ok(Calls(None));
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        Ok(Calls(Some(runtime)))
    }

    /// Blocks until the call is answered.
    pub fn wait_for<T>(&self, call: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(call),
            None => call.now_or_never().expect("in a simulation, a call is answered at once"),
        }
    }

    /// Starts a task. Outside a simulation, it is stopped when this is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.0 {
            Some(runtime) => runtime.spawn(task),
            None => tokio::spawn(task),
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Two pieces of work and a task, in the order in which they ran, and whether all ran on this thread.
    fn order() -> (Vec<&'static str>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let seen = Arc::clone(&seen);
            move || seen.lock().unwrap().push((name, std::thread::current().id()))
        };
        runtime.block_on(async {
            let first = run(note("first"));
            let task = note("task");
            let task = tokio::spawn(async move { task() });
            let second = run(note("second"));
            first.await.unwrap();
            task.await.unwrap();
            second.await.unwrap();
        });
        let seen = seen.lock().unwrap();
        let own = std::thread::current().id();
        (seen.iter().map(|(name, _)| *name).collect(), seen.iter().all(|(_, thread)| *thread == own))
    }

    #[test]
    fn in_order_it_runs_where_it_was_started_and_elsewhere_only_there() {
        let held = InOrder::begin();
        assert_eq!(order(), (vec!["first", "task", "second"], true));
        drop(held);
        let (mut usual, is_on_one_thread) = order();
        usual.sort_unstable();
        assert_eq!((usual, is_on_one_thread), (vec!["first", "second", "task"], false));
    }

    #[test]
    fn right_here_is_only_where_others_can_move() {
        let own = || std::thread::current().id();
        let several = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        several.block_on(async {
            let done = tokio::spawn(async move { (own(), here(own).ok()) }).await.unwrap();
            assert_eq!(done.1, Some(done.0));
            let held = InOrder::begin();
            assert!(here(own).is_err());
            drop(held);
        });
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(one.block_on(async { here(|| 7).err().map(|work| work()) }), Some(7));
        assert!(here(own).is_err(), "no runtime");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_to_whoever_waits() {
        assert!(run(|| panic!("broken")).await.unwrap_err().is_panic());
    }
}
