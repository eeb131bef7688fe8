//! The two streams. They are polled: a slow reader gets the latest state, nothing is queued for it.
//! Neither ends by itself, because KEDA would reopen it for ever; what is unknown or invalid is met
//! with silence.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prewarm_forecaster::Recommendation;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::convert;
use super::proto::{GetMetricSpecResponse, IsActiveResponse, ScaledObjectRef};
use crate::registry::{Found, Reference, Registration, Registry, Workload};
use crate::trigger::MetricSpec;

/// Messages of a stream, made when the transport has room for them.
pub(super) type Messages<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// `StreamIsActive`: `true` at once if active, then each transition, and `true` again and again
/// while active.
pub(super) fn activity(
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
) -> Messages<IsActiveResponse> {
    let stream = Activity { attachment: Attachment::new(registry, reference), last: None };
    Box::pin(futures::stream::unfold(stream, async |mut stream| {
        let result = stream.next().await;
        Some((Ok(IsActiveResponse { result }), stream))
    }))
}

/// `StreamMetricSpec`: the spec at once, then only when it has changed; always what `GetMetricSpec`
/// says.
pub(super) fn metric_specs(
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
) -> Messages<GetMetricSpecResponse> {
    let stream = Specs { attachment: Attachment::new(registry, reference), last: None };
    Box::pin(futures::stream::unfold(stream, async |mut stream| {
        let spec = stream.next().await;
        Some((Ok(convert::metric_spec(&spec)), stream))
    }))
}

struct Activity {
    attachment: Attachment,
    last: Option<Told>,
}

impl Activity {
    async fn next(&mut self) -> bool {
        loop {
            let now = Instant::now();
            let active = self.attachment.active();
            let due = active.and_then(|active| due(self.last, active, now));
            if let Some(active) = active
                && due.is_some_and(|at| at <= now)
            {
                self.last = Some(Told { active, at: now });
                return active;
            }
            self.attachment.news(due).await;
        }
    }
}

/// What was told last, and when.
#[derive(Debug, Clone, Copy)]
struct Told {
    active: bool,
    at: Instant,
}

/// When the next message is due; `None` while there is nothing to say.
fn due(last: Option<Told>, active: bool, now: Instant) -> Option<Instant> {
    match (last, active) {
        (None, active) => active.then_some(now),
        (Some(Told { active: true, at }), true) => Some(at + REPEAT),
        (Some(Told { active: false, .. }), false) => None,
        (Some(Told { at, .. }), _) => Some(at + SPACING),
    }
}

struct Specs {
    attachment: Attachment,
    last: Option<MetricSpec>,
}

impl Specs {
    async fn next(&mut self) -> MetricSpec {
        loop {
            if let Some(spec) = self.attachment.spec()
                && self.last.as_ref() != Some(&spec)
            {
                self.last = Some(spec.clone());
                return spec;
            }
            self.attachment.news(None).await;
        }
    }
}

/// A stream's hold on its workload: a sign of life while the stream is open, taken anew if the
/// workload was evicted.
struct Attachment {
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
    attached: Option<Attached>,
    renewed: Instant,
}

struct Attached {
    workload: Arc<Workload>,
    registrations: watch::Receiver<Arc<Registration>>,
    recommendations: watch::Receiver<Option<Arc<Recommendation>>>,
}

impl Attachment {
    fn new(registry: Arc<Registry>, reference: ScaledObjectRef) -> Self {
        let mut attachment = Self { registry, reference, attached: None, renewed: Instant::now() };
        attachment.renew();
        attachment
    }

    /// Whether the workload should have a replica; `None` while that is unknown.
    fn active(&self) -> Option<bool> {
        let workload = &self.attached.as_ref()?.workload;
        workload.registration().trigger.as_ref().ok()?;
        let recommendation = workload.recommendation()?;
        convert::vouched(&recommendation, self.registry.clock().now(), None)
            .ok()
            .map(|vouched| vouched.active)
    }

    /// What `GetMetricSpec` says; `None` where that is an error.
    fn spec(&self) -> Option<MetricSpec> {
        match &self.attached {
            Some(attached) => Some(attached.workload.registration().spec.clone()),
            None => self.registry.parse(self.reference()).spec.ok(),
        }
    }

    /// Waits for something to look at again: a recommendation, an edit, or `due`.
    async fn news(&mut self, due: Option<Instant>) {
        let due = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let changed = async {
            match &mut self.attached {
                // An error would mean that the workload is gone, but we hold it.
                Some(attached) => tokio::select! {
                    _ = attached.recommendations.changed() => {}
                    _ = attached.registrations.changed() => {}
                },
                None => pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = changed => {}
            () = sleep_until(self.renewed + SIGN_OF_LIFE) => self.renew(),
        }
    }

    /// Only an absent workload is looked up by our metadata: an outlived stream must not undo an
    /// edit.
    fn renew(&mut self) {
        self.renewed = Instant::now();
        if let Some(Attached { workload, .. }) = &self.attached {
            let key = workload.key();
            if self
                .registry
                .triggers(&key.namespace, &key.name)
                .iter()
                .any(|known| Arc::ptr_eq(known, workload))
            {
                workload.touch(self.registry.clock().now());
                return;
            }
        }
        self.attached = match self.registry.find(self.reference()) {
            Found::Workload(workload) => Some(Attached {
                registrations: workload.registrations(),
                recommendations: workload.recommendations(),
                workload,
            }),
            Found::Refused(_) | Found::Full { .. } => None,
        };
    }

    fn reference(&self) -> Reference<'_> {
        let ScaledObjectRef { name, namespace, scaler_metadata: metadata } = &self.reference;
        Reference { namespace, name, metadata }
    }
}

/// While active, `true` is repeated: KEDA drops it until the ScaledObject's status names our
/// metric. Each costs KEDA a read and a status patch, and `true` every 200 ms kept other people's
/// workloads from zero: hence slowly, yet within KEDA's default poll of 30 s.
const REPEAT: Duration = Duration::from_secs(20);

/// A flapping workload is told at most this often: the latest state wins.
const SPACING: Duration = Duration::from_secs(5);

/// An open stream is a sign of life this often; far below any time after which a workload is
/// forgotten.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
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
            let next =
                self.next(stream, 3600).await.map(|(message, second)| (message.result, second));
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
        ScaledObjectRef {
            name: "llama".into(),
            namespace: "models".into(),
            scaler_metadata: metadata,
        }
    }

    async fn second(fixture: &Fixture, second: u64) {
        tokio::time::sleep_until(fixture.started + Duration::from_secs(second)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn c26_true_at_once_and_again_every_twenty_seconds() {
        let fixture = Fixture::new();
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
        fixture.tell(true);
        for expected in [(true, 0), (true, 20), (true, 40), (true, 60)] {
            fixture.expect(&mut stream, expected).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn c26_waking_up_is_told_at_once_and_sleep_is_silent() {
        let fixture = Fixture::new();
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
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
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
        let publishing = async {
            second(&fixture, 7).await;
            fixture.tell(true);
        };
        tokio::join!(fixture.expect(&mut stream, (true, 7)), publishing);
    }

    #[tokio::test(start_paused = true)]
    async fn c26_flapping_is_told_at_most_every_five_seconds_and_the_latest_wins() {
        let fixture = Fixture::new();
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
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
        assert!(
            seconds[0] >= 5 && seconds.windows(2).all(|pair| pair[1] - pair[0] >= 5),
            "{told:?}"
        );
        assert!(told.len() >= 4 && told.iter().any(|(active, _)| !active), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn c26_a_slow_reader_finds_the_latest_state_and_no_queue() {
        let fixture = Fixture::new();
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
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
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
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
        let mut refused = activity(fixture.registry.clone(), reference(&[("threshold", "none")]));
        let mut no_spec =
            metric_specs(fixture.registry.clone(), reference(&[("threshold", "none")]));
        fixture.expect(&mut refused, None).await;
        assert!(fixture.next(&mut no_spec, 3600).await.is_none());

        let mut stream = activity(fixture.registry.clone(), reference(&[]));
        fixture.publish(Answer::NoData);
        fixture.expect(&mut stream, None).await;
        let now = fixture.started.elapsed().as_secs();
        fixture.tell(true);
        fixture.expect(&mut stream, (true, now)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn c44_an_open_stream_is_a_sign_of_life() {
        let fixture = Fixture::new();
        let mut streams = [activity(fixture.registry.clone(), reference(&[]))];
        let workload = fixture.registry.workloads().remove(0);
        for _ in 0..3 {
            fixture.clock.advance(SignedDuration::from_hours(1));
            assert!(workload.last_seen() < now(&fixture));
            assert!(fixture.next(&mut streams[0], 31).await.is_none());
            assert_eq!(workload.last_seen(), now(&fixture));
        }
        let mut specs = metric_specs(fixture.registry.clone(), reference(&[]));
        assert!(fixture.next(&mut specs, 1).await.is_some());
        drop(streams);
        fixture.clock.advance(SignedDuration::from_hours(1));
        assert!(fixture.next(&mut specs, 31).await.is_none());
        assert_eq!(workload.last_seen(), now(&fixture));
    }

    #[tokio::test(start_paused = true)]
    async fn an_evicted_workload_comes_back_while_a_stream_is_open() {
        let fixture = Fixture::new();
        let mut stream = activity(fixture.registry.clone(), reference(&[]));
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
        let mut stream = metric_specs(fixture.registry.clone(), reference(&[]));
        let target = |message: GetMetricSpecResponse| {
            assert_eq!(message.metric_specs.len(), 1);
            message.metric_specs[0].target_size
        };
        let (first, at) = fixture.next(&mut stream, 1).await.unwrap();
        assert_eq!((target(first), at), (4, 0));
        fixture.tell(true);
        assert!(fixture.next(&mut stream, 3600).await.is_none());

        let edited = reference(&[("threshold", "8")]);
        let mut reopened = metric_specs(fixture.registry.clone(), edited);
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
}
