//! LLM engines.
//!
//! Their starting threshold is 0.7 × min(batch limit, what the KV cache holds). The batch limit is 256 and more by
//! default; the cache of an 8B model on a 24 GB GPU holds some 43 requests of 1,000 tokens. Hence 30, the cautious end:
//! a threshold that is too high is noticed only by queues.

use super::{Preset, p95};

const ENGINE_THRESHOLD: f64 = 30.0;

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "vllm",
        demand: "sum(vllm:num_requests_running) + sum(vllm:num_requests_waiting)",
        // Newer releases tell what waits for capacity from what is deferred for other reasons.
        backlog: Some(
            r#"sum(vllm:num_requests_waiting_by_reason{reason="capacity"}) or sum(vllm:num_requests_waiting)"#,
        ),
        latency: Some(p95!("vllm:time_to_first_token_seconds")),
        threshold: ENGINE_THRESHOLD,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "sglang",
        // Ranks repeat their scheduler's number, hence `max`; `instance` keeps pods apart where nothing labels them.
        // With priority scheduling the total sits under an empty priority, beside a copy for each.
        demand: r#"sum(max by (pod, instance, dp_rank) (sglang:num_running_reqs{priority=""}))
            + sum(max by (pod, instance, dp_rank) (sglang:num_queue_reqs{priority=""}))"#,
        backlog: Some(r#"sum(max by (pod, instance, dp_rank) (sglang:num_queue_reqs{priority=""}))"#),
        latency: Some(p95!("sglang:time_to_first_token_seconds")),
        threshold: ENGINE_THRESHOLD,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "tgi",
        demand: "sum(tgi_batch_current_size) + sum(tgi_queue_size)",
        backlog: Some("sum(tgi_queue_size)"),
        // It has no time to first token; time in the queue is what grows when replicas are short.
        latency: Some(p95!("tgi_request_queue_duration")),
        threshold: ENGINE_THRESHOLD,
        lacks: &[],
        generic_names: false,
        outlives_pods: false,
    },
    Preset {
        name: "nim",
        // 1.x exports names of its own, without a prefix; from 2.x on the engine's names come through.
        demand: r#"(sum(num_requests_running) + sum(num_requests_waiting))
            or (sum(vllm:num_requests_running) + sum(vllm:num_requests_waiting))
            or (sum(max by (pod, instance, dp_rank) (sglang:num_running_reqs{priority=""}))
                + sum(max by (pod, instance, dp_rank) (sglang:num_queue_reqs{priority=""})))"#,
        backlog: Some(
            r#"sum(num_requests_waiting) or sum(vllm:num_requests_waiting)
            or sum(max by (pod, instance, dp_rank) (sglang:num_queue_reqs{priority=""}))"#,
        ),
        latency: Some(concat!(
            p95!("time_to_first_token_seconds"),
            " or ",
            p95!("vllm:time_to_first_token_seconds"),
            " or ",
            p95!("sglang:time_to_first_token_seconds")
        )),
        threshold: ENGINE_THRESHOLD,
        lacks: &[],
        generic_names: true,
        outlives_pods: false,
    },
    Preset {
        name: "dynamo",
        // The frontend outlives its workers, so this also wakes from zero.
        demand: "sum(dynamo_frontend_active_requests or dynamo_frontend_inflight_requests)",
        backlog: Some(
            r#"sum(dynamo_frontend_stage_requests{stage=~"preprocess|route|dispatch"})
            or sum(dynamo_frontend_queued_requests)"#,
        ),
        latency: Some(p95!("dynamo_frontend_time_to_first_token_seconds")),
        threshold: ENGINE_THRESHOLD,
        lacks: &[],
        generic_names: false,
        outlives_pods: true,
    },
];
