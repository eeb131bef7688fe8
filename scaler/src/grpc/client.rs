//! A client that asks as KEDA does: spec, then value, then activity, on one connection.

use std::collections::HashMap;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::proto::external_scaler_client::ExternalScalerClient;
use super::proto::{GetMetricsRequest, ScaledObjectRef};

/// What one round of calls came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polled {
    /// Target per replica.
    pub target: f64,
    /// Value, in the demand's unit.
    pub value: f64,
    /// Whether at least one replica should run.
    pub active: bool,
}

/// One connection to an external scaler.
#[derive(Debug, Clone)]
pub struct KedaClient {
    inner: ExternalScalerClient<Channel>,
}

impl KedaClient {
    /// Connects to `http://host:port`.
    pub async fn connect(address: String) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(address)?.connect().await?;
        Ok(Self { inner: ExternalScalerClient::new(channel) })
    }

    /// One poll (pkg/scaling/scale_handler.go `getScalerState`): `GetMetricSpec`, `GetMetrics`,
    /// `IsActive`. Reads the float fields as KEDA does: where one is not above zero, the integer
    /// field counts.
    pub async fn poll(
        &mut self,
        namespace: &str,
        name: &str,
        metadata: &HashMap<String, String>,
    ) -> Result<Polled, Status> {
        let reference = ScaledObjectRef {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            scaler_metadata: metadata.clone(),
        };
        let specs = self.inner.get_metric_spec(reference.clone()).await?.into_inner().metric_specs;
        let spec =
            specs.first().ok_or_else(|| Status::new(Code::Internal, "got empty metric spec"))?;
        let request = GetMetricsRequest {
            scaled_object_ref: Some(reference.clone()),
            metric_name: spec.metric_name.clone(),
        };
        let values = self.inner.get_metrics(request).await?.into_inner().metric_values;
        let value = values
            .iter()
            .map(|v| {
                if v.metric_value_float > 0.0 {
                    v.metric_value_float
                } else {
                    v.metric_value as f64
                }
            })
            .sum();
        let active = self.inner.is_active(reference).await?.into_inner().result;
        let target = if spec.target_size_float > 0.0 {
            spec.target_size_float
        } else {
            spec.target_size as f64
        };
        Ok(Polled { target, value, active })
    }
}
