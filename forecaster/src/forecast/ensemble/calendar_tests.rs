//! The ensemble on demand that follows a calendar: changes of the clocks, holidays, one-off events.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::tests::{DAY, STEP, spec, wave};
use super::*;

#[test]
fn nine_o_clock_stays_nine_o_clock_when_clocks_change_and_holidays_are_sundays() {
    #[expect(clippy::disallowed_methods, reason = "tests look zones up")]
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let holiday = date(2026, 10, 28);
    let office = |at: Timestamp| {
        let local = zone.to_datetime(at);
        let works = local.date() != holiday && local.date().weekday().to_monday_zero_offset() < 5;
        if works && (9..17).contains(&local.hour()) { 100.0 } else { 5.0 }
    };
    let instant = |day: i8, hour: i8, minute: i8| {
        date(2026, 10, day).at(hour, minute, 0, 0).to_zoned(zone.clone()).unwrap().timestamp()
    };
    let start = instant(1, 0, 0);
    let median = |until: Timestamp| {
        let calendar = Calendar::new(zone.clone(), Vec::new(), vec![holiday]);
        let mut ensemble = Ensemble::new(start, STEP, Spec { calendar, ..spec() });
        let mut at = start;
        while at < until {
            ensemble.push(office(at));
            at += STEP;
        }
        [0, 1].map(|h: usize| ensemble.forecast().unwrap().values()[h][0])
    };
    // Clocks go back on Sunday the 25th. Monday the 26th: half past eight is quiet, nine is not.
    let [quiet, busy] = median(instant(26, 8, 30));
    assert!(quiet < 20.0 && busy > 60.0, "{quiet} {busy}");
    // So is a Wednesday, unless it is a holiday.
    let [_, holiday] = median(instant(28, 8, 30));
    assert!(holiday < 0.5 * busy, "{holiday} {busy}");
}

#[test]
fn the_last_event_of_a_name_says_what_the_next_brings_and_ordinary_days_do_not_learn_it() {
    let at = |day: i8| date(1970, 1, day);
    let launch = crate::calendar::Window {
        name: "launch".to_owned(),
        days: crate::calendar::Days {
            weekdays: [false; 7],
            dates: [4, 8, 14].map(at).to_vec(),
            holidays: crate::calendar::HolidayRule::default(),
        },
        from: jiff::civil::time(12, 0, 0, 0),
        to: jiff::civil::time(15, 0, 0, 0),
        min_replicas: None,
        max_replicas: None,
        scale_to_zero: None,
    };
    let demand = |i: usize| {
        let event = [4, 8].contains(&(i / DAY + 1)) && (24..30).contains(&(i % DAY));
        if event { 6.0 * wave(i) } else { wave(i) }
    };
    // The forecast of noon, issued at half past eleven.
    let noon = |windows: Vec<_>, day: usize| {
        let calendar = Calendar::new(TimeZone::UTC, windows, Vec::new());
        let mut ensemble = Ensemble::new(Timestamp::UNIX_EPOCH, STEP, Spec { calendar, ..spec() });
        (0..(day - 1) * DAY + 23).for_each(|i| ensemble.push(demand(i)));
        ensemble.forecast().unwrap().values()[1][0]
    };
    let named = || vec![launch.clone()];
    let (told, untold) = (noon(named(), 14), noon(Vec::new(), 14));
    assert!(told > 1.5 * untold, "the third launch: {told} {untold}");
    let (told, untold) = (noon(named(), 9), noon(Vec::new(), 9));
    assert!(
        (told - 180.0).abs() < 30.0 && told < 1.02 * untold,
        "the day after the second: {told} {untold}"
    );
    let first = noon(named(), 4);
    assert!((first - 180.0).abs() < 40.0, "the first one: {first}");
}
