//! General model servers, as they export themselves.

use super::{Case, histogram};

pub(super) const CASES: &[Case] = &[
    Case {
        preset: "triton",
        what: "TensorRT-LLM, those that wait beside those that are scheduled",
        series: &[
            "nv_trt_llm_request_metrics{request_type=\"active\"} = 4",
            "nv_trt_llm_request_metrics{request_type=\"scheduled\"} = 4",
            "nv_trt_llm_request_metrics{request_type=\"waiting\"} = 3",
            "nv_trt_llm_request_metrics{request_type=\"context\"} = 1",
            "nv_trt_llm_request_metrics{request_type=\"max\"} = 64",
            "nv_inference_request_duration_us + 2790",
        ],
        meant: (Some(7.0), None, None),
    },
    Case {
        preset: "triton",
        what: "TensorRT-LLM, those that wait among the active",
        series: &[
            "nv_trt_llm_request_metrics{request_type=\"active\"} = 13",
            "nv_trt_llm_request_metrics{request_type=\"scheduled\"} = 8",
            "nv_trt_llm_request_metrics{request_type=\"waiting\"} = 3",
        ],
        meant: (Some(13.0), None, None),
    },
    Case {
        preset: "triton",
        what: "vLLM backend with its own metrics",
        series: &[
            "vllm:num_requests_running = 50",
            "vllm:num_requests_waiting = 2",
            "nv_inference_request_duration_us + 2790",
        ],
        meant: (Some(52.0), None, None),
    },
    Case {
        preset: "triton",
        what: "mean latency",
        series: &[
            "nv_inference_request_duration_us{version=\"1\"} + 3000000",
            "nv_inference_request_duration_us{version=\"2\"} + 1500000",
            "nv_inference_pending_request_count = 6",
            "nv_inference_queue_duration_us + 500000",
            "nv_inference_request_success + 20",
        ],
        meant: (Some(4.5), Some(6.0), Some(0.025)),
    },
    Case {
        preset: "triton",
        what: "summary of latencies",
        series: &[
            "nv_inference_queue_summary_us{quantile=\"0.5\"} = 1000",
            "nv_inference_queue_summary_us{quantile=\"0.95\"} = 250000",
            "nv_inference_queue_duration_us + 500000",
            "nv_inference_request_success + 20",
        ],
        meant: (None, None, Some(0.25)),
    },
    Case {
        preset: "ray-serve",
        what: "as its autoscaler sees it",
        series: &[
            "ray_serve_autoscaling_total_requests = 11",
            "ray_serve_num_ongoing_requests_at_replicas = 6",
            "ray_serve_deployment_queued_queries = 5",
            histogram!("ray_serve_http_request_latency_ms"),
        ],
        meant: (Some(11.0), Some(5.0), Some(0.0015)),
    },
    Case {
        preset: "ray-serve",
        what: "ongoing and queued",
        series: &[
            "ray_serve_num_ongoing_requests_at_replicas{replica=\"a\"} = 6",
            "ray_serve_num_ongoing_requests_at_replicas{replica=\"b\"} = 1",
            "ray_serve_deployment_queued_queries = 5",
        ],
        meant: (Some(12.0), Some(5.0), None),
    },
    Case {
        preset: "ray-serve",
        what: "old names, no queue",
        series: &["ray_serve_replica_processing_queries = 6"],
        meant: (Some(6.0), None, None),
    },
    Case {
        preset: "ray-serve",
        what: "two clusters during an upgrade",
        series: &[
            "ray_serve_autoscaling_total_requests{SessionName=\"new\"} = 4",
            "ray_serve_num_ongoing_requests_at_replicas{SessionName=\"new\"} = 4",
            "ray_serve_replica_processing_queries{SessionName=\"old\"} = 6",
            "ray_serve_deployment_queued_queries{SessionName=\"old\"} = 1",
        ],
        meant: (Some(11.0), Some(1.0), None),
    },
    Case {
        preset: "kserve",
        what: "a transformer that waits for its predictor",
        series: &[
            "request_predict_seconds_sum{pod=\"llama-transformer-7d9f-x\"} + 2.6",
            "request_predict_seconds_sum{pod=\"llama-predictor-7d9f-y\"} + 2.5",
        ],
        meant: (Some(2.5), None, None),
    },
    Case {
        preset: "kserve",
        what: "a transformer alone",
        series: &["request_predict_seconds_sum{pod=\"llama-transformer-7d9f-x\"} + 2.6"],
        meant: (Some(2.6), None, None),
    },
    Case {
        preset: "kserve",
        what: "",
        series: &["request_predict_seconds_sum + 2.5", histogram!("request_predict_seconds")],
        meant: (Some(2.5), None, Some(1.5)),
    },
    Case {
        preset: "knative",
        what: "1.22",
        series: &[
            "kn_revision_request_active = 4",
            "kn_revision_request_concurrency = 3.5",
            "kn_revision_request_queued = 2",
            histogram!("kn_serving_invocation_duration_seconds"),
        ],
        meant: (Some(4.0), Some(2.0), Some(1.5)),
    },
    Case {
        preset: "knative",
        what: "1.19",
        series: &["kn_revision_request_concurrency = 3.5"],
        meant: (Some(3.5), None, None),
    },
    Case {
        preset: "knative",
        what: "1.18",
        series: &[
            "queue_average_concurrent_requests{pod=\"a\"} = 2",
            "queue_average_concurrent_requests{pod=\"b\"} = 3",
            "activator_request_concurrency = 9",
            "revision_queue_depth = 1",
            histogram!("revision_request_latencies"),
        ],
        meant: (Some(5.0), Some(1.0), Some(0.0015)),
    },
    Case {
        preset: "knative",
        what: "1.18 without a pod",
        series: &["activator_request_concurrency = 9"],
        meant: (Some(9.0), None, None),
    },
    Case {
        preset: "knative",
        what: "a new activator in the path, with what waits in it",
        series: &[
            "kn_revision_request_active{pod=\"activator\"} = 50",
            "kn_revision_request_queued{pod=\"activator\"} = 10",
            "kn_serving_invocation_duration_seconds_sum{pod=\"a\"} + 25",
            "kn_serving_invocation_duration_seconds_sum{pod=\"b\"} + 15",
        ],
        meant: (Some(50.0), Some(10.0), None),
    },
    Case {
        preset: "knative",
        what: "a new activator out of the path, before pods with proxies of both ages",
        series: &[
            "kn_revision_request_active{pod=\"activator\"} = 0",
            "kn_revision_request_queued{pod=\"activator\"} = 0",
            "kn_serving_invocation_duration_seconds_sum{pod=\"a\"} + 25",
            "queue_average_concurrent_requests{pod=\"b\"} = 7",
        ],
        meant: (Some(32.0), Some(0.0), None),
    },
    Case {
        preset: "seldon",
        what: "the executor of Core 1",
        series: &[
            "seldon_api_executor_server_requests_seconds_sum{service=\"predictions\"} + 2.5",
            "seldon_api_executor_client_requests_seconds_sum + 2.4",
            histogram!("seldon_api_executor_server_requests_seconds"),
        ],
        meant: (Some(2.5), None, Some(1.5)),
    },
    Case {
        preset: "seldon",
        what: "",
        series: &[
            "seldon_model_infer_seconds_total + 2.5",
            histogram!("seldon_model_infer_api_seconds"),
        ],
        meant: (Some(2.5), None, Some(1.5)),
    },
    Case {
        preset: "torchserve",
        what: "",
        series: &[
            "ts_inference_latency_microseconds + 2500000",
            "ts_queue_latency_microseconds + 500000",
            "ts_inference_requests_total + 10",
        ],
        meant: (Some(2.5), Some(0.5), Some(0.25)),
    },
    Case {
        preset: "tf-serving",
        what: "",
        series: &[
            ":tensorflow:serving:request_latency_sum + 2500000",
            ":tensorflow:serving:batching_session:queuing_latency_sum + 500000",
            histogram!(":tensorflow:serving:request_latency"),
        ],
        meant: (Some(2.5), Some(0.5), Some(1.5e-6)),
    },
    Case {
        preset: "bentoml",
        what: "",
        series: &[
            "bentoml_service_request_in_progress = 4",
            histogram!("bentoml_service_request_duration_seconds"),
        ],
        meant: (Some(4.0), None, Some(1.5)),
    },
    Case {
        preset: "bentoml",
        what: "names of 1.0 on one of two pods, and its runner",
        series: &[
            "bentoml_api_server_request_in_progress{pod=\"a\"} = 4",
            "bentoml_runner_request_in_progress{pod=\"a\"} = 4",
            "bentoml_service_request_in_progress{pod=\"b\"} = 3",
        ],
        meant: (Some(7.0), None, None),
    },
];
