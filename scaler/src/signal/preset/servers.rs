//! General model servers. Their starting thresholds are 0.7 × what one replica serves at once by
//! default.

use super::{Caveat, Need, PODS, Preset, Translation, Unnamed, by_pod, p95};

/// Triton, per pod: what its LLM backends count themselves, else Little's law on this rate of
/// durations, which include the queue. Of TensorRT-LLM's requests, the active ones or those that
/// are scheduled or wait, whichever are more: releases count those that wait among the active, or
/// beside them.
macro_rules! triton {
    ($durations:literal) => {
        concat!(
            "sum((clamp_min(sum by (pod, instance) (nv_trt_llm_request_metrics{request_type=\"active\"})",
            " - sum by (pod, instance) (nv_trt_llm_request_metrics{request_type=~\"scheduled|waiting\"}), 0)",
            " + sum by (pod, instance) (nv_trt_llm_request_metrics{request_type=~\"scheduled|waiting\"}))",
            " or (sum by (pod, instance) (vllm:num_requests_running)",
            " + sum by (pod, instance) (vllm:num_requests_waiting))",
            " or ",
            $durations,
            " / 1e6)"
        )
    };
}

/// What Knative's pods are serving, by their proxies: Little's law, or the gauge of releases before
/// 1.19, whose proxies stay with their revision.
macro_rules! knative_pods {
    () => {
        by_pod!(
            "rate(kn_serving_invocation_duration_seconds_sum[2m])",
            "queue_average_concurrent_requests"
        )
    };
}

/// Series of Knative's proxies name their revision, which begins with the service's name.
const REVISION: &str = "-[0-9]+";

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "triton",
        demand: triton!("sum by (pod, instance) (rate(nv_inference_request_duration_us[2m]))"),
        unnamed: Some(Unnamed {
            label: "model",
            demand: triton!(
                "max by (pod, instance) (sum by (pod, instance, model) (rate(nv_inference_request_duration_us[2m])))"
            ),
            meaning: "an ensemble contains its steps, so of each server its busiest model counts",
        }),
        backlog: Some("sum(nv_inference_pending_request_count)"),
        // The quantile needs `--metrics-config summary_latencies=true`; else the mean.
        latency: Some(
            r#"max(nv_inference_queue_summary_us{quantile="0.95"}) / 1e6
            or sum(rate(nv_inference_queue_duration_us[2m])) / sum(rate(nv_inference_request_success[2m])) / 1e6"#,
        ),
        // One instance with a preferred batch of 8.
        threshold: 5.6,
        needs: &[PODS],
        caveat: Some(Caveat {
            // Microseconds that the mean request is short of a millisecond, unless a backend counts
            // requests itself.
            promql: "clamp_min(1000 - sum(rate(nv_inference_request_duration_us[2m]))
                / (sum(rate(nv_inference_count[2m])) or sum(rate(nv_inference_request_success[2m]))), 0)
                unless sum(nv_trt_llm_request_metrics) unless sum(vllm:num_requests_running)",
            words: "requests take less than a millisecond by nv_inference_request_duration_us: of a decoupled model, as \
                    in the vLLM backend, that counter ends before the answer is made, and this preset cannot see its \
                    requests in flight; let the backend export its own metrics (vllm:*, nv_trt_llm_request_metrics), or \
                    measure in front of it",
        }),
        cannot_see: Some("requests of decoupled models whose backend exports no gauges of its own"),
        ..Preset::NONE
    },
    Preset {
        name: "ray-serve",
        // During an upgrade two clusters of Ray run, each with the names of its release.
        demand: "sum(sum by (SessionName, ray_io_cluster) (ray_serve_autoscaling_total_requests)
            or (sum by (SessionName, ray_io_cluster) (ray_serve_num_ongoing_requests_at_replicas)
                or sum by (SessionName, ray_io_cluster) (ray_serve_replica_processing_queries))
            + (sum by (SessionName, ray_io_cluster) (ray_serve_deployment_queued_queries)
                or 0 * sum by (SessionName, ray_io_cluster) (ray_serve_num_ongoing_requests_at_replicas)
                or 0 * sum by (SessionName, ray_io_cluster) (ray_serve_replica_processing_queries)))",
        backlog: Some("sum(ray_serve_deployment_queued_queries)"),
        latency: Some(concat!(p95!("ray_serve_http_request_latency_ms"), " / 1000")),
        // Its own default of target_ongoing_requests.
        threshold: 2.0,
        needs: &[
            PODS,
            Need {
                any_of: &["deployment"],
                why: "a request counts in every deployment that it passes through within its application",
            },
        ],
        ..Preset::NONE
    },
    Preset {
        name: "kserve",
        // The Python server; other runtimes have presets of their own. A transformer waits for its
        // predictor: the same request counts in both.
        demand: r#"sum(rate(request_predict_seconds_sum{pod!~".+-(transformer|explainer)-.+"}[2m]))
            or sum(rate(request_predict_seconds_sum[2m]))"#,
        backlog: None,
        latency: Some(p95!("request_predict_seconds", "pod!~\".+-(transformer|explainer)-.+\"")),
        // One worker.
        threshold: 0.7,
        needs: &[PODS, Need { any_of: &["model_name", "pod", "job", "service"], why: "other models count as well" }],
        ..Preset::NONE
    },
    Preset {
        name: "knative",
        // The activator's gauges survive the last pod, and stay 0 while it is out of the path; the
        // pods' know nothing of what waits in the activator. The larger of both counts. Names of
        // 1.22, of 1.19, then those before.
        demand: concat!(
            "clamp_min(",
            by_pod!("kn_revision_request_active", "kn_revision_request_concurrency"),
            " - (",
            knative_pods!(),
            " or vector(0)), 0) + (",
            knative_pods!(),
            " or vector(0)) or ",
            knative_pods!(),
            " or sum(activator_request_concurrency)"
        ),
        // Not kn_serving_queue_depth: it keeps its last value when idle.
        backlog: Some(by_pod!("kn_revision_request_queued", "revision_queue_depth")),
        latency: Some(concat!(
            p95!("kn_serving_invocation_duration_seconds"),
            " or ",
            p95!("revision_request_latencies"),
            " / 1000"
        )),
        // Knative's default target of 100 at 70 %.
        threshold: 70.0,
        translations: &[
            Translation {
                metrics: "kn_serving_",
                from: &["kn_service_name", "kn_configuration_name"],
                to: "kn_revision_name",
                suffix: REVISION,
            },
            Translation { metrics: "kn_serving_", from: &["k8s_namespace_name"], to: "namespace", suffix: "" },
        ],
        needs: &[Need {
            any_of: &[
                "kn_service_name",
                "kn_revision_name",
                "kn_configuration_name",
                "revision_name",
                "configuration_name",
                "service_name",
            ],
            why: "the activator speaks of every service",
        }],
        outlives_pods: true,
        ..Preset::NONE
    },
    Preset {
        name: "seldon",
        // Core 2, then the executor of Core 1 (not its client side, which is the same request one
        // hop later).
        demand: by_pod!(
            "rate(seldon_model_infer_seconds_total[2m])",
            "rate(seldon_api_executor_server_requests_seconds_sum[2m])"
        ),
        // Its inference lag is no metric.
        backlog: None,
        latency: Some(concat!(
            p95!("seldon_model_infer_api_seconds"),
            " or ",
            p95!("seldon_api_executor_server_requests_seconds")
        )),
        // One worker.
        threshold: 0.7,
        // Latency is of the whole server.
        lacks: &[("seldon_model_infer_api_seconds_bucket", &["model", "model_internal"])],
        needs: &[Need {
            any_of: &["model", "model_internal", "deployment_name", "predictor_name", "pod"],
            why: "every model of a server or pipeline counts",
        }],
        ..Preset::NONE
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
        needs: &[PODS, Need { any_of: &["model_name", "pod", "job", "service"], why: "other models count as well" }],
        ..Preset::NONE
    },
    Preset {
        name: "tf-serving",
        demand: "sum(rate(:tensorflow:serving:request_latency_sum[2m])) / 1e6",
        // Exists with batching only.
        backlog: Some("sum(rate(:tensorflow:serving:batching_session:queuing_latency_sum[2m])) / 1e6"),
        latency: Some(concat!(p95!(":tensorflow:serving:request_latency"), " / 1e6")),
        // Four threads with a batch of 1.
        threshold: 2.8,
        needs: &[PODS, Need { any_of: &["model_name", "pod", "job", "service"], why: "other models count as well" }],
        ..Preset::NONE
    },
    Preset {
        name: "bentoml",
        // Releases before 1.1 counted at the API server; their runners count the same requests once
        // more.
        demand: by_pod!("bentoml_service_request_in_progress", "bentoml_api_server_request_in_progress"),
        backlog: None,
        latency: Some(concat!(
            p95!("bentoml_service_request_duration_seconds"),
            " or ",
            p95!("bentoml_api_server_request_duration_seconds")
        )),
        // A service concurrency of 32, as its examples have it.
        threshold: 22.4,
        needs: &[
            PODS,
            Need {
                any_of: &["service_name", "pod", "job", "service"],
                why: "a request counts in every service that it passes through",
            },
        ],
        ..Preset::NONE
    },
];
