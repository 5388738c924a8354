//! Deliveries to a mail server on this machine, with its own certificate.

use std::sync::Mutex;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::alerts::targets::tests::words;
use crate::clock::SystemClock;

#[test]
fn replies_are_judged_by_the_table() {
    for (code, expected) in [
        (421, "retry SMTP 421"),
        (450, "retry SMTP 450"),
        (452, "retry SMTP 452"),
        (530, "denied SMTP 530, user or password refused"),
        (535, "denied SMTP 535, user or password refused"),
        (550, "denied SMTP 550"),
        (552, "refused SMTP 552"),
        (554, "denied SMTP 554"),
    ] {
        assert_eq!(words(by_reply(code)), expected);
    }
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Implicit,
    StartTls,
    WithoutTls,
    Silent,
    /// It answers this to the line that begins so.
    Answers(&'static str, &'static str),
}

struct Server {
    port: u16,
    pem: String,
    /// What each connection said.
    heard: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    async fn start(habit: Habit) -> Server {
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let mut lines = Vec::new();
                match habit {
                    Habit::Silent => open.push(stream),
                    Habit::StartTls | Habit::WithoutTls => {
                        let stream = converse(BufReader::new(stream), habit, true, &mut lines).await;
                        if lines.last().is_some_and(|line| line == "STARTTLS")
                            && let Ok(stream) = acceptor.accept(stream.into_inner()).await
                        {
                            converse(BufReader::new(stream), habit, false, &mut lines).await;
                        }
                    }
                    Habit::Implicit | Habit::Answers(..) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            converse(BufReader::new(stream), habit, true, &mut lines).await;
                        }
                    }
                }
                connections.lock().unwrap().push(lines);
            }
        });
        Server { port, pem: certificate.cert.pem(), heard }
    }

    async fn deliver(&self, security: Security, roots_pem: &str, limit: Duration) -> String {
        let credentials = Some(("alerts".to_owned(), Secret::new("canary".to_owned())));
        let relay =
            Relay::new("localhost", self.port, security, "shop.example", credentials, roots_pem.as_bytes());
        let message = Message::builder()
            .from("alerts@shop.example".parse().unwrap())
            .to("ops@shop.example".parse().unwrap())
            .subject("Test")
            .body("A line.\r\n.\r\nAnother.".to_owned())
            .unwrap();
        let mail = Mail { relay: Arc::new(relay.unwrap()), message };
        let outcome = words(send(mail, SystemClock::shared().sleep(limit)).await);
        assert!(!outcome.contains("canary") && !outcome.contains("shop.example"), "{outcome}");
        outcome
    }
}

/// Talks until the client quits or asks for TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    habit: Habit,
    is_greeted: bool,
    lines: &mut Vec<String>,
) -> BufReader<S> {
    let is_plain = is_greeted && matches!(habit, Habit::StartTls | Habit::WithoutTls);
    if is_greeted {
        stream.write_all(b"220 mail ready\r\n").await.unwrap();
    }
    let mut is_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return stream;
        }
        let line = line.trim_end().to_owned();
        lines.push(line.clone());
        let answer = match line.split(' ').next().unwrap() {
            "." if is_data => {
                is_data = false;
                "250 kept\r\n"
            }
            _ if is_data => continue,
            word => match (word, habit) {
                (word, Habit::Answers(asked, answer)) if word == asked => answer,
                ("EHLO", Habit::StartTls) if is_plain => "250-mail\r\n250 STARTTLS\r\n",
                ("EHLO", Habit::WithoutTls) => "250 mail\r\n",
                ("EHLO", _) => "250-mail\r\n250 AUTH PLAIN\r\n",
                ("STARTTLS", Habit::StartTls) => "220 go on\r\n",
                ("AUTH", _) => "235 welcome\r\n",
                ("DATA", _) => {
                    is_data = true;
                    "354 go on\r\n"
                }
                ("QUIT", _) => "221 bye\r\n",
                _ => "250 ok\r\n",
            },
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || ["QUIT", "STARTTLS"].contains(&line.as_str())
        {
            return stream;
        }
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_delivery_has_an_encrypted_connection_of_its_own() {
    for (habit, security) in [(Habit::Implicit, Security::Implicit), (Habit::StartTls, Security::StartTls)] {
        let server = Server::start(habit).await;
        for _ in 0..2 {
            assert_eq!(server.deliver(security, &server.pem, LONG).await, "delivered", "{habit:?}");
        }
        // The third connection is accepted only when the second is over.
        server.deliver(security, &server.pem, LONG).await;
        let heard = server.heard.lock().unwrap();
        assert!(heard.len() >= 2, "{heard:?}");
        for lines in heard.iter().take(2) {
            let has = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
            assert_eq!(
                (has("AUTH PLAIN"), has("MAIL FROM:<alerts@"), has("RCPT TO:<ops@")),
                (1, 1, 1),
                "{lines:?}"
            );
            assert!(lines.contains(&"EHLO shop.example".to_owned()));
            assert_eq!((has("."), has("A line.")), (2, 1), "a dot alone is doubled: {lines:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_be_trusted() {
    let server = Server::start(Habit::Implicit).await;
    let outcome = server.deliver(Security::Implicit, "", LONG).await;
    assert!(
        outcome.starts_with("retry TLS with the mail server failed") || outcome.contains("no connection"),
        "{outcome}"
    );
    let server = Server::start(Habit::WithoutTls).await;
    let outcome = server.deliver(Security::StartTls, &server.pem, LONG).await;
    assert_eq!(outcome, "denied the mail server does not offer what is needed (STARTTLS, AUTH)");
    assert!(!format!("{:?}", server.heard.lock().unwrap()).contains("AUTH"));
}

#[tokio::test]
async fn what_the_server_answers_is_judged() {
    for (asked, answer, expected) in [
        ("AUTH", "535 5.7.8 no such user\r\n", "denied SMTP 535, user or password refused"),
        ("RCPT", "451 4.7.1 greylisted\r\n", "retry SMTP 451"),
        ("RCPT", "550 5.1.1 no such mailbox\r\n", "denied SMTP 550"),
        ("MAIL", "552 5.3.4 too large\r\n", "refused SMTP 552"),
    ] {
        let server = Server::start(Habit::Answers(asked, answer)).await;
        assert_eq!(server.deliver(Security::Implicit, &server.pem, LONG).await, expected);
    }
    let server = Server::start(Habit::Silent).await;
    let outcome = server.deliver(Security::Implicit, &server.pem, Duration::from_millis(100)).await;
    assert_eq!(outcome, "retry the mail server did not answer within the deadline");
}
