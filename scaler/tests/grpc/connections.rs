//! Peers that die, stall or say nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use prewarm::grpc::Timing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::served::{Client, Served, Setting, active, metric, scaled_object, soon, spec, value};

/// Forwards one connection until frozen; then it holds both ends open and neither reads nor writes:
/// a peer whose machine has died looks like this.
struct Relay {
    address: SocketAddr,
    frozen: CancellationToken,
}

impl Relay {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let frozen = CancellationToken::new();
        let token = frozen.clone();
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(server).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = token.cancelled() => std::future::pending().await,
            }
        });
        Self { address, frozen }
    }

    async fn client(&self) -> Client {
        Client::new(
            Endpoint::from_shared(format!("http://{}", self.address))
                .unwrap()
                .connect()
                .await
                .unwrap(),
        )
    }
}

#[tokio::test]
async fn c30_a_dead_peer_is_noticed_and_its_streams_are_freed() {
    let default = Timing::default();
    assert!(default.keepalive_interval + default.keepalive_timeout < Duration::from_secs(60));

    let keepalive = Duration::from_millis(200);
    let timing = Timing { keepalive_interval: keepalive, keepalive_timeout: keepalive, ..default };
    let served = Served::with(Setting { timing, ..Setting::default() }).await;
    let holders = served.holders_now();
    let relay = Relay::to(served.address).await;
    let (mut dying, mut living) = (relay.client().await, served.client().await);
    let reference = scaled_object("llama");
    let mut kept = living.stream_is_active(reference.clone()).await.unwrap().into_inner();
    let mut lost = Vec::new();
    for _ in 0..10 {
        lost.push(dying.stream_is_active(reference.clone()).await.unwrap());
    }
    served.holders(holders + 11).await;
    relay.frozen.cancel();
    served.holders(holders + 1).await;
    // A quiet peer that answers pings stays.
    served.publish(&reference, value(8.0));
    assert!(soon(kept.next()).await.unwrap().unwrap().result);
}

#[tokio::test]
async fn c33_a_peer_that_stalls_is_cut_at_the_limit() {
    let timing = Timing { drain: Duration::from_millis(300), ..Timing::default() };
    let mut served = Served::with(Setting { timing, ..Setting::default() }).await;
    let relay = Relay::to(served.address).await;
    let mut client = relay.client().await;
    let holders = served.holders_now();
    let _open = client.stream_is_active(scaled_object("llama")).await.unwrap();
    served.holders(holders + 1).await;
    relay.frozen.cancel();
    // HTTP/2 waits for this peer to acknowledge the end.
    let started = Instant::now();
    served.shutdown.cancel();
    soon(&mut served.running).await.unwrap().unwrap();
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "nothing had to be cut: {:?}",
        started.elapsed()
    );
    let default = Timing::default();
    assert!(default.drain < Duration::from_secs(10));
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_shown_out() {
    let timing = Timing { handshake: Duration::from_millis(100), ..Timing::default() };
    let served = Served::with(Setting { timing, ..Setting::default() }).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(soon(silent.read(&mut [0; 64])).await.unwrap(), 0);
    let mut http1 = TcpStream::connect(served.address).await.unwrap();
    http1.write_all(b"GET / HTTP/1.1\r\nHost: prewarm\r\n\r\n").await.unwrap();
    // Closed or reset: it only matters that it ends.
    let _ = soon(http1.read_to_end(&mut Vec::new())).await;
    assert!(spec(&mut served.client().await, &scaled_object("llama")).await.is_ok());
}

/// Two replicas behind `round_robin`, each restarted in turn, under constant questions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c34_a_rolling_restart_leaves_no_moment_without_an_answer() {
    let mut replicas = vec![
        replica("127.0.0.1:0".parse().unwrap()).await,
        replica("127.0.0.1:0".parse().unwrap()).await,
    ];
    let endpoints = replicas.iter().map(|served| format!("http://{}", served.address));
    let channel = Channel::balance_list(endpoints.map(|uri| Endpoint::from_shared(uri).unwrap()));
    let mut client = Client::new(channel);
    let reference = scaled_object("llama");
    let name = spec(&mut client, &reference).await.unwrap().metric_name;

    let done = CancellationToken::new();
    let asking = tokio::spawn({
        let (mut client, reference, done) = (client.clone(), reference.clone(), done.clone());
        async move {
            let (mut answers, mut failures_in_a_row) = (0, 0);
            while !done.is_cancelled() {
                match metric(&mut client, &reference, &name).await {
                    Ok(value) => {
                        assert_eq!(value.metric_value_float, 8.0);
                        (answers, failures_in_a_row) = (answers + 1, 0);
                    }
                    // grpc-go repeats a call that met the end of its connection; this client does
                    // not.
                    Err(_) => failures_in_a_row += 1,
                }
                // One for each replica's connection.
                assert!(failures_in_a_row <= 2, "{failures_in_a_row} failures in a row");
            }
            answers
        }
    });
    for i in 0..2 {
        let mut old = replicas.remove(0);
        old.shutdown.cancel();
        soon(&mut old.running).await.unwrap().unwrap();
        replicas.push(replica(old.address).await);
        // Wait for KEDA's side to have found the new one before the next goes.
        let found = async {
            while replicas[1].registry.is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon(found).await;
        assert!(active(&mut client, &reference).await.is_ok(), "after restart {i}");
    }
    done.cancel();
    assert!(soon(asking).await.unwrap() > 0);
}

/// A replica whose collector decides at once.
async fn replica(address: SocketAddr) -> Served {
    let mut served = Served::with(Setting { address, ..Setting::default() }).await;
    let (_, nobody) = tokio::sync::mpsc::unbounded_channel();
    let mut arrivals = std::mem::replace(&mut served.arrivals, nobody);
    tokio::spawn(async move {
        while let Some(workload) = arrivals.recv().await {
            workload.publish(crate::served::recommendation(crate::served::noon(), value(8.0)));
        }
    });
    served
}
