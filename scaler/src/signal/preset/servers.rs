//! General model servers. Their starting thresholds are 0.7 × what one replica serves at once by default.

use super::{Preset, p95};

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "triton",
        // Little's law; the duration includes the queue.
        demand: "sum(rate(nv_inference_request_duration_us[2m])) / 1e6",
        backlog: Some("sum(nv_inference_pending_request_count)"),
        // The quantile needs `--metrics-config summary_latencies=true`; else the mean.
        latency: Some(
            r#"max(nv_inference_queue_summary_us{quantile="0.95"}) / 1e6
            or sum(rate(nv_inference_queue_duration_us[2m])) / sum(rate(nv_inference_request_success[2m])) / 1e6"#,
        ),
        // One instance with a preferred batch of 8.
        threshold: 5.6,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "ray-serve",
        demand: "sum(ray_serve_autoscaling_total_requests)
            or ((sum(ray_serve_deployment_queued_queries) or vector(0))
                + (sum(ray_serve_num_ongoing_requests_at_replicas) or sum(ray_serve_replica_processing_queries)))",
        backlog: Some("sum(ray_serve_deployment_queued_queries)"),
        latency: Some(concat!(p95!("ray_serve_http_request_latency_ms"), " / 1000")),
        // Its own default of target_ongoing_requests.
        threshold: 2.0,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "kserve",
        // The Python server; other runtimes have presets of their own.
        demand: "sum(rate(request_predict_seconds_sum[2m]))",
        backlog: None,
        latency: Some(p95!("request_predict_seconds")),
        // One worker.
        threshold: 0.7,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "knative",
        // OpenTelemetry names of 1.22, of 1.19, then those before; the activator's stay when no pod is left.
        demand: "sum(kn_revision_request_active) or sum(kn_revision_request_concurrency)
            or sum(queue_average_concurrent_requests) or sum(activator_request_concurrency)",
        // Not kn_serving_queue_depth: it keeps its last value when idle.
        backlog: Some("sum(kn_revision_request_queued) or sum(revision_queue_depth)"),
        latency: Some(concat!(
            p95!("kn_serving_invocation_duration_seconds"),
            " or ",
            p95!("revision_request_latencies"),
            " / 1000"
        )),
        // Knative's default target of 100 at 70 %.
        threshold: 70.0,
        lacks: &[],
        generic_names: false,
        outlives_pods: true,
    },
    Preset {
        name: "seldon",
        demand: "sum(rate(seldon_model_infer_seconds_total[2m]))",
        // Its inference lag is no metric.
        backlog: None,
        latency: Some(p95!("seldon_model_infer_api_seconds")),
        // One worker.
        threshold: 0.7,
        // Latency is of the whole server.
        lacks: &[("seldon_model_infer_api_seconds_bucket", &["model", "model_internal"])],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "torchserve",
        demand: "sum(rate(ts_inference_latency_microseconds[2m])) / 1e6",
        backlog: Some("sum(rate(ts_queue_latency_microseconds[2m])) / 1e6"),
        // It exports sums only: the mean.
        latency: Some(
            "sum(rate(ts_inference_latency_microseconds[2m])) / sum(rate(ts_inference_requests_total[2m])) / 1e6",
        ),
        // One worker with a batch of 1.
        threshold: 0.7,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "tf-serving",
        demand: "sum(rate(:tensorflow:serving:request_latency_sum[2m])) / 1e6",
        // Exists with batching only.
        backlog: Some("sum(rate(:tensorflow:serving:batching_session:queuing_latency_sum[2m])) / 1e6"),
        latency: Some(concat!(p95!(":tensorflow:serving:request_latency"), " / 1e6")),
        // Four threads with a batch of 1.
        threshold: 2.8,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "bentoml",
        demand: "sum(bentoml_service_request_in_progress)",
        backlog: None,
        latency: Some(p95!("bentoml_service_request_duration_seconds")),
        // A service concurrency of 32, as its examples have it.
        threshold: 22.4,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
];
