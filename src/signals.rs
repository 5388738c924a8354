//! The signals that people and service managers send to the process.
//!
//! Owns: which signal requests what. Must never know: how a stop or a reload is done.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;

/// What a signal asks the process to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: finish what is in flight, then exit. A second one exits at once.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Listens on a thread of its own until dropped.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts listening; the request of each signal arrives through the channel.
///
/// # Errors
/// When the operating system refuses the handlers or the thread.
pub fn listen() -> std::io::Result<(Listener, mpsc::UnboundedReceiver<Request>)> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    let (sender, receiver) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let request = if signal == SIGHUP { Request::Reload } else { Request::Stop };
            if sender.send(request).is_err() {
                return;
            }
        }
    })?;
    Ok((Listener { handle, thread: Some(thread) }, receiver))
}
