//! What stands in front of the servers. It outlives the pods, so it also wakes from zero.

use super::{Need, PODS, Preset, by_pod, p95};

/// What stands behind is unknown: little enough for most models, and more than one request at a
/// time.
const UNKNOWN_SERVER: f64 = 10.0;

/// Labels of requests that gauges of the whole pool lack.
const OF_REQUESTS: &[&str] = &["model_name", "target_model_name", "fairness_id", "priority"];

/// The endpoint picker's gauges of the pool are there before the first request: that it runs, and
/// nothing of a kind that is born with the first request exists, is zero.
macro_rules! picker_runs {
    () => {
        "0 * max(llm_d_epp_ready_endpoints or inference_pool_ready_pods)"
    };
}

/// What waits in the endpoint picker, where flow control is on.
macro_rules! picker_queue {
    () => {
        concat!(
            "(",
            by_pod!(
                "llm_d_epp_flow_control_queue_size",
                "inference_extension_flow_control_queue_size"
            ),
            " or vector(0))"
        )
    };
}

/// Request time per second by the clients' proxies, and by a waypoint where a client has none: of
/// each client the larger, for a client's proxy before a waypoint counts the same requests.
macro_rules! mesh_clients {
    () => {
        "sum(max by (source_workload, source_workload_namespace) (
            sum by (source_workload, source_workload_namespace, reporter) (
                rate(istio_request_duration_milliseconds_sum{reporter=\"source\"}[2m])
                or rate(istio_request_duration_milliseconds_sum{reporter=\"waypoint\",source_workload!~\"|unknown\"}[2m]))))"
    };
}

/// All that a waypoint has seen.
macro_rules! waypoint {
    () => {
        "sum(rate(istio_request_duration_milliseconds_sum{reporter=\"waypoint\"}[2m]))"
    };
}

/// Clusters of a proxy that lead to its control plane and helpers, not to servers: their streams
/// never end, and each request may pass some of them on its way.
macro_rules! to_servers {
    ($name:literal) => {
        concat!(
            $name,
            "{envoy_cluster_name!~\"",
            // Discovery: Envoy Gateway, Istio, Gloo, Cilium, Kuma, Consul, Contour.
            "(.*[^a-zA-Z0-9])?((rest[-_])?xds|[aclrs]ds)[-_](cluster|grpc.*)|contour|local_agent|",
            // Helpers that a request passes on its way.
            "rate[-_]?limit([-_]cluster)?|(.*[^a-zA-Z0-9])?ext[-_]?(proc|authz?)([^a-zA-Z0-9].*)?|",
            // Where the proxy reports to, and itself.
            "(tracing|zipkin|jaeger|opentelemetry|otel|access[-_]?log|als|wasm)([-_][^/|]*)?|",
            "self_admin|.*envoy[-_:]admin|admin_port_cluster|agent|prometheus_stats|service-stats|kuma[:_].*|",
            "BlackHoleCluster|InboundPassthroughCluster.*",
            "\"}"
        )
    };
}

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "llm-d-epp",
        // Names of llm-d's router, of the inference extension, of its first releases. Flow control
        // is behind a feature gate.
        demand: concat!(
            "(",
            by_pod!(
                "llm_d_epp_request_running",
                "inference_objective_running_requests",
                "inference_model_running_requests"
            ),
            " or ",
            picker_runs!(),
            ") + ",
            picker_queue!()
        ),
        backlog: Some(concat!(
            picker_queue!(),
            " + (sum(max by (name) (llm_d_epp_average_queue_size) * max by (name) (llm_d_epp_ready_endpoints))",
            " or sum(max by (name) (inference_pool_average_queue_size) * max by (name) (inference_pool_ready_pods))",
            " or ",
            picker_runs!(),
            ")"
        )),
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
        needs: &[
            PODS,
            Need {
                any_of: &["model_name", "target_model_name", "pod", "job", "service"],
                why: "every model of every pool counts",
            },
        ],
        outlives_pods: true,
        ..Preset::NONE
    },
    Preset {
        name: "istio",
        // Never the servers' own proxies, which count the same requests: the source also sees what
        // finds no server.
        demand: concat!(
            "(clamp_min(",
            mesh_clients!(),
            " - (",
            waypoint!(),
            " or vector(0)), 0) + (",
            waypoint!(),
            " or vector(0)) or ",
            waypoint!(),
            ") / 1000"
        ),
        backlog: None,
        latency: Some(concat!(
            "(",
            p95!("istio_request_duration_milliseconds", "reporter=\"source\""),
            " or ",
            p95!("istio_request_duration_milliseconds", "reporter=\"waypoint\""),
            ") / 1000"
        )),
        threshold: UNKNOWN_SERVER,
        needs: &[Need {
            any_of: &[
                "destination_service_name",
                "destination_service",
                "destination_workload",
                "destination_app",
                "destination_canonical_service",
            ],
            why: "a client's proxy counts what it sends to every service",
        }],
        outlives_pods: true,
        ..Preset::NONE
    },
    Preset {
        name: "envoy",
        demand: concat!(
            "sum(",
            to_servers!("envoy_cluster_upstream_rq_active"),
            ") + sum(",
            to_servers!("envoy_cluster_upstream_rq_pending_active"),
            ")"
        ),
        backlog: Some(concat!(
            "sum(",
            to_servers!("envoy_cluster_upstream_rq_pending_active"),
            ")"
        )),
        latency: Some(concat!(p95!("envoy_cluster_upstream_rq_time"), " / 1000")),
        threshold: UNKNOWN_SERVER,
        needs: &[Need {
            any_of: &["envoy_cluster_name"],
            why: "every cluster counts that is not known to lead to a control plane",
        }],
        outlives_pods: true,
        ..Preset::NONE
    },
    Preset {
        name: "ingress-nginx",
        demand: "sum(rate(nginx_ingress_controller_request_duration_seconds_sum[2m]))",
        backlog: None,
        latency: Some(p95!("nginx_ingress_controller_request_duration_seconds")),
        threshold: UNKNOWN_SERVER,
        needs: &[Need {
            any_of: &["ingress", "service", "exported_service", "host", "path"],
            why: "every Ingress of the controller counts",
        }],
        outlives_pods: true,
        ..Preset::NONE
    },
];
