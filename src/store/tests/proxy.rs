//! A proxy before the database that loses one append or its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None = 0,
    /// The server carries it out, and the connection breaks before the answer.
    AnswerLost = 1,
    /// The connection breaks before the server gets it.
    StatementLost = 2,
}

#[derive(Default)]
struct Plan {
    next: AtomicU8,
    happened: AtomicU32,
}

pub(super) struct Proxy {
    pub(super) port: u16,
    plan: Arc<Plan>,
}

impl Proxy {
    /// Listens on a port, and passes everything on to the server's.
    pub(super) async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan::default());
        let shared = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, Arc::clone(&shared)));
            }
        });
        Proxy { port, plan }
    }

    pub(super) fn next(&self, fault: Fault) {
        self.plan.next.store(fault as u8, Ordering::SeqCst);
    }

    /// How many faults have happened.
    pub(super) fn faults(&self) -> u32 {
        self.plan.happened.load(Ordering::SeqCst)
    }
}

async fn pass_on(mut client: TcpStream, server: u16, plan: Arc<Plan>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let length = length.unwrap_or(0);
                if length == 0 {
                    return;
                }
                let bytes = &asked[..length];
                let is_append = bytes.windows(10).any(|window| window == b"WITH moved");
                let fault = if is_append { plan.next.swap(0, Ordering::SeqCst) } else { 0 };
                if fault != 0 {
                    plan.happened.fetch_add(1, Ordering::SeqCst);
                }
                if fault == Fault::StatementLost as u8 || server.write_all(bytes).await.is_err() {
                    return;
                }
                if fault == Fault::AnswerLost as u8 {
                    // Its answer comes after the commit.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            length = server.read(&mut answered) => {
                let length = length.unwrap_or(0);
                if length == 0 || client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
