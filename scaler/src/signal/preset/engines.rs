//! LLM engines.
//!
//! Their starting threshold is 0.7 × min(batch limit, what the KV cache holds). The batch limit is
//! 256 and more by default; the cache of an 8B model on a 24 GB GPU holds some 43 requests of 1,000
//! tokens. Hence 30, the cautious end: a threshold that is too high is noticed only by queues.

use super::{Need, PODS, Preset, by_pod, p95};

const ENGINE_THRESHOLD: f64 = 30.0;

/// Which of the models in a namespace.
const MODEL: Need = Need {
    any_of: &["model_name", "pod", "job", "service", "container", "deployment"],
    why: "other models there count as well",
};

/// SGLang's scheduler, per pod. The ranks of a tensor repeat its number, and so do the stages of a
/// pipeline on other nodes: the first of each counts. Ranks of data are schedulers of their own.
/// With priority scheduling the total sits under an empty priority, beside a copy for each.
macro_rules! sglang {
    ($name:literal) => {
        concat!(
            "(sum by (pod, instance) (max by (pod, instance, dp_rank) (",
            $name,
            "{priority=\"\",pp_rank=~\"0?\",dp_rank!=\"\"}) or max by (pod, instance, dp_rank) (",
            $name,
            "{priority=\"\",pp_rank=~\"0?\",tp_rank=~\"0?\",dp_rank=\"\"})))"
        )
    };
}

/// vLLM's gauge of this name. The router of its production stack repeats the engines' under
/// `server`: it counts where it alone is scraped. Ray repeats the engines' names with a prefix.
macro_rules! vllm {
    ($name:literal) => {
        concat!(
            "(",
            by_pod!(
                concat!("vllm:", $name, "{server=\"\"}"),
                concat!("ray_vllm:", $name),
                concat!("ray_vllm_", $name)
            ),
            " or sum(vllm:",
            $name,
            "))"
        )
    };
}

/// NIM: 1.x exports names of its own, without a prefix; from 2.x on the engine's names come
/// through.
macro_rules! nim {
    ($own:literal, $sglang:literal) => {
        concat!(
            "sum(sum by (pod, instance) (",
            $own,
            ") or sum by (pod, instance) (vllm:",
            $own,
            "{server=\"\"}) or ",
            sglang!($sglang),
            " or sum by (pod, instance) (trtllm_",
            $own,
            "))"
        )
    };
}

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "vllm",
        demand: concat!(vllm!("num_requests_running"), " + ", vllm!("num_requests_waiting")),
        // Newer releases tell what waits for capacity from what is deferred for other reasons.
        backlog: Some(concat!(
            by_pod!(
                "vllm:num_requests_waiting_by_reason{reason=\"capacity\",server=\"\"}",
                "vllm:num_requests_waiting{server=\"\"}",
                "ray_vllm:num_requests_waiting",
                "ray_vllm_num_requests_waiting"
            ),
            " or sum(vllm:num_requests_waiting)"
        )),
        latency: Some(concat!(
            p95!("vllm:time_to_first_token_seconds"),
            " or ",
            p95!("ray_vllm:time_to_first_token_seconds"),
            " or ",
            p95!("ray_vllm_time_to_first_token_seconds")
        )),
        threshold: ENGINE_THRESHOLD,
        needs: &[PODS, MODEL],
        ..Preset::NONE
    },
    Preset {
        name: "sglang",
        demand: concat!(
            "sum",
            sglang!("sglang:num_running_reqs"),
            " + sum",
            sglang!("sglang:num_queue_reqs")
        ),
        backlog: Some(concat!("sum", sglang!("sglang:num_queue_reqs"))),
        latency: Some(p95!("sglang:time_to_first_token_seconds")),
        threshold: ENGINE_THRESHOLD,
        needs: &[PODS, MODEL],
        cannot_see: Some(
            "requests on their way from prefill to decode, where these are pods of their own",
        ),
        ..Preset::NONE
    },
    Preset {
        name: "tgi",
        demand: "sum(tgi_batch_current_size) + sum(tgi_queue_size)",
        backlog: Some("sum(tgi_queue_size)"),
        // It has no time to first token; time in the queue is what grows when replicas are short.
        latency: Some(p95!("tgi_request_queue_duration")),
        threshold: ENGINE_THRESHOLD,
        // Its series have no label of a model.
        needs: &[Need {
            any_of: &["pod", "job", "service", "container", "instance"],
            why: "other models there count as well, for its series do not name theirs",
        }],
        ..Preset::NONE
    },
    Preset {
        name: "tensorrt-llm",
        demand: "sum(trtllm_num_requests_running) + sum(trtllm_num_requests_waiting)",
        backlog: Some("sum(trtllm_num_requests_waiting)"),
        latency: Some(p95!("trtllm_time_to_first_token_seconds")),
        threshold: ENGINE_THRESHOLD,
        needs: &[PODS, MODEL],
        ..Preset::NONE
    },
    Preset {
        name: "nim",
        demand: concat!(
            nim!("num_requests_running", "sglang:num_running_reqs"),
            " + ",
            nim!("num_requests_waiting", "sglang:num_queue_reqs")
        ),
        backlog: Some(nim!("num_requests_waiting", "sglang:num_queue_reqs")),
        latency: Some(concat!(
            p95!("time_to_first_token_seconds"),
            " or ",
            p95!("vllm:time_to_first_token_seconds"),
            " or ",
            p95!("sglang:time_to_first_token_seconds"),
            " or ",
            p95!("trtllm_time_to_first_token_seconds")
        )),
        threshold: ENGINE_THRESHOLD,
        needs: &[PODS, MODEL],
        generic_names: true,
        ..Preset::NONE
    },
    Preset {
        name: "dynamo",
        // The frontend outlives its workers, so this also wakes from zero. The last name is that of
        // the first releases.
        demand: by_pod!(
            "dynamo_frontend_active_requests",
            "dynamo_frontend_inflight_requests",
            "nv_llm_http_service_inflight_requests"
        ),
        backlog: Some(by_pod!(
            "dynamo_frontend_stage_requests{stage=~\"preprocess|route|dispatch\"}",
            "dynamo_frontend_queued_requests"
        )),
        latency: Some(concat!(
            p95!("dynamo_frontend_time_to_first_token_seconds"),
            " or ",
            p95!("nv_llm_http_service_time_to_first_token_seconds")
        )),
        threshold: ENGINE_THRESHOLD,
        needs: &[
            PODS,
            Need {
                any_of: &["model", "pod", "job", "service"],
                why: "a frontend serves every model of its Dynamo",
            },
        ],
        outlives_pods: true,
        ..Preset::NONE
    },
];
