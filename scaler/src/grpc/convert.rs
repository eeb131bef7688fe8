//! Between what we know and what KEDA reads: references, specs, values, errors.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use prewarm_forecaster::control::quantity::sanitise;
use prewarm_forecaster::{Answer, Recommendation};
use tonic::Status;

use super::proto;
use crate::registry::Reference;
use crate::trigger::{MetadataError, MetricSpec};

/// Bytes of a status message: percent-encoded it must fit into the 16 KiB of headers that a careful
/// client accepts.
const MESSAGE_LIMIT: usize = 4096;

/// What we vouch for at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ScalerValue {
    /// Finite, 0 … 1e13, three decimals.
    pub(super) value: f64,
    /// Whether at least one replica should run.
    pub(super) active: bool,
}

/// Reads a reference; name and namespace are needed.
pub(super) fn reference(
    sent: &proto::ScaledObjectRef,
    peer: Option<IpAddr>,
) -> Result<Reference<'_>, Status> {
    let missing =
        |what| Status::invalid_argument(format!("scaledObjectRef.{what}: must not be empty"));
    if sent.namespace.is_empty() {
        return Err(missing("namespace"));
    }
    if sent.name.is_empty() {
        return Err(missing("name"));
    }
    let proto::ScaledObjectRef { namespace, name, scaler_metadata: metadata } = sent;
    Ok(Reference { namespace, name, metadata, peer })
}

/// Reads the reference within a metrics request.
pub(super) fn metrics_reference(
    sent: &proto::GetMetricsRequest,
    peer: Option<IpAddr>,
) -> Result<Reference<'_>, Status> {
    let inner = sent.scaled_object_ref.as_ref();
    let inner = inner.ok_or_else(|| Status::invalid_argument("scaledObjectRef: must be set"))?;
    reference(inner, peer)
}

/// Checks that the metric asked for is this trigger's: as in our spec, or as KEDA names it in the
/// HPA (`s0-…`).
pub(super) fn metric_name(asked: &str, spec: &MetricSpec) -> Result<(), Status> {
    let prefixed = || {
        let (prefix, name) = asked.split_once('-')?;
        let index = prefix.strip_prefix('s')?;
        Some(name == spec.name && !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
    };
    if asked == spec.name || prefixed() == Some(true) {
        return Ok(());
    }
    Err(Status::not_found(bounded(format!(
        "no metric {asked:?}: this trigger's metric is {:?}",
        spec.name
    ))))
}

/// The one spec of a trigger. KEDA before 2.17 reads the integer, which is at least 1.
pub(super) fn metric_spec(spec: &MetricSpec) -> proto::GetMetricSpecResponse {
    let target = spec.threshold.get();
    let spec = proto::MetricSpec {
        metric_name: spec.name.clone(),
        target_size: target.ceil() as i64,
        target_size_float: target,
    };
    proto::GetMetricSpecResponse { metric_specs: vec![spec] }
}

/// The one value of a trigger. KEDA reads the integer where the float is not above zero: they are
/// zero together.
pub(super) fn metric_value(name: String, value: f64) -> proto::GetMetricsResponse {
    let value = proto::MetricValue {
        metric_name: name,
        metric_value: value.ceil() as i64,
        metric_value_float: value,
    };
    proto::GetMetricsResponse { metric_values: vec![value] }
}

/// What a recommendation lets us say at `now`. `trouble` is what the source says of the newest
/// slot, if it has no demand.
pub(super) fn vouched(
    recommendation: &Recommendation,
    now: Timestamp,
    trouble: Option<&str>,
) -> Result<ScalerValue, Status> {
    let Recommendation { at, valid_until, answer, decision } = recommendation;
    if now > *valid_until {
        return Err(Status::unavailable(format!(
            "the last decision is of {at} and held until {valid_until}: this workload is no longer sampled here; hold"
        )));
    }
    match *answer {
        Answer::Value { metric_value, active } => {
            let value = wire_value(metric_value).ok_or_else(|| {
                Status::internal("the decision's value is not a finite number; hold")
            })?;
            Ok(ScalerValue { value, active })
        }
        Answer::Unavailable => {
            let blind = match decision.parts.live_age {
                Some(age) => format!(
                    "the last good sample is {age:#} old and no fresh forecast covers {at}; hold"
                ),
                None => format!("no live sample and no fresh forecast cover {at}; hold"),
            };
            Err(Status::unavailable(match trouble {
                Some(trouble) => bounded(format!("{blind} ({trouble})")),
                None => blind,
            }))
        }
        Answer::NoData => {
            let trouble = trouble.unwrap_or("the demand query returns nothing");
            Err(Status::failed_precondition(bounded(format!(
                "demand has never been seen, which is missing and not zero: {trouble}; check the query and its source \
                 (`prewarm explain NAMESPACE/NAME`), or set onNoData"
            ))))
        }
    }
}

/// Metadata that cannot be acted upon: one line for each problem.
pub(super) fn invalid(errors: &[MetadataError]) -> Status {
    let mut text = String::from("invalid trigger metadata");
    for error in errors {
        let _ = write!(text, "\n{error}");
    }
    Status::invalid_argument(bounded(text))
}

/// The first decision under this metadata, or since our start, is not there yet.
pub(super) fn undecided() -> Status {
    Status::unavailable(
        "new, just edited, or taken over a moment ago: what the last answer stood on is being read, and the first decision \
         is not made yet; hold",
    )
}

/// The registry takes no more workloads.
pub(super) fn full(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "{limit} workloads are registered, which is the limit (maxWorkloads)"
    ))
}

/// Three decimals, as KEDA sends values on, within [0, 1e13]; `None` if there is no number to speak
/// of.
fn wire_value(value: f64) -> Option<f64> {
    value.is_finite().then(|| sanitise(value))
}

fn bounded(mut text: String) -> String {
    if text.len() > MESSAGE_LIMIT {
        let ellipsis = " …";
        text.truncate(text.floor_char_boundary(MESSAGE_LIMIT - ellipsis.len()));
        text.push_str(ellipsis);
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use prewarm_forecaster::decide::policy::Threshold;
    use prewarm_forecaster::{Decision, Parts, Reason, State};
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;
    use prewarm_forecaster::control::quantity::MAX_VALUE;

    fn spec(threshold: f64) -> MetricSpec {
        MetricSpec { name: "llama-demand".into(), threshold: Threshold::new(threshold).unwrap() }
    }

    /// Made at noon, valid for a minute.
    pub(in crate::grpc) fn recommendation(answer: Answer) -> Recommendation {
        let decision = Decision {
            desired_replicas: 0,
            metric_value: 0.0,
            active: false,
            reason: Reason::Live,
            state: State::Fresh,
            parts: Parts::default(),
        };
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        Recommendation {
            at,
            valid_until: at + jiff::SignedDuration::from_secs(60),
            answer,
            decision,
        }
    }

    /// KEDA's own reading of an answer (external_scaler.go:246-249, scaler.go:130-169).
    fn as_keda_reads(value: &proto::MetricValue) -> f64 {
        let read = if value.metric_value_float > 0.0 {
            value.metric_value_float
        } else {
            value.metric_value as f64
        };
        format!("{read:.3}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn c10_c11_any_bits_of_a_value_leave_finite_consistent_or_not_at_all(bits: u64, active: bool) {
            let metric_value = f64::from_bits(bits);
            let recommendation = recommendation(Answer::Value { metric_value, active });
            match vouched(&recommendation, recommendation.at, None) {
                Ok(vouched) => {
                    prop_assert!(metric_value.is_finite());
                    prop_assert!((0.0..=MAX_VALUE).contains(&vouched.value));
                    let sent = metric_value_of(vouched.value);
                    prop_assert_eq!(sent.metric_value, sent.metric_value_float.ceil() as i64);
                    prop_assert_eq!(sent.metric_value == 0, sent.metric_value_float == 0.0);
                    prop_assert_eq!(as_keda_reads(&sent), sent.metric_value_float);
                }
                Err(status) => {
                    prop_assert!(!metric_value.is_finite());
                    prop_assert_eq!(status.code(), Code::Internal);
                }
            }
        }

        #[test]
        fn c06_target_is_positive_and_its_integer_at_least_one(target in 0.001f64..1e9) {
            let response = metric_spec(&spec(target));
            prop_assert_eq!(response.metric_specs.len(), 1);
            let sent = &response.metric_specs[0];
            prop_assert!(sent.target_size_float > 0.0 && sent.target_size_float.is_finite());
            prop_assert_eq!(sent.target_size, sent.target_size_float.ceil() as i64);
            prop_assert!(sent.target_size >= 1);
        }

        /// AverageValue: ceil(Σ values / target) in thousandths, as the HPA does with `MilliValue`.
        #[test]
        fn c12_whole_replicas_stay_whole_on_the_wire(n in 1u64..=10_000, milli in 1u64..=1_000_000_000) {
            let threshold = Threshold::new(milli as f64 / 1000.0).unwrap();
            let value = wire_value((threshold.milli() * n) as f64 / 1000.0).unwrap();
            let usage = (value * 1000.0).round() as u64;
            prop_assert_eq!(usage.div_ceil(threshold.milli()), n);
        }

        #[test]
        fn status_messages_are_bounded_and_never_cut_a_character(problem in "\\PC{0,3000}", n in 1usize..40) {
            let error = MetadataError { key: "windows[0].from".into(), problem };
            let status = invalid(&vec![error; n]);
            prop_assert!(status.message().len() <= MESSAGE_LIMIT);
        }
    }

    fn metric_value_of(value: f64) -> proto::MetricValue {
        metric_value("m".into(), value).metric_values.remove(0)
    }

    #[test]
    fn c10_values_are_rounded_as_keda_rounds_them() {
        for (value, float, int) in [
            (0.0004, 0.0, 0),
            (0.0006, 0.001, 1),
            (22.2222, 22.222, 23),
            (-3.0, 0.0, 0),
            (1e15, MAX_VALUE, 10_000_000_000_000),
        ] {
            let sent = metric_value_of(wire_value(value).unwrap());
            assert_eq!((sent.metric_value_float, sent.metric_value), (float, int), "{value}");
        }
    }

    #[test]
    fn c08_the_metric_is_known_by_its_name_and_by_the_hpas() {
        let spec = spec(1.0);
        for known in ["llama-demand", "s0-llama-demand", "s12-llama-demand"] {
            assert!(metric_name(known, &spec).is_ok(), "{known}");
        }
        for unknown in [
            "",
            "llama",
            "s-llama-demand",
            "sx-llama-demand",
            "s0llama-demand",
            "s0-s0-llama-demand",
        ] {
            let status = metric_name(unknown, &spec).unwrap_err();
            assert_eq!(status.code(), Code::NotFound);
            assert!(status.message().contains("\"llama-demand\""), "{}", status.message());
        }
    }

    #[test]
    fn a_decision_that_has_lapsed_is_not_repeated() {
        let recommendation = recommendation(Answer::Value { metric_value: 3.0, active: true });
        assert!(vouched(&recommendation, recommendation.valid_until, None).is_ok());
        let late = recommendation.valid_until + jiff::SignedDuration::from_millis(1);
        assert_eq!(vouched(&recommendation, late, None).unwrap_err().code(), Code::Unavailable);
    }

    #[test]
    fn unknown_is_never_zero() {
        for (answer, code) in
            [(Answer::Unavailable, Code::Unavailable), (Answer::NoData, Code::FailedPrecondition)]
        {
            let recommendation = recommendation(answer);
            assert_eq!(vouched(&recommendation, recommendation.at, None).unwrap_err().code(), code);
        }
    }

    #[test]
    fn what_the_source_said_reaches_keda() {
        let refused = "default refused the query: 400, parse error in sum(up";
        for answer in [Answer::Unavailable, Answer::NoData] {
            let recommendation = recommendation(answer);
            let status = vouched(&recommendation, recommendation.at, Some(refused)).unwrap_err();
            assert!(status.message().contains(refused), "{}", status.message());
            assert!(!status.message().contains("returns nothing"), "{}", status.message());
            let long = "ü".repeat(10_000);
            let status = vouched(&recommendation, recommendation.at, Some(&long)).unwrap_err();
            assert!(status.message().len() <= MESSAGE_LIMIT);
        }
    }

    #[test]
    fn every_problem_is_a_line_of_its_own() {
        let error =
            |key: &str, problem: &str| MetadataError { key: key.into(), problem: problem.into() };
        let status = invalid(&[
            error("threshold", "\"x\" must be a number"),
            error("quantile", "2 must be below 1"),
        ]);
        let lines: Vec<_> = status.message().lines().collect();
        assert_eq!(
            lines,
            [
                "invalid trigger metadata",
                "threshold: \"x\" must be a number",
                "quantile: 2 must be below 1"
            ]
        );
    }

    #[test]
    fn a_reference_needs_name_and_namespace() {
        let sent = |namespace: &str, name: &str| proto::ScaledObjectRef {
            namespace: namespace.into(),
            name: name.into(),
            scaler_metadata: HashMap::new(),
        };
        assert!(reference(&sent("ns", "so"), None).is_ok());
        assert!(reference(&sent("", "so"), None).unwrap_err().message().contains("namespace"));
        assert!(reference(&sent("ns", ""), None).unwrap_err().message().contains("name"));
        assert_eq!(
            metrics_reference(&proto::GetMetricsRequest::default(), None).unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}
