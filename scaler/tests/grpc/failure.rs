//! What hangs, panics or fails, and whom it leaves alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use prewarm::clock::Clock;
use prewarm::grpc::proto::{GetMetricsRequest, GetMetricsResponse};
use prewarm_forecaster::Answer;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_prost::ProstCodec;

use crate::served::{
    Served, Setting, active, metric, noon, scaled_object, soon, spec, value, with,
};

#[tokio::test]
async fn c20_no_data_is_an_error_and_never_zero() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, Answer::NoData).await;
    let status = metric(&mut client, &reference, &name).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("query"), "{}", status.message());
}

#[tokio::test]
async fn c23_a_workload_that_is_never_decided_upon_is_unavailable_soon() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = spec(&mut client, &reference).await.unwrap().metric_name;
    let started = Instant::now();
    let (mut other, reference) = (client.clone(), &reference);
    let (value, active) =
        tokio::join!(metric(&mut client, reference, &name), active(&mut other, reference));
    let took = started.elapsed();
    assert_eq!(value.unwrap_err().code(), Code::Unavailable);
    assert_eq!(active.unwrap_err().code(), Code::Unavailable);
    // 800 ms by the server's clock (the exact deadline is a unit test); the rest is for a busy
    // machine.
    assert!(took >= Duration::from_millis(800) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn c23_a_request_that_never_arrives_in_full_is_given_up() {
    let served = Served::start().await;
    let mut client = tonic::client::Grpc::new(served.channel().await);
    client.ready().await.unwrap();
    let codec = ProstCodec::<GetMetricsRequest, GetMetricsResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/externalscaler.ExternalScaler/GetMetrics");
    let nothing = tonic::Request::new(tokio_stream::pending());
    let answer = soon(client.client_streaming(nothing, path, codec)).await;
    assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_first_question_waits_for_the_first_decision() {
    let mut served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = spec(&mut served.client().await, &scaled_object("other")).await.unwrap().metric_name;
    served.arrivals.recv().await.unwrap();
    let asking = tokio::spawn({
        let reference = reference.clone();
        async move { metric(&mut client, &reference, &name).await }
    });
    served.arrivals.recv().await.unwrap();
    served.publish(&reference, value(8.0));
    assert_eq!(soon(asking).await.unwrap().unwrap().metric_value_float, 8.0);
}

/// A clock that breaks once when told to: every call reads it.
#[derive(Debug, Default)]
struct BrokenClock {
    armed: AtomicBool,
}

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        assert!(!self.armed.swap(false, Ordering::SeqCst), "test: the clock breaks");
        noon()
    }

    fn sleep_until(&self, _deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn c24_a_panic_costs_one_call_and_nobody_else() {
    let clock = Arc::new(BrokenClock::default());
    let served = Served::with(Setting { clock: clock.clone(), ..Setting::default() }).await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    let mut bystander = client.stream_is_active(reference.clone()).await.unwrap().into_inner();
    assert!(soon(bystander.next()).await.unwrap().unwrap().result);

    clock.armed.store(true, Ordering::SeqCst);
    assert_eq!(metric(&mut client, &reference, &name).await.unwrap_err().code(), Code::Internal);
    // This one breaks while the registry is locked for writing.
    clock.armed.store(true, Ordering::SeqCst);
    assert_eq!(spec(&mut client, &scaled_object("new")).await.unwrap_err().code(), Code::Internal);

    assert_eq!(metric(&mut client, &reference, &name).await.unwrap().metric_value_float, 8.0);
    assert!(spec(&mut client, &scaled_object("new")).await.is_ok());

    // Within a stream: it alone ends.
    clock.armed.store(true, Ordering::SeqCst);
    served.publish_at(noon(), &reference, value(9.0));
    assert_eq!(soon(bystander.next()).await.unwrap().unwrap_err().code(), Code::Internal);
    assert!(active(&mut client, &reference).await.unwrap());
}

#[tokio::test]
async fn c25_failing_and_hanging_triggers_do_not_slow_others() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let good = scaled_object("good");
    let name = served.answering(&mut client, &good, value(8.0)).await;
    let hanging: Vec<_> = (0..500)
        .map(|i| {
            let (mut client, name) = (client.clone(), name.clone());
            tokio::spawn(async move {
                metric(&mut client, &scaled_object(&format!("hangs-{}", i % 5)), &name).await
            })
        })
        .collect();
    let failing = with(scaled_object("fails"), "threshold", "none");
    for _ in 0..50 {
        let mut other = client.clone();
        let (answer, failure) =
            tokio::join!(metric(&mut client, &good, &name), active(&mut other, &failing));
        assert_eq!(answer.unwrap().metric_value_float, 8.0);
        assert_eq!(failure.unwrap_err().code(), Code::InvalidArgument);
    }
    assert!(
        hanging.iter().all(|call| !call.is_finished()),
        "fifty answers took as long as a hanging one"
    );
    for call in hanging {
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    }
}
