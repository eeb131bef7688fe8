//! Windows through DST, midnight, leap days, holidays and overlaps.

use jiff::civil::{date, time};
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    #[expect(clippy::disallowed_methods, reason = "tests look zones up")]
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];
const DAILY: [bool; 7] = [true; 7];

fn days(weekdays: [bool; 7]) -> Days {
    Days { weekdays, dates: Vec::new(), holidays: HolidayRule::Skip }
}

fn window(weekdays: [bool; 7], from: (i8, i8), to: (i8, i8), floor: u32) -> Window {
    Window {
        name: "w".into(),
        days: days(weekdays),
        from: time(from.0, from.1, 0, 0),
        to: time(to.0, to.1, 0, 0),
        min_replicas: Some(floor),
        max_replicas: None,
        scale_to_zero: None,
    }
}

fn calendar(name: &str, windows: Vec<Window>) -> Calendar {
    Calendar::new(zone(name), windows, Vec::new())
}

/// The one span with a floor in `[from, to)`, as UTC text.
fn held(calendar: &Calendar, from: &str, to: &str) -> Vec<(String, String)> {
    let spans = calendar.spans(at(from), at(to));
    spans.iter().filter(|s| s.bounds.floor > 0).map(|s| (s.from.to_string(), s.to.to_string())).collect()
}

fn pair(from: &str, to: &str) -> Vec<(String, String)> {
    vec![(from.into(), to.into())]
}

#[test]
fn c19_local_hours_move_in_utc_when_clocks_change_in_berlin() {
    let office = calendar("Europe/Berlin", vec![window(DAILY, (8, 0), (18, 0), 2)]);
    assert_eq!(
        held(&office, "2026-03-28T00:00Z", "2026-03-28T23:00Z"),
        pair("2026-03-28T07:00:00Z", "2026-03-28T17:00:00Z")
    );
    assert_eq!(
        held(&office, "2026-03-29T00:00Z", "2026-03-29T23:00Z"),
        pair("2026-03-29T06:00:00Z", "2026-03-29T16:00:00Z")
    );
    assert_eq!(
        held(&office, "2026-10-25T00:00Z", "2026-10-25T23:00Z"),
        pair("2026-10-25T07:00:00Z", "2026-10-25T17:00:00Z")
    );
}

#[test]
fn c19_a_start_in_the_spring_gap_shifts_forward() {
    // Berlin has no 02:30 on 2026-03-29, New York none on 2026-03-08.
    let berlin = calendar("Europe/Berlin", vec![window(DAILY, (2, 30), (5, 0), 1)]);
    assert_eq!(
        held(&berlin, "2026-03-29T00:00Z", "2026-03-29T12:00Z"),
        pair("2026-03-29T01:30:00Z", "2026-03-29T03:00:00Z")
    );
    let york = calendar("America/New_York", vec![window(DAILY, (2, 30), (5, 0), 1)]);
    assert_eq!(
        held(&york, "2026-03-08T05:00Z", "2026-03-08T17:00Z"),
        pair("2026-03-08T07:30:00Z", "2026-03-08T09:00:00Z")
    );
    let inside = calendar("Europe/Berlin", vec![window(DAILY, (2, 15), (2, 45), 1)]);
    assert_eq!(
        held(&inside, "2026-03-29T00:00Z", "2026-03-29T12:00Z"),
        pair("2026-03-29T01:15:00Z", "2026-03-29T01:45:00Z")
    );
}

#[test]
fn c19_the_autumn_overlap_counts_once_and_unbroken() {
    // 02:00 to 03:00 comes twice in Berlin on 2026-10-25, 01:00 to 02:00 in New York on 2026-11-01.
    let berlin = calendar("Europe/Berlin", vec![window(DAILY, (2, 0), (3, 0), 1)]);
    assert_eq!(
        held(&berlin, "2026-10-24T20:00Z", "2026-10-25T12:00Z"),
        pair("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z")
    );
    let half = calendar("Europe/Berlin", vec![window(DAILY, (1, 30), (2, 30), 1)]);
    assert_eq!(
        held(&half, "2026-10-24T20:00Z", "2026-10-25T12:00Z"),
        pair("2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z")
    );
    let york = calendar("America/New_York", vec![window(DAILY, (1, 30), (4, 0), 1)]);
    assert_eq!(
        held(&york, "2026-11-01T04:30Z", "2026-11-01T17:00Z"),
        pair("2026-11-01T05:30:00Z", "2026-11-01T09:00:00Z")
    );
}

#[test]
fn c19_kathmandu_is_five_and_three_quarters_ahead() {
    let office = calendar("Asia/Kathmandu", vec![window(DAILY, (10, 0), (17, 0), 1)]);
    assert_eq!(
        held(&office, "2026-06-01T00:00Z", "2026-06-01T18:00Z"),
        pair("2026-06-01T04:15:00Z", "2026-06-01T11:15:00Z")
    );
}

#[test]
fn c19_a_night_belongs_to_the_day_on_which_it_starts() {
    // Sunday night into Monday, and only that.
    let mut sundays = [false; 7];
    sundays[6] = true;
    let night = calendar("UTC", vec![window(sundays, (22, 0), (6, 0), 1)]);
    assert_eq!(
        held(&night, "2026-11-20T00:00Z", "2026-11-27T00:00Z"),
        pair("2026-11-22T22:00:00Z", "2026-11-23T06:00:00Z")
    );
    let eve = calendar("UTC", vec![window(DAILY, (22, 0), (6, 0), 1)]);
    assert_eq!(eve.at(at("2027-01-01T05:59:59Z")).floor, 1);
    assert_eq!(eve.at(at("2027-01-01T06:00:00Z")).floor, 0);
}

#[test]
fn c19_leap_day_by_weekday_and_by_date() {
    let office = calendar("Europe/Berlin", vec![window(WORKDAYS, (8, 0), (18, 0), 2)]);
    assert_eq!(office.at(at("2028-02-29T10:00:00Z")).floor, 2);
    let mut once = window([false; 7], (8, 0), (18, 0), 9);
    once.days.dates = vec![date(2028, 2, 29)];
    let launch = calendar("Europe/Berlin", vec![once]);
    assert_eq!(
        held(&launch, "2028-02-01T00:00Z", "2028-04-01T00:00Z"),
        pair("2028-02-29T07:00:00Z", "2028-02-29T17:00:00Z")
    );
    assert_eq!(launch.next_change(at("2027-06-01T00:00:00Z")), Some(at("2028-02-29T07:00:00Z")));
}

#[test]
fn equal_ends_are_a_whole_day_and_a_whole_week_is_one_span() {
    let always = calendar("Europe/Berlin", vec![window(DAILY, (0, 0), (0, 0), 1)]);
    assert_eq!(
        held(&always, "2026-03-25T00:00Z", "2026-04-02T00:00Z"),
        pair("2026-03-25T00:00:00Z", "2026-04-02T00:00:00Z")
    );
}

#[test]
fn holidays_skip_ignore_and_only() {
    let christmas = vec![date(2026, 12, 25)];
    let with = |rule| {
        let mut office = window(WORKDAYS, (8, 0), (18, 0), 2);
        office.days.holidays = rule;
        Calendar::new(zone("UTC"), vec![office], christmas.clone())
    };
    let (holiday, workday) = (at("2026-12-25T10:00:00Z"), at("2026-12-24T10:00:00Z"));
    let floors = |rule| [with(rule).at(holiday).floor, with(rule).at(workday).floor];
    assert_eq!(floors(HolidayRule::Skip), [0, 2]);
    assert_eq!(floors(HolidayRule::Ignore), [2, 2]);
    assert_eq!(floors(HolidayRule::Only), [2, 0]);
    // The night of the 24th runs into the holiday; the night of the holiday does not begin.
    let night = Calendar::new(zone("UTC"), vec![window(DAILY, (22, 0), (6, 0), 1)], christmas);
    assert_eq!(night.at(at("2026-12-25T05:00:00Z")).floor, 1);
    assert_eq!(night.at(at("2026-12-25T23:00:00Z")).floor, 0);
}

#[test]
fn overlaps_take_the_highest_floor_and_the_lowest_ceiling_and_the_floor_wins() {
    let mut cap = window(DAILY, (10, 0), (12, 0), 0);
    cap.min_replicas = None;
    cap.max_replicas = Some(3);
    let both = calendar("UTC", vec![window(DAILY, (8, 0), (18, 0), 2), window(DAILY, (11, 0), (13, 0), 5), cap]);
    let bounds = |hour: &str| both.at(at(&format!("2026-11-24T{hour}:00Z")));
    assert_eq!(bounds("10:30"), Bounds { floor: 2, ceiling: Some(3), ..Bounds::default() });
    assert_eq!(bounds("11:30"), Bounds { floor: 5, ceiling: Some(5), conflict: true, ..Bounds::default() });
    assert_eq!(bounds("12:30"), Bounds { floor: 5, ..Bounds::default() });
}

#[test]
fn zero_is_allowed_only_where_no_window_forbids_it() {
    let rule = |rule, from, to| Window { min_replicas: None, scale_to_zero: Some(rule), ..window(DAILY, from, to, 0) };
    let both = calendar("UTC", vec![rule(ZeroRule::Allowed, (20, 0), (6, 0)), rule(ZeroRule::Never, (5, 0), (7, 0))]);
    let bounds = |text: &str| (both.at(at(text)).zero_allowed, both.at(at(text)).zero_forbidden);
    assert_eq!(bounds("2026-11-24T23:00:00Z"), (true, false));
    assert_eq!(bounds("2026-11-24T05:30:00Z"), (false, true));
    assert_eq!(bounds("2026-11-24T12:00:00Z"), (false, false));
}

#[test]
fn ready_by_is_the_start_less_the_lead_to_the_second() {
    let office = calendar("Europe/Berlin", vec![window(WORKDAYS, (8, 0), (18, 0), 2)]);
    let lead = SignedDuration::from_mins(6);
    assert_eq!(office.floor_within(at("2026-11-24T06:54:00Z"), lead), 2);
    assert_eq!(office.floor_within(at("2026-11-24T06:53:59Z"), lead), 0);
    assert_eq!(office.floor_within(at("2026-11-24T16:59:59Z"), lead), 2);
    assert_eq!(office.floor_within(at("2026-11-24T17:00:00Z"), lead), 0);
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let always = calendar("Europe/Berlin", vec![window(DAILY, (22, 0), (6, 0), 1)]);
    for t in [Timestamp::MIN, Timestamp::MAX] {
        let _ = (always.at(t), always.floor_within(t, SignedDuration::from_hours(48)), always.next_change(t));
        let _ = always.spans(t, t);
    }
}

prop_compose! {
    fn any_window()(
        weekdays in any::<[bool; 7]>(), from in 0i8..24, from_m in 0i8..60, to in 0i8..24, to_m in 0i8..60,
        floor in prop::option::of(0u32..9), ceiling in prop::option::of(0u32..9),
    ) -> Window {
        Window { min_replicas: floor, max_replicas: ceiling, ..window(weekdays, (from, from_m), (to, to_m), 0) }
    }
}

proptest! {
    #[test]
    fn spans_points_changes_and_leads_agree(
        mut windows in prop::collection::vec(any_window(), 0..5),
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        // Around the changes of 2026 and anywhere in the year.
        from in prop_oneof![1_774_600_000i64..1_774_900_000, 1_792_700_000i64..1_793_000_000, 1_767_225_600i64..1_798_761_600],
        hours in 1i64..120, probe in 0.0f64..1.0, lead in 0i64..30_000,
    ) {
        for (i, window) in windows.iter_mut().enumerate() {
            window.name = format!("w{i}");
        }
        let calendar = Calendar::new(zone(name), windows, vec![date(2026, 3, 29), date(2026, 10, 26)]);
        let from = Timestamp::from_second(from).unwrap();
        let to = from + SignedDuration::from_hours(hours);
        let spans = calendar.spans(from, to);
        prop_assert_eq!(spans.first().map(|s| s.from), Some(from));
        prop_assert_eq!(spans.last().map(|s| s.to), Some(to));
        prop_assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].names != pair[1].names));
        for span in &spans {
            let inside = span.from + SignedDuration::from_secs_f64(probe * (span.to.duration_since(span.from).as_secs_f64() - 1e-6).max(0.0));
            prop_assert_eq!(calendar.at(inside), span.bounds);
            prop_assert_eq!(calendar.at(span.from), span.bounds);
            if span.to < to {
                let change = calendar.next_change(span.from);
                prop_assert!(change.is_some_and(|change| change <= span.to), "{change:?} {span:?}");
            }
        }
        let lead = SignedDuration::from_secs(lead);
        let within = calendar.spans(from, from + lead + SignedDuration::from_nanos(1));
        let highest = within.iter().map(|s| s.bounds.floor).max().unwrap_or(0);
        prop_assert_eq!(calendar.floor_within(from, lead), highest);
    }
}
