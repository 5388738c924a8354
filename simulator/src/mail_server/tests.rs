//! The mail server over real sockets.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use super::super::chat::{MailStage, Script, ScriptedAnswer};
use super::super::scenario::Scenario;
use super::*;
use crate::clock::SystemClock;

const MAIL: &str = "From: a@b.example\r\nTo: c@d.example\r\nDate: Thu, 15 Jan 2026 09:30:00 +0000\r\n\
                    Message-ID: <1@b.example>\r\nSubject: Declined\r\n\r\n14.00 EUR\r\n.\r\n";

struct Site {
    simulator: Arc<Simulator>,
    serving: Serving,
    connector: TlsConnector,
    shutdown: CancellationToken,
}

impl Site {
    async fn open(security: MailSecurity) -> Site {
        let simulator =
            Simulator::new(Scenario::default(), SystemClock::new()).expect("the scenario is good");
        let simulator = Arc::new(simulator);
        let authority = ThrowAwayAuthority::generate(&["localhost"]).expect("it is made");
        let certificate =
            CertificateDer::from_pem_slice(authority.authority_pem().as_bytes()).expect("it is PEM");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let options = MailOptions { security, ..MailOptions::default() };
        let shutdown = CancellationToken::new();
        let listen = "127.0.0.1:0".parse().expect("it is an address");
        let serving = serve_mail(simulator.clone(), listen, options, Some(authority), shutdown.clone()).await;
        let serving = serving.expect("a port is free");
        Site { simulator, serving, connector: TlsConnector::from(Arc::new(config)), shutdown }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.serving.address).await.expect("it listens")
    }

    async fn encrypt(&self, stream: TcpStream) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
        let name = ServerName::try_from("localhost").expect("it is a name");
        self.connector.connect(name, stream).await.expect("the certificate is trusted")
    }
}

/// Reads one answer of one or more lines; empty at the end of the connection.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return text;
        }
        text.push(char::from(byte[0]));
        let last = text.trim_end_matches("\r\n").rsplit("\r\n").next().unwrap_or_default();
        if text.ends_with("\r\n") && last.as_bytes().get(3) != Some(&b'-') {
            return text;
        }
    }
}

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str, code: &str) {
    stream.write_all(text.as_bytes()).await.expect("it reads");
    stream.flush().await.expect("it reads");
    let got = answer(stream).await;
    assert!(got.starts_with(code), "{text}: {got}");
}

async fn deliver(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), last: &str) {
    say(stream, "EHLO client\r\n", "250-").await;
    say(stream, "MAIL FROM:<a@b.example>\r\n", "250").await;
    say(stream, "RCPT TO:<c@d.example>\r\n", "250").await;
    say(stream, "DATA\r\n", "354").await;
    say(stream, MAIL, last).await;
}

#[tokio::test]
async fn mails_come_over_tls_from_the_start_and_connections_are_counted() {
    let site = Site::open(MailSecurity::Implicit).await;
    for _ in 0..2 {
        let mut stream = site.encrypt(site.connect().await).await;
        assert!(answer(&mut stream).await.starts_with("220 "));
        deliver(&mut stream, "250").await;
        say(&mut stream, "QUIT\r\n", "221").await;
    }
    let messages = site.simulator.chat_messages();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].target, messages[0].shown.as_str()), ("smtp", "Declined\n14.00 EUR"));
    assert_eq!(messages[1].key.as_deref(), Some("<1@b.example>"));
    assert_eq!(site.simulator.counts().chat.mail_connections, 2);
    site.shutdown.cancel();
    site.serving.stopped().await;
}

#[tokio::test]
async fn starttls_comes_before_a_mail_and_nothing_behind_it_in_plain_text() {
    let site = Site::open(MailSecurity::StartTls).await;
    let mut stream = site.connect().await;
    assert!(answer(&mut stream).await.starts_with("220 "));
    say(&mut stream, "EHLO client\r\n", "250-").await;
    say(&mut stream, "MAIL FROM:<a@b.example>\r\n", "530").await;
    say(&mut stream, "STARTTLS\r\n", "220").await;
    let mut stream = site.encrypt(stream).await;
    deliver(&mut stream, "250").await;
    assert_eq!(site.simulator.chat_messages().len(), 1);
    let mut stream = site.connect().await;
    assert!(answer(&mut stream).await.starts_with("220 "));
    say(&mut stream, "EHLO client\r\n", "250-").await;
    say(&mut stream, "STARTTLS\r\nMAIL FROM:<a@b.example>\r\n", "").await;
    assert_eq!(answer(&mut stream).await, "");
}

#[tokio::test]
async fn scripts_refuse_at_their_step_and_a_bare_lf_ends_the_connection() {
    let site = Site::open(MailSecurity::None).await;
    let refuse = |status, stage| ScriptedAnswer::Refuse { status, body: None, stage };
    let answers = [
        refuse(451, MailStage::Message),
        refuse(554, MailStage::Message),
        refuse(550, MailStage::Rcpt),
        refuse(421, MailStage::Connect),
        ScriptedAnswer::Reset { is_kept: true },
        ScriptedAnswer::Lose,
    ];
    site.simulator.script_chat(Script { target: "smtp".into(), path: None, answers: answers.into() });
    let mut stream = site.connect().await;
    assert!(answer(&mut stream).await.starts_with("220 "));
    deliver(&mut stream, "451").await;
    deliver(&mut stream, "554").await;
    say(&mut stream, "RSET\r\n", "250").await;
    say(&mut stream, "MAIL FROM:<a@b.example>\r\n", "250").await;
    say(&mut stream, "RCPT TO:<c@d.example>\r\n", "550").await;
    assert!(answer(&mut site.connect().await).await.starts_with("421 "));
    let mut stream = site.connect().await;
    assert!(answer(&mut stream).await.starts_with("220 "));
    deliver(&mut stream, "").await;
    assert_eq!(site.simulator.chat_messages().len(), 1, "a reset may keep the mail");
    let mut stream = site.connect().await;
    assert!(answer(&mut stream).await.starts_with("220 "));
    deliver(&mut stream, "250").await;
    assert_eq!(site.simulator.chat_messages().len(), 1, "a lost mail is not kept");
    deliver(&mut stream, "250").await;
    assert_eq!(site.simulator.chat_messages().len(), 2);
    say(&mut stream, "NOOP\n", "521").await;
    assert_eq!(answer(&mut stream).await, "");
}
