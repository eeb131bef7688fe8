use jiff::civil::date;

use super::*;

fn berlin() -> TimeZone {
    #[expect(clippy::disallowed_methods, reason = "tests look zones up")]
    TimeZone::get("Europe/Berlin").unwrap()
}

/// `days` of minutes up to `end`, valued by a function of local time.
fn history(end: Timestamp, days: i64, value: impl Fn(DateTime) -> f64) -> Series {
    let start = end - SignedDuration::from_hours(24 * days);
    let at = |i: i64| (start + SignedDuration::from_mins(i)).to_zoned(berlin()).datetime();
    Series::new(
        start,
        SignedDuration::from_mins(1),
        (0..days * 1440).map(|i| value(at(i))).collect(),
    )
}

fn local(y: i16, m: i8, d: i8, h: i8) -> Timestamp {
    date(y, m, d).at(h, 0, 0, 0).to_zoned(berlin()).unwrap().timestamp()
}

fn office(at: DateTime) -> f64 {
    if (9..17).contains(&at.hour()) && at.weekday().to_monday_zero_offset() < 5 {
        100.0
    } else {
        5.0
    }
}

fn median(series: &Series, horizon: usize) -> Vec<f64> {
    let forecast = SeasonalNaive::fit(series, &berlin()).unwrap().forecast(horizon, &[0.5]);
    forecast.values().iter().map(|row| row[0]).collect()
}

#[test]
fn monday_morning_is_like_last_monday_not_like_sunday() {
    // Sunday 2026-11-22, 22:00; eleven hours later the office opens.
    let forecast = median(&history(local(2026, 11, 22, 22), 15, office), 720);
    assert_eq!((forecast[600], forecast[700]), (5.0, 100.0));
}

#[test]
fn nine_o_clock_stays_nine_o_clock_when_clocks_change() {
    // Clocks go back on Sunday 2026-10-25; Monday's nine o'clock is an hour later in UTC than
    // last Monday's.
    let forecast = median(&history(local(2026, 10, 26, 8), 10, office), 120);
    assert_eq!((forecast[50], forecast[70]), (5.0, 100.0));
}

#[test]
fn one_day_of_history_means_same_time_yesterday_and_less_is_too_little() {
    let forecast = median(&history(local(2026, 11, 25, 8), 2, office), 120);
    assert_eq!((forecast[30], forecast[90]), (5.0, 100.0));
    let short = SeasonalNaive::fit(&history(local(2026, 11, 25, 8), 1, office), &berlin());
    assert!(matches!(short, Err(FitError::TooShort { .. })));
}

#[test]
fn a_gap_falls_back_day_by_day_and_is_never_zero() {
    let end = local(2026, 11, 25, 8);
    let gap = local(2026, 11, 18, 9)..local(2026, 11, 18, 11);
    let full = history(end, 15, office);
    let values = full.values().iter().enumerate();
    let values =
        values.map(|(i, v)| if gap.contains(&full.instant(i)) { f64::NAN } else { *v }).collect();
    assert_eq!(median(&Series::new(full.start(), full.step(), values), 120)[90], 100.0);
}

/// Evenly spread over (0, 1), the same for the same number.
fn chance(n: i64) -> f64 {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The office with noise of half to double its level.
fn noisy(at: DateTime) -> f64 {
    let minute = at.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second() / 60;
    office(at) * 4f64.powf(chance(minute) - 0.5)
}

#[test]
fn upper_quantiles_cover_what_they_say() {
    let end = local(2026, 11, 25, 8);
    let quantiles = [0.75, 0.9, 0.99];
    let series = history(end, 15, noisy);
    let forecast = SeasonalNaive::fit(&series, &berlin()).unwrap().forecast(1440, &quantiles);
    let truth = history(end + SignedDuration::from_hours(24), 1, noisy);
    for (i, quantile) in quantiles.iter().enumerate() {
        let covered = forecast
            .values()
            .iter()
            .zip(truth.values())
            .filter(|(row, seen)| row[i] >= **seen)
            .count();
        let share = covered as f64 / 1440.0;
        assert!((share - quantile).abs() < 0.03, "{share} of what should be {quantile}");
    }
}

#[test]
fn young_errors_weigh_more() {
    // Demand doubled after the first of three weeks: the second is as wrong as the third is
    // right.
    let doubled = date(2026, 11, 11).at(8, 0, 0, 0);
    let series =
        history(local(2026, 11, 25, 8), 21, move |at| if at < doubled { 50.0 } else { 100.0 });
    let forecast = SeasonalNaive::fit(&series, &berlin()).unwrap().forecast(60, &[0.5, 0.6, 0.9]);
    assert!(
        forecast.values().iter().all(|row| row[1] == 100.0 && row[2] > 150.0),
        "{:?}",
        forecast.values()[0]
    );
}

#[test]
fn yesterday_is_less_sure_than_last_week_and_nothing_exceeds_the_cap() {
    let end = local(2026, 11, 25, 8);
    let gap = date(2026, 11, 18).at(9, 0, 0, 0)..date(2026, 11, 18).at(11, 0, 0, 0);
    let series = history(end, 15, |at| if gap.contains(&at) { f64::NAN } else { office(at) });
    let forecast = SeasonalNaive::fit(&series, &berlin()).unwrap().forecast(240, &[0.5, 0.99]);
    // Ten o'clock stands on yesterday, which on Mondays is a Sunday; half past eleven stands on
    // last Wednesday.
    assert_eq!([120, 210].map(|h| forecast.values()[h].clone()), [[100.0, 300.0], [100.0, 100.0]]);
}

#[test]
fn a_week_later_all_is_a_week_later() {
    let week = SignedDuration::from_hours(7 * 24);
    let series = history(local(2026, 11, 18, 8), 15, office);
    let shifted = Series::new(series.start() + week, series.step(), series.values().to_vec());
    let of = |series: &Series| {
        SeasonalNaive::fit(series, &berlin()).unwrap().forecast(2000, &[0.1, 0.5, 0.99])
    };
    assert_eq!(of(&series).values(), of(&shifted).values());
    assert_eq!(of(&shifted).origin(), of(&series).origin() + week);
}

#[test]
fn a_season_looks_back_only() {
    // A forecast begins where its history ends: the future cannot be seen. Nor is it seen when
    // errors are learned.
    let end = local(2026, 11, 25, 8);
    let [calm, wild] = [1.0, 1e6].map(|times| {
        let series = history(end, 15, noisy);
        let values = series.values().iter().enumerate();
        let values = values.map(|(i, v)| if i >= 14 * 1440 { v * times } else { *v }).collect();
        Series::new(series.start(), series.step(), values)
    });
    let season = |series: &Series, i: usize| {
        SeasonalNaive::fit(series, &berlin())
            .unwrap()
            .season(series.instant(i))
            .map(|(season, _)| season.to_bits())
    };
    for i in [3000, 14 * 1440 - 1, 14 * 1440, 15 * 1440 - 1] {
        assert_eq!(season(&calm, i), season(&wild, i));
    }
}

#[test]
fn beyond_a_day_yesterday_is_not_known_yet() {
    // Three days of history: the day after tomorrow stands on two days back.
    let forecast = median(&history(local(2026, 11, 25, 8), 3, office), 2 * 1440);
    assert_eq!((forecast[1440 + 30], forecast[1440 + 90]), (5.0, 100.0));
}

#[test]
fn a_season_without_a_single_pair_is_no_season() {
    // Fifteen hours, then nothing, then nothing that lies on them.
    let end = local(2026, 11, 25, 8);
    let early = date(2026, 11, 23).at(23, 0, 0, 0);
    let gappy = move |at: DateTime| if at < early { 5.0 } else { f64::NAN };
    let fitted = SeasonalNaive::fit(&history(end, 2, gappy), &berlin());
    assert!(matches!(fitted, Err(FitError::TooSparse { .. })), "{fitted:?}");
}

#[test]
fn demand_times_four_is_forecast_times_four() {
    let end = local(2026, 11, 25, 8);
    let once = median(&history(end, 15, office), 240);
    let four = median(&history(end, 15, |at| 4.0 * office(at)), 240);
    assert!(once.iter().zip(&four).all(|(a, b)| (4.0 * a - b).abs() < 1e-9));
}

#[test]
fn empty_nights_are_forecast_empty_at_every_quantile() {
    let empty = |at: DateTime| if office(at) > 5.0 { noisy(at) } else { 0.0 };
    let series = history(local(2026, 11, 25, 1), 15, empty);
    let forecast = SeasonalNaive::fit(&series, &berlin()).unwrap().forecast(300, &[0.5, 0.99]);
    assert!(forecast.values().iter().all(|row| *row == [0.0, 0.0]));
}

#[test]
fn zeros_stay_zero() {
    assert!(
        median(&history(local(2026, 11, 25, 8), 9, |_| 0.0), 240).iter().all(|value| *value == 0.0)
    );
}
