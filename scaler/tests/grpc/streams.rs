//! Push over real connections.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use prewarm::grpc::proto::{GetMetricSpecResponse, IsActiveResponse};
use prewarm_forecaster::Answer;
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::served::{Client, Served, active, metric, scaled_object, soon, spec, value, with};

#[tokio::test]
async fn c03_the_streamed_spec_is_the_one_that_is_asked_for() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let mut stream = client.stream_metric_spec(reference.clone()).await.unwrap().into_inner();
    let streamed = soon(stream.next()).await.unwrap().unwrap().metric_specs;
    assert_eq!(streamed, [spec(&mut client, &reference).await.unwrap()]);
}

#[tokio::test]
async fn c26_push_reports_an_active_workload_at_once_and_one_that_wakes() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let (awake, asleep) = (scaled_object("awake"), scaled_object("asleep"));
    served.answering(&mut client, &awake, value(8.0)).await;
    served.answering(&mut client, &asleep, value(0.0)).await;
    let mut first = client.stream_is_active(awake).await.unwrap().into_inner();
    let mut second = client.stream_is_active(asleep.clone()).await.unwrap().into_inner();
    assert!(soon(first.next()).await.unwrap().unwrap().result);
    served.publish(&asleep, value(8.0));
    assert!(soon(second.next()).await.unwrap().unwrap().result);
}

#[tokio::test]
async fn c28_a_stream_that_came_before_the_data_starts_with_it() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let mut stream = client.stream_is_active(reference.clone()).await.unwrap().into_inner();
    served.publish(&reference, Answer::NoData);
    served.publish(&reference, value(8.0));
    assert!(soon(stream.next()).await.unwrap().unwrap().result);
}

#[tokio::test]
async fn c28_a_stream_with_bad_metadata_is_silent_until_an_edit() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let bad = with(scaled_object("llama"), "quantile", "2");
    let mut stream = client.stream_is_active(bad.clone()).await.unwrap().into_inner();
    served.publish(&bad, value(8.0));
    assert_eq!(active(&mut client, &bad).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(
        stream.next().now_or_never().is_none(),
        "said something about a trigger that it cannot read"
    );
    spec(&mut client, &scaled_object("llama")).await.unwrap();
    served.publish(&bad, value(8.0));
    assert!(soon(stream.next()).await.unwrap().unwrap().result);
}

#[tokio::test]
async fn c27_every_kind_of_stream_ends_with_ok_at_shutdown() {
    let mut served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let mut activity = client.stream_is_active(reference.clone()).await.unwrap().into_inner();
    let mut specs = client.stream_metric_spec(reference).await.unwrap().into_inner();
    soon(specs.next()).await.unwrap().unwrap();
    let mut health = HealthClient::new(served.channel().await);
    let mut watched =
        health.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    soon(watched.next()).await.unwrap().unwrap();

    served.shutdown.cancel();
    assert!(soon(activity.next()).await.is_none(), "ended with an error");
    assert!(soon(specs.next()).await.is_none(), "ended with an error");
    assert!(soon(watched.next()).await.is_none(), "ended with an error");
    soon(&mut served.running).await.unwrap().unwrap();
}

/// Both streams of `count` ScaledObjects on one connection, as KEDA 2.21 opens them.
async fn push_streams(
    client: &Client,
    count: usize,
) -> Vec<(Streaming<IsActiveResponse>, Streaming<GetMetricSpecResponse>)> {
    join_all((0..count).map(|i| {
        let (mut client, mut other) = (client.clone(), client.clone());
        async move {
            let reference = scaled_object(&format!("so-{i}"));
            let activity = client.stream_is_active(reference.clone()).await.unwrap().into_inner();
            let mut specs = other.stream_metric_spec(reference).await.unwrap().into_inner();
            specs.next().await.unwrap().unwrap();
            (activity, specs)
        }
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_two_thousand_streams_do_not_starve_unary_calls_on_their_connection() {
    let served = Served::start().await;
    let client = served.client().await;
    let mut streams = soon(push_streams(&client, 1000)).await;
    for i in 0..1000 {
        served.publish(&scaled_object(&format!("so-{i}")), value(8.0));
    }
    let name = spec(&mut client.clone(), &scaled_object("so-0")).await.unwrap().metric_name;
    let unary = join_all((0..1000).map(|i| {
        let (mut client, name) = (client.clone(), name.clone());
        async move {
            let reference = scaled_object(&format!("so-{i}"));
            assert_eq!(
                metric(&mut client, &reference, &name).await.unwrap().metric_value_float,
                8.0
            );
            assert!(active(&mut client, &reference).await.unwrap());
        }
    }));
    let pushed = join_all(
        streams
            .iter_mut()
            .map(async |(activity, _)| activity.next().await.unwrap().unwrap().result),
    );
    let (_, pushed) = soon(async { tokio::join!(unary, pushed) }).await;
    assert!(pushed.iter().all(|active| *active));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c33_two_thousand_open_streams_do_not_hold_up_the_end() {
    let mut served = Served::start().await;
    let client = served.client().await;
    let streams = soon(push_streams(&client, 1000)).await;
    let started = Instant::now();
    served.shutdown.cancel();
    let ends = join_all(streams.into_iter().map(async |(mut activity, mut specs)| {
        activity.next().await.is_none() && specs.next().await.is_none()
    }));
    let (ended, ends) = tokio::join!(&mut served.running, ends);
    ended.unwrap().unwrap();
    assert!(ends.iter().all(|ok| *ok), "a stream ended with an error");
    // Well before the limit at which connections are cut: nothing had to be.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c43_streams_end_with_their_connection_and_state_does_not() {
    let served = Served::start().await;
    let holders = served.holders_now();
    let client = served.client().await;
    let streams = soon(push_streams(&client, 50)).await;
    // Each stream holds the registry.
    served.holders(holders + 100).await;
    drop((streams, client));
    served.holders(holders).await;
    assert_eq!(served.registry.len(), 50);
    let reference = scaled_object("so-7");
    served.publish(&reference, value(8.0));
    assert!(active(&mut served.client().await, &reference).await.unwrap());
}
