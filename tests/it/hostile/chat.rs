//! Hostile receivers of alerts, and the client that sends to them.

use std::time::Duration;

use amazon_pay_simulator::{ThrowAwayAuthority, hostile, serve};
use reconciled::alerts::post::{HttpPost, Post, PostError};
use reconciled::alerts::target::Outgoing;
use reconciled::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ANY, PATIENT_S, Stand};

/// How much of an answer is kept, bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What comes after the first bytes.
#[derive(Clone, Copy)]
enum Then {
    End,
    Nothing,
    MoreForEver,
}

/// A receiver that answers every request with these bytes.
async fn receiver(answer: Vec<u8>, then: Then) -> String {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let _ = stream.read(&mut asked).await;
                let mut is_heard = stream.write_all(&answer).await.is_ok();
                match then {
                    Then::End => drop(stream),
                    Then::Nothing => std::future::pending().await,
                    Then::MoreForEver => {
                        while is_heard {
                            is_heard = stream.write_all(&[b'x'; 8192]).await.is_ok();
                        }
                    }
                }
            });
        }
    });
    format!("http://{address}/services/T0/B0/canary")
}

fn message(url: &str, timeout_s: u64) -> Outgoing {
    Outgoing {
        url: Secret::new(url.to_owned()),
        headers: vec![("content-type", "application/json".to_owned())],
        body: b"{\"text\":\"x\"}".to_vec(),
        timeout: Duration::from_secs(timeout_s),
    }
}

fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn whatever_a_receiver_does_the_status_decides_and_little_is_read() {
    let many: String = (0..10_000).map(|number| format!("x-padding-{number}: 0\r\n")).collect();
    let bomb = hostile::gzip_bomb(false).body;
    let gzip = [head("200 OK", "content-encoding: gzip\r\n"), bomb.clone()].concat();
    let link_local = "location: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n";
    let post = HttpPost::new().unwrap();
    for (name, bytes, then, timeout_s, expected) in [
        ("silence", Vec::new(), Then::Nothing, 1, Err(PostError::Timeout)),
        ("half a head", b"HTTP/1.1 200".to_vec(), Then::Nothing, 1, Err(PostError::Timeout)),
        ("a farewell", Vec::new(), Then::End, PATIENT_S, Err(PostError::Broken)),
        ("no HTTP", b"\x16\x03\x01 what?\r\n\r\n".to_vec(), Then::End, PATIENT_S, Err(PostError::Broken)),
        ("10,000 headers", head("200 OK", &many), Then::End, PATIENT_S, Err(PostError::Broken)),
        (
            "an endless header",
            head("200 OK", "x-padding: "),
            Then::MoreForEver,
            PATIENT_S,
            Err(PostError::Broken),
        ),
        ("a body that stops", head("200 OK", "content-length: 9\r\n"), Then::Nothing, 1, Ok((200, 0))),
        ("an endless body", head("500 No", ""), Then::MoreForEver, PATIENT_S, Ok((500, LONGEST_ANSWER))),
        ("a gzip bomb", gzip, Then::End, PATIENT_S, Ok((200, LONGEST_ANSWER))),
        ("a redirect", head("307 Go", link_local), Then::End, PATIENT_S, Ok((307, 0))),
    ] {
        // The end of the head is left out where it must never come.
        let bytes = if name == "an endless header" { bytes[..bytes.len() - 2].to_vec() } else { bytes };
        let url = receiver(bytes, then).await;
        let answered = post.post(&message(&url, timeout_s)).await;
        if name == "a gzip bomb" {
            let kept = &answered.as_ref().unwrap().body;
            assert!(bomb.starts_with(kept), "it was unpacked");
        }
        assert_eq!(answered.map(|answer| (answer.status, answer.body.len())), expected, "{name}");
    }
}

#[tokio::test]
async fn a_receiver_without_a_trusted_certificate_or_on_a_forbidden_address_hears_nothing() {
    let stand = Stand::new();
    let simulator = stand.simulator(None);
    let authority = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    let serving =
        serve(simulator.clone(), ANY.parse().unwrap(), Some(authority), stand.stop.clone()).await.unwrap();
    let post = HttpPost::new().unwrap();
    let unknown = format!("https://localhost:{}/services/T0/B0/canary", serving.address.port());
    assert_eq!(post.post(&message(&unknown, PATIENT_S)).await, Err(PostError::Connect));
    for address in
        ["https://169.254.169.254/canary", "https://[fe80::1]/canary", "http://chat.example/canary"]
    {
        let refused = post.post(&message(address, PATIENT_S)).await.unwrap_err();
        assert!(matches!(refused, PostError::Address(_)), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }
    assert_eq!(simulator.counts().chat.accepted, 0);
}
