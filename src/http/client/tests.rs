use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

fn request(url: String) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: vec![("accept", "application/json".to_owned())],
        body: Vec::new(),
        deadline: Duration::from_secs(20),
        longest_body: 1000,
        is_beginning_enough: false,
    }
}

/// Reads one whole request (the head, and a body of `content-length`).
async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).await.unwrap_or(0);
        heard.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&heard).into_owned();
        let wanted = text
            .split_once("\r\n\r\n")
            .map(|(head, body)| {
                let announced = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                    .unwrap_or(0usize);
                announced <= body.len()
            })
            .unwrap_or(length == 0);
        if wanted || length == 0 {
            return text;
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let heard = hear(&mut stream).await;
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    heard
}

/// A server that sends the same bytes to every client, and reports what it received.
async fn server(bytes: &'static [u8]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (heard, hearing) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = heard.send(answer(stream, bytes).await);
        }
    });
    (base, hearing)
}

async fn ask(bytes: &'static [u8]) -> Result<Response, TransportError> {
    let (base, _hearing) = server(bytes).await;
    HttpClient::new(None).unwrap().send(request(base)).await
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let (base, mut hearing) =
        server(b"HTTP/1.1 201 Created\r\nX-Amz-Pay-Request-Id: 7\r\ncontent-length: 2\r\n\r\n{}").await;
    let made = Request {
        method: Method::Post,
        headers: vec![("x-test", "a b".to_owned())],
        body: b"{\"a\":1}".to_vec(),
        ..request(format!("{base}/v2/charges?a=b%20c"))
    };
    let response = HttpClient::new(None).unwrap().send(made).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (201, &b"{}"[..]));
    assert_eq!(response.header("x-amz-pay-request-id"), Some("7"));
    let heard = hearing.recv().await.unwrap();
    assert!(heard.starts_with("POST /v2/charges?a=b%20c HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("x-test: a b\r\n") && heard.ends_with("{\"a\":1}"), "{heard}");
    assert!(!heard.contains("accept-encoding") && !heard.contains("cookie"), "{heard}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_not_a_journey() {
    let response =
        ask(b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(response.unwrap().status, 302);
}

#[tokio::test]
async fn a_long_answer_is_given_up() {
    let announced = ask(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
    assert_eq!(announced.unwrap_err(), TransportError::TooLarge { longest_body: 1000 });
    let chunked = const {
        let mut bytes = [b'x'; 1200];
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n44c\r\n";
        let mut at = 0;
        while at < head.len() {
            bytes[at] = head[at];
            at += 1;
        }
        bytes
    };
    let unannounced = ask(Box::leak(Box::new(chunked))).await;
    assert_eq!(unannounced.unwrap_err(), TransportError::TooLarge { longest_body: 1000 });
}

#[tokio::test]
async fn a_cut_answer_is_broken_and_none_at_all_too() {
    let cut = ask(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await;
    assert!(matches!(cut, Err(TransportError::Broken(_))), "{cut:?}");
    let none = ask(b"").await;
    assert!(matches!(none, Err(TransportError::Broken(_))), "{none:?}");
    let nonsense = ask(b"what?\r\n\r\n").await;
    assert!(matches!(nonsense, Err(TransportError::Broken(_))), "{nonsense:?}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let silent = Request { deadline: Duration::from_millis(50), ..request(base) };
    let outcome = HttpClient::new(None).unwrap().send(silent).await;
    assert_eq!(outcome.unwrap_err(), TransportError::Timeout);
}

#[tokio::test]
async fn errors_say_what_happened_and_never_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let transport = HttpClient::new(None).unwrap();
    let refused = transport.send(request(format!("http://{closed}/path?query=1"))).await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot connect: connection refused");
    let unnamed = transport.send(request("https://nowhere.invalid/path".to_owned())).await.unwrap_err();
    assert_eq!(unnamed.to_string(), "cannot connect: the host name cannot be resolved");
    let unsendable = transport.send(request("not a url".to_owned())).await.unwrap_err();
    assert!(matches!(unsendable, TransportError::Unsendable(_)), "{unsendable:?}");
}

async fn tls_server(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> u16 {
    let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    port
}

#[tokio::test]
async fn only_a_trusted_certificate_of_the_right_name_is_accepted() {
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let port = tls_server(&certificate).await;
    let strange = HttpClient::new(None).unwrap();
    let url = format!("https://localhost:{port}/");
    let outcome = strange.send(request(url.clone())).await.unwrap_err();
    assert!(matches!(outcome, TransportError::Tls(_)), "{outcome:?}");

    let pem = certificate.cert.pem();
    let trusting = HttpClient::new(Some(pem.as_bytes())).unwrap();
    assert_eq!(trusting.send(request(url)).await.unwrap().body, b"ok");
    let misnamed = trusting.send(request(format!("https://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(misnamed, TransportError::Tls("the certificate is for another name".to_owned()));
}

/// A proxy that answers a CONNECT with `status` and, if that is a success, connects it to `port` of this machine.
async fn proxy(status: &'static str, port: u16) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://user:pass@{}", listener.local_addr().unwrap());
    let (heard, hearing) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = hear(&mut stream).await;
            let _ = heard.send(head);
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
            if status.starts_with("200") {
                let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
            }
        }
    });
    (address, hearing)
}

#[tokio::test]
async fn a_proxy_is_used_only_when_configured_and_only_for_others_than_this_machine() {
    let certificate = rcgen::generate_simple_self_signed(vec!["provider.invalid".to_owned()]).unwrap();
    let port = tls_server(&certificate).await;
    let (address, mut hearing) = proxy("200 Connection established", port).await;
    let trusting = Connections::default().trusting(certificate.cert.pem().as_bytes()).unwrap();
    let url = format!("https://provider.invalid:{port}/");
    let direct = HttpClient::over(&trusting).unwrap().send(request(url.clone())).await.unwrap_err();
    assert_eq!(direct.to_string(), "cannot connect: the host name cannot be resolved");
    let through = HttpClient::over(&trusting.clone().through(&address, "").unwrap()).unwrap();
    assert_eq!(through.send(request(url.clone())).await.unwrap().body, b"ok");
    let heard = hearing.recv().await.unwrap();
    assert!(heard.starts_with(&format!("CONNECT provider.invalid:{port} HTTP/1.1\r\n")), "{heard}");
    assert!(heard.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnz"), "{heard}");
    let except = HttpClient::over(&trusting.clone().through(&address, ".invalid").unwrap()).unwrap();
    assert!(except.send(request(url)).await.is_err(), "NO_PROXY is obeyed");
    let (base, _own) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nme").await;
    assert_eq!(through.send(request(base)).await.unwrap().body, b"me");
    let here = through.send(request(format!("https://localhost:{port}/"))).await.unwrap_err();
    assert_eq!(here, TransportError::Tls("the certificate is for another name".to_owned()), "directly");
    assert!(hearing.try_recv().is_err(), "the proxy saw only one connection");
}

#[tokio::test]
async fn a_proxy_that_does_not_let_us_through_is_named_as_the_cause() {
    for (status, words) in [
        ("407 Proxy Authentication Required", "cannot connect: the proxy requires a user and password"),
        ("403 Forbidden", "cannot connect: the proxy does not allow the connection"),
    ] {
        let (address, _hearing) = proxy(status, 1).await;
        let through = Connections::default().through(&address, "").unwrap();
        let outcome =
            HttpClient::over(&through).unwrap().send(request("https://far.invalid/".to_owned())).await;
        assert_eq!(outcome.unwrap_err().to_string(), words);
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let through = Connections::default().through(&format!("http://{closed}"), "").unwrap();
    let outcome = HttpClient::over(&through).unwrap().send(request("https://far.invalid/".to_owned())).await;
    assert_eq!(outcome.unwrap_err().to_string(), "cannot connect: the proxy cannot be reached");
}

#[test]
fn an_extra_certificate_must_be_one() {
    assert!(matches!(HttpClient::new(Some(b"nothing")), Err(SetupError::Certificate)));
    assert!(matches!(HttpClient::new(Some(b"")), Err(SetupError::Certificate)));
}
