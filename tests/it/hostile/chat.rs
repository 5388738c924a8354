//! Hostile receivers of alerts, and the client that sends to them.

use std::time::Duration;

use amazon_pay_simulator::{ThrowAwayAuthority, hostile, serve};
use reconciled::alerts::target::LONGEST_ANSWER;
use reconciled::http::{HttpClient, Method, Request, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ANY, PATIENT_S, Stand};

/// What the receiver does after the first bytes.
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

fn message(url: &str, deadline_s: u64) -> Request {
    Request {
        method: Method::Post,
        url: url.to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: b"{\"text\":\"x\"}".to_vec(),
        deadline: Duration::from_secs(deadline_s),
        longest_body: LONGEST_ANSWER,
        is_beginning_enough: true,
    }
}

fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn the_status_decides_and_little_is_read_whatever_a_receiver_does() {
    let many: String = (0..10_000).map(|number| format!("x-padding-{number}: 0\r\n")).collect();
    let bomb = hostile::gzip_bomb(false).body;
    let gzip = [head("200 OK", "content-encoding: gzip\r\n"), bomb.clone()].concat();
    let link_local = "location: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n";
    let client = HttpClient::new(None).unwrap();
    for (name, bytes, then, timeout_s, expected) in [
        ("silence", Vec::new(), Then::Nothing, 1, Err("no complete answer within the deadline")),
        (
            "half a head",
            b"HTTP/1.1 200".to_vec(),
            Then::Nothing,
            1,
            Err("no complete answer within the deadline"),
        ),
        ("a farewell", Vec::new(), Then::End, PATIENT_S, Err("the connection broke")),
        (
            "no HTTP",
            b"\x16\x03\x01 what?\r\n\r\n".to_vec(),
            Then::End,
            PATIENT_S,
            Err("the connection broke"),
        ),
        ("10,000 headers", head("200 OK", &many), Then::End, PATIENT_S, Err("the connection broke")),
        (
            "an endless header",
            head("200 OK", "x-padding: "),
            Then::MoreForEver,
            PATIENT_S,
            Err("the connection broke"),
        ),
        ("a body that stops", head("200 OK", "content-length: 9\r\n"), Then::Nothing, 1, Ok((200, 0))),
        ("an endless body", head("500 No", ""), Then::MoreForEver, PATIENT_S, Ok((500, LONGEST_ANSWER))),
        ("a gzip bomb", gzip, Then::End, PATIENT_S, Ok((200, LONGEST_ANSWER))),
        ("a redirect", head("307 Go", link_local), Then::End, PATIENT_S, Ok((307, 0))),
    ] {
        // The end of the head is left out where it must never arrive.
        let bytes = if name == "an endless header" { bytes[..bytes.len() - 2].to_vec() } else { bytes };
        let url = receiver(bytes, then).await;
        let answered = client.send(message(&url, timeout_s)).await;
        if name == "a gzip bomb" {
            let kept = &answered.as_ref().unwrap().body;
            assert!(bomb.starts_with(kept), "it was unpacked");
        }
        match (answered, expected) {
            (Ok(answer), Ok(expected)) => assert_eq!((answer.status, answer.body.len()), expected, "{name}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().starts_with(expected), "{name}: {error}")
            }
            (answered, _) => panic!("{name}: {answered:?}"),
        }
    }
}

#[tokio::test]
async fn a_receiver_without_a_trusted_certificate_or_on_a_forbidden_address_receives_nothing() {
    let stand = Stand::new();
    let simulator = stand.simulator(None);
    let authority = ThrowAwayAuthority::generate(&["localhost"]).unwrap();
    let serving =
        serve(simulator.clone(), ANY.parse().unwrap(), Some(authority), stand.stop.clone()).await.unwrap();
    let client = HttpClient::new(None).unwrap();
    let unknown = format!("https://localhost:{}/services/T0/B0/canary", serving.address.port());
    let strange = client.send(message(&unknown, PATIENT_S)).await;
    assert!(matches!(strange, Err(TransportError::Tls(_))), "{strange:?}");
    for address in
        ["https://169.254.169.254/canary", "https://[fe80::1]/canary", "http://chat.example/canary"]
    {
        let refused = client.send(message(address, PATIENT_S)).await.unwrap_err();
        assert!(matches!(refused, TransportError::Unsendable(_)), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }
    assert_eq!(simulator.counts().chat.accepted, 0);
}
