//! A process that is out of file descriptors. Alone in its binary: the limit holds for the whole
//! process.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use prewarm::clock::SystemClock;
use prewarm::grpc::proto::ScaledObjectRef;
use prewarm::grpc::proto::external_scaler_client::ExternalScalerClient;
use prewarm::registry::Registry;
use prewarm::trigger::Rules;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_goes_on_when_file_descriptors_are_free_again() {
    let limited = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), "--nofile=256:256"])
        .status();
    assert!(limited.unwrap().success(), "prlimit (util-linux) sets this process's limit");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (registry, _arrivals) = Registry::new(Rules::default(), 10, Arc::new(SystemClock));
    let (_ready, readiness) = watch::channel(true);
    let shutdown = CancellationToken::new();
    let serving = prewarm::grpc::serve(
        listener,
        Arc::new(registry),
        Arc::default(),
        None,
        readiness,
        shutdown.clone(),
    );
    let serving = tokio::spawn(serving);

    // The clients' sockets exist already; the server finds nothing left for its own.
    let sockets: Vec<_> = (0..3).map(|_| TcpSocket::new_v4().unwrap()).collect();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    let mut streams = Vec::new();
    for socket in sockets {
        streams.push(socket.connect(address).await.unwrap());
    }
    // Long enough for several attempts to accept; nothing else shows them.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!serving.is_finished(), "the server gave up");
    }
    drop(hoard);
    for stream in streams {
        let mut client = client(stream).await;
        let reference = ScaledObjectRef {
            name: "llama".into(),
            namespace: "models".into(),
            scaler_metadata: [("query", "up"), ("threshold", "4")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
        };
        assert_eq!(
            client.get_metric_spec(reference).await.unwrap().into_inner().metric_specs.len(),
            1
        );
    }
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

/// A client on a connection that exists.
async fn client(stream: TcpStream) -> ExternalScalerClient<tonic::transport::Channel> {
    let mut stream = Some(hyper_util::rt::TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("one connection only"));
        async move { stream }
    });
    let endpoint = Endpoint::from_static("http://prewarm");
    ExternalScalerClient::new(
        endpoint.connect_with_connector(connector).await.expect("an open connection"),
    )
}
