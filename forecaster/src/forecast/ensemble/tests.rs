//! The ensemble on generated demand: leaks, determinism, scale, shifts, gaps, outliers, short
//! histories.

use jiff::tz::TimeZone;

use super::*;
use crate::forecast::accuracy;
use crate::series::Series;

pub(super) const STEP: SignedDuration = SignedDuration::from_mins(30);
pub(super) const DAY: usize = 48;
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

pub(super) fn spec() -> Spec {
    let leads = [30, 60, 24 * 60].map(SignedDuration::from_mins).to_vec();
    Spec { leads, quantiles: QUANTILES.to_vec(), calendar: Calendar::empty(TimeZone::UTC) }
}

/// Evenly spread over (0, 1), the same for the same number.
pub(super) fn chance(n: usize) -> f64 {
    let mixed = (n as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Days with a noon peak and noise of a tenth.
pub(super) fn wave(i: usize) -> f64 {
    let turn = (i % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
    (100.0 - 80.0 * turn.cos()) * 1.2f64.powf(chance(i) - 0.5)
}

/// A value for every bucket.
pub(super) type Kind = fn(usize) -> f64;

/// Nothing most of the time, a few requests now and then.
pub(super) fn sparse(i: usize) -> f64 {
    if chance(i) < 0.1 { (1.0 + 5.0 * chance(i + 1_000_003)).floor() } else { 0.0 }
}

/// A level that moves as it likes.
fn walk(n: usize) -> Vec<f64> {
    let mut level = 5.0f64;
    (0..n)
        .map(|i| {
            level += 0.2 * (chance(i) - 0.5);
            level.exp()
        })
        .collect()
}

pub(super) fn fed(values: impl IntoIterator<Item = f64>) -> Ensemble {
    let mut ensemble = Ensemble::new(Timestamp::UNIX_EPOCH, STEP, spec());
    values.into_iter().for_each(|value| ensemble.push(value));
    ensemble
}

pub(super) fn bits(forecast: &Forecast) -> Vec<u64> {
    forecast.values().iter().flatten().map(|value| value.to_bits()).collect()
}

/// Whether a forecast is all that a forecast may be: in order, neither negative nor above `cap`.
fn is_sane(forecast: &Forecast, cap: f64) -> bool {
    forecast.values().iter().all(|row| {
        row.windows(2).all(|pair| pair[0] <= pair[1])
            && row.iter().all(|value| (0.0..=cap).contains(value))
    })
}

#[test]
fn what_comes_after_an_origin_leaves_every_forecast_as_it_was() {
    let values: Vec<f64> = (0..10 * DAY).map(wave).collect();
    let issued = |values: Vec<f64>, origins: &[usize]| {
        let mut ensemble = fed([]);
        let mut forecasts = Vec::new();
        for (i, value) in values.into_iter().enumerate() {
            ensemble.push(value);
            if origins.contains(&i) {
                forecasts.push(bits(&ensemble.forecast().unwrap()));
            }
        }
        forecasts
    };
    let origins: Vec<usize> = (4 * DAY..9 * DAY).step_by(17).collect();
    let clean = issued(values.clone(), &origins);
    for (corruption, cut) in [(f64::NAN, 6), (1e9, 7), (0.0, 8)] {
        let cut = cut * DAY + 5;
        let corrupt =
            values.iter().enumerate().map(|(i, y)| if i > cut { corruption } else { *y }).collect();
        let before: Vec<usize> = origins.iter().copied().filter(|origin| *origin <= cut).collect();
        assert_eq!(issued(corrupt, &before), clean[..before.len()]);
        assert!(before.len() > 5 && before.len() < origins.len());
    }
}

#[test]
fn members_see_no_future_either() {
    // Issued bucket by bucket, or with all buckets there: a row that is kept is the row that was
    // issued.
    let mut ensemble = fed([]);
    let mut issued = Vec::new();
    for i in 0..7 * DAY {
        ensemble.push(wave(i));
        issued.push(format!("{:?}", ensemble.members()));
        if i == 6 * DAY {
            let mut other = ensemble.clone();
            (0..DAY).for_each(|_| other.push(1e7));
            assert_ne!(format!("{:?}", other.members()), issued[i]);
        }
    }
    let again = fed((0..6 * DAY + 1).map(wave));
    assert_eq!(format!("{:?}", again.members()), issued[6 * DAY]);
}

#[test]
fn the_same_input_gives_the_same_output_on_any_thread() {
    let of = || bits(&fed((0..8 * DAY).map(wave)).forecast().unwrap());
    let here = of();
    let there = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(of)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(there.iter().all(|bits| *bits == here));
}

#[test]
fn shares_of_the_leads_say_together_what_one_ensemble_says() {
    // A lead beyond the day, a gap, and a unit that is found to be wrong later on.
    let leads = [30, 60, 150, 36 * 60].map(SignedDuration::from_mins).to_vec();
    let new =
        || Ensemble::new(Timestamp::UNIX_EPOCH, STEP, Spec { leads: leads.clone(), ..spec() });
    let value = |i: usize| match i {
        0..20 => 0.01,
        200..210 => f64::NAN,
        _ => wave(i),
    };
    let mut whole = new();
    let mut shares = [0, 1].map(|n| new().share(n, 2));
    let mut none = new().share(4, 5);
    for i in 0..6 * DAY {
        for ensemble in [&mut whole, &mut none].into_iter().chain(&mut shares) {
            ensemble.push(value(i));
        }
        let exact = shares.each_ref().map(Ensemble::exact);
        assert_eq!(none.exact().rows.len(), 0);
        let together = none.forecast_with(&exact);
        assert_eq!(
            together.as_ref().map(bits),
            shares[1].forecast_with([&exact[0]]).as_ref().map(bits)
        );
        assert_eq!(together.as_ref().map(bits), whole.forecast().as_ref().map(bits));
    }
    let mut reports = [shares[0].report().leads, shares[1].report().leads].concat();
    reports.sort_by_key(|report| report.lead);
    assert_eq!(reports, whole.report().leads);
    // What another bucket's ensemble says is left out.
    let old = shares[0].exact();
    shares.iter_mut().for_each(|share| share.push(1.0));
    assert_eq!(shares[1].forecast_with([&old]), shares[1].forecast());
}

#[test]
fn demand_times_k_is_forecast_times_k() {
    let once = fed((0..6 * DAY).map(wave)).forecast().unwrap();
    for k in [1.0 / 1024.0, 8.0] {
        let times = fed((0..6 * DAY).map(|i| k * wave(i))).forecast().unwrap();
        for (a, b) in once.values().iter().flatten().zip(times.values().iter().flatten()) {
            assert!((k * a - b).abs() <= 1e-3 * k * a, "{a} {b}");
        }
    }
}

#[test]
fn whole_weeks_later_all_is_whole_weeks_later() {
    let of = |weeks: i64| {
        let start = Timestamp::from_second(weeks * 7 * 86_400).unwrap();
        let mut ensemble = Ensemble::new(start, STEP, spec());
        (0..9 * DAY).for_each(|i| ensemble.push(wave(i)));
        ensemble.forecast().unwrap()
    };
    assert_eq!(bits(&of(0)), bits(&of(53)));
    assert_eq!(of(53).origin(), of(0).origin() + SignedDuration::from_hours(53 * 7 * 24));
}

/// WQL over all leads and origins, ours and the last value's; origins from `from` on.
fn losses(values: &[f64], from: usize) -> (f64, f64) {
    let history = Series::new(Timestamp::UNIX_EPOCH, STEP, values.to_vec());
    let mut ensemble = fed([]);
    let (mut ours, mut last) = (0.0, 0.0);
    for (i, y) in values.iter().enumerate() {
        ensemble.push(*y);
        let (Ok(forecast), true) = (ensemble.forecast(), i >= from) else { continue };
        for h in [1, 2] {
            let (Some(came), Some(row)) =
                (history.values().get(i + h), forecast.values().get(h - 1))
            else {
                continue;
            };
            if row[0].is_nan() {
                continue;
            }
            ours += (came - row[0]).abs();
            last += (came - y).abs();
        }
    }
    (ours, last)
}

#[test]
fn the_season_is_learned_within_days_and_level_changes_within_a_day() {
    let values: Vec<f64> = (0..14 * DAY).map(wave).collect();
    let (ours, last) = losses(&values, 4 * DAY);
    assert!(ours < 0.65 * last, "{ours} {last}");
    let shifted: Vec<f64> =
        values.iter().enumerate().map(|(i, y)| if i < 10 * DAY { *y } else { 5.0 * y }).collect();
    let (ours, last) = losses(&shifted, 11 * DAY);
    assert!(ours < 0.75 * last, "{ours} {last}");
}

#[test]
fn hours_of_history_are_no_worse_than_the_last_value() {
    for values in [(0..DAY).map(wave).collect(), walk(DAY), walk(2 * DAY)] {
        let (ours, last) = losses(&values, 0);
        assert!(ours < 1.02 * last, "{ours} {last}");
    }
}

#[test]
fn quantiles_cover_what_they_say() {
    let kinds: [Vec<f64>; 3] =
        [(0..24 * DAY).map(wave).collect(), (0..24 * DAY).map(sparse).collect(), walk(24 * DAY)];
    for (kind, values) in kinds.into_iter().enumerate() {
        // A day ahead, misses of a day hang together: too few to count here.
        for lead in fed(values).report().leads.into_iter().take(2) {
            for (q, share) in lead.quantiles.iter().zip(&lead.coverage).skip(1) {
                assert!(*share > q - 0.06 && *share < q + 0.08, "kind {kind}, {q}: {share}");
            }
        }
    }
}

#[test]
fn a_gap_of_days_costs_neither_what_came_before_nor_what_comes_after() {
    let gap = 7 * DAY..9 * DAY;
    let gappy = |i: usize| if gap.contains(&i) { f64::NAN } else { wave(i) };
    let mut ensemble = fed((0..7 * DAY + 6).map(gappy));
    assert!(is_sane(&ensemble.forecast().unwrap(), 1000.0));
    (7 * DAY + 6..9 * DAY).for_each(|i| ensemble.push(gappy(i)));
    assert!(matches!(ensemble.forecast(), Err(NoForecast::Stale { .. })));
    // A few hours later tomorrow noon is known again from the week before the gap.
    (9 * DAY..9 * DAY + 8).for_each(|i| ensemble.push(gappy(i)));
    let forecast = ensemble.forecast().unwrap();
    let noon = forecast.values()[DAY / 2 - 9][0];
    assert!(is_sane(&forecast, 1000.0) && (noon - 180.0).abs() < 50.0, "{noon}");
}

#[test]
fn one_bad_sample_does_not_echo_tomorrow() {
    let bad = 9 * DAY + 20;
    let of = |value: f64| {
        let mut ensemble = fed((0..bad).map(wave));
        ensemble.push(value);
        (bad + 1..bad + DAY).for_each(|i| ensemble.push(wave(i)));
        ensemble.forecast().unwrap().values()[0].clone()
    };
    let (clean, echo) = (of(wave(bad)), of(1e6));
    assert!(echo[0] < 1.3 * clean[0], "{echo:?} {clean:?}");
}

#[test]
fn demand_cut_off_by_limits_is_no_trough() {
    let cut = |i: usize| i >= 5 * DAY && (18..30).contains(&(i % DAY));
    let (mut told, mut untold) = (fed([]), fed([]));
    for i in 0..9 * DAY + 17 {
        untold.push(if cut(i) { 60.0 } else { wave(i) });
        if cut(i) { told.push_saturated(60.0) } else { told.push(wave(i)) }
    }
    let noon = |ensemble: &Ensemble| ensemble.forecast().unwrap().values()[6][0];
    assert!(noon(&told) > 1.3 * noon(&untold), "{} {}", noon(&told), noon(&untold));
}

#[test]
fn odd_series_have_sane_forecasts_or_none() {
    let odd: [(&str, Kind); 9] = [
        ("zero", |_| 0.0),
        ("constant", |_| 7.0),
        ("huge", |i| 1e12 * wave(i)),
        ("tiny", |i| 1e-12 * wave(i)),
        ("sparse", sparse),
        ("one spike", |i| if i == 100 { 1e9 } else { 1.0 }),
        ("reset", |i| (i % 113) as f64 * 10.0),
        ("late", |i| if i < 4 * DAY { 0.0 } else { wave(i) }),
        // What regresses on it expects it to go on for ever.
        ("growing", |i| wave(i) * 1.2f64.powf(i as f64 / 4.0)),
    ];
    for (name, value) in odd {
        let mut ensemble = fed([]);
        let mut largest = 0.0f64;
        for i in 0..6 * DAY {
            ensemble.push(value(i));
            largest = largest.max(value(i));
            if let Ok(forecast) = ensemble.forecast() {
                let known =
                    forecast.values().iter().filter(|row| row[0].is_finite()).cloned().collect();
                let known = Forecast::new(forecast.origin(), STEP, QUANTILES.to_vec(), known);
                assert!(
                    is_sane(&known, 1.25 * largest + 1.0),
                    "{name} at {i}: {:?}",
                    known.values()
                );
            }
        }
        assert!(ensemble.forecast().is_ok(), "{name}");
        if ["zero", "constant"].contains(&name) {
            let said = ensemble.forecast().unwrap().values()[0][3];
            assert!((said - value(0)).abs() < 0.01 * value(0) + 1e-6, "{name}: {said}");
        }
    }
    let never =
        fed([f64::NAN, -1.0, f64::INFINITY, f64::NEG_INFINITY].into_iter().cycle().take(300));
    assert!(never.forecast().is_err());
    assert!(matches!(fed([3.0]).forecast(), Err(NoForecast::TooYoung { observed: 1, .. })));
    let nothing = Ensemble::new(Timestamp::UNIX_EPOCH, STEP, Spec { leads: Vec::new(), ..spec() });
    assert_eq!(nothing.forecast(), Err(NoForecast::NothingAsked));
}

/// Demand that doubles or halves every few days, around noon peaks.
pub(super) fn stairs(i: usize) -> f64 {
    wave(i) * 2f64.powi((chance(i / (3 * DAY) + 77) * 4.0) as i32)
}

/// Quiet weekends, and a batch at each full third hour.
fn batches(i: usize) -> f64 {
    let week = if i / DAY % 7 >= 5 { 0.3 } else { 1.0 };
    week * wave(i) + if i.is_multiple_of(6) { 150.0 * (0.8 + 0.4 * chance(i + 5)) } else { 0.0 }
}

#[test]
fn no_kind_of_demand_is_far_from_its_best_member_and_over_all_kinds_few_members_come_near() {
    const DAYS: usize = 24;
    let of = |kind: Kind| (0..DAYS * DAY).map(kind).collect::<Vec<f64>>();
    let kinds = [of(wave), of(sparse), of(stairs), of(batches), walk(DAYS * DAY)];
    let mut total: Vec<f64> = Vec::new();
    for (kind, values) in kinds.iter().enumerate() {
        let mut ensemble = fed([]);
        // Σ pinball over quantiles, of the whole and of each member, half an hour ahead in the last
        // third.
        let mut losses: Vec<f64> = Vec::new();
        for (i, y) in values.iter().enumerate() {
            ensemble.push(*y);
            let (Some(came), true) = (values.get(i + 1), i >= 16 * DAY) else { continue };
            let whole = ensemble.forecast().unwrap().values()[0].clone();
            let members = ensemble.members().remove(0).into_iter().map(|(_, said)| said);
            let loss = |said: Vec<f64>| {
                QUANTILES
                    .iter()
                    .zip(said)
                    .map(|(q, f)| accuracy::pinball(*q, *came, f))
                    .sum::<f64>()
            };
            let row: Vec<f64> = std::iter::once(whole).chain(members).map(loss).collect();
            losses.resize(row.len(), 0.0);
            losses.iter_mut().zip(row).for_each(|(sum, loss)| *sum += loss);
        }
        let best = losses[1..].iter().copied().fold(f64::INFINITY, f64::min);
        assert!(losses[0] < 1.1 * best, "kind {kind}: {} {best}", losses[0]);
        total.resize(losses.len(), 0.0);
        total.iter_mut().zip(&losses).for_each(|(sum, loss)| *sum += (loss / best).ln());
    }
    // One that regresses among neighbors is a little better on these; which one that is nobody
    // knows beforehand.
    let better = total[1..].iter().filter(|member| **member < total[0]).count();
    let best = total[1..].iter().copied().fold(f64::INFINITY, f64::min);
    assert!(better <= 4 && total[0] - best < 0.02 * kinds.len() as f64, "{total:?}");
}
