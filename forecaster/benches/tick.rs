//! One decision, and one fit. `cargo bench -p prewarm-forecaster`.

use std::sync::Arc;

use divan::{Bencher, black_box};
use jiff::civil::time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::calendar::{Days, HolidayRule};
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::{Calendar, Observation, Planner, Policy, SeasonalNaive, Series, Window};

fn main() {
    divan::main();
}

/// 28 days of minutes: a daily wave and some noise.
fn history() -> Series {
    let wave = |i: i64| {
        50.0 - 50.0 * (i as f64 * std::f64::consts::TAU / 1440.0).cos() + ((i * 7919) % 11) as f64
    };
    Series::new(
        Timestamp::UNIX_EPOCH,
        SignedDuration::from_mins(1),
        (0..28 * 1440).map(wave).collect(),
    )
}

fn zone() -> TimeZone {
    #[expect(clippy::disallowed_methods, reason = "benches look zones up")]
    TimeZone::get("Europe/Berlin").expect("the bundled database has Berlin")
}

/// Three windows, a forecast, steady demand.
#[divan::bench]
fn tick(bencher: Bencher<'_, '_>) {
    let window = |n: i8| Window {
        name: format!("w{n}"),
        days: Days { weekdays: [true; 7], dates: Vec::new(), holidays: HolidayRule::Skip },
        from: time(6 + n, 0, 0, 0),
        to: time(18 + n, 0, 0, 0),
        min_replicas: Some(2),
        max_replicas: Some(40),
        scale_to_zero: None,
    };
    let calendar = Calendar::new(zone(), (0..3).map(window).collect(), Vec::new());
    let policy = Policy::new(Threshold::new(4.0).expect("in range"), calendar);
    let history = history();
    let mut planner = Planner::new(Arc::new(policy), LoopTiming::default());
    let fitted = SeasonalNaive::fit(&history, &zone()).expect("four weeks are enough");
    planner.install(fitted.forecast(300, &[0.5, 0.9, 0.95, 0.99]));
    let mut now = history.end();
    bencher.bench_local(|| {
        now += SignedDuration::from_millis(1);
        planner.tick(now, black_box(&Observation { demand: Some(60.0), ..Observation::default() }))
    });
}

/// Seasonal naive on 28 days × 1 min, and 300 minutes ahead.
#[divan::bench]
fn fit_and_forecast(bencher: Bencher<'_, '_>) {
    let (history, zone) = (history(), zone());
    bencher.bench_local(|| {
        let fitted = SeasonalNaive::fit(black_box(&history), &zone).expect("four weeks are enough");
        fitted.forecast(300, &[0.5, 0.9, 0.95, 0.99])
    });
}
