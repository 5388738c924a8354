//! The daemon's end of the socket: who may connect, how many at once, and how it shuts down.
//!
//! Who may connect is decided by the socket's mode; what a caller may do, by the roles of the user that the kernel
//! reports (docs/src/reference/operations.md section 8.1).
//!
//! Owns: the socket file and its connections. Must never know: any verb.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::places::{Place, Places};
use super::routes::{Patience, router};
use super::service::Service;
use crate::access::Caller;
use crate::access::users::Users;
use crate::clock::SharedClock;

/// The maximum number of connections that wait for a slot. More connections wait in the socket's own queue.
const WAITING_MAX: usize = 256;

/// How long a connection that must give way may take to close.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Where to listen, and the limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// The socket file. Its folder must exist.
    pub path: PathBuf,
    /// Reads the machine's users and groups.
    pub users: fn() -> Users,
    /// The number of connections served at once. Above it, one without a request in progress gives way; while all of
    /// them are working, further connections wait.
    pub connections_max: usize,
    /// Additional slots, reserved for root and the daemon's own user.
    pub connections_reserved: usize,
    /// How long a connection may take to send the head of its next request.
    pub head_timeout: Duration,
    /// How long the rest of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a verb that only reads or writes the store may take.
    pub answer_timeout: Duration,
    /// How long a verb that creates files, contacts chats or touches every object may take.
    pub slow_answer_timeout: Duration,
    /// How long requests in flight may take to finish after the server was asked to stop.
    pub stop_timeout: Duration,
}

impl Options {
    /// The default limits, at a path.
    pub fn at(path: impl Into<PathBuf>) -> Options {
        Options {
            path: path.into(),
            users: Users::of_machine,
            connections_max: 64,
            connections_reserved: 8,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            slow_answer_timeout: Duration::from_secs(600),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process is listening there.
    #[error("another process listens at {path}; stop it first, or give this one another socket", path = path.display())]
    Taken {
        /// The socket file.
        path: PathBuf,
    },
    /// Something other than a socket is there. It is not removed.
    #[error("{path} is not a socket; move it away, or give this process another socket", path = path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The service manager opened another one.
    #[error(
        "control.socket is {path}, and the service manager opened {given}; make control.socket and ListenStream= equal",
        path = path.display(),
        given = given.display()
    )]
    Another {
        /// The socket file of the configuration.
        path: PathBuf,
        /// The one that was opened.
        given: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} the socket {path}", path = path.display())]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The socket file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A listening socket. No request is served before [`Server::serve`].
pub struct Server {
    listener: UnixListener,
    options: Options,
    /// Its file, if it must be removed at the end.
    identity: Option<(u64, u64)>,
}

impl Server {
    /// Opens the socket. It replaces a socket that a dead process left behind, but not one where a process is
    /// listening. The socket appears under its name with its mode already set. Must be called inside a tokio runtime.
    pub async fn bind(options: Options) -> Result<Server, BindError> {
        let path = options.path.clone();
        let failed = |doing: &'static str| {
            let path = path.clone();
            move |source| BindError::Io { doing, path, source }
        };
        refuse_if_taken(&path).await?;
        let draft = draft_of(&path);
        remove_if_there(&draft).map_err(failed("replace"))?;
        let listener = UnixListener::bind(&draft).map_err(failed("create"))?;
        set_mode(&draft, false).map_err(failed("set the mode of"))?;
        let identity = identity_of(&draft).map_err(failed("inspect"))?;
        std::fs::rename(&draft, &path).map_err(failed("rename"))?;
        Ok(Server { listener, options, identity: Some(identity) })
    }

    /// Takes a socket that the service manager has opened. Its file stays when the server stops. Must be called inside a
    /// tokio runtime.
    pub fn adopt(listener: StdUnixListener, options: Options) -> Result<Server, BindError> {
        let path = options.path.clone();
        let given = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
        if given.as_deref() != Some(path.as_path()) {
            return Err(BindError::Another { path, given: given.unwrap_or_default() });
        }
        // A program that is started to deliver an alert must not inherit it.
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|()| listener.set_nonblocking(true))
            .and_then(|()| UnixListener::from_std(listener))
            .map(|listener| Server { listener, options, identity: None })
            .map_err(|source| BindError::Io { doing: "use", path, source })
    }

    /// Serves until it is asked to stop. Then it finishes what is in flight, within its time limit, and removes the
    /// socket.
    pub async fn serve(self, service: Service, stop: CancellationToken) {
        let clock = service.clock().clone();
        let patience = Patience {
            body: self.options.body_timeout,
            answer: self.options.answer_timeout,
            slow_answer: self.options.slow_answer_timeout,
        };
        let router = router(service, patience, stop.clone());
        let places = Places::new(self.options.connections_max, self.options.connections_reserved);
        let owner = std::fs::symlink_metadata(&self.options.path).map(|facts| facts.uid()).ok();
        let connections = TaskTracker::new();
        let mut waiting: VecDeque<UnixStream> = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept(), if waiting.len() < WAITING_MAX => Some(accepted),
                () = places.changed(), if !waiting.is_empty() => None,
                () = stop.cancelled() => break,
            };
            let newcomer = match accepted {
                None => None,
                Some(Ok((stream, _))) => Some(stream),
                Some(Err(error)) => {
                    // Most likely the process has no file descriptors left. That passes, and retrying in a tight loop
                    // would not help.
                    tracing::warn!(%error, "could not accept a connection to the operators' socket");
                    tokio::select! {
                        () = clock.sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => break,
                    }
                    None
                }
            };
            let serve = |stream, place| {
                let serving = Serving {
                    head_timeout: self.options.head_timeout,
                    clock: clock.clone(),
                    stop: stop.clone(),
                };
                let who = (self.options.users, owner);
                connections.spawn(serve_one(stream, place, router.clone(), who, serving));
            };
            while let Some(place) = (!waiting.is_empty()).then(|| places.take(false)).flatten() {
                waiting.pop_front().into_iter().for_each(|stream| serve(stream, Arc::clone(&place)));
            }
            if let Some(stream) = newcomer {
                let uid = peer_uid(&stream);
                let is_privileged = uid.is_some() && (uid == Some(0) || uid == owner);
                let place =
                    if waiting.is_empty() || is_privileged { places.take(is_privileged) } else { None };
                match place {
                    Some(place) => serve(stream, place),
                    None => waiting.push_back(stream),
                }
            }
        }
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = clock.sleep(self.options.stop_timeout) => {
                tracing::warn!(open = connections.len(), "operators' requests were cut off at shutdown");
            }
        }
        if self.identity.is_some() && identity_of(&self.options.path).ok() == self.identity {
            let _ = std::fs::remove_file(&self.options.path);
        }
    }
}

/// Sets who may connect to a socket: owner and group, or everyone.
///
/// # Errors
/// When the file system refuses.
pub fn set_mode(path: &Path, is_for_all: bool) -> io::Result<()> {
    let mode = if is_for_all { 0o666 } else { 0o660 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The process at the other end, as the kernel reports it (SO_PEERCRED), with its name and groups in the user
/// database.
fn caller(stream: &UnixStream, users: &Users, owner: Option<u32>) -> Caller {
    let Ok(credentials) = stream.peer_cred() else { return Caller::default() };
    let uid = credentials.uid();
    let is_own = owner == Some(uid);
    Caller { is_own, ..Caller::known(uid, Some(credentials.gid()), credentials.pid(), users) }
}

fn peer_uid(stream: &UnixStream) -> Option<u32> {
    stream.peer_cred().ok().map(|credentials| credentials.uid())
}

async fn serve_one(
    stream: UnixStream,
    place: Arc<Place>,
    router: Router,
    (users, owner): (fn() -> Users, Option<u32>),
    serving: Serving,
) {
    let caller = caller(&stream, &users(), owner);
    // The first readiness event of a socket also shows whether data has already arrived.
    tokio::select! {
        _ = stream.writable() => {}
        () = serving.stop.cancelled() => return,
    }
    let answer = move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        router.clone().call(request)
    };
    if let Err(error) = serving.serve(stream, place, answer).await {
        tracing::debug!(%error, "a connection to the operators' socket ended early");
    }
}

/// How every connection is served, over the socket and over TCP.
pub(super) struct Serving {
    pub(super) head_timeout: Duration,
    pub(super) clock: SharedClock,
    pub(super) stop: CancellationToken,
}

impl Serving {
    /// Serves one connection until it ends, gives way, or the server stops. `answer` answers its requests.
    pub(super) async fn serve<Stream, Answering>(
        self,
        stream: Stream,
        place: Arc<Place>,
        answer: impl Fn(Request<Incoming>) -> Answering,
    ) -> Result<(), hyper::Error>
    where
        Stream: AsyncRead + AsyncWrite + Unpin,
        Answering: Future<Output = Result<Response, Infallible>>,
    {
        let Serving { head_timeout, clock, stop } = self;
        let its_place = Arc::clone(&place);
        let service = service_fn(move |mut request: Request<Incoming>| {
            // An answer that is sent in pieces may hold it for longer.
            let busy = Arc::new(its_place.busy());
            request.extensions_mut().insert(Arc::clone(&busy));
            let answer = answer(request);
            async move {
                let answer = answer.await;
                drop(busy);
                answer
            }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        if let Poll::Ready(ended) = futures_util::poll!(connection.as_mut()) {
            return ended;
        }
        place.settle();
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = place.asked_to_leave() => {
                // A request or its answer may be in flight. A partial request head is not waited for.
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = clock.sleep(LEAVE_WITHIN), if !place.is_working() => Ok(()),
                }
            }
        }
    }
}

/// A temporary name next to the socket's, used until the socket is ready.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

async fn refuse_if_taken(path: &Path) -> Result<(), BindError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(BindError::Io { doing: "inspect", path: path.to_owned(), source }),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(BindError::Taken { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Io { doing: "connect to", path: path.to_owned(), source }),
    }
}
