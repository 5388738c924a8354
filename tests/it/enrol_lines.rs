//! Enrolments that are answered as they arrive, through the real socket of the real binary.

use reconciled::control::messages::StatusRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::process::Host;

/// How many lines are in a piece.
const PIECE: usize = 250;
const LINES: usize = 5_000;

/// A request whose body is sent piece by piece.
async fn begin(host: &Host, path: &str, media_type: &str) -> (OwnedReadHalf, OwnedWriteHalf) {
    let (read, mut write) = UnixStream::connect(host.path("control.sock")).await.unwrap().into_split();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {media_type}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await.unwrap();
    (read, write)
}

async fn send(write: &mut OwnedWriteHalf, piece: &[u8]) {
    let head = format!("{:x}\r\n", piece.len());
    write.write_all(&[head.as_bytes(), piece, b"\r\n"].concat()).await.unwrap();
}

/// Reads until an answer has this many lines of an outcome, or to its end.
async fn until(read: &mut OwnedReadHalf, text: &mut String, outcome: &str, number: usize) -> usize {
    loop {
        let found = text.matches(outcome).count();
        let mut bytes = vec![0; 65_536];
        if found >= number || read.read(&mut bytes).await.map(|read| bytes.truncate(read)).is_err() {
            return found;
        }
        if bytes.is_empty() {
            return found;
        }
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_lines_are_answered_while_the_last_ones_are_not_sent_yet() {
    let host = Host::new().await;
    let daemon = host.start().await;
    let (mut read, mut write) = begin(&host, "/v1/tracked:batch", "application/x-ndjson").await;
    let mut answer = String::new();
    for first in (0..LINES).step_by(PIECE) {
        let line = |number: usize| {
            let id = 100_000 + number;
            format!("{{\"account\":\"shop\",\"kind\":\"charge\",\"id\":\"P02-7654321-7654321-C{id}\"}}\n")
        };
        let piece: String = (first..first + PIECE).map(line).collect();
        // A line may be divided anywhere.
        let (one, two) = piece.split_at(piece.len() / 2 + 7);
        send(&mut write, one.as_bytes()).await;
        send(&mut write, two.as_bytes()).await;
        let answered = until(&mut read, &mut answer, "\"outcome\":\"new\"", first + PIECE).await;
        assert_eq!(answered, first + PIECE, "{answer:.2000}");
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.2000}");
    assert_eq!(host.client().await.ask(StatusRequest {}).await.unwrap().objects, LINES as u64);
    write.write_all(b"0\r\n\r\n").await.unwrap();
    read.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.contains("urn:reconciled:problem"), "{answer:.2000}");
    host.run(&["audit", "--json"]).await.expect(0, &["5000 new, 0 enriched, 0 same, 0 conflict, 0 bad"]);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_table_are_answered_although_one_is_bad_and_one_goes_over_several_lines() {
    let host = Host::new().await;
    let daemon = host.start().await;
    let (mut read, mut write) = begin(&host, "/v1/tracked:batch?ignore_columns=true", "text/csv").await;
    send(&mut write, b"account,kind,id,note\nshop,charge,P02-7654321-7654321-C100001,\"two\n").await;
    send(&mut write, b"lines\"\nshop,charge,P02-7654321-7654321-C100002,\xff\n").await;
    let mut answer = String::new();
    assert_eq!(until(&mut read, &mut answer, "\"line\":4", 1).await, 1, "{answer}");
    assert!(answer.contains("not UTF-8"), "{answer}");
    send(&mut write, b"shop,charge,P02-7654321-7654321-C100003").await;
    // It ends in the middle of a row: the process of the client was killed.
    drop(write);
    let _ = read.read_to_string(&mut answer).await;
    host.until("the audit log says how it ended", async || {
        let listed = host.run(&["audit", "--json"]).await.expect(0, &[]).out;
        listed.contains("\"cause\":\"disconnected\"").then_some(())
    })
    .await;
    assert_eq!(host.client().await.ask(StatusRequest {}).await.unwrap().objects, 1);
    daemon.stop(&host).await;
}
