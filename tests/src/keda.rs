//! A client that calls as KEDA v2.21.0 does: order, retries, rebuilt connections, push streams.
//!
//! Its message types are compiled from `proto/` on their own; it shares no code with the server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::hpa::{self, Reading};

/// The generated messages and client.
#[expect(missing_docs, unreachable_pub, reason = "generated")]
mod proto {
    tonic::include_proto!("externalscaler");
}

pub use proto::external_scaler_client::ExternalScalerClient;
pub use proto::{
    GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};

/// A trigger of a ScaledObject: what KEDA sends.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The ScaledObject's namespace.
    pub namespace: String,
    /// The ScaledObject's name.
    pub name: String,
    /// The trigger's metadata.
    pub metadata: HashMap<String, String>,
}

impl Trigger {
    /// A trigger with the keys that KEDA always sends along.
    pub fn new(namespace: &str, name: &str) -> Self {
        let metadata =
            HashMap::from([("scalerAddress".to_owned(), "prewarm.prewarm.svc:9090".to_owned())]);
        Self { namespace: namespace.to_owned(), name: name.to_owned(), metadata }
    }

    /// The trigger with one more key.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// As a message.
    pub fn reference(&self) -> ScaledObjectRef {
        ScaledObjectRef {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            scaler_metadata: self.metadata.clone(),
        }
    }
}

/// What one round of `GetMetricSpec`, `GetMetrics` and `IsActive` gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The metric's name.
    pub metric: String,
    /// Target per replica, as KEDA reads it.
    pub target: f64,
    /// The value, as KEDA reads it.
    pub value: f64,
    /// Whether the workload should run.
    pub active: bool,
}

impl Answers {
    /// As the HPA sees it.
    pub fn reading(&self) -> Reading {
        Reading {
            value_milli: hpa::quantity_milli(self.value),
            target_milli: hpa::quantity_milli(self.target),
            active: self.active,
        }
    }

    /// ceil(value / target): what the HPA asks for outside its tolerance.
    pub fn replicas(&self) -> u32 {
        let reading = self.reading();
        hpa::desired_replicas(reading.value_milli, reading.target_milli, 0)
    }
}

/// KEDA's operator with one connection for all triggers of one scaler address.
#[derive(Debug)]
pub struct Keda {
    address: SocketAddr,
    channel: Mutex<Option<Channel>>,
    connections: AtomicUsize,
    calls: AtomicUsize,
}

impl Keda {
    /// An operator that knows of the scaler at `address` and has not called it yet.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            channel: Mutex::default(),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    /// One poll of the scale loop: the spec, then value, then activity. After an error the scaler
    /// is rebuilt and the calls are made once more; a second error is the poll's (sc.go:225-276),
    /// and closes the connection (2.21).
    pub async fn poll(&self, trigger: &Trigger) -> Result<Answers, Status> {
        self.round(trigger, None).await
    }

    /// The same for the HPA, whose deadline travels along as `grpc-timeout`.
    pub async fn sync(&self, trigger: &Trigger) -> Result<Answers, Status> {
        self.round(trigger, Some(Duration::from_secs(60))).await
    }

    /// `GetMetricSpec` alone: what a reconcile does, and a poll of 2.21 where minReplicaCount ≥ 1.
    pub async fn metric_spec(&self, trigger: &Trigger) -> Result<MetricSpec, Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.client().get_metric_spec(trigger.reference()).await?.into_inner();
        let mut specs = answer.metric_specs;
        match (specs.pop(), specs.is_empty()) {
            (Some(spec), true) => Ok(spec),
            (spec, _) => Err(Status::internal(format!("one spec is due: {spec:?} {specs:?}"))),
        }
    }

    /// `GetMetrics`, then `IsActive`, for a spec that is known.
    pub async fn metrics_and_activity(
        &self,
        trigger: &Trigger,
        spec: &MetricSpec,
        deadline: Option<Duration>,
    ) -> Result<Answers, Status> {
        self.calls.fetch_add(2, Ordering::Relaxed);
        let metric_name = spec.metric_name.clone();
        let request =
            GetMetricsRequest { scaled_object_ref: Some(trigger.reference()), metric_name };
        let values =
            self.client().get_metrics(with(request, deadline)).await?.into_inner().metric_values;
        let [value] = values.as_slice() else {
            return Err(Status::internal(format!("one value is due: {values:?}")));
        };
        let active =
            self.client().is_active(with(trigger.reference(), deadline)).await?.into_inner().result;
        Ok(Answers {
            metric: spec.metric_name.clone(),
            target: target(spec),
            value: read(value),
            active,
        })
    }

    /// The push stream of one trigger.
    pub async fn push(
        &self,
        trigger: &Trigger,
    ) -> Result<tonic::Streaming<IsActiveResponse>, Status> {
        Ok(self.client().stream_is_active(trigger.reference()).await?.into_inner())
    }

    /// The generated client on the present connection, for what has no method here.
    pub fn client(&self) -> ExternalScalerClient<Channel> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channel.get_or_insert_with(|| {
            self.connections.fetch_add(1, Ordering::Relaxed);
            let endpoint =
                Endpoint::from_shared(format!("http://{}", self.address)).expect("a URL");
            endpoint.connect_lazy()
        });
        ExternalScalerClient::new(channel.clone())
    }

    /// Closes the connection, as 2.21 does after an error of the only scaler on it.
    pub fn close(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Calls made so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    async fn round(
        &self,
        trigger: &Trigger,
        deadline: Option<Duration>,
    ) -> Result<Answers, Status> {
        let spec = match self.metric_spec(trigger).await {
            Ok(spec) => spec,
            Err(_) => {
                self.close();
                self.metric_spec(trigger).await.inspect_err(|_| self.close())?
            }
        };
        match self.metrics_and_activity(trigger, &spec, deadline).await {
            Ok(answers) => Ok(answers),
            Err(_) => {
                self.close();
                self.metrics_and_activity(trigger, &spec, deadline)
                    .await
                    .inspect_err(|_| self.close())
            }
        }
    }
}

/// The target as KEDA reads it (external_scaler.go:206-210).
pub fn target(spec: &MetricSpec) -> f64 {
    if spec.target_size_float > 0.0 { spec.target_size_float } else { spec.target_size as f64 }
}

/// The value as KEDA reads it (external_scaler.go:246-249).
pub fn read(value: &MetricValue) -> f64 {
    if value.metric_value_float > 0.0 {
        value.metric_value_float
    } else {
        value.metric_value as f64
    }
}

fn with<T>(message: T, deadline: Option<Duration>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_win_only_above_zero() {
        let value = |metric_value, metric_value_float| {
            read(&MetricValue { metric_name: String::new(), metric_value, metric_value_float })
        };
        assert_eq!(value(5, 4.5), 4.5);
        assert_eq!(value(5, 0.0), 5.0);
        assert_eq!(value(5, f64::NAN), 5.0);
    }

    #[tokio::test]
    async fn an_error_is_tried_again_on_a_new_connection() {
        let keda = Keda::new(SocketAddr::from(([127, 0, 0, 1], crate::process::free_port())));
        keda.poll(&Trigger::new("a", "b")).await.unwrap_err();
        assert_eq!((keda.calls(), keda.connections()), (2, 2));
    }
}
