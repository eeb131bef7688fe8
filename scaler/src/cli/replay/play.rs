//! The simulation of every arm, on forecasts as they would have been issued.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use prewarm_forecaster::forecast::{Ensemble, Spec};
use prewarm_forecaster::replay::{Arm, Outcome, Scene, reach, replay, replay_all, unbeaten, work};
use prewarm_forecaster::series::Statistic;
use prewarm_forecaster::{Forecast, Series};

use super::summary::Point;
use crate::cli::progress::Progress;

/// What was simulated.
#[derive(Debug)]
pub(crate) struct Played {
    /// In the order of tables.
    pub(crate) outcomes: Vec<(Arm, Outcome)>,
    /// The plain HPA at other utilisations, by GPU-hours.
    pub(crate) frontier: Vec<Point>,
}

/// All arms, and the plain HPA at other utilisations: on one core what needs forecasts, on another what needs none.
pub(crate) fn play(history: &Series, scene: &Scene) -> Played {
    let others = Arm::ALL.map(|arm| (arm != Arm::Prewarm).then_some(arm));
    let others: Vec<Arm> = others.into_iter().flatten().collect();
    let buckets = buckets(history);
    // A bucket of forecasts takes about as long as so many steps of an HPA.
    let total =
        work(history, &Arm::ALL) + UTILISATIONS.len() * work(history, &[Arm::Hpa]) + buckets.values().len() * FORECAST;
    let progress = Progress::of("replaying", total);
    let forecast = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        let reactive = threads.spawn(|| (frontier(history, scene), replay_all(history, &[], scene, &others)));
        let prewarm = threads.spawn(|| {
            let forecasts = issued(&buckets, scene, &forecast);
            replay(history, &forecasts, scene, Arm::Prewarm)
        });
        while !(reactive.is_finished() && prewarm.is_finished()) {
            progress.reach(scene.meter.done() + forecast.load(Ordering::Relaxed) * FORECAST);
            std::thread::park_timeout(GLANCE);
        }
        let (frontier, mut outcomes) = reactive.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let prewarm = prewarm.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let place = outcomes.iter().position(|(arm, _)| *arm == Arm::Oracle).unwrap_or(outcomes.len());
        outcomes.insert(place, (Arm::Prewarm, prewarm));
        unbeaten(&mut outcomes, scene.cost_ratio);
        Played { outcomes, frontier }
    })
}

fn frontier(history: &Series, scene: &Scene) -> Vec<Point> {
    let at = |utilisation: f64| {
        let mut other = Scene { timeline: false, ..scene.clone() };
        other.hpa.utilisation = utilisation;
        let outcome = replay(history, &[], &other, Arm::Hpa);
        Point { utilisation, gpu_hours: outcome.gpu_hours, missed_share: outcome.miss_share }
    };
    let mut points: Vec<Point> = UTILISATIONS.into_iter().map(at).collect();
    points.sort_by(|a, b| a.gpu_hours.total_cmp(&b.gpu_hours));
    points
}

/// Buckets that forecasts are made in: of [`BUCKET`], or of the history where that is coarser.
fn buckets(history: &Series) -> Series {
    let finer = history.step() < BUCKET && BUCKET.as_secs() % history.step().as_secs() == 0;
    if finer { aligned(history) } else { history.clone() }
}

/// A forecast after every bucket that has one, as production would have had it. `done`: buckets so far.
fn issued(buckets: &Series, scene: &Scene, done: &AtomicUsize) -> Vec<Forecast> {
    let leads = reach::leads(buckets.step(), reach::span_in(scene), EXACT, None);
    let spec = Spec { leads, quantiles: reach::QUANTILES.to_vec(), calendar: scene.calendar.clone() };
    let mut ensemble = Ensemble::new(buckets.start(), buckets.step(), spec);
    let mut forecasts = Vec::with_capacity(buckets.values().len());
    for value in buckets.values() {
        ensemble.push(*value);
        forecasts.extend(ensemble.forecast());
        done.fetch_add(1, Ordering::Relaxed);
    }
    forecasts
}

/// In buckets that begin at full multiples of [`BUCKET`], of their largest minute as in production; the first, cut one is
/// left out.
fn aligned(history: &Series) -> Series {
    let (step, bucket) = (history.step().as_secs(), BUCKET.as_secs());
    let past = history.start().as_second().rem_euclid(bucket);
    let skipped = if past == 0 { 0 } else { ((bucket - past) / step) as usize };
    let whole = history.values().get(skipped..).unwrap_or_default().to_vec();
    let whole = Series::new(history.instant(skipped), history.step(), whole);
    let minutes = if history.step() < MINUTE { whole.resample(MINUTE, Statistic::Mean) } else { whole };
    minutes.resample(BUCKET, Statistic::Max)
}

/// Of the plain HPA, for its frontier.
const UTILISATIONS: [f64; 16] = [0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1];

/// Resolution of a service's history.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Buckets that forecasts are made in.
const BUCKET: SignedDuration = SignedDuration::from_mins(5);

/// Exact leads: one costs the replay as much as all the policies of a bank.
const EXACT: u32 = 2;

/// Steps of an HPA that a bucket's forecasts take as long as.
const FORECAST: usize = 1000;

/// Between two looks at the progress; the end of a thread is seen as late at most.
const GLANCE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn finer_histories_are_forecast_in_buckets_that_begin_at_full_minutes() {
        let start = Timestamp::from_second(60).unwrap();
        let minutes = Series::new(start, SignedDuration::from_mins(1), (1..=14).map(f64::from).collect());
        let buckets = aligned(&minutes);
        assert_eq!((buckets.start().as_second(), buckets.step()), (300, BUCKET));
        assert_eq!(buckets.values()[..2], [9.0, 14.0]);
    }
}
