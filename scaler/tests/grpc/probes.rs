//! Health, reflection, the end.

use std::time::Duration;

use prewarm_forecaster::Answer;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_reflection::pb::v1alpha;

use crate::served::{Served, metric, scaled_object, soon, value, with};

const SCALER: &str = "externalscaler.ExternalScaler";

#[tokio::test]
async fn c35_liveness_never_depends_on_readiness() {
    let served = Served::start().await;
    let mut health = HealthClient::new(served.channel().await);
    let mut client = served.client().await;
    served.answering(&mut client, &scaled_object("llama"), Answer::Unavailable).await;
    let mut watched = health.watch(request("readiness")).await.unwrap().into_inner();
    let mut next = async || soon(watched.next()).await.unwrap().unwrap().status();

    // A new process: alive, not ready, whatever its sources say.
    assert_eq!(next().await, ServingStatus::NotServing);
    for (ready, expected) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)] {
        served.ready.send(ready).unwrap();
        assert_eq!(next().await, expected);
        for (service, expected) in [
            ("", ServingStatus::Serving),
            ("liveness", ServingStatus::Serving),
            ("readiness", expected),
            (SCALER, expected),
        ] {
            let status = health.check(request(service)).await.unwrap().into_inner().status();
            assert_eq!(status, expected, "{service:?} while ready = {ready}");
        }
    }
    assert_eq!(health.check(request("unheard-of")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_names_the_services_in_both_versions() {
    let served = Served::start().await;
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(served.channel().await);
    let mut replies =
        client.server_reflection_info(tokio_stream::once(list)).await.unwrap().into_inner();
    let ServerReflectionResponse {
        message_response: Some(MessageResponse::ListServicesResponse(services)),
        ..
    } = soon(replies.next()).await.unwrap().unwrap()
    else {
        panic!("not a list of services")
    };
    let names: Vec<_> = services.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SCALER) && names.contains(&"grpc.health.v1.Health"), "{names:?}");

    let list = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(SCALER.into()),
        ),
    };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(served.channel().await);
    let mut replies =
        client.server_reflection_info(tokio_stream::once(list)).await.unwrap().into_inner();
    let reply = soon(replies.next()).await.unwrap().unwrap().message_response;
    let found = v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse;
    let Some(reply) = reply else { panic!("no answer") };
    assert_eq!(
        std::mem::discriminant(&reply),
        std::mem::discriminant(&found(Default::default())),
        "{reply:?}"
    );
}

#[tokio::test]
async fn every_call_is_counted_once_by_its_end() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    metric(&mut client, &reference, &name).await.unwrap();
    metric(&mut client, &reference, "other").await.unwrap_err();
    client.stream_is_active(with(reference.clone(), "threshold", "none")).await.unwrap();
    let given_up = client.stream_is_active(reference.clone()).await.unwrap();
    let kept = client.stream_is_active(reference.clone()).await.unwrap();
    drop(given_up);
    let expected = [
        r#"grpc_started_total{method="GetMetrics"} 2"#,
        r#"grpc_handled_total{method="GetMetrics",code="OK"} 1"#,
        r#"grpc_handled_total{method="GetMetrics",code="NOT_FOUND"} 1"#,
        r#"grpc_handled_total{method="StreamIsActive",code="CANCELLED"} 2"#,
        r#"grpc_streams{method="StreamIsActive"} 1"#,
    ];
    shows(&served, &expected).await;
    served.shutdown.cancel();
    let expected = [
        r#"grpc_handled_total{method="StreamIsActive",code="OK"} 1"#,
        r#"grpc_streams{method="StreamIsActive"} 0"#,
    ];
    shows(&served, &expected).await;
    drop(kept);
}

/// Waits until the metrics say so: a client knows the end of a call before it is counted.
async fn shows(served: &Served, expected: &[&str]) {
    let mut text = String::new();
    let shown = async {
        while !expected.iter().all(|line| text.contains(line)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            text = served.metrics.encode(&served.registry).unwrap();
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), shown).await.is_err() {
        panic!("expected {expected:#?} in\n{text}");
    }
}

#[tokio::test]
async fn the_server_returns_when_told_to_and_takes_no_more_connections() {
    let mut served = Served::start().await;
    let _idle = served.client().await;
    served.shutdown.cancel();
    soon(&mut served.running).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}
