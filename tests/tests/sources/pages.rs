//! Pages as systems of the field expose them, each with the number that a person would count: read
//! by a scrape of the pages, and from a Prometheus that has scraped them.

use prewarm::signal::preset;
use prewarm::signal::selector::Selector;
use prewarm::source::{Query, Sample, Signals};

use super::series::{Endpoint, Row, SCRAPES, now, prometheus, source};

/// Pages of one moment.
struct Case {
    /// Where such a thing was seen.
    seen: &'static str,
    preset: &'static str,
    /// Beside the namespace, which only a Prometheus adds.
    selector: &'static str,
    /// One a pod; `VALUE +RATE` is a counter that grows by RATE a second.
    pages: &'static [&'static str],
    demand: f64,
    backlog: Option<f64>,
    /// A part of the caveat that is told.
    caveat: Option<&'static str>,
}

const VLLM_ROUTER: &str = r#"
vllm:num_requests_running{server="http://engine-a:8000"} 4.0
vllm:num_requests_running{server="http://engine-b:8000"} 3.0
vllm:num_requests_waiting{server="http://engine-a:8000"} 2.0
vllm:num_requests_waiting{server="http://engine-b:8000"} 0.0
vllm:current_qps{server="http://engine-a:8000"} 1.5
vllm:healthy_pods_total{server="http://engine-a:8000"} 1.0
"#;

const TRITON_ENSEMBLE: &str = r#"
nv_inference_request_success{model="ensemble",version="1"} 232 +2
nv_inference_request_success{model="postprocessing",version="1"} 11041 +95
nv_inference_request_success{model="preprocessing",version="1"} 232 +2
nv_inference_request_success{model="tensorrt_llm_bls",version="1"} 0
nv_inference_request_success{model="tensorrt_llm",version="1"} 232 +2
nv_inference_request_duration_us{model="ensemble",version="1"} 369358274 +4000000
nv_inference_request_duration_us{model="postprocessing",version="1"} 63622688 +689008
nv_inference_request_duration_us{model="preprocessing",version="1"} 254386 +2755
nv_inference_request_duration_us{model="tensorrt_llm_bls",version="1"} 0
nv_inference_request_duration_us{model="tensorrt_llm",version="1"} 368632046 +3992135
nv_inference_pending_request_count{model="ensemble",version="1"} 0
nv_inference_pending_request_count{model="tensorrt_llm",version="1"} 0
"#;

const KNATIVE: &[&str] = &[
    r#"
kn_revision_request_concurrency{k8s_namespace_name="demo",kn_configuration_name="llm",kn_revision_name="llm-00001",kn_service_name="llm"} 0
kn_revision_request_active{k8s_namespace_name="demo",kn_configuration_name="llm",kn_revision_name="llm-00001",kn_service_name="llm"} 0
kn_revision_request_queued{k8s_namespace_name="demo",kn_configuration_name="llm",kn_revision_name="llm-00001",kn_service_name="llm"} 0
"#,
    r#"
kn_serving_invocation_duration_seconds_bucket{kn_revision_name="llm-00001",http_response_status_code="200",le="1"} 1000
kn_serving_invocation_duration_seconds_bucket{kn_revision_name="llm-00001",http_response_status_code="200",le="5"} 40000 +8
kn_serving_invocation_duration_seconds_bucket{kn_revision_name="llm-00001",http_response_status_code="200",le="+Inf"} 40000 +8
kn_serving_invocation_duration_seconds_sum{kn_revision_name="llm-00001",http_response_status_code="200"} 200000 +40
kn_serving_invocation_duration_seconds_count{kn_revision_name="llm-00001",http_response_status_code="200"} 40000 +8
kn_serving_queue_depth{kn_revision_name="llm-00001"} 40
"#,
];

const CASES: &[Case] = &[
    Case {
        seen: "vLLM production stack: its router exports the engines' gauges again",
        preset: "vllm",
        selector: "",
        pages: &[
            VLLM_ROUTER,
            r#"
vllm:num_requests_running{engine="0",model_name="llama"} 4.0
vllm:num_requests_waiting{engine="0",model_name="llama"} 2.0
"#,
            r#"
vllm:num_requests_running{engine="0",model_name="llama"} 3.0
vllm:num_requests_waiting{engine="0",model_name="llama"} 0.0
"#,
        ],
        demand: 9.0,
        backlog: Some(2.0),
        caveat: None,
    },
    Case {
        seen: "vLLM production stack: the router alone is scraped",
        preset: "vllm",
        selector: "",
        pages: &[VLLM_ROUTER],
        demand: 9.0,
        backlog: Some(2.0),
        caveat: None,
    },
    Case {
        seen: "vLLM production stack: one engine by the router's label",
        preset: "vllm",
        selector: r#"server="http://engine-a:8000""#,
        pages: &[VLLM_ROUTER],
        demand: 6.0,
        backlog: Some(2.0),
        caveat: None,
    },
    Case {
        seen: "SGLang, one engine on two nodes: pipeline stages repeat their requests",
        preset: "sglang",
        selector: r#"model_name="qwen""#,
        pages: &[
            r#"
sglang:num_running_reqs{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 12.0
sglang:num_queue_reqs{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 3.0
"#,
            r#"
sglang:num_running_reqs{engine_type="unified",model_name="qwen",pp_rank="1",tp_rank="0"} 12.0
sglang:num_queue_reqs{engine_type="unified",model_name="qwen",pp_rank="1",tp_rank="0"} 3.0
"#,
        ],
        demand: 15.0,
        backlog: Some(3.0),
        caveat: None,
    },
    Case {
        seen: "Triton with TensorRT-LLM: an ensemble contains its steps",
        preset: "triton",
        selector: "",
        pages: &[TRITON_ENSEMBLE],
        demand: 4.0,
        backlog: Some(0.0),
        caveat: None,
    },
    Case {
        seen: "the same, where the selector names the step that uses the GPU",
        preset: "triton",
        selector: r#"model="tensorrt_llm""#,
        pages: &[TRITON_ENSEMBLE],
        demand: 3.992_135,
        backlog: Some(0.0),
        caveat: None,
    },
    Case {
        seen: "Triton's vLLM backend: the duration of a decoupled model ends before its answer",
        preset: "triton",
        selector: "",
        pages: &[r#"
nv_inference_count{model="hbvllm",version="1"} 3075905 +10
nv_inference_request_duration_us{model="hbvllm",version="1"} 858150828 +2790
nv_inference_pending_request_count{model="hbvllm",version="1"} 0
"#],
        demand: 0.002_79,
        backlog: Some(0.0),
        caveat: Some("this preset cannot see its requests in flight"),
    },
    Case {
        seen: "Gateway API inference extension 1.0",
        preset: "llm-d-epp",
        selector: "",
        pages: &[r#"
inference_model_request_total{model_name="my-org/chat-quality",target_model_name="my-org/chat-quality"} 783
inference_model_running_requests{model_name="my-org/chat-quality"} 7
inference_pool_average_kv_cache_utilization{name="expensive-llm-pool"} 0.4
inference_pool_average_queue_size{name="expensive-llm-pool"} 1.5
inference_pool_per_pod_queue_size{model_server_pod="expensive-llm-sim-b9c8f95b5-npffl",name="expensive-llm-pool"} 2
inference_pool_per_pod_queue_size{model_server_pod="expensive-llm-sim-b9c8f95b5-tgl48",name="expensive-llm-pool"} 1
inference_pool_ready_pods{name="expensive-llm-pool"} 2
"#],
        demand: 7.0,
        backlog: Some(3.0),
        caveat: None,
    },
    Case {
        seen: "llm-d's picker from zero: what runs is born with the first request that runs",
        preset: "llm-d-epp",
        selector: r#"model_name="llama""#,
        pages: &[r#"
llm_d_epp_flow_control_queue_size{fairness_id="default-flow",inference_pool="pool",model_name="llama",priority="0",target_model_name="llama"} 5
llm_d_epp_ready_endpoints{name="pool"} 0
"#],
        demand: 5.0,
        backlog: Some(5.0),
        caveat: None,
    },
    Case {
        seen: "Knative 1.19 and later with the activator out of the path",
        preset: "knative",
        selector: "",
        pages: KNATIVE,
        demand: 40.0,
        backlog: Some(0.0),
        caveat: None,
    },
    Case {
        seen: "the same, selected by a label that the pods' proxies do not have",
        preset: "knative",
        selector: r#"kn_service_name="llm""#,
        pages: KNATIVE,
        demand: 40.0,
        backlog: Some(0.0),
        caveat: None,
    },
    Case {
        seen: "an idle Envoy: the stream to its control plane never ends",
        preset: "envoy",
        selector: "",
        pages: &[r#"
envoy_cluster_upstream_rq_active{envoy_cluster_name="ate-cluster"} 0
envoy_cluster_upstream_rq_active{envoy_cluster_name="dynamic_forward_proxy_cluster"} 0
envoy_cluster_upstream_rq_active{envoy_cluster_name="xds_cluster"} 1
envoy_cluster_upstream_rq_pending_active{envoy_cluster_name="ate-cluster"} 0
envoy_cluster_upstream_rq_pending_active{envoy_cluster_name="dynamic_forward_proxy_cluster"} 0
envoy_cluster_upstream_rq_pending_active{envoy_cluster_name="xds_cluster"} 0
"#],
        demand: 0.0,
        backlog: Some(0.0),
        caveat: None,
    },
    Case {
        seen: "NIM during a rollout from 1.x to 2.x",
        preset: "nim",
        selector: r#"model_name="llama""#,
        pages: &[
            r#"
num_requests_running{model_name="llama"} 6
num_requests_waiting{model_name="llama"} 1
"#,
            r#"
vllm:num_requests_running{engine="0",model_name="llama"} 5
vllm:num_requests_waiting{engine="0",model_name="llama"} 2
"#,
        ],
        demand: 14.0,
        backlog: Some(3.0),
        caveat: None,
    },
];

#[tokio::test]
async fn pages_of_the_field_give_the_number_that_a_person_counts() {
    let rows: Vec<Row> =
        CASES.iter().enumerate().flat_map(|(nth, case)| case.stored(nth)).collect();
    let prometheus = prometheus(&rows).await;
    let theirs = source(&prometheus);
    for (nth, case) in CASES.iter().enumerate() {
        let stored =
            theirs.sample(&case.signals(&format!("namespace=\"case-{nth}\"")), now()).await;
        case.check("Prometheus", stored.unwrap_or_else(|error| panic!("{}: {error}", case.seen)));

        let mut endpoints = Vec::new();
        for page in case.pages {
            endpoints.push(Endpoint::exposing(&rows_of(page, "")).await);
        }
        let (ours, signals) = (Endpoint::source_over(&endpoints), case.signals(""));
        let scraped =
            Endpoint::play_all(&endpoints, async |slot| ours.sample(&signals, slot).await).await;
        case.check("the scrape", scraped.unwrap_or_else(|error| panic!("{}: {error}", case.seen)));
    }
}

impl Case {
    fn signals(&self, place: &str) -> Signals {
        let given = [place, self.selector].into_iter().filter(|part| !part.is_empty());
        // Names that could be anybody's want a selector in any case.
        let selector = given.collect::<Vec<_>>().join(",");
        let found = preset::find(self.preset, &Selector::parse(&selector).unwrap()).unwrap();
        let backlog = found.backlog.map(Query::Preset);
        Signals {
            demand: Query::Preset(found.demand),
            backlog,
            latency: found.latency.map(Query::Preset),
        }
    }

    /// The pages' series as a Prometheus stores them: with the target's labels.
    fn stored(&self, nth: usize) -> Vec<Row> {
        let labels = |pod: usize| {
            format!(",namespace=\"case-{nth}\",job=\"pods\",instance=\"10.0.0.{pod}:80\"")
        };
        self.pages.iter().enumerate().flat_map(|(pod, page)| rows_of(page, &labels(pod))).collect()
    }

    fn check(&self, who: &str, sample: Sample) {
        let alike = |seen: Option<f64>, meant: Option<f64>| match (seen, meant) {
            (Some(seen), Some(meant)) => (seen - meant).abs() <= 1e-6 * meant.abs().max(1.0),
            (seen, meant) => seen == meant,
        };
        let Self { seen, demand, backlog, caveat, .. } = self;
        assert!(
            alike(sample.demand, Some(*demand)),
            "{seen}: {who} says {sample:?}, a person {demand}"
        );
        assert!(
            alike(sample.backlog, *backlog),
            "{seen}: {who} says {sample:?}, a person {backlog:?} waiting"
        );
        match caveat {
            Some(words) => assert!(
                sample.caveat.is_some_and(|told| told.contains(words)),
                "{seen}: {who}: {sample:?}"
            ),
            None => assert_eq!(sample.caveat, None, "{seen}: {who}"),
        }
    }
}

/// The series of a page, with further labels.
fn rows_of(page: &str, labels: &str) -> Vec<Row> {
    let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, numbers) = line.rsplit_once("} ").unwrap();
            let (value, rate) = numbers.split_once(" +").unwrap_or((numbers, "0"));
            let (value, rate): (f64, f64) = (value.parse().unwrap(), rate.parse().unwrap());
            let values = (0..SCRAPES).map(|scrape| value + rate * 13.0 * scrape as f64).collect();
            Row { series: format!("{series}{labels}}}"), values }
        })
        .collect()
}
