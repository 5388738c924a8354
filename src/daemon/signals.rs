//! Signals, taken on a thread of their own and handed on as words.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;

/// What the process is asked to do from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM or SIGINT: finish what is under way, then end. A second one ends at once.
    Stop,
    /// SIGHUP: read the configuration anew.
    Reload,
}

/// Listens until dropped.
pub(super) struct Listening {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts listening; wishes come out of the channel.
pub(super) fn listen() -> std::io::Result<(Listening, mpsc::UnboundedReceiver<Wish>)> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    let (sender, receiver) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let wish = if signal == SIGHUP { Wish::Reload } else { Wish::Stop };
            if sender.send(wish).is_err() {
                return;
            }
        }
    })?;
    Ok((Listening { handle, thread: Some(thread) }, receiver))
}
