//! Every preset on series as its system exports them: Prometheus accepts the expressions, the numbers are those that were
//! meant, and scraping the system directly gives the same.

use std::collections::BTreeSet;

use prewarm::signal::preset;
use prewarm::signal::selector::Selector;
use prewarm::source::{Query, Sample, Signals};

use super::series::{Endpoint, Row, SCRAPES, now, prometheus, source};

/// A system as it was observed.
struct Case {
    preset: &'static str,
    /// Which of its names, which oddity.
    what: &'static str,
    /// `name{labels}` with its value (`= 3`) or its growth a second (`+ 3`).
    series: &'static [&'static str],
    /// Demand, backlog, latency as a person would count them.
    meant: (Option<f64>, Option<f64>, Option<f64>),
}

/// A histogram of which 90 % are below 1, all below 2, growing by ten a second; its p95 is 1.5.
macro_rules! histogram {
    ($name:literal) => {
        histogram!($name, "")
    };
    ($name:literal, $labels:literal) => {
        concat!(
            $name,
            "_bucket{le=\"1\"",
            $labels,
            "} + 9;",
            $name,
            "_bucket{le=\"2\"",
            $labels,
            "} + 10;",
            $name,
            "_bucket{le=\"+Inf\"",
            $labels,
            "} + 10"
        )
    };
}

const CASES: &[Case] = &[
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
        preset: "tgi",
        what: "",
        series: &["tgi_batch_current_size = 5", "tgi_queue_size = 7", histogram!("tgi_request_queue_duration")],
        meant: (Some(12.0), Some(7.0), Some(1.5)),
    },
    Case {
        preset: "nim",
        what: "1.x",
        series: &["num_requests_running = 5", "num_requests_waiting = 7", histogram!("time_to_first_token_seconds")],
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
        preset: "seldon",
        what: "",
        series: &["seldon_model_infer_seconds_total + 2.5", histogram!("seldon_model_infer_api_seconds")],
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
        series: &["bentoml_service_request_in_progress = 4", histogram!("bentoml_service_request_duration_seconds")],
        meant: (Some(4.0), None, Some(1.5)),
    },
    Case {
        preset: "llm-d-epp",
        what: "new names beside old ones, flow control on",
        series: &[
            "llm_d_epp_request_running = 8",
            "inference_objective_running_requests = 8",
            "llm_d_epp_flow_control_queue_size = 3",
            "inference_extension_flow_control_queue_size = 3",
            "llm_d_epp_average_queue_size{name=\"p\"} = 1.5",
            "llm_d_epp_ready_endpoints{name=\"p\"} = 4",
            histogram!("llm_d_epp_request_ttft_seconds", ",streaming=\"true\""),
            "llm_d_epp_request_ttft_seconds_bucket{le=\"2\",streaming=\"false\"} + 0",
            "llm_d_epp_request_ttft_seconds_bucket{le=\"+Inf\",streaming=\"false\"} + 100",
        ],
        meant: (Some(11.0), Some(9.0), Some(1.5)),
    },
    Case {
        preset: "llm-d-epp",
        what: "old names, flow control off",
        series: &[
            "inference_objective_running_requests = 8",
            "inference_pool_average_queue_size{name=\"p\"} = 1.5",
            "inference_pool_ready_pods{name=\"p\"} = 4",
        ],
        meant: (Some(8.0), Some(6.0), None),
    },
    Case {
        preset: "istio",
        what: "both reporters count",
        series: &[
            "istio_request_duration_milliseconds_sum{reporter=\"source\"} + 2500",
            "istio_request_duration_milliseconds_sum{reporter=\"destination\"} + 2400",
            histogram!("istio_request_duration_milliseconds", ",reporter=\"source\""),
        ],
        meant: (Some(2.5), None, Some(0.0015)),
    },
    Case {
        preset: "envoy",
        what: "",
        series: &[
            "envoy_cluster_upstream_rq_active = 4",
            "envoy_cluster_upstream_rq_pending_active = 1",
            histogram!("envoy_cluster_upstream_rq_time"),
        ],
        meant: (Some(5.0), Some(1.0), Some(0.0015)),
    },
    Case {
        preset: "ingress-nginx",
        what: "",
        series: &[
            "nginx_ingress_controller_request_duration_seconds_sum + 2.5",
            histogram!("nginx_ingress_controller_request_duration_seconds"),
        ],
        meant: (Some(2.5), None, Some(1.5)),
    },
];

#[tokio::test]
async fn presets_mean_the_same_to_prometheus_to_a_scrape_and_to_us() {
    let tested: BTreeSet<&str> = CASES.iter().map(|case| case.preset).collect();
    assert_eq!(tested, preset::names().collect(), "a case for every preset");

    let rows: Vec<Row> = CASES.iter().enumerate().flat_map(|(nth, case)| case.rows(nth)).collect();
    let (prometheus, endpoint) = (prometheus(&rows).await, Endpoint::exposing(&rows).await);
    let (theirs, ours) = (source(&prometheus), endpoint.source());
    let questions: Vec<Signals> = CASES.iter().enumerate().map(|(nth, case)| case.signals(nth)).collect();
    let scraped = endpoint
        .play(async |slot| futures::future::join_all(questions.iter().map(|signals| ours.sample(signals, slot))).await)
        .await;
    for ((case, signals), scraped) in CASES.iter().zip(&questions).zip(scraped) {
        // Side signals swallow their errors, so each is asked as demand as well: nothing may be refused.
        for query in [&signals.backlog, &signals.latency].into_iter().flatten() {
            let alone = Signals { demand: query.clone(), backlog: None, latency: None };
            theirs.sample(&alone, now()).await.unwrap_or_else(|error| panic!("{}: {error}", case.name()));
            ours.sample(&alone, now()).await.unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        }
        case.check("Prometheus", theirs.sample(signals, now()).await.unwrap());
        case.check("the scrape", scraped.unwrap());
    }
}

impl Case {
    fn name(&self) -> String {
        format!("{} ({})", self.preset, self.what)
    }

    /// A selector that meets this case alone, through labels that every system has by its scrape configuration.
    fn signals(&self, nth: usize) -> Signals {
        let selector = Selector::parse(&format!("namespace=\"ml\",case=~\"{nth}|none\"")).unwrap();
        let found = preset::find(self.preset, &selector).unwrap();
        Signals {
            demand: Query::Preset(found.demand),
            backlog: found.backlog.map(Query::Preset),
            latency: found.latency.map(Query::Preset),
        }
    }

    fn rows(&self, nth: usize) -> Vec<Row> {
        let lines = self.series.iter().flat_map(|lines| lines.split(';'));
        lines
            .map(|line| {
                let (series, number) = line.rsplit_once(' ').unwrap();
                let (series, sign) = series.rsplit_once(' ').unwrap();
                let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
                let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
                let number: f64 = number.parse().unwrap();
                // Counters have run for long, so that none of a range lies before their start.
                let value = |scrape: usize| match sign {
                    "+" => number * (10_000.0 + 13.0 * scrape as f64),
                    _ => number,
                };
                Row {
                    series: format!("{name}{{namespace=\"ml\",case=\"{nth}\"{labels}}}"),
                    values: (0..SCRAPES).map(value).collect(),
                }
            })
            .collect()
    }

    fn check(&self, who: &str, sample: Sample) {
        let seen = [sample.demand, sample.backlog, sample.latency];
        let meant = [self.meant.0, self.meant.1, self.meant.2];
        let alike = seen.iter().zip(&meant).all(|pair| match pair {
            (Some(seen), Some(meant)) => (seen - meant).abs() <= 1e-9 * meant.abs().max(1e-3),
            (seen, meant) => seen == meant,
        });
        assert!(alike, "{}: {who} says {seen:?}, meant is {meant:?}", self.name());
    }
}
