//! What stands in front of the servers. It outlives the pods, so it also wakes from zero.

use super::{Preset, p95};

/// What stands behind is unknown: little enough for most models, and more than one request at a time.
const UNKNOWN_SERVER: f64 = 10.0;

/// Labels of requests that gauges of the whole pool lack.
const OF_REQUESTS: &[&str] = &["model_name", "target_model_name", "fairness_id", "priority"];

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "llm-d-epp",
        // Flow control is behind a feature gate. All old names are still emitted beside the new ones.
        demand:
            "(sum(llm_d_epp_request_running) or sum(inference_objective_running_requests))
            + (sum(llm_d_epp_flow_control_queue_size) or sum(inference_extension_flow_control_queue_size) or vector(0))",
        backlog: Some(
            "(sum(llm_d_epp_flow_control_queue_size) or sum(inference_extension_flow_control_queue_size) or vector(0))
            + (max(llm_d_epp_average_queue_size) * max(llm_d_epp_ready_endpoints)
                or max(inference_pool_average_queue_size) * max(inference_pool_ready_pods))",
        ),
        // Without streaming, the first token comes with the last.
        latency: Some(p95!("llm_d_epp_request_ttft_seconds", "streaming=\"true\"")),
        // As for the engines behind it.
        threshold: 30.0,
        lacks: &[
            ("llm_d_epp_average_queue_size", OF_REQUESTS),
            ("llm_d_epp_ready_endpoints", OF_REQUESTS),
            ("inference_pool_average_queue_size", OF_REQUESTS),
            ("inference_pool_ready_pods", OF_REQUESTS),
        ],
        generic_names: false,
        outlives_pods: true,
    },
    Preset {
        name: "istio",
        // Source and destination both count: one of them only, and the source also sees what finds no server.
        demand: r#"sum(rate(istio_request_duration_milliseconds_sum{reporter="source"}[2m])) / 1000"#,
        backlog: None,
        latency: Some(concat!(p95!("istio_request_duration_milliseconds", "reporter=\"source\""), " / 1000")),
        threshold: UNKNOWN_SERVER,
        lacks: &[],
        generic_names: false,
        outlives_pods: true,
    },
    Preset {
        name: "envoy",
        demand: "sum(envoy_cluster_upstream_rq_active) + sum(envoy_cluster_upstream_rq_pending_active)",
        backlog: Some("sum(envoy_cluster_upstream_rq_pending_active)"),
        latency: Some(concat!(p95!("envoy_cluster_upstream_rq_time"), " / 1000")),
        threshold: UNKNOWN_SERVER,
        lacks: &[],
        generic_names: false,
        outlives_pods: true,
    },
    Preset {
        name: "ingress-nginx",
        demand: "sum(rate(nginx_ingress_controller_request_duration_seconds_sum[2m]))",
        backlog: None,
        latency: Some(p95!("nginx_ingress_controller_request_duration_seconds")),
        threshold: UNKNOWN_SERVER,
        lacks: &[],
        generic_names: false,
        outlives_pods: true,
    },
];
