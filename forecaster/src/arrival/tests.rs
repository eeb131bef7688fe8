use super::*;

const BUCKET: SignedDuration = SignedDuration::from_mins(5);
const LEAD: SignedDuration = SignedDuration::from_mins(10);

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_006_400 + minutes * 60).unwrap()
}

/// Whether somebody comes in each minute of so many days; half a replica's work.
fn history(days: i64, comes: impl Fn(i64) -> bool) -> (ArrivalHistory, Timestamp) {
    let mut history = ArrivalHistory::new(BUCKET, LEAD, TimeZone::UTC);
    for bucket in 0..days * 288 {
        let minutes: Vec<_> = (bucket * 5..bucket * 5 + 5)
            .map(|minute| (at(minute), if comes(minute) { 0.5 } else { 0.0 }))
            .collect();
        history.push(at(bucket * 5), &minutes, 0.0);
    }
    (history, at(days * 1440))
}

/// The same number in the same place, between 0 and 1.
fn drawn(minute: i64) -> f64 {
    let mut x = (minute as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn who_comes_every_day_at_nine_is_awaited_then_and_not_at_night() {
    let (history, end) = history(14, |minute| minute % 1440 == 540);
    let model = history.fit(end).unwrap();
    let probability =
        |minute: i64| model.probability(end + minute_s(minute), history.last(), &TimeZone::UTC);
    assert!(probability(534) > 0.5, "{}", probability(534));
    for quiet in [60, 300, 700, 1300] {
        assert!(probability(quiet) < 0.1, "{quiet}: {}", probability(quiet));
    }
    let (brier, of_the_mean) = model.brier;
    assert!(brier < 0.5 * of_the_mean, "{brier} {of_the_mean}");
}

#[test]
fn after_a_visit_more_follow_and_after_a_long_pause_none() {
    // Sessions at random; within one somebody comes every three minutes or so.
    let comes = |minute: i64| drawn(minute / 90) < 0.1 && drawn(minute + 1_000_000) < 0.3;
    let (history, end) = history(21, comes);
    let model = history.fit(end).unwrap();
    let after = |minutes: i64| {
        let now = end + minute_s(720);
        model.probability(now, Some(now - minute_s(minutes)), &TimeZone::UTC)
    };
    assert!(after(2) > 2.0 * after(300), "{} {}", after(2), after(300));
}

#[test]
fn probabilities_are_calibrated_on_days_that_were_not_seen() {
    // By day somebody comes about every 40 minutes, at night every 6 hours.
    let comes = |minute: i64| {
        let rate = if (480..1200).contains(&(minute % 1440)) { 1.0 / 40.0 } else { 1.0 / 360.0 };
        drawn(minute) < rate
    };
    let (mut history, end) = history(21, comes);
    let model = history.fit(end).unwrap();
    let (mut said, mut came, mut n) = (0.0, 0.0, 0.0);
    for bucket in 21 * 288..28 * 288 {
        let now = at(bucket * 5);
        said += model.probability(now, history.last(), &TimeZone::UTC);
        came += f64::from(u8::from((bucket * 5..bucket * 5 + 10).any(comes)));
        n += 1.0;
        let minutes: Vec<_> = (bucket * 5..bucket * 5 + 5)
            .map(|minute| (at(minute), if comes(minute) { 0.5 } else { 0.0 }))
            .collect();
        history.push(now, &minutes, 0.0);
    }
    assert!((said - came).abs() / n < 0.02, "said {}, came {}", said / n, came / n);
}

#[test]
fn the_break_even_is_the_lead_over_what_would_come_late() {
    let (history, end) = history(14, |minute| minute % 1440 == 540);
    let model = history.fit(end).unwrap();
    // Half a replica for a minute: thirty times that against ten minutes.
    let expected = (10.0 / 60.0) / (30.0 * 0.5 / 60.0);
    assert!((model.break_even(30.0) - expected).abs() < 0.01, "{}", model.break_even(30.0));
    assert!(model.break_even(0.0) > 1.0);
}

#[test]
fn few_arrivals_say_why_there_is_no_probability_and_gaps_are_no_pauses() {
    let (few, end) = history(7, |minute| minute % 1440 == 540);
    assert_eq!(few.fit(end), Err(TooFewArrivals { seen: 7 }));
    let (none, end) = history(3, |_| false);
    assert_eq!(none.fit(end), Err(TooFewArrivals { seen: 0 }));
    let (always, end) = history(3, |_| true);
    assert!(always.fit(end).is_err());

    // What was not seen is no example, neither of nobody nor of somebody.
    let (mut gaps, end) = history(14, |minute| minute % 1440 == 540);
    let before = gaps.fit(end).unwrap();
    for bucket in 14 * 288..15 * 288 {
        gaps.push(at(bucket * 5), &[], 0.0);
    }
    assert_eq!(gaps.fit(end).unwrap(), before);
}

#[test]
fn whatever_comes_the_probability_is_one() {
    for seed in 0..40 {
        let rate = 10f64.powf(-3.0 * drawn(seed));
        let (history, end) = history(10, |minute| drawn(minute * 50 + seed) < rate);
        let Ok(model) = history.fit(end) else { continue };
        for ahead in [0, 7, 10_000, 10_000_000] {
            for last in [None, Some(end), Some(end + minute_s(20_000_000))] {
                let p = model.probability(end + minute_s(ahead), last, &TimeZone::UTC);
                assert!((0.0..=1.0).contains(&p), "{p}");
            }
        }
        assert!(model.work > 0.0 && model.work <= LEAD.as_secs_f64() / 3600.0, "{}", model.work);
    }
}

fn minute_s(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}
