//! `GetMetrics` over the wire with 10,000 workloads against a bare tonic echo of the same messages,
//! and KEDA's rhythm with 1,000 ScaledObjects (C31). Figures compare within one run; servers share
//! one thread, clients another.
//!
//! `cargo bench -p prewarm --bench get_metrics [-- throughput|rhythm]`; without `--bench` (as
//! `cargo test --benches` runs it) a moment of each.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use jiff::SignedDuration;
use prewarm::clock::{Clock, SystemClock};
use prewarm::grpc::proto::external_scaler_client::ExternalScalerClient;
use prewarm::grpc::proto::external_scaler_server::{ExternalScaler, ExternalScalerServer};
use prewarm::grpc::proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricValue,
    ScaledObjectRef,
};
use prewarm::registry::Registry;
use prewarm::trigger::Rules;
use prewarm_forecaster::{Answer, Decision, Parts, Reason, Recommendation, State};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

const WORKLOADS: usize = 10_000;
const IN_FLIGHT: [usize; 3] = [1, 8, 64];
const SCALED_OBJECTS: usize = 1_000;
const SERVER_THREAD: &str = "servers";
const VALUE: f64 = 22.222;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Client = ExternalScalerClient<Channel>;
type Questions = Arc<[GetMetricsRequest]>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let wanted = |part: &str| {
        arguments.iter().all(|argument| argument.starts_with("--") || argument == part)
    };
    let (rounds, cell, cycle) = if full { (10, 1000, 30_000) } else { (1, 20, 300) };

    let (servers, clients) = (runtime(SERVER_THREAD)?, runtime("clients")?);
    let (registry, arrivals) = Registry::new(Rules::default(), WORKLOADS, Arc::new(SystemClock));
    let registry = Arc::new(registry);
    let ours = servers.block_on(prewarm_server(registry.clone()))?;
    let bare = servers.block_on(echo_server())?;
    clients.block_on(async {
        let (ours, bare) = (connect(ours).await?, connect(bare).await?);
        let questions = register(&ours, &registry).await?.into();
        if wanted("throughput") {
            throughput(&ours, &bare, &questions, rounds, Duration::from_millis(cell)).await?;
        }
        if wanted("rhythm") {
            rhythm(&ours, &questions, Duration::from_millis(cycle)).await?;
        }
        drop(arrivals);
        Ok(())
    })
}

async fn throughput(
    ours: &Client,
    bare: &Client,
    questions: &Questions,
    rounds: usize,
    cell: Duration,
) -> Outcome {
    println!(
        "GetMetrics, {WORKLOADS} workloads, one connection, {rounds} × {cell:?} of each in turn"
    );
    println!(
        "in flight   prewarm/s    p50 µs    p99 µs  cpu µs      echo/s    p50 µs    p99 µs  cpu µs   ratio"
    );
    for in_flight in IN_FLIGHT {
        let (mut us, mut echo, mut ratios) = (Cell::default(), Cell::default(), Vec::new());
        for round in 0..=rounds {
            let one = load(ours, questions, in_flight, cell).await?;
            let other = load(bare, questions, in_flight, cell).await?;
            if round == 0 {
                continue; // warms up
            }
            ratios.push(one.rate() / other.rate());
            us.add(one);
            echo.add(other);
        }
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        println!("{in_flight:>9} {} {} {ratio:>7.2}", us.columns(), echo.columns());
    }
    Ok(())
}

/// KEDA polls every ScaledObject in the same instant (three calls, one after the other), and within
/// a polling interval the HPA controller's five workers go round twice.
async fn rhythm(client: &Client, questions: &Questions, cycle: Duration) -> Outcome {
    println!(
        "KEDA with {SCALED_OBJECTS} ScaledObjects: all polled in the same instant, two HPA rounds over {cycle:?}"
    );
    println!("              calls    p50 ms    p99 ms    max ms");
    let started = Instant::now();
    let polls = (0..SCALED_OBJECTS)
        .map(|i| tokio::spawn(three_calls(client.clone(), questions[i].clone())));
    let polls = try_join_all(polls);
    let pace = cycle / (2 * SCALED_OBJECTS) as u32;
    let syncs = try_join_all((0..5).map(|worker| {
        let (client, questions) = (client.clone(), questions.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            for turn in (worker..2 * SCALED_OBJECTS).step_by(5) {
                tokio::time::sleep_until((started + pace * turn as u32).into()).await;
                latencies.extend(
                    three_calls(client.clone(), questions[turn % SCALED_OBJECTS].clone()).await?,
                );
            }
            Ok::<_, Status>(latencies)
        })
    }));
    let (polls, syncs) = tokio::try_join!(polls, syncs)?;
    let mut all = Cell::default();
    for (name, calls) in [("polls", polls), ("HPA", syncs)] {
        let mut cell = Cell::default();
        for latencies in calls {
            cell.latencies.extend(latencies?);
        }
        cell.print(name);
        all.add(cell);
    }
    all.print("all");
    Ok(())
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()
}

async fn prewarm_server(registry: Arc<Registry>) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_ready, readiness) = watch::channel(true);
    let forever = CancellationToken::new();
    tokio::spawn(prewarm::grpc::serve(
        listener,
        registry,
        Arc::default(),
        None,
        readiness,
        forever,
    ));
    Ok(address)
}

/// Decodes, answers with as many bytes, looks nothing up.
struct Echo;

type Never<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for Echo {
    type StreamIsActiveStream = Never<IsActiveResponse>;
    type StreamMetricSpecStream = Never<GetMetricSpecResponse>;

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let metric_name = request.into_inner().metric_name;
        let value = MetricValue {
            metric_name,
            metric_value: VALUE.ceil() as i64,
            metric_value_float: VALUE,
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }

    async fn is_active(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stream_is_active(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Never<IsActiveResponse>>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stream_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Never<GetMetricSpecResponse>>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn echo_server() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().add_service(ExternalScalerServer::new(Echo));
    // As our own acceptor does, and as tonic does on listeners that it binds itself.
    let incoming = futures::StreamExt::map(TcpListenerStream::new(listener), |stream| {
        stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
    });
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(address)
}

async fn connect(address: SocketAddr) -> Outcome<Client> {
    Ok(Client::new(Endpoint::from_shared(format!("http://{address}"))?.connect().await?))
}

fn reference(i: usize) -> ScaledObjectRef {
    let metadata = [
        ("scalerAddress", "prewarm.prewarm.svc.cluster.local:9090".to_owned()),
        ("query", format!("sum(vllm:num_requests_running{{model_name=\"model-{i}\"}})")),
        ("threshold", "4".to_owned()),
    ];
    ScaledObjectRef {
        name: format!("model-{i}"),
        namespace: format!("team-{}", i % 100),
        scaler_metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// Registers every workload over the wire and gives each an answer; returns what to ask about them.
async fn register(client: &Client, registry: &Registry) -> Outcome<Vec<GetMetricsRequest>> {
    let mut client = client.clone();
    let mut questions = Vec::with_capacity(WORKLOADS);
    for i in 0..WORKLOADS {
        let mut specs = client.get_metric_spec(reference(i)).await?.into_inner().metric_specs;
        let metric_name = specs.pop().ok_or("no spec")?.metric_name;
        questions.push(GetMetricsRequest { scaled_object_ref: Some(reference(i)), metric_name });
    }
    let at = SystemClock.now();
    let decision = Decision {
        desired_replicas: 6,
        metric_value: VALUE,
        active: true,
        reason: Reason::Live,
        state: State::Fresh,
        parts: Parts::default(),
    };
    for workload in registry.workloads() {
        let answer = Answer::Value { metric_value: VALUE, active: true };
        workload.publish(Recommendation {
            at,
            valid_until: at + SignedDuration::from_hours(1),
            answer,
            decision,
        });
    }
    assert_eq!(registry.len(), WORKLOADS);
    Ok(questions)
}

/// Keeps `in_flight` calls under way for the length of the cell; every answer is checked.
async fn load(
    client: &Client,
    questions: &Questions,
    in_flight: usize,
    length: Duration,
) -> Outcome<Cell> {
    let (next, started, busy) = (Arc::new(AtomicUsize::new(0)), Instant::now(), server_cpu()?);
    let callers = (0..in_flight).map(|_| {
        let (mut client, questions, next) = (client.clone(), questions.clone(), next.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < length {
                // A stride coprime to the number of workloads visits all of them, in no cache's
                // favor.
                let i = next.fetch_add(7919, Ordering::Relaxed) % questions.len();
                let (asked, question) = (Instant::now(), questions[i].clone());
                let values = client.get_metrics(question).await?.into_inner().metric_values;
                latencies.push(asked.elapsed());
                assert!(values.len() == 1 && values[0].metric_value_float == VALUE);
            }
            Ok::<_, Status>(latencies)
        })
    });
    let mut cell = Cell::default();
    for latencies in join_all(callers).await {
        cell.latencies.extend(latencies??);
    }
    (cell.took, cell.server_cpu) = (started.elapsed(), server_cpu()? - busy);
    Ok(cell)
}

/// What the servers' thread has run so far; unlike the clock it does not count what else the
/// machine does.
fn server_cpu() -> Outcome<Duration> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim_end() == SERVER_THREAD {
            let nanoseconds = std::fs::read_to_string(task.join("schedstat"))?;
            return Ok(Duration::from_nanos(
                nanoseconds.split(' ').next().unwrap_or_default().parse()?,
            ));
        }
    }
    Err("the servers' thread is not listed in /proc".into())
}

async fn three_calls(
    mut client: Client,
    question: GetMetricsRequest,
) -> Result<Vec<Duration>, Status> {
    let mut latencies = Vec::with_capacity(3);
    let reference = || question.scaled_object_ref.clone().unwrap_or_default();
    let asked = Instant::now();
    client.get_metric_spec(reference()).await?;
    latencies.push(asked.elapsed());
    let asked = Instant::now();
    client.get_metrics(question.clone()).await?;
    latencies.push(asked.elapsed());
    let asked = Instant::now();
    client.is_active(reference()).await?;
    latencies.push(asked.elapsed());
    Ok(latencies)
}

/// Latencies of calls under the same conditions.
#[derive(Default)]
struct Cell {
    latencies: Vec<Duration>,
    took: Duration,
    server_cpu: Duration,
}

impl Cell {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.took += other.took;
        self.server_cpu += other.server_cpu;
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// In milliseconds.
    fn quantile(&mut self, q: f64) -> f64 {
        let last = self.latencies.len() - 1;
        let rank = (last as f64 * q).round() as usize;
        self.latencies.select_nth_unstable(rank).1.as_secs_f64() * 1e3
    }

    fn columns(&mut self) -> String {
        let cpu = self.server_cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64;
        let (p50, p99) = (self.quantile(0.5) * 1e3, self.quantile(0.99) * 1e3);
        format!("{:>11.0} {p50:>9.0} {p99:>9.0} {cpu:>7.1}", self.rate())
    }

    fn print(&mut self, name: &str) {
        let (p50, p99, max) = (self.quantile(0.5), self.quantile(0.99), self.quantile(1.0));
        println!("{name:>9} {:>9} {p50:>9.2} {p99:>9.2} {max:>9.2}", self.latencies.len());
    }
}
