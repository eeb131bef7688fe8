//! Clients of other KEDA versions: their messages are written out by hand, as their generated code
//! has them.

use std::collections::HashMap;

use prewarm_forecaster::Answer;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::served::{Served, metadata, scaled_object, soon, spec, value};

/// KEDA 2.9: no float fields, no StreamMetricSpec.
mod v2_9 {
    use super::HashMap;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ScaledObjectRef {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) namespace: String,
        #[prost(map = "string, string", tag = "3")]
        pub(super) scaler_metadata: HashMap<String, String>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct IsActiveResponse {
        #[prost(bool, tag = "1")]
        pub(super) result: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricSpec {
        #[prost(string, tag = "1")]
        pub(super) metric_name: String,
        #[prost(int64, tag = "2")]
        pub(super) target_size: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct GetMetricSpecResponse {
        #[prost(message, repeated, tag = "1")]
        pub(super) metric_specs: Vec<MetricSpec>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct GetMetricsRequest {
        #[prost(message, optional, tag = "1")]
        pub(super) scaled_object_ref: Option<ScaledObjectRef>,
        #[prost(string, tag = "2")]
        pub(super) metric_name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricValue {
        #[prost(string, tag = "1")]
        pub(super) metric_name: String,
        #[prost(int64, tag = "2")]
        pub(super) metric_value: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct GetMetricsResponse {
        #[prost(message, repeated, tag = "1")]
        pub(super) metric_values: Vec<MetricValue>,
    }
}

/// A version still to come: it sends fields that nobody knows today.
#[derive(Clone, PartialEq, prost::Message)]
struct FutureRef {
    #[prost(message, optional, tag = "77")]
    novelty: Option<v2_9::IsActiveResponse>,
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(map = "string, string", tag = "3")]
    scaler_metadata: HashMap<String, String>,
    #[prost(double, tag = "99")]
    another: f64,
}

async fn call<Q, A>(client: &mut Grpc<Channel>, method: &str, request: Q) -> Result<A, Status>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    client.ready().await.unwrap();
    let path = format!("/externalscaler.ExternalScaler/{method}").parse().unwrap();
    Ok(client.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await?.into_inner())
}

#[tokio::test]
async fn c01_a_client_of_keda_2_9_reads_whole_numbers() {
    let served = Served::start().await;
    let mut old = Grpc::new(served.channel().await);
    let reference = v2_9::ScaledObjectRef {
        name: "llama".into(),
        namespace: "models".into(),
        scaler_metadata: metadata(),
    };
    let spec: v2_9::GetMetricSpecResponse =
        call(&mut old, "GetMetricSpec", reference.clone()).await.unwrap();
    assert_eq!((spec.metric_specs.len(), spec.metric_specs[0].target_size), (1, 4));

    let question = v2_9::GetMetricsRequest {
        scaled_object_ref: Some(reference.clone()),
        metric_name: spec.metric_specs[0].metric_name.clone(),
    };
    for (published, read, running) in [(22.222, 23, true), (0.2, 1, true), (0.0, 0, false)] {
        served.publish(&scaled_object("llama"), value(published));
        let values: v2_9::GetMetricsResponse =
            call(&mut old, "GetMetrics", question.clone()).await.unwrap();
        assert_eq!((values.metric_values.len(), values.metric_values[0].metric_value), (1, read));
        let active: v2_9::IsActiveResponse =
            call(&mut old, "IsActive", reference.clone()).await.unwrap();
        assert_eq!(active.result, running);
    }
    served.publish(&scaled_object("llama"), Answer::Unavailable);
    let held: Result<v2_9::GetMetricsResponse, _> = call(&mut old, "GetMetrics", question).await;
    assert_eq!(held.unwrap_err().code(), Code::Unavailable);

    old.ready().await.unwrap();
    let path =
        http::uri::PathAndQuery::from_static("/externalscaler.ExternalScaler/StreamIsActive");
    let codec = ProstCodec::<v2_9::ScaledObjectRef, v2_9::IsActiveResponse>::default();
    served.publish(&scaled_object("llama"), value(8.0));
    let mut pushed =
        old.server_streaming(Request::new(reference), path, codec).await.unwrap().into_inner();
    assert!(soon(pushed.next()).await.unwrap().unwrap().result);
}

#[tokio::test]
async fn c02_fields_that_nobody_knows_yet_are_ignored() {
    let served = Served::start().await;
    let mut newer = Grpc::new(served.channel().await);
    let reference = FutureRef {
        novelty: Some(v2_9::IsActiveResponse { result: true }),
        name: "llama".into(),
        namespace: "models".into(),
        scaler_metadata: metadata(),
        another: 1.5,
    };
    let answer: v2_9::GetMetricSpecResponse =
        call(&mut newer, "GetMetricSpec", reference).await.unwrap();
    let today = spec(&mut served.client().await, &scaled_object("llama")).await.unwrap();
    assert_eq!(answer.metric_specs[0].metric_name, today.metric_name);
}
