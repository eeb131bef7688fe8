//! LLM engines, as they export themselves.

use super::{Case, histogram};

pub(super) const CASES: &[Case] = &[
    Case {
        preset: "vllm",
        what: "two pods",
        series: &[
            "vllm:num_requests_running{pod=\"a\",engine=\"0\"} = 5",
            "vllm:num_requests_running{pod=\"b\",engine=\"0\"} = 3",
            "vllm:num_requests_waiting{pod=\"a\",engine=\"0\"} = 2",
            "vllm:num_requests_waiting{pod=\"b\",engine=\"0\"} = 0",
            histogram!("vllm:time_to_first_token_seconds"),
        ],
        meant: (Some(10.0), Some(2.0), Some(1.5)),
    },
    Case {
        preset: "vllm",
        what: "waiting by reason, no request yet",
        series: &[
            "vllm:num_requests_running = 0",
            "vllm:num_requests_waiting = 4",
            "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} = 1",
            "vllm:num_requests_waiting_by_reason{reason=\"deferred\"} = 3",
        ],
        meant: (Some(4.0), Some(1.0), None),
    },
    Case {
        preset: "vllm",
        what: "one of the main series is lost",
        series: &["vllm:num_requests_waiting = 4"],
        meant: (None, Some(4.0), None),
    },
    Case {
        preset: "sglang",
        what: "ranks repeat, priorities beside their total",
        series: &[
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"0\"} = 6",
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"1\"} = 6",
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"0\",priority=\"9\"} = 4",
            "sglang:num_running_reqs{pod=\"b\",tp_rank=\"0\",dp_rank=\"0\"} = 1",
            "sglang:num_running_reqs{pod=\"b\",tp_rank=\"0\",dp_rank=\"1\"} = 2",
            "sglang:num_queue_reqs{pod=\"a\",tp_rank=\"0\"} = 3",
            "sglang:num_queue_reqs{pod=\"a\",tp_rank=\"1\"} = 3",
            histogram!("sglang:time_to_first_token_seconds"),
        ],
        meant: (Some(12.0), Some(3.0), Some(1.5)),
    },
    Case {
        preset: "tensorrt-llm",
        what: "trtllm-serve",
        series: &[
            "trtllm_num_requests_running = 5",
            "trtllm_num_requests_waiting = 2",
            histogram!("trtllm_time_to_first_token_seconds"),
        ],
        meant: (Some(7.0), Some(2.0), Some(1.5)),
    },
    Case {
        preset: "vllm",
        what: "within Ray, and a pod of its own beside it",
        series: &[
            "ray_vllm:num_requests_running{pod=\"a\",ReplicaId=\"1\"} = 2",
            "ray_vllm:num_requests_running{pod=\"a\",ReplicaId=\"2\"} = 3",
            "ray_vllm:num_requests_waiting{pod=\"a\",ReplicaId=\"1\"} = 1",
            "vllm:num_requests_running{pod=\"b\"} = 4",
            "vllm:num_requests_waiting{pod=\"b\"} = 0",
            histogram!("ray_vllm:time_to_first_token_seconds"),
        ],
        meant: (Some(10.0), Some(1.0), Some(1.5)),
    },
    Case {
        preset: "vllm",
        what: "within a Ray that knows no colon",
        series: &["ray_vllm_num_requests_running = 2", "ray_vllm_num_requests_waiting = 1"],
        meant: (Some(3.0), Some(1.0), None),
    },
    Case {
        preset: "vllm",
        what: "waiting by reason on new pods only",
        series: &[
            "vllm:num_requests_running{pod=\"a\"} = 1",
            "vllm:num_requests_running{pod=\"b\"} = 1",
            "vllm:num_requests_waiting{pod=\"a\"} = 4",
            "vllm:num_requests_waiting{pod=\"b\"} = 2",
            "vllm:num_requests_waiting_by_reason{pod=\"b\",reason=\"capacity\"} = 1",
        ],
        meant: (Some(8.0), Some(5.0), None),
    },
    Case {
        preset: "sglang",
        what: "ranks of data on their own ranks of tensors",
        series: &[
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"0\",dp_rank=\"0\",pp_rank=\"0\"} = 6",
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"4\",dp_rank=\"1\",pp_rank=\"0\"} = 5",
            "sglang:num_queue_reqs{pod=\"a\",tp_rank=\"0\",dp_rank=\"0\",pp_rank=\"0\"} = 1",
            "sglang:num_queue_reqs{pod=\"a\",tp_rank=\"4\",dp_rank=\"1\",pp_rank=\"0\"} = 2",
        ],
        meant: (Some(14.0), Some(3.0), None),
    },
    Case {
        preset: "sglang",
        what: "ranks of tensors on two nodes",
        series: &[
            "sglang:num_running_reqs{pod=\"a\",tp_rank=\"0\"} = 6",
            "sglang:num_running_reqs{pod=\"b\",tp_rank=\"8\"} = 6",
            "sglang:num_queue_reqs{pod=\"a\",tp_rank=\"0\"} = 1",
            "sglang:num_queue_reqs{pod=\"b\",tp_rank=\"8\"} = 1",
        ],
        meant: (Some(7.0), Some(1.0), None),
    },
    Case {
        preset: "tgi",
        what: "",
        series: &[
            "tgi_batch_current_size = 5",
            "tgi_queue_size = 7",
            histogram!("tgi_request_queue_duration"),
        ],
        meant: (Some(12.0), Some(7.0), Some(1.5)),
    },
    Case {
        preset: "nim",
        what: "1.x",
        series: &[
            "num_requests_running = 5",
            "num_requests_waiting = 7",
            histogram!("time_to_first_token_seconds"),
        ],
        meant: (Some(12.0), Some(7.0), Some(1.5)),
    },
    Case {
        preset: "nim",
        what: "2.x on vLLM",
        series: &[
            "vllm:num_requests_running = 5",
            "vllm:num_requests_waiting = 7",
            histogram!("vllm:time_to_first_token_seconds"),
        ],
        meant: (Some(12.0), Some(7.0), Some(1.5)),
    },
    Case {
        preset: "nim",
        what: "2.x on SGLang",
        series: &["sglang:num_running_reqs = 5", "sglang:num_queue_reqs = 7"],
        meant: (Some(12.0), Some(7.0), None),
    },
    Case {
        preset: "dynamo",
        what: "new names beside old ones",
        series: &[
            "dynamo_frontend_active_requests = 9",
            "dynamo_frontend_inflight_requests = 9",
            "dynamo_frontend_stage_requests{stage=\"preprocess\"} = 1",
            "dynamo_frontend_stage_requests{stage=\"route\"} = 2",
            "dynamo_frontend_stage_requests{stage=\"stream\"} = 5",
            "dynamo_frontend_queued_requests = 8",
            histogram!("dynamo_frontend_time_to_first_token_seconds"),
        ],
        meant: (Some(9.0), Some(3.0), Some(1.5)),
    },
    Case {
        preset: "dynamo",
        what: "old names",
        series: &["dynamo_frontend_inflight_requests = 9", "dynamo_frontend_queued_requests = 8"],
        meant: (Some(9.0), Some(8.0), None),
    },
    Case {
        preset: "dynamo",
        what: "names of the first releases, on one of two pods",
        series: &[
            "nv_llm_http_service_inflight_requests{pod=\"a\",model=\"m\"} = 4",
            "dynamo_frontend_inflight_requests{pod=\"b\",model=\"m\"} = 5",
            histogram!("nv_llm_http_service_time_to_first_token_seconds"),
        ],
        meant: (Some(9.0), None, Some(1.5)),
    },
    Case {
        preset: "nim",
        what: "on TensorRT-LLM",
        series: &["trtllm_num_requests_running = 5", "trtllm_num_requests_waiting = 7"],
        meant: (Some(12.0), Some(7.0), None),
    },
    Case {
        preset: "nim",
        what: "both names on one pod",
        series: &[
            "num_requests_running{pod=\"a\"} = 5",
            "vllm:num_requests_running{pod=\"a\",engine=\"0\"} = 5",
            "num_requests_waiting{pod=\"a\"} = 1",
            "vllm:num_requests_waiting{pod=\"a\",engine=\"0\"} = 1",
        ],
        meant: (Some(6.0), Some(1.0), None),
    },
];
