//! Reading one megabyte as an LLM engine exposes it: MB/s with all series kept, and with the few a
//! preset reads.

use std::fmt::Write;

use divan::Bencher;
use divan::counter::BytesCount;
use prewarm::source::exposition::text::{Format, parse};

fn main() {
    divan::main();
}

#[divan::bench]
fn all_series(bencher: Bencher<'_, '_>) {
    read(bencher, |_| true);
}

#[divan::bench]
fn the_presets_series(bencher: Bencher<'_, '_>) {
    let preset =
        ["num_requests_running", "num_requests_waiting", "time_to_first_token_seconds_bucket"];
    read(bencher, move |name| {
        name.strip_prefix("vllm:").is_some_and(|name| preset.contains(&name))
    });
}

fn read(bencher: Bencher<'_, '_>, wanted: impl Fn(&str) -> bool + Copy + Sync) {
    let text = engine(1 << 20);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut sum = 0.0;
        parse(divan::black_box(&text), Format::OpenMetrics, wanted, |sample| sum += sample.value)
            .map(|()| sum)
    });
}

/// Histograms by model and engine rank, as most of an engine's text is.
fn engine(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 1000);
    let histograms = [
        "time_to_first_token_seconds",
        "inter_token_latency_seconds",
        "e2e_request_latency_seconds",
        "request_queue_time_seconds",
        "request_prompt_tokens",
        "iteration_tokens_total",
        "request_decode_time_seconds",
    ];
    for rank in 0.. {
        for gauge in ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"] {
            let _ = writeln!(
                text,
                "vllm:{gauge}{{engine=\"{rank}\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"}} 17.0"
            );
        }
        for histogram in histograms {
            let _ = writeln!(
                text,
                "# HELP vllm:{histogram} Histogram of it in seconds.\n# TYPE vllm:{histogram} histogram"
            );
            for bound in 1..=20 {
                let _ = writeln!(
                    text,
                    "vllm:{histogram}_bucket{{engine=\"{rank}\",le=\"{}\",\
                     model_name=\"meta-llama/Llama-3.1-8B-Instruct\"}} {}.0",
                    f64::from(bound) / 8.0,
                    bound * 12_345
                );
            }
            if text.len() >= bytes {
                text.push_str("# EOF\n");
                return text;
            }
        }
    }
    unreachable!("ranks never end")
}
