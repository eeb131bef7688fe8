use proptest::prelude::*;

use super::*;

/// Levels and problems, one line each.
fn told(key: &str, text: &str) -> String {
    let line = |(level, problem, _): Found| format!("{level:?} {problem}");
    judge(key, text).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn query(text: &str) -> String {
    told("query", text)
}

#[test]
fn good_queries_are_good() {
    for text in [
        "sum(vllm:num_requests_running{namespace=\"llm\"} + vllm:num_requests_waiting)",
        "sum(rate(http_requests_total[2m])) * 1.5",
        "sum(rate(request_duration_seconds_sum[2m]))",
        "sum(a) + (sum(b) or vector(0))",
        "max(queue_depth) and on() (vector(1) == 1)",
        "scalar(sum(inflight))",
        "sum by () (x)",
        "llm:demand:sum",
        "topk(1, sum(x))",
        "sum(x) / 60",
        "sum(max by (pod) (in_flight))",
    ] {
        assert_eq!(query(text), "", "{text}");
    }
    assert_eq!(
        told("latencyQuery", "histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))"),
        ""
    );
    assert_eq!(
        told("latencyQuery", "sum(rate(x_seconds_sum[2m])) / sum(rate(x_seconds_count[2m]))"),
        ""
    );
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (text, said) in [
        ("sum(rate(x[2m])", "Error is not closed: ( at character 4 has no partner"),
        ("sum(x{a=\"b})", "Error is not closed: \" at character 9 has no partner"),
        ("sum(x))", "Error is not closed: ) at character 7 has no partner"),
        ("rate(x[2m]", "Error is not closed: ( at character 5 has no partner"),
        ("summ(x)", "Error calls summ; did you mean sum?"),
        ("rollup_rate(x[5m])", "Warning calls rollup_rate, which Prometheus does not have"),
        ("x[5m]", "Error gives a range of samples instead of one number"),
        (
            "sum(rate(x[$__rate_interval]))",
            "Error holds $__rate_interval, which nobody fills in here",
        ),
    ] {
        assert_eq!(query(text), said, "{text}");
    }
    assert!(query("sum(x) +").starts_with("Error is no PromQL"), "{}", query("sum(x) +"));
    assert!(query("sum(x) default 0").starts_with("Warning is no PromQL as Prometheus"));
}

#[test]
fn several_values_are_told() {
    for text in [
        "vllm:num_requests_running",
        "rate(http_requests_total[2m])",
        "sum by (pod) (x)",
        "sum(x) by (namespace, pod) * 2",
        "sum without (pod) (x)",
        "topk(3, x)",
        "x * on(pod) group_left() y",
        "sum(x) or y",
    ] {
        assert!(query(text).contains("Warning may give several values"), "{text}: {}", query(text));
    }
    assert!(query("sum by (pod) (x)").contains("one for each pod"));
}

/// kedacore/keda#1909 and many a file: `or vector(0)` turns an outage into no demand.
#[test]
fn missing_data_that_becomes_zero_is_told() {
    for text in [
        "sum(x) or vector(0)",
        "(sum(x) or on() vector(0)) * 2",
        "sum(x or vector(0))",
        "sum(rate(x[1m])) or absent(x) * 0",
        "clamp_min(sum(x) or vector(0), 0)",
        "(sum(a) or vector(0)) + (sum(b) or vector(0))",
        "scalar(sum(x) or vector(0))",
    ] {
        assert!(query(text).contains("although there is no data"), "{text}: {}", query(text));
    }
    assert!(told("backlogQuery", "sum(x) or vector(0)").contains("although there is no data"));
    assert!(query("vector(3)").contains("asks for no series"));
}

#[test]
fn numbers_that_are_no_demand_are_told() {
    for (text, said) in [
        ("histogram_quantile(0.95, sum by (le) (rate(ttft_seconds_bucket[5m])))", "is a latency"),
        ("sum(rate(x_seconds_sum[5m])) / sum(rate(x_seconds_count[5m]))", "is a latency"),
        ("avg(DCGM_FI_DEV_GPU_UTIL)", "is a utilization (DCGM_FI_DEV_GPU_UTIL)"),
        ("sum(vllm:gpu_cache_usage_perc)", "is a utilization"),
        ("avg(vllm:num_requests_running)", "is an average for each replica"),
        ("sum(in_flight) / count(up{job=\"llm\"})", "is an average for each replica"),
        ("max(p95_latency_ms)", "is a latency"),
        ("sum(rate(container_cpu_usage_seconds_total[5m]))", "is a utilization"),
    ] {
        assert!(query(text).contains(said), "{text}: {}", query(text));
    }
    assert!(told("latencyQuery", "max(latency_ms)").contains("looks like milliseconds"));
    assert_eq!(told("latencyQuery", "max(latency_ms) / 1000"), "");
}

proptest! {
    #[test]
    fn any_text_of_a_query_is_judged(
        text in r#"(sum|rate|x|vector\(0\)|by|on|group_left| or | and |\(|\)|\[|\]|\{|\}|[=~!"'`,+*/-]|5m|1e30|:|ü| ){0,40}"#,
    ) {
        let _ = judge("query", &text);
        let _ = judge("latencyQuery", &text);
    }
}
