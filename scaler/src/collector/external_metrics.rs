//! Demand by another trigger of the ScaledObject.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::Collector;
use crate::cluster::{ExternalMetric, NoValue};
use crate::registry::Workload;
use crate::source::{
    MetricSource, Query, Sample, SignalFailure, Signals, SourceError, SourceRef, SourceSpec,
};

/// What it is called in metrics and logs.
pub(super) const EXTERNAL_METRICS: &str = "external metrics";

impl Collector {
    /// Where a workload's demand is read.
    pub(super) fn source(
        &self,
        workload: &Workload,
        spec: &SourceSpec,
    ) -> Result<Arc<dyn MetricSource>, SourceError> {
        match &spec.at {
            SourceRef::ExternalMetrics => {
                let (key, trigger) = (workload.key(), spec.signals.demand.promql());
                let metric = self.cluster.external_metric(&key.namespace, &key.name, trigger);
                Ok(Arc::new(SiblingSource { metric, trigger: trigger.to_owned() }))
            }
            elsewhere => self.sources.resolve(elsewhere),
        }
    }
}

/// A trigger as a source: it says what is now, and remembers nothing.
#[derive(Debug)]
struct SiblingSource {
    metric: ExternalMetric,
    trigger: String,
}

impl MetricSource for SiblingSource {
    fn sample<'a>(
        &'a self,
        _: &'a Signals,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Sample, SourceError>> {
        Box::pin(async move {
            let source_name = format!("trigger {}", self.trigger);
            match self.metric.value().await {
                Ok(value) => Ok(Sample { demand: Some(value), ..Sample::default() }),
                Err(NoValue::Wrong(cause)) => {
                    Err(SourceError::Misconfigured { source_name, cause })
                }
                Err(NoValue::Unknown(cause)) => {
                    Err(SourceError::Unavailable { source_name, cause, retry_after: None })
                }
            }
        })
    }

    fn range<'a>(
        &'a self,
        _: &'a Query,
        _: Timestamp,
        _: Timestamp,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>> {
        let source_name = format!("trigger {}", self.trigger);
        let what = "say what it was: KEDA's external metrics have no past";
        Box::pin(async move { Err(SourceError::Unsupported { source_name, what }) })
    }

    fn has_history(&self) -> bool {
        false
    }

    // A trigger gives demand alone.
    fn failures(&self, _: &Signals) -> Vec<SignalFailure> {
        Vec::new()
    }
}
