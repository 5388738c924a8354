//! The pretended mail server on a socket.
//!
//! Owns: connections, TLS from the start or after `STARTTLS`, lines. Must never know: what a line means.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authority::ThrowAwayAuthority;
use super::chat::{MailOptions, MailSecurity, Session, Step};
use super::clock;
use super::server::Serving;
use super::world::Simulator;

/// The longest line that is read, bytes: a line of a message may be 998 long, and one more is noticed later.
const MOST_LINE_BYTES: usize = 64 * 1024;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the pretended mail server until `shutdown` is cancelled. Its mails are among the chat's messages, with the
/// target `smtp`.
///
/// # Errors
/// When the address cannot be listened on, or TLS is demanded without an authority.
pub async fn serve_mail(
    simulator: Arc<Simulator>,
    listen: SocketAddr,
    options: MailOptions,
    tls: Option<ThrowAwayAuthority>,
    shutdown: CancellationToken,
) -> io::Result<Serving> {
    let acceptor = tls.map(|authority| authority.server_config()).transpose()?.map(TlsAcceptor::from);
    if acceptor.is_none() && options.security != MailSecurity::None {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS needs an authority"));
    }
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let tasks = TaskTracker::new();
    tasks.spawn({
        let tasks = tasks.clone();
        async move {
            while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
                let Ok((stream, _)) = accepted else {
                    clock::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let (simulator, options) = (simulator.clone(), options.clone());
                let (acceptor, shutdown) = (acceptor.clone(), shutdown.clone());
                tasks.spawn(async move {
                    // Its errors are the client's affair: it sees them too.
                    let _ =
                        shutdown.run_until_cancelled(converse(&simulator, stream, options, acceptor)).await;
                });
            }
        }
    });
    tasks.close();
    Ok(Serving::new(address, tasks))
}

async fn converse(
    simulator: &Simulator,
    mut stream: TcpStream,
    options: MailOptions,
    acceptor: Option<TlsAcceptor>,
) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    simulator.count_mail_connection();
    let is_implicit = options.security == MailSecurity::Implicit;
    let mut session = Session::new(options, is_implicit);
    if let Some(acceptor) = acceptor.as_ref().filter(|_| is_implicit) {
        let mut stream = acceptor.accept(stream).await?;
        dialogue(simulator, &mut stream, &mut session, true).await?;
        return stream.shutdown().await;
    }
    let is_to_encrypt = dialogue(simulator, &mut stream, &mut session, true).await?;
    if let Some(acceptor) = acceptor.filter(|_| is_to_encrypt) {
        let mut stream = acceptor.accept(stream).await?;
        dialogue(simulator, &mut stream, &mut session, false).await?;
        return stream.shutdown().await;
    }
    stream.shutdown().await
}

/// Speaks until the end, or until TLS begins: then it returns true.
async fn dialogue(
    simulator: &Simulator,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    session: &mut Session,
    is_new: bool,
) -> io::Result<bool> {
    let world = |stage, mail| simulator.mail(stage, mail);
    let mut read = Vec::new();
    if is_new && !perform(session.greeting(&world), stream).await? {
        return Ok(false);
    }
    loop {
        while let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = read.drain(..=end).collect();
            let Some(line) = line.strip_suffix(b"\r\n") else {
                stream.write_all(b"521 5.5.2 A line ended with LF alone\r\n").await?;
                return Ok(false);
            };
            let step = session.line(line, &world);
            let begins_tls = matches!(step, Step::BeginTls(_));
            // What came behind STARTTLS in plain text would be taken for encrypted.
            if begins_tls && !read.is_empty() {
                return Ok(false);
            }
            if !perform(step, stream).await? {
                return Ok(false);
            }
            if begins_tls {
                return Ok(true);
            }
        }
        if read.len() > MOST_LINE_BYTES || stream.read_buf(&mut read).await? == 0 {
            return Ok(false);
        }
    }
}

/// Does what the session says; false when the connection ends.
async fn perform(step: Step, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
    let (text, goes_on) = match step {
        Step::Listen => return Ok(true),
        Step::Hang => return std::future::pending().await,
        Step::Say(text) | Step::BeginTls(text) => (text, true),
        Step::End(text) => (text, false),
    };
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    Ok(goes_on)
}

#[cfg(test)]
mod tests;
