//! The simulation of every arm, on forecasts as they would have been issued.

use jiff::SignedDuration;
use prewarm_forecaster::forecast::{Ensemble, Spec};
use prewarm_forecaster::replay::{Arm, Outcome, Scene, replay, replay_all};
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

/// All arms, and the plain HPA at other utilisations meanwhile.
pub(crate) fn play(history: &Series, scene: &Scene) -> Played {
    std::thread::scope(|threads| {
        let frontier = threads.spawn(|| frontier(history, scene));
        let forecasts = issued(history, scene);
        let outcomes = replay_all(history, &forecasts, scene, &Arm::ALL);
        let frontier = frontier.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
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

/// A forecast after every bucket that has one, as production would have had it: in buckets of [`BUCKET`], or of the
/// history where that is coarser.
fn issued(history: &Series, scene: &Scene) -> Vec<Forecast> {
    let finer = history.step() < BUCKET && BUCKET.as_secs() % history.step().as_secs() == 0;
    let buckets = if finer { aligned(history) } else { history.clone() };
    let spec =
        Spec { leads: leads(buckets.step(), scene), quantiles: QUANTILES.to_vec(), calendar: scene.calendar.clone() };
    let mut ensemble = Ensemble::new(buckets.start(), buckets.step(), spec);
    let progress = Progress::of("forecasting as at the time", buckets.values().len());
    let mut forecasts = Vec::with_capacity(buckets.values().len());
    for (row, value) in buckets.values().iter().enumerate() {
        ensemble.push(*value);
        forecasts.extend(ensemble.forecast());
        progress.reach(row);
    }
    forecasts
}

/// In buckets that begin at full multiples of [`BUCKET`]; the first, cut one is left out.
fn aligned(history: &Series) -> Series {
    let (step, bucket) = (history.step().as_secs(), BUCKET.as_secs());
    let past = history.start().as_second().rem_euclid(bucket);
    let skipped = if past == 0 { 0 } else { ((bucket - past) / step) as usize };
    let whole = history.values().get(skipped..).unwrap_or_default().to_vec();
    Series::new(history.instant(skipped), history.step(), whole).resample(BUCKET, Statistic::Mean)
}

/// The next bucket, up to Ready, and what is held beyond: as the service asks for them.
fn leads(step: SignedDuration, scene: &Scene) -> Vec<SignedDuration> {
    let buckets = |span: SignedDuration| {
        let count = (span.as_secs() + step.as_secs() - 1) / step.as_secs();
        SignedDuration::from_secs(count.max(1) * step.as_secs())
    };
    // A lead counts from the start of the newest bucket, and until the next forecast another one has begun.
    let ready = buckets(scene.cold_start.lead() + AROUND) + step + step;
    vec![step, ready, buckets(ready + HELD)]
}

/// Of the plain HPA, for its frontier.
const UTILISATIONS: [f64; 16] = [0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1];

/// Buckets that forecasts are made in.
const BUCKET: SignedDuration = SignedDuration::from_mins(5);

/// KEDA's poll, the HPA's sync and its ramp around a cold start.
const AROUND: SignedDuration = SignedDuration::from_secs(90);

/// Beyond Ready a forecast keeps what runs: the longest hold of the policies that are tried.
const HELD: SignedDuration = SignedDuration::from_mins(20);

/// What the policies that are tried, and cost ratios, ask for.
const QUANTILES: [f64; 6] = [0.5, 0.8, 0.9, 0.95, 0.975, 0.99];

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use prewarm_forecaster::decide::policy::Threshold;

    use super::*;

    #[test]
    fn forecasts_reach_beyond_ready_in_whole_buckets() {
        let scene = |minutes| Scene::new(Threshold::new(1.0).unwrap(), SignedDuration::from_mins(minutes));
        let of = |step, minutes| {
            leads(SignedDuration::from_mins(step), &scene(minutes))
                .iter()
                .map(|lead| lead.as_secs() / 60)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(5, 5), [5, 20, 40]);
        assert_eq!(of(5, 1), [5, 15, 35]);
        assert_eq!(of(30, 10), [30, 90, 120]);
    }

    #[test]
    fn finer_histories_are_forecast_in_buckets_that_begin_at_full_minutes() {
        let start = Timestamp::from_second(60).unwrap();
        let minutes = Series::new(start, SignedDuration::from_mins(1), (1..=14).map(f64::from).collect());
        let buckets = aligned(&minutes);
        assert_eq!((buckets.start().as_second(), buckets.step()), (300, BUCKET));
        assert_eq!(buckets.values()[..2], [7.0, 12.0]);
    }
}
