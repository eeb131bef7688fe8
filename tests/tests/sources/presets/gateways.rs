//! What stands in front of the servers, as they export themselves.

use super::{Case, histogram};

pub(super) const CASES: &[Case] = &[
    Case {
        preset: "llm-d-epp",
        what: "two pools, one of whose pickers has not seen a request",
        series: &[
            "llm_d_epp_request_running{pod=\"a\"} = 8",
            "llm_d_epp_average_queue_size{pod=\"a\",name=\"p\"} = 1.5",
            "llm_d_epp_ready_endpoints{pod=\"a\",name=\"p\"} = 4",
            "llm_d_epp_average_queue_size{pod=\"b\",name=\"q\"} = 0",
            "llm_d_epp_ready_endpoints{pod=\"b\",name=\"q\"} = 9",
        ],
        meant: (Some(8.0), Some(6.0), None),
    },
    Case {
        preset: "llm-d-epp",
        what: "idle from the start",
        series: &["inference_pool_average_queue_size = 0", "inference_pool_ready_pods = 2"],
        meant: (Some(0.0), Some(0.0), None),
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
        preset: "istio",
        what: "a client's proxy before a waypoint",
        series: &[
            "istio_request_duration_milliseconds_sum{reporter=\"source\",source_workload=\"a\"} + 2500",
            "istio_request_duration_milliseconds_sum{reporter=\"waypoint\",source_workload=\"a\"} + 2450",
            "istio_request_duration_milliseconds_sum{reporter=\"destination\",source_workload=\"a\"} + 2400",
        ],
        meant: (Some(2.5), None, None),
    },
    Case {
        preset: "istio",
        what: "a gateway that passes the waypoint by, and clients without a proxy",
        series: &[
            "istio_request_duration_milliseconds_sum{reporter=\"source\",source_workload=\"gateway\"} + 3000",
            "istio_request_duration_milliseconds_sum{reporter=\"waypoint\",source_workload=\"a\"} + 1000",
        ],
        meant: (Some(4.0), None, None),
    },
    Case {
        preset: "istio",
        what: "a waypoint alone",
        series: &[
            "istio_request_duration_milliseconds_sum{reporter=\"waypoint\",source_workload=\"unknown\"} + 1500",
            histogram!("istio_request_duration_milliseconds", ",reporter=\"waypoint\""),
        ],
        meant: (Some(1.5), None, Some(0.0015)),
    },
    Case {
        preset: "envoy",
        what: "control planes and helpers of several products",
        series: &[
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"xds-grpc\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"sds-grpc\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"ads_cluster\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"rest_xds_cluster\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"kuma:envoy:admin\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"prometheus_stats\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"ratelimit_cluster\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"envoyextensionpolicy/a/b/extproc/0\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"opentelemetry_collector\"} = 1",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"httproute/a/downloads/rule/0\"} = 4",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"outbound|80||ads.shop.svc.cluster.local\"} = 2",
            "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"httproute/a/tracing-model/rule/0\"} = 3",
            "envoy_cluster_upstream_rq_pending_active{envoy_cluster_name=\"xds-grpc\"} = 1",
            "envoy_cluster_upstream_rq_pending_active{envoy_cluster_name=\"httproute/a/downloads/rule/0\"} = 0",
        ],
        meant: (Some(9.0), Some(0.0), None),
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
