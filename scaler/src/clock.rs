//! The only place that reads time.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Time as the service sees it.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// Whether it is the machine's: then others' clocks should agree with it.
    fn is_wall(&self) -> bool {
        false
    }

    /// Completes once `now() >= deadline`.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn is_wall(&self) -> bool {
        true
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let clock = *self;
        Box::pin(async move {
            // The wall clock may be set while we sleep: look again at least every 30 s.
            loop {
                let left =
                    Duration::try_from(deadline.duration_since(clock.now())).unwrap_or_default();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Duration::from_secs(30))).await;
            }
        })
    }
}

/// A clock that runs `factor` times as fast as the machine's, from `origin` on (demo).
#[derive(Debug)]
pub struct AcceleratedClock {
    origin: Timestamp,
    started: Instant,
    factor: f64,
}

impl AcceleratedClock {
    /// A clock that reads `origin` now and advances `factor` (> 0) seconds a second.
    pub fn new(origin: Timestamp, factor: f64) -> Self {
        Self { origin, started: Instant::now(), factor }
    }
}

impl Clock for AcceleratedClock {
    fn now(&self) -> Timestamp {
        self.origin
            + SignedDuration::from_secs_f64(self.started.elapsed().as_secs_f64() * self.factor)
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.duration_since(self.now()).as_secs_f64() / self.factor;
        Box::pin(tokio::time::sleep(Duration::from_secs_f64(left.max(0.0))))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    floor: Mutex<()>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now), floor: Mutex::new(()) }
    }

    /// Moves to `now`, forwards or backwards; sleepers whose deadline has come wake.
    pub fn set(&self, now: Timestamp) {
        let _one_at_a_time = self.floor.lock();
        self.now.send_replace(now);
    }

    /// Moves forward.
    pub fn advance(&self, by: SignedDuration) {
        let _one_at_a_time = self.floor.lock();
        self.now.send_modify(|now| *now += by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // An error means that the clock is gone, and with it everybody who could wait for it.
            let _ = now.wait_for(|now| *now >= deadline).await;
        })
    }
}

/// The latest multiple of `step` since the epoch at or before `t`.
pub fn floor(t: Timestamp, step: SignedDuration) -> Timestamp {
    let step = step.as_millis().max(1) as i64;
    let ms = t.as_millisecond();
    Timestamp::from_millisecond(ms - ms.rem_euclid(step)).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_floored_towards_the_past_before_1970_too() {
        let step = SignedDuration::from_secs(15);
        let floored =
            |second: i64| floor(Timestamp::from_second(second).unwrap(), step).as_second();
        assert_eq!([floored(14), floored(15), floored(29), floored(-1)], [0, 15, 15, -15]);
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_those_whose_time_has_come() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn(clock.sleep_until(Timestamp::from_second(10).unwrap()));
        clock.advance(SignedDuration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(SignedDuration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn an_accelerated_clock_runs_ahead_of_ours() {
        let clock = AcceleratedClock::new(Timestamp::UNIX_EPOCH, 1000.0);
        let started = Instant::now();
        clock.sleep_until(Timestamp::from_second(20).unwrap()).await;
        assert!(clock.now().as_second() >= 20);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
