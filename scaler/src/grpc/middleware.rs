//! What every call goes through: a deadline, a net for panics, counting, and an orderly end of
//! streams at shutdown.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::metrics::Metrics;

/// What calls have in common.
#[derive(Debug)]
pub(super) struct Calls {
    metrics: Arc<Metrics>,
    limit: Duration,
    shutdown: CancellationToken,
}

impl Calls {
    /// Calls that take at most `limit` and whose streams end on `shutdown`.
    pub(super) fn new(metrics: Arc<Metrics>, limit: Duration, shutdown: CancellationToken) -> Self {
        Self { metrics, limit, shutdown }
    }

    /// Answers a request within the limit (or the client's shorter `grpc-timeout`), come what may.
    ///
    /// The limit covers the arrival of the request's body; of a streaming call it covers the head
    /// of the response only.
    pub(super) async fn answer<S, B>(
        &self,
        service: S,
        request: Request<B>,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        let method = Method::of(request.uri().path());
        let mut call = Call::begin(self.metrics.clone(), method.name);
        let limit =
            grpc_timeout(request.headers()).map_or(self.limit, |theirs| theirs.min(self.limit));
        let answering =
            AssertUnwindSafe(async move { service.oneshot(request).await }).catch_unwind();

        let response = match tokio::time::timeout(limit, answering).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(_)) => contained(method.name).into_http(),
            Err(_) => Status::deadline_exceeded(format!("no answer within {limit:?}")).into_http(),
        };
        let failed = response.headers().contains_key(GRPC_STATUS);
        call.code = Some(code(response.headers()));
        if failed || !method.streaming {
            return Ok(response);
        }
        call.code = None;
        Ok(response.map(|body| Body::new(Stream::new(body, call, self.shutdown.clone()))))
    }
}

const GRPC_STATUS: &str = "grpc-status";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Method {
    name: &'static str,
    streaming: bool,
}

impl Method {
    /// Names are metric labels, hence a closed set.
    fn of(path: &str) -> Self {
        let (name, streaming) = match path {
            "/externalscaler.ExternalScaler/IsActive" => ("IsActive", false),
            "/externalscaler.ExternalScaler/GetMetricSpec" => ("GetMetricSpec", false),
            "/externalscaler.ExternalScaler/GetMetrics" => ("GetMetrics", false),
            "/externalscaler.ExternalScaler/StreamIsActive" => ("StreamIsActive", true),
            "/externalscaler.ExternalScaler/StreamMetricSpec" => ("StreamMetricSpec", true),
            "/grpc.health.v1.Health/Check" => ("HealthCheck", false),
            "/grpc.health.v1.Health/Watch" => ("HealthWatch", true),
            // Reflection is a stream; treating an unknown method as one costs nothing.
            _ => ("other", true),
        };
        Self { name, streaming }
    }
}

/// Says that a call has panicked. The panic hook has already printed where and why.
fn contained(method: &'static str) -> Status {
    tracing::error!(rpc.method = method, "call panicked");
    Status::internal("internal error; the server's log says more")
}

/// A call under way; counted as canceled unless it is given a code before it is dropped.
struct Call {
    metrics: Arc<Metrics>,
    method: &'static str,
    started: Instant,
    code: Option<Code>,
}

impl Call {
    fn begin(metrics: Arc<Metrics>, method: &'static str) -> Self {
        metrics.rpc_started(method);
        Self { metrics, method, started: Instant::now(), code: None }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        self.metrics.rpc_handled(self.method, code_name(code), self.started.elapsed());
    }
}

/// The body of a streaming call. It ends with OK when the server shuts down (KEDA reconnects after
/// 2 s; after an error its back-off grows to a minute), and with INTERNAL when it panics.
struct Stream {
    inner: Body,
    call: Call,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream {
    fn new(inner: Body, call: Call, shutdown: CancellationToken) -> Self {
        call.metrics.streams(call.method, 1);
        Self { inner, call, shutdown: Box::pin(shutdown.cancelled_owned()) }
    }

    fn end(&mut self, status: &Status) -> Frame<<Body as http_body::Body>::Data> {
        self.call.code = Some(status.code());
        let mut trailers = HeaderMap::new();
        // Fails only for messages that no header can hold; ours are plain text.
        let _ = status.add_header(&mut trailers);
        Frame::trailers(trailers)
    }
}

impl http_body::Body for Stream {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if this.call.code.is_some() {
            return Poll::Ready(None);
        }
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll_frame(context))) {
            Ok(Poll::Pending) => {
                ready!(this.shutdown.as_mut().poll(context));
                Poll::Ready(Some(Ok(this.end(&Status::ok("")))))
            }
            Ok(Poll::Ready(frame)) => {
                if let Some(Ok(frame)) = &frame
                    && let Some(trailers) = frame.trailers_ref()
                {
                    this.call.code = Some(code(trailers));
                }
                Poll::Ready(frame)
            }
            Err(_) => {
                let status = contained(this.call.method);
                Poll::Ready(Some(Ok(this.end(&status))))
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.call.metrics.streams(self.call.method, -1);
    }
}

/// The client's deadline: up to eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let many = digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = if many { return None } else { digits.parse().ok()? };
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The code in headers or trailers; a head without one is a success (its code comes in the
/// trailers).
fn code(headers: &HeaderMap) -> Code {
    headers.get(GRPC_STATUS).map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()))
}

/// The canonical name, as a metric label.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;
    use tokio::time::Instant;
    use tower::service_fn;

    const LIMIT: Duration = Duration::from_millis(900);

    fn calls(shutdown: &CancellationToken) -> Calls {
        Calls::new(Arc::default(), LIMIT, shutdown.clone())
    }

    fn request(path: &str, grpc_timeout: Option<&str>) -> Request<()> {
        let mut request = Request::builder().uri(format!("http://prewarm{path}"));
        if let Some(value) = grpc_timeout {
            request = request.header("grpc-timeout", value);
        }
        request.body(()).unwrap()
    }

    const UNARY: &str = "/externalscaler.ExternalScaler/GetMetrics";
    const STREAM: &str = "/externalscaler.ExternalScaler/StreamIsActive";

    #[tokio::test(start_paused = true)]
    async fn c23_a_call_that_hangs_is_answered_at_its_deadline() {
        let calls = calls(&CancellationToken::new());
        for (theirs, expected) in
            [(None, 900), (Some("100m"), 100), (Some("5S"), 900), (Some("soon"), 900)]
        {
            let started = Instant::now();
            let hang = service_fn(|_| std::future::pending::<Result<Response<Body>, Infallible>>());
            let Ok(response) = calls.answer(hang, request(UNARY, theirs)).await;
            assert_eq!(code(response.headers()), Code::DeadlineExceeded);
            // Tokio's timer has a resolution of one millisecond.
            let took = started.elapsed().as_millis();
            assert!((expected..=expected + 1).contains(&took), "{theirs:?}: {took} ms");
        }
    }

    #[tokio::test]
    async fn c24_a_panic_is_an_internal_error_of_its_call() {
        let calls = calls(&CancellationToken::new());
        let at_once =
            service_fn(|_: Request<()>| -> std::future::Pending<_> { panic!("test: in the call") });
        let Ok(response) = calls.answer(at_once, request(UNARY, None)).await;
        assert_eq!(code(response.headers()), Code::Internal);
        let later = service_fn(async |_: Request<()>| -> Result<Response<Body>, Infallible> {
            tokio::task::yield_now().await;
            panic!("test: in the future")
        });
        let Ok(response) = calls.answer(later, request(UNARY, None)).await;
        assert_eq!(code(response.headers()), Code::Internal);
    }

    #[tokio::test]
    async fn c24_a_panic_within_a_stream_ends_that_stream_with_internal() {
        let calls = calls(&CancellationToken::new());
        let broken = service_fn(async |_: Request<()>| {
            let frames = stream::poll_fn(|_| -> Poll<Option<Result<Frame<_>, Status>>> {
                panic!("test: in the stream")
            });
            Ok(Response::new(Body::new(http_body_util::StreamBody::new(frames))))
        });
        let Ok(response) = calls.answer(broken, request(STREAM, None)).await;
        let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap();
        assert_eq!(code(&trailers), Code::Internal);
    }

    #[tokio::test]
    async fn c27_a_stream_outlives_the_deadline_and_ends_with_ok_at_shutdown() {
        tokio::time::pause();
        let shutdown = CancellationToken::new();
        let endless = service_fn(async |_: Request<()>| {
            let frames = stream::pending::<Result<Frame<_>, Status>>();
            Ok(Response::new(Body::new(http_body_util::StreamBody::new(frames))))
        });
        let Ok(response) = calls(&shutdown).answer(endless, request(STREAM, Some("100m"))).await;
        let mut body = response.into_body();
        assert!(
            tokio::time::timeout(Duration::from_secs(3600), body.frame()).await.is_err(),
            "it ended by itself"
        );
        shutdown.cancel();
        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap();
        assert_eq!(code(&trailers), Code::Ok);
    }

    #[test]
    fn grpc_timeouts_are_read_as_the_protocol_says() {
        let parse = |value: &str| grpc_timeout(request(UNARY, Some(value)).headers());
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("250u"), Some(Duration::from_micros(250)));
        assert_eq!(parse("1n"), Some(Duration::from_nanos(1)));
        for wrong in ["", "m", "10", "-1S", "+1S", "1.5S", "999999999S", "10s", "10 S"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
