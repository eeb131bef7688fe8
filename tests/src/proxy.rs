//! A TCP proxy that stands for a network or a server in trouble.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::process;

/// What the proxy does, to open connections as well as to new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    Pass,
    /// The port is closed: connections are refused, open ones broken.
    Stop,
    /// Connections are accepted and never answered; open ones fall silent.
    Hang,
    /// Whoever says something is answered with bytes that mean nothing.
    Garbage,
    /// Each piece of an answer is late by this much.
    Slow(Duration),
}

/// A proxy in front of one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    listening: watch::Receiver<bool>,
    accepted: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a port of its own that passes everything to `upstream`.
    pub async fn before(upstream: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()));
        let (fault, watched) = watch::channel(Fault::Pass);
        let (open, listening) = watch::channel(false);
        let accepted = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicUsize::new(0));
        let task =
            tokio::spawn(listen(address, upstream, watched, open, accepted.clone(), asked.clone()));
        let proxy = Self { address, fault, listening, accepted, asked, task };
        proxy.set(Fault::Pass).await;
        proxy
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does; on return the port is open (or closed for [`Fault::Stop`]).
    pub async fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
        let open = fault != Fault::Stop;
        self.listening.clone().wait_for(|now| *now == open).await.expect("the proxy's task runs");
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Pieces that clients have sent so far: one at least for each question.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens and closes the port as the fault says, and starts a task for each connection.
async fn listen(
    address: SocketAddr,
    upstream: SocketAddr,
    mut fault: watch::Receiver<Fault>,
    open: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
) {
    loop {
        let listener = TcpListener::bind(address).await.expect("the proxy's port is ours");
        open.send_replace(true);
        loop {
            tokio::select! {
                stop = until(&mut fault, |f| f == Fault::Stop) => {
                    if stop.is_none() {
                        return;
                    }
                    break;
                }
                Ok((client, _)) = listener.accept() => {
                    accepted.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(connection(client, upstream, fault.clone(), asked.clone()));
                }
            }
        }
        drop(listener);
        open.send_replace(false);
        if until(&mut fault, |f| f != Fault::Stop).await.is_none() {
            return;
        }
    }
}

/// One client's connection; ends when either side does, or when the proxy is dropped or stopped.
async fn connection(
    client: TcpStream,
    upstream: SocketAddr,
    mut fault: watch::Receiver<Fault>,
    asked: Arc<AtomicUsize>,
) {
    let (from_client, to_client) = client.into_split();
    let stopped = {
        let mut fault = fault.clone();
        async move { until(&mut fault, |f| f == Fault::Stop).await }
    };
    let relayed = async {
        // A hanging or garbling server is not even reached.
        if until(&mut fault, |f| !matches!(f, Fault::Hang)).await == Some(Fault::Garbage) {
            return garble(from_client, to_client).await;
        }
        let Ok(server) = TcpStream::connect(upstream).await else { return };
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = relay(from_client, to_server, fault.clone(), Some(&asked)) => {}
            () = relay(from_server, to_client, fault.clone(), None) => {}
        }
    };
    tokio::select! {
        _ = stopped => {}
        () = relayed => {}
    }
}

/// Passes bytes one way, as late and as wrong as the fault says: questions are counted, answers are
/// spoilt.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Fault>,
    questions: Option<&AtomicUsize>,
) {
    let answers = questions.is_none();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return };
        if let Some(asked) = questions {
            asked.fetch_add(1, Ordering::Relaxed);
        }
        let Some(now) = until(&mut fault, |f| f != Fault::Hang).await else { return };
        match now {
            Fault::Slow(late) if answers => tokio::time::sleep(late).await,
            Fault::Garbage if answers => {
                let _ = to.write_all(GARBAGE).await;
                return;
            }
            _ => {}
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// Answers the first words with garbage.
async fn garble(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut words = [0; 1024];
    if matches!(from.read(&mut words).await, Ok(1..)) {
        let _ = to.write_all(GARBAGE).await;
    }
}

/// Waits for a fault that fits; `None` once the proxy is gone.
async fn until(fault: &mut watch::Receiver<Fault>, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
    fault.wait_for(|now| fits(*now)).await.ok().map(|now| *now)
}

/// Neither HTTP nor PostgreSQL.
const GARBAGE: &[u8] = b"\x07\x1b\xff{]NaN\0\r\n\r\n\xc3\x28 garbage \x16\x03\x01\xfe";

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that repeats what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        stream.write_all(b"hello").await?;
        let mut answer = vec![0; 64];
        let n = stream.read(&mut answer).await?;
        Ok(answer[..n].to_vec())
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says() {
        let limit = Duration::from_millis(200);
        let proxy = Proxy::before(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), b"hello");

        proxy.set(Fault::Hang).await;
        assert!(tokio::time::timeout(limit, ask(&mut stream)).await.is_err(), "silent");
        let mut fresh = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(tokio::time::timeout(limit, ask(&mut fresh)).await.is_err(), "accepted and silent");

        proxy.set(Fault::Garbage).await;
        assert_eq!(ask(&mut stream).await.unwrap(), GARBAGE, "open connections, too");
        let mut fresh = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut fresh).await.unwrap(), GARBAGE);

        proxy.set(Fault::Pass).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), b"hello");
        proxy.set(Fault::Stop).await;
        assert!(TcpStream::connect(proxy.address()).await.is_err(), "refused");
        assert_eq!(ask(&mut stream).await.unwrap_or_default(), b"", "broken");

        proxy.set(Fault::Slow(limit)).await;
        let begun = std::time::Instant::now();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), b"hello");
        assert!(begun.elapsed() >= limit);
        assert_eq!(proxy.accepted(), 5);
    }
}
