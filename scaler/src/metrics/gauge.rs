//! What every gauge of a workload is made of: its labels and its one sample.

use std::fmt::Error;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::registry::Workload;

/// One sample, or none: what is missing is absent, never zero.
pub(super) fn sample(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: Option<f64>,
) -> Result<(), Error> {
    match value {
        Some(value) => ConstGauge::new(value).encode(family.encode_family(labels)?),
        None => Ok(()),
    }
}

pub(super) fn labels(workload: &Workload) -> [(&'static str, &str); 3] {
    let key = workload.key();
    [("namespace", &key.namespace), ("name", &key.name), ("metric", &key.metric)]
}

pub(super) fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
