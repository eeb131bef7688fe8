//! What forecasting costs: a bucket at four leads, a refit, a thousand workloads, and a peer on the
//! same history. `cargo bench -p prewarm-forecaster --bench forecast`.

use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;
use augurs::{Fit, Predict};
use divan::{Bencher, black_box};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Calendar, Ensemble, Spec};

const DAY: usize = 288;
const LEADS: [i64; 4] = [5, 10, 15, 60];

fn main() {
    let kilobytes = warm(DAY * 35).bytes() / 1000;
    #[expect(clippy::disallowed_macros, reason = "a bench reports")]
    {
        println!("a workload with {} leads holds {kilobytes} kB", LEADS.len());
    }
    divan::main();
}

fn wave(i: usize) -> f64 {
    50.0 - 40.0 * (i as f64 * std::f64::consts::TAU / DAY as f64).cos() + ((i * 7919) % 11) as f64
}

/// Four leads of five-minute buckets, `n` of them.
fn warm(n: usize) -> Ensemble {
    warmed(n, 1)
}

/// The same, members judged once in `every` buckets but for the last three days.
fn warmed(n: usize, every: usize) -> Ensemble {
    let leads = LEADS.map(SignedDuration::from_mins).to_vec();
    let spec = Spec {
        leads,
        quantiles: vec![0.5, 0.9, 0.95, 0.99],
        calendar: Calendar::empty(TimeZone::UTC),
    };
    let mut ensemble = Ensemble::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(5), spec)
        .scoring_every(every, n.saturating_sub(3 * DAY))
        .refit_by_caller();
    for i in 0..n {
        ensemble.push(wave(i));
        if ensemble.due() {
            ensemble.refit();
        }
    }
    ensemble
}

/// One bucket, four leads, after five weeks.
#[divan::bench]
fn push_four_leads(bencher: Bencher<'_, '_>) {
    let mut ensemble = warm(DAY * 35);
    let mut i = DAY * 35;
    bencher.bench_local(|| {
        ensemble.push(black_box(wave(i)));
        i += 1;
    });
}

/// The forecast itself, over an hour.
#[divan::bench]
fn forecast(bencher: Bencher<'_, '_>) {
    let ensemble = warm(DAY * 8);
    bencher.bench_local(|| black_box(&ensemble).forecast());
}

/// A refit of four leads on three weeks.
#[divan::bench(sample_count = 20)]
fn refit_four_leads(bencher: Bencher<'_, '_>) {
    let mut ensemble = warm(DAY * 35);
    bencher.bench_local(|| ensemble.refit());
}

/// One bucket of each of a thousand workloads, four leads.
#[divan::bench(sample_count = 6)]
fn push_thousand_workloads(bencher: Bencher<'_, '_>) {
    let one = warm(DAY * 28);
    let mut all = vec![one; 1000];
    let mut i = DAY * 28;
    // Copies are as large as what they hold: the first bucket moves all of them.
    all.iter_mut().for_each(|ensemble| ensemble.push(wave(i)));
    i += 1;
    bencher.bench_local(|| {
        all.iter_mut().for_each(|ensemble| ensemble.push(black_box(wave(i))));
        i += 1;
    });
}

/// Four weeks of history from the start, as after a restart.
#[divan::bench(sample_count = 2)]
fn warm_four_weeks() -> Ensemble {
    warm(black_box(DAY * 28))
}

/// The same where no forecast is wanted of all but the last three days.
#[divan::bench(sample_count = 2)]
fn warm_four_weeks_judged_now_and_then() -> Ensemble {
    warmed(black_box(DAY * 28), 5)
}

/// The peer: seasonal-trend decomposition by day and week with exponential smoothing, one fit on
/// the same four weeks; it serves all leads.
#[divan::bench(sample_count = 3)]
fn augurs_mstl_ets(bencher: Bencher<'_, '_>) {
    let history: Vec<f64> = (0..DAY * 28).map(wave).collect();
    bencher.bench_local(|| {
        let trend = AutoETS::non_seasonal().into_trend_model();
        let model = MSTLModel::new(vec![DAY, 7 * DAY], trend);
        let fitted = model.fit(black_box(&history)).expect("the history suffices");
        fitted.predict(12, 0.9).expect("a fitted model predicts")
    });
}
