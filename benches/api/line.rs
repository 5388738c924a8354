//! One connection to the socket that sends one request after the other, so that a reader is one connection: a pooled
//! client may open another before the last one is free again.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::measured::Broken;

pub struct Line(UnixStream);

impl Line {
    pub async fn open(socket: &Path) -> Result<Line, Broken> {
        Ok(Line(UnixStream::connect(socket).await?))
    }

    /// The status and the body.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>), Broken> {
        let length = body.len();
        let kind = "application/x-ndjson";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.0.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut got = Vec::with_capacity(256 * 1024);
        let head_length = loop {
            if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.0.read_buf(&mut got).await? == 0 {
                return Err("the daemon closed the connection".into());
            }
        };
        let head = String::from_utf8_lossy(&got[..head_length]).to_lowercase();
        let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.ok_or("the answer has no length")?.parse()?;
        while got.len() < head_length + length {
            if self.0.read_buf(&mut got).await? == 0 {
                return Err("the answer is cut off".into());
            }
        }
        Ok((status, got.split_off(head_length)))
    }

    pub async fn get(&mut self, path: &str) -> Result<Vec<u8>, Broken> {
        match self.send("GET", path, "").await? {
            (200, body) => Ok(body),
            (status, body) => Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}
