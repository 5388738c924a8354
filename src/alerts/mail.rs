//! Sends an e-mail.
//!
//! Owns: the way to the mail server, and what its replies mean (docs/src/reference/operations.md, section 1.2). Must
//! never know: what a message says, the outbox.
//!
//! Each delivery has a connection of its own: one that was idle may have been closed by the server meanwhile.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport, Message, Tokio1Executor};

use crate::alerts::classify::Verdict;
use crate::clock::Sleep;
use crate::secret::Secret;

/// Longer than any deadline of a delivery, which is what counts.
const LONGEST_STEP: Duration = Duration::from_secs(300);

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte.
    Implicit,
    /// TLS after STARTTLS. A server without it is refused.
    StartTls,
    /// None. Only for this machine.
    None,
}

/// A mail server.
pub struct Relay {
    host: String,
    port: u16,
    tls: Tls,
    hello_name: String,
    credentials: Option<(String, Secret<String>)>,
}

impl Relay {
    /// A server that is greeted as `hello_name`. `roots_pem` holds certificates that are trusted besides the system's.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        host: &str,
        port: u16,
        security: Security,
        hello_name: &str,
        credentials: Option<(String, Secret<String>)>,
        roots_pem: &[u8],
    ) -> Result<Relay, String> {
        let parameters = || -> Result<TlsParameters, Error> {
            let roots = Certificate::from_pem(roots_pem)?;
            TlsParameters::builder(host.to_owned()).add_root_certificate(roots).build_rustls()
        };
        let tls = match security {
            Security::Implicit => parameters().map(Tls::Wrapper),
            Security::StartTls => parameters().map(Tls::Required),
            Security::None => Ok(Tls::None),
        };
        let tls = tls.map_err(|_| "TLS cannot be set up for this host".to_owned())?;
        Ok(Relay { host: host.to_owned(), port, tls, hello_name: hello_name.to_owned(), credentials })
    }

    fn transport(&self) -> AsyncSmtpTransport<Tokio1Executor> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(self.tls.clone())
            .hello_name(ClientId::Domain(self.hello_name.clone()))
            .timeout(Some(LONGEST_STEP));
        if let Some((user, password)) = &self.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().clone()));
        }
        builder.build()
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// An e-mail and the server that takes it.
pub struct Mail {
    /// The server.
    pub relay: Arc<Relay>,
    /// The whole message.
    pub message: Message,
}

impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mail").field("relay", &self.relay).finish_non_exhaustive()
    }
}

/// Sends an e-mail, or gives up when `deadline` completes.
pub(super) async fn send(mail: Mail, deadline: Sleep) -> Verdict {
    let transport = mail.relay.transport();
    tokio::select! {
        biased;
        outcome = transport.send(mail.message) => match outcome {
            Ok(_) => Verdict::Delivered,
            Err(error) => judge(&error),
        },
        () = deadline => retry("the mail server did not answer within the deadline"),
    }
}

fn retry(why: &str) -> Verdict {
    Verdict::Retry { after: None, why: why.to_owned() }
}

/// The texts of replies may contain addresses, so only codes are repeated.
fn judge(error: &Error) -> Verdict {
    if let Some(code) = error.status() {
        return by_reply(code.into());
    }
    if error.is_tls() {
        return retry("TLS with the mail server failed");
    }
    if error.is_timeout() {
        return retry("the mail server did not answer in time");
    }
    if error.is_client() {
        // For example: no common way to authenticate, no STARTTLS.
        return Verdict::Denied {
            after: None,
            why: "the mail server does not offer what is needed (STARTTLS, AUTH)".to_owned(),
        };
    }
    retry("no connection to the mail server, or the connection broke")
}

/// 4yz is temporary. 5yz is permanent (RFC 5321, section 4.2.1), but only "too large" (552) is a fault of the message:
/// all others (a password, a mailbox, a block list) can be repaired, so they are tried for an hour.
fn by_reply(code: u16) -> Verdict {
    let why = format!("SMTP {code}");
    match code {
        552 => Verdict::Refused { why },
        530 | 534 | 535 | 538 => {
            Verdict::Denied { after: None, why: format!("{why}, user or password refused") }
        }
        500..=599 => Verdict::Denied { after: None, why },
        _ => Verdict::Retry { after: None, why },
    }
}

#[cfg(test)]
mod tests;
