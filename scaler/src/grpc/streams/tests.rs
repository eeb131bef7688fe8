use std::collections::HashMap;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Answer;
use tokio::time::timeout;

use super::super::convert::tests::recommendation;
use super::*;
use crate::clock::ManualClock;
use crate::trigger::Rules;

struct Fixture {
    registry: Arc<Registry>,
    clock: Arc<ManualClock>,
    started: Instant,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(recommendation(Answer::NoData).at));
        let (registry, _) = Registry::new(Rules::default(), 10, clock.clone());
        Self { registry: Arc::new(registry), clock, started: Instant::now() }
    }

    fn publish(&self, answer: Answer) {
        for workload in self.registry.workloads() {
            workload.publish(recommendation(answer));
        }
    }

    fn tell(&self, active: bool) {
        self.publish(Answer::Value { metric_value: f64::from(u8::from(active)), active });
    }

    /// The next message and the second at which it came; `None` if none comes within `patience`
    /// seconds.
    async fn next<T>(&self, stream: &mut Messages<T>, patience: u64) -> Option<(T, u64)> {
        let message = timeout(Duration::from_secs(patience), stream.next()).await.ok()?;
        Some((message.unwrap().unwrap(), self.started.elapsed().as_secs()))
    }

    async fn expect(
        &self,
        stream: &mut Messages<IsActiveResponse>,
        expected: impl Into<Option<(bool, u64)>>,
    ) {
        let next = self.next(stream, 3600).await.map(|(message, second)| (message.result, second));
        assert_eq!(next, expected.into());
    }
}

fn reference(pairs: &[(&str, &str)]) -> ScaledObjectRef {
    let metadata = [("query", "sum(demand)"), ("threshold", "4")];
    let metadata: HashMap<_, _> = metadata
        .iter()
        .chain(pairs)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    ScaledObjectRef { name: "llama".into(), namespace: "models".into(), scaler_metadata: metadata }
}

async fn second(fixture: &Fixture, second: u64) {
    tokio::time::sleep_until(fixture.started + Duration::from_secs(second)).await;
}

#[tokio::test(start_paused = true)]
async fn c26_true_at_once_and_again_every_twenty_seconds() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.tell(true);
    for expected in [(true, 0), (true, 20), (true, 40), (true, 60)] {
        fixture.expect(&mut stream, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c26_waking_up_is_told_at_once_and_sleep_is_silent() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.tell(false);
    fixture.expect(&mut stream, None).await;
    fixture.tell(true);
    fixture.expect(&mut stream, (true, 3600)).await;
    fixture.tell(false);
    fixture.expect(&mut stream, (false, 3605)).await;
    fixture.expect(&mut stream, None).await;
}

#[tokio::test(start_paused = true)]
async fn c26_news_interrupts_the_wait() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    let publishing = async {
        second(&fixture, 7).await;
        fixture.tell(true);
    };
    tokio::join!(fixture.expect(&mut stream, (true, 7)), publishing);
}

#[tokio::test(start_paused = true)]
async fn c26_flapping_is_told_at_most_every_five_seconds_and_the_latest_wins() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.tell(true);
    fixture.expect(&mut stream, (true, 0)).await;
    let flapping = async {
        for second_of_flap in 1..=30 {
            second(&fixture, second_of_flap).await;
            fixture.tell(second_of_flap % 2 == 0);
        }
    };
    let reading = async {
        let mut told = Vec::new();
        while let Some((message, second)) = fixture.next(&mut stream, 10).await {
            told.push((message.result, second));
        }
        told
    };
    let ((), told) = tokio::join!(flapping, reading);
    let seconds: Vec<_> = told.iter().map(|(_, second)| *second).collect();
    assert!(seconds[0] >= 5 && seconds.windows(2).all(|pair| pair[1] - pair[0] >= 5), "{told:?}");
    assert!(told.len() >= 4 && told.iter().any(|(active, _)| !active), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn c26_a_slow_reader_finds_the_latest_state_and_no_queue() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    for round in 0..1001 {
        fixture.tell(round % 2 == 0);
    }
    second(&fixture, 600).await;
    fixture.expect(&mut stream, (true, 600)).await;
    fixture.tell(false);
    fixture.expect(&mut stream, (false, 605)).await;
    fixture.expect(&mut stream, None).await;
}

#[tokio::test(start_paused = true)]
async fn c26_a_lapsed_answer_is_not_repeated() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.tell(true);
    fixture.expect(&mut stream, (true, 0)).await;
    fixture.clock.advance(SignedDuration::from_secs(61));
    fixture.expect(&mut stream, None).await;
    fixture.publish(Answer::Unavailable);
    fixture.expect(&mut stream, None).await;
}

#[tokio::test(start_paused = true)]
async fn c28_no_data_and_bad_metadata_are_met_with_silence() {
    let fixture = Fixture::new();
    let mut refused = activity(fixture.registry.clone(), reference(&[("threshold", "none")]), None);
    let mut no_spec =
        metric_specs(fixture.registry.clone(), reference(&[("threshold", "none")]), None);
    fixture.expect(&mut refused, None).await;
    assert!(fixture.next(&mut no_spec, 3600).await.is_none());

    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.publish(Answer::NoData);
    fixture.expect(&mut stream, None).await;
    let now = fixture.started.elapsed().as_secs();
    fixture.tell(true);
    fixture.expect(&mut stream, (true, now)).await;
}

#[tokio::test(start_paused = true)]
async fn c44_an_open_stream_is_a_sign_of_life() {
    let fixture = Fixture::new();
    let mut streams = [activity(fixture.registry.clone(), reference(&[]), None)];
    let workload = fixture.registry.workloads().remove(0);
    for _ in 0..3 {
        fixture.clock.advance(SignedDuration::from_hours(1));
        assert!(workload.last_seen() < now(&fixture));
        assert!(fixture.next(&mut streams[0], 31).await.is_none());
        assert_eq!(workload.last_seen(), now(&fixture));
    }
    let mut specs = metric_specs(fixture.registry.clone(), reference(&[]), None);
    assert!(fixture.next(&mut specs, 1).await.is_some());
    drop(streams);
    fixture.clock.advance(SignedDuration::from_hours(1));
    assert!(fixture.next(&mut specs, 31).await.is_none());
    assert_eq!(workload.last_seen(), now(&fixture));
}

#[tokio::test(start_paused = true)]
async fn an_evicted_workload_comes_back_while_a_stream_is_open() {
    let fixture = Fixture::new();
    let mut stream = activity(fixture.registry.clone(), reference(&[]), None);
    fixture.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(fixture.registry.evict(SignedDuration::from_mins(1)).len(), 1);
    assert!(fixture.next(&mut stream, 31).await.is_none());
    assert_eq!(fixture.registry.len(), 1);
    fixture.clock.set(recommendation(Answer::NoData).at);
    fixture.tell(true);
    fixture.expect(&mut stream, (true, 31)).await;
}

#[tokio::test(start_paused = true)]
async fn c03_a_spec_is_sent_at_once_and_then_when_it_has_changed() {
    let fixture = Fixture::new();
    let mut stream = metric_specs(fixture.registry.clone(), reference(&[]), None);
    let target = |message: GetMetricSpecResponse| {
        assert_eq!(message.metric_specs.len(), 1);
        message.metric_specs[0].target_size
    };
    let (first, at) = fixture.next(&mut stream, 1).await.unwrap();
    assert_eq!((target(first), at), (4, 0));
    fixture.tell(true);
    assert!(fixture.next(&mut stream, 3600).await.is_none());

    let edited = reference(&[("threshold", "8")]);
    let mut reopened = metric_specs(fixture.registry.clone(), edited, None);
    for stream in [&mut stream, &mut reopened] {
        let (message, at) = fixture.next(stream, 1).await.unwrap();
        assert_eq!((target(message), at), (8, 3600));
    }
    // The outlived stream goes on giving signs of life; it must not bring its old metadata
    // back.
    assert!(fixture.next(&mut stream, 3600).await.is_none());
    assert!(fixture.next(&mut reopened, 3600).await.is_none());
    assert_eq!(fixture.registry.workloads()[0].registration().spec.threshold.get(), 8.0);
}

fn now(fixture: &Fixture) -> Timestamp {
    use crate::clock::Clock;
    fixture.clock.now()
}
