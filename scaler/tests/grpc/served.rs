//! A server on a free port, with a clock that stands still and no collector: tests publish what one
//! would.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm::clock::{Clock, ManualClock};
use prewarm::config::TlsFiles;
use prewarm::grpc::proto::external_scaler_client::ExternalScalerClient;
use prewarm::grpc::proto::{GetMetricsRequest, MetricSpec, MetricValue, ScaledObjectRef};
use prewarm::grpc::{ServeError, Timing};
use prewarm::metrics::Metrics;
use prewarm::registry::{Registry, Workload};
use prewarm::trigger::Rules;
use prewarm_forecaster::{Answer, Decision, Parts, Reason, Recommendation, State};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

pub(crate) type Client = ExternalScalerClient<Channel>;

/// Where tests begin.
pub(crate) fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// A server under test; it stops when dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), ServeError>>,
    pub(crate) arrivals: mpsc::UnboundedReceiver<Arc<Workload>>,
}

/// What differs between servers under test.
pub(crate) struct Setting {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limit: usize,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) timing: Timing,
    pub(crate) address: SocketAddr,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            clock: Arc::new(ManualClock::new(noon())),
            limit: 20_000,
            tls: None,
            timing: Timing::default(),
            address: ([127, 0, 0, 1], 0).into(),
        }
    }
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let Setting { clock, limit, tls, timing, address } = setting;
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (registry, arrivals) = Registry::new(Rules::default(), limit, clock);
        let (registry, metrics) = (Arc::new(registry), Arc::new(Metrics::default()));
        let (ready, readiness) = watch::channel(false);
        let shutdown = CancellationToken::new();
        let serving = prewarm::grpc::serve_with(
            listener,
            registry.clone(),
            metrics.clone(),
            tls,
            readiness,
            timing,
            shutdown.clone(),
        );
        let running = tokio::spawn(serving);
        Self { address, registry, metrics, ready, shutdown, running, arrivals }
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// Registers a workload as KEDA does and gives it an answer.
    pub(crate) async fn answering(
        &self,
        client: &mut Client,
        reference: &ScaledObjectRef,
        answer: Answer,
    ) -> String {
        let spec = spec(client, reference).await.unwrap();
        self.publish(reference, answer);
        spec.metric_name
    }

    /// Does a collector's work once.
    pub(crate) fn publish(&self, reference: &ScaledObjectRef, answer: Answer) {
        self.publish_at(self.registry.clock().now(), reference, answer);
    }

    pub(crate) fn publish_at(&self, at: Timestamp, reference: &ScaledObjectRef, answer: Answer) {
        let triggers = self.registry.triggers(&reference.namespace, &reference.name);
        assert!(!triggers.is_empty(), "{} is not registered", reference.name);
        for workload in triggers {
            workload.publish(recommendation(at, answer));
        }
    }
}

impl Served {
    /// How many hold the registry: each open stream is one of them.
    pub(crate) fn holders_now(&self) -> usize {
        Arc::strong_count(&self.registry)
    }

    /// Waits until so many hold the registry.
    pub(crate) async fn holders(&self, expected: usize) {
        let reached = async {
            while self.holders_now() != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon(reached).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A trigger as users write it.
pub(crate) fn metadata() -> HashMap<String, String> {
    let pairs = [
        ("scalerAddress", "prewarm.prewarm.svc:9090"),
        ("query", "sum(demand)"),
        ("threshold", "4"),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(crate) fn scaled_object(name: &str) -> ScaledObjectRef {
    ScaledObjectRef { name: name.into(), namespace: "models".into(), scaler_metadata: metadata() }
}

/// The same with one key more or other.
pub(crate) fn with(mut reference: ScaledObjectRef, key: &str, value: &str) -> ScaledObjectRef {
    reference.scaler_metadata.insert(key.into(), value.into());
    reference
}

pub(crate) fn value(metric_value: f64) -> Answer {
    Answer::Value { metric_value, active: metric_value > 0.0 }
}

/// Valid for a minute.
pub(crate) fn recommendation(at: Timestamp, answer: Answer) -> Recommendation {
    let decision = Decision {
        desired_replicas: 0,
        metric_value: 0.0,
        active: false,
        reason: Reason::Live,
        state: State::Reactive,
        parts: Parts::default(),
    };
    Recommendation { at, valid_until: at + SignedDuration::from_secs(60), answer, decision }
}

/// The one spec.
pub(crate) async fn spec(
    client: &mut Client,
    reference: &ScaledObjectRef,
) -> Result<MetricSpec, Status> {
    let mut specs = client.get_metric_spec(reference.clone()).await?.into_inner().metric_specs;
    assert_eq!(specs.len(), 1, "exactly one spec");
    Ok(specs.remove(0))
}

/// The one value.
pub(crate) async fn metric(
    client: &mut Client,
    reference: &ScaledObjectRef,
    name: &str,
) -> Result<MetricValue, Status> {
    let request =
        GetMetricsRequest { scaled_object_ref: Some(reference.clone()), metric_name: name.into() };
    let mut values = client.get_metrics(request).await?.into_inner().metric_values;
    assert_eq!(values.len(), 1, "exactly one value");
    Ok(values.remove(0))
}

pub(crate) async fn active(
    client: &mut Client,
    reference: &ScaledObjectRef,
) -> Result<bool, Status> {
    Ok(client.is_active(reference.clone()).await?.into_inner().result)
}

/// Fails a test that waits for what does not come.
pub(crate) async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), coming).await.expect("did not happen within 20 s")
}
