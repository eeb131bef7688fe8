//! The five RPCs: reference → workload → its latest recommendation → answer. Nothing here waits for
//! network or database.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prewarm_forecaster::Recommendation;
use tonic::{Request, Response, Status};

use super::convert::{self, ScalerValue};
use super::proto::external_scaler_server::ExternalScaler;
use super::proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, ScaledObjectRef,
};
use super::server::Peer;
use super::streams::{self, Messages};
use crate::log_once::LogOnce;
use crate::registry::{Found, Reference, Registration, Registry, Workload};

/// The service.
#[derive(Debug)]
pub(super) struct Scaler {
    registry: Arc<Registry>,
    first_decision: Duration,
    rejections: RejectionLog,
}

impl Scaler {
    /// Answers from `registry`; a workload's first caller waits up to `first_decision` for its
    /// first decision.
    pub(super) fn new(registry: Arc<Registry>, first_decision: Duration) -> Self {
        Self { registry, first_decision, rejections: RejectionLog::default() }
    }

    fn workload(
        &self,
        reference: Reference<'_>,
    ) -> Result<(Arc<Workload>, Arc<Registration>), Status> {
        match self.registry.find(reference) {
            Found::Workload(workload) => {
                let registration = workload.registration();
                Ok((workload, registration))
            }
            Found::Refused(errors) => {
                let status = convert::invalid(&errors);
                self.rejections.tell(reference, &status);
                Err(status)
            }
            Found::Full { limit } => Err(convert::full(limit)),
        }
    }

    /// What we vouch for now; every caller reads the same recommendation.
    async fn vouched(
        &self,
        workload: &Workload,
        registration: &Registration,
    ) -> Result<ScalerValue, Status> {
        if let Err(errors) = &registration.trigger {
            return Err(convert::invalid(errors));
        }
        let recommendation = match workload.recommendation() {
            Some(recommendation) => recommendation,
            None => self.first(workload).await?,
        };
        let trouble = workload.source_trouble();
        let trouble = trouble.as_deref().map(|trouble| trouble.message.as_str());
        convert::vouched(&recommendation, self.registry.clock().now(), trouble)
    }

    /// Waits a moment for the first recommendation, so that the first question after registration
    /// has an answer.
    async fn first(&self, workload: &Workload) -> Result<Arc<Recommendation>, Status> {
        let mut recommendations = workload.recommendations();
        let first = recommendations.wait_for(Option::is_some);
        let first = tokio::time::timeout(self.first_decision, first).await;
        first.ok().and_then(Result::ok).and_then(|seen| seen.clone()).ok_or_else(convert::undecided)
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let (workload, registration) =
            self.workload(convert::reference(request.get_ref(), peer(&request))?)?;
        let ScalerValue { active, .. } = self.vouched(&workload, &registration).await?;
        Ok(Response::new(IsActiveResponse { result: active }))
    }

    /// A pure function of the reference, whatever the state of everything else: an error here would
    /// take the metric out of the HPA, and KEDA's fallback would never fire.
    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let reference = convert::reference(request.get_ref(), peer(&request))?;
        let spec = match self.registry.find(reference) {
            Found::Workload(workload) => convert::metric_spec(&workload.registration().spec),
            Found::Refused(errors) => {
                let status = convert::invalid(&errors);
                self.rejections.tell(reference, &status);
                return Err(status);
            }
            Found::Full { .. } => {
                let spec = self.registry.parse(reference).spec;
                convert::metric_spec(&spec.map_err(|errors| convert::invalid(&errors))?)
            }
        };
        Ok(Response::new(spec))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let (workload, registration) =
            self.workload(convert::metrics_reference(request.get_ref(), peer(&request))?)?;
        convert::metric_name(&request.get_ref().metric_name, &registration.spec)?;
        let ScalerValue { value, .. } = self.vouched(&workload, &registration).await?;
        Ok(Response::new(convert::metric_value(request.into_inner().metric_name, value)))
    }

    type StreamIsActiveStream = Messages<IsActiveResponse>;

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let from = peer(&request);
        convert::reference(request.get_ref(), from)?;
        Ok(Response::new(streams::activity(self.registry.clone(), request.into_inner(), from)))
    }

    type StreamMetricSpecStream = Messages<GetMetricSpecResponse>;

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let from = peer(&request);
        convert::reference(request.get_ref(), from)?;
        Ok(Response::new(streams::metric_specs(self.registry.clone(), request.into_inner(), from)))
    }
}

/// Who asks.
fn peer<T>(request: &Request<T>) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|Peer(address)| *address)
}

/// Triggers that could not even be registered, each logged when its problem is new: KEDA repeats
/// its question for ever and tells its user no more than "got empty metric spec".
#[derive(Debug)]
struct RejectionLog(LogOnce<(String, String), String>);

impl Default for RejectionLog {
    fn default() -> Self {
        Self(LogOnce::new(1024))
    }
}

impl RejectionLog {
    fn tell(&self, reference: Reference<'_>, status: &Status) {
        let key = (reference.namespace.to_owned(), reference.name.to_owned());
        if self.0.is_news(key, status.message().to_owned()) {
            tracing::warn!(
                workload.namespace = reference.namespace,
                workload.name = reference.name,
                "refused: {}",
                status.message()
            );
        }
    }
}
