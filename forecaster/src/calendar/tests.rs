//! Windows through DST, midnight, leap days, holidays and overlaps.

use jiff::civil::{date, time};

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
    spans
        .iter()
        .filter(|s| s.bounds.floor > 0)
        .map(|s| (s.from.to_string(), s.to.to_string()))
        .collect()
}

fn pair(from: &str, to: &str) -> Vec<(String, String)> {
    vec![(from.into(), to.into())]
}

/// The first stretch with a floor from `from` on that begins at `start` or later.
fn held_first(calendar: &Calendar, from: &str, start: &str) -> Option<(String, String)> {
    let to = (at(start) + SignedDuration::from_hours(12)).to_string();
    held(calendar, from, &to).into_iter().find(|(begun, _)| at(begun) >= at(start))
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
fn c19_what_the_spring_gap_jumps_over_moves_to_its_end() {
    // Berlin has no 02:30 on 2026-03-29: 02:00 CET is 03:00 CEST, at 01:00 UTC. New York has none
    // on 2026-03-08.
    for (from, to, start, end) in [
        ((2, 30), (5, 0), "01:00", "03:00"),
        ((2, 0), (5, 0), "01:00", "03:00"),
        ((3, 0), (5, 0), "01:00", "03:00"),
        ((2, 30), (3, 15), "01:00", "01:15"),
        // The end does not exist.
        ((1, 0), (2, 30), "00:00", "01:00"),
        ((22, 0), (2, 30), "21:00", "01:00"),
        ((22, 0), (2, 0), "21:00", "01:00"),
        ((22, 0), (3, 0), "21:00", "01:00"),
        // Wholly in the gap: not lost, it keeps its length.
        ((2, 15), (2, 45), "01:00", "01:30"),
        ((2, 15), (3, 0), "01:00", "01:45"),
        ((2, 0), (3, 0), "01:00", "02:00"),
        // Over the change: an hour shorter, the local end stays.
        ((22, 0), (6, 0), "21:00", "04:00"),
    ] {
        let berlin = calendar("Europe/Berlin", vec![window(DAILY, from, to, 1)]);
        let day = if start > end { "28" } else { "29" };
        assert_eq!(
            held_first(&berlin, "2026-03-28T20:59Z", &format!("2026-03-{day}T{start}:00Z")),
            Some((format!("2026-03-{day}T{start}:00Z"), format!("2026-03-29T{end}:00Z"))),
            "{from:?} to {to:?}"
        );
    }
    let york = calendar("America/New_York", vec![window(DAILY, (2, 30), (5, 0), 1)]);
    assert_eq!(
        held(&york, "2026-03-08T05:00Z", "2026-03-08T17:00Z"),
        pair("2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z")
    );
}

#[test]
fn c19_the_autumn_overlap_counts_once_and_unbroken() {
    // 02:00 to 03:00 comes twice in Berlin on 2026-10-25, until 01:00 UTC and from then on.
    for (from, to, start, end) in [
        ((2, 0), (3, 0), "25T00:00", "25T02:00"),
        ((1, 30), (2, 30), "24T23:30", "25T01:30"),
        ((2, 15), (2, 45), "25T00:15", "25T01:45"),
        ((2, 30), (6, 0), "25T00:30", "25T05:00"),
        ((1, 0), (3, 0), "24T23:00", "25T02:00"),
        // Clocks read 02:00 for the first time at 00:00 UTC, and never again anything earlier.
        ((1, 0), (2, 0), "24T23:00", "25T00:00"),
        ((3, 0), (6, 0), "25T02:00", "25T05:00"),
        // Over the change: an hour longer, the local end stays.
        ((22, 0), (6, 0), "24T20:00", "25T05:00"),
    ] {
        let berlin = calendar("Europe/Berlin", vec![window(DAILY, from, to, 1)]);
        let start = format!("2026-10-{start}:00Z");
        assert_eq!(
            held_first(&berlin, "2026-10-24T19:59Z", &start),
            Some((start.clone(), format!("2026-10-{end}:00Z"))),
            "{from:?} to {to:?}"
        );
    }
    // 01:00 to 02:00 comes twice in New York on 2026-11-01, until 06:00 UTC and from then on.
    for (from, to, start, end) in [
        ((1, 30), (2, 30), "05:30", "07:30"),
        ((1, 30), (4, 0), "05:30", "09:00"),
        ((0, 30), (1, 30), "04:30", "06:30"),
    ] {
        let york = calendar("America/New_York", vec![window(DAILY, from, to, 1)]);
        assert_eq!(
            held(&york, "2026-11-01T04:00Z", "2026-11-01T17:00Z"),
            pair(&format!("2026-11-01T{start}:00Z"), &format!("2026-11-01T{end}:00Z")),
            "{from:?} to {to:?}"
        );
    }
}

#[test]
fn windows_that_meet_within_a_change_of_clocks_leave_no_hole() {
    let night =
        Window { max_replicas: Some(2), min_replicas: None, ..window(DAILY, (22, 0), (2, 30), 0) };
    let morning = window(DAILY, (2, 30), (22, 0), 4);
    let both = calendar("Europe/Berlin", vec![night, Window { name: "m".into(), ..morning }]);
    for day in ["2026-03-29T00:00Z", "2026-10-25T00:00Z"] {
        let spans = both.spans(at(day), at(day) + SignedDuration::from_hours(24));
        assert!(spans.iter().all(|span| !span.names.is_empty()), "{spans:?}");
    }
    // In spring they meet at the jump; in autumn both hold while clocks read 02:30 to 03:00 and
    // 02:00 to 02:30 again.
    let spans = both.spans(at("2026-10-25T00:00Z"), at("2026-10-25T03:00Z"));
    let told: Vec<_> = spans.iter().map(|s| (s.from.to_string(), s.names.join("+"))).collect();
    assert_eq!(
        told,
        [
            ("2026-10-25T00:00:00Z", "w"),
            ("2026-10-25T00:30:00Z", "w+m"),
            ("2026-10-25T01:30:00Z", "m")
        ]
        .map(|(from, names)| (from.to_owned(), names.to_owned()))
    );
}

#[test]
fn clocks_that_change_at_midnight_change_the_date_as_well() {
    // St John's went from 00:01 back to 23:01 on 2010-11-07, at 02:31 UTC: Saturday came again for
    // 59 minutes.
    let mut sundays = [false; 7];
    sundays[6] = true;
    let sunday = calendar("America/St_Johns", vec![window(sundays, (0, 0), (6, 0), 1)]);
    assert_eq!(
        held(&sunday, "2010-11-06T12:00Z", "2010-11-07T12:00Z"),
        pair("2010-11-07T02:30:00Z", "2010-11-07T09:30:00Z")
    );
    assert_eq!(sunday.at(at("2010-11-07T02:45:00Z")).floor, 1, "clocks read 23:15 on Saturday");
    // Havana goes from 00:00 to 01:00 on 2026-03-08, at 05:00 UTC.
    let havana = calendar("America/Havana", vec![window(DAILY, (0, 0), (0, 0), 1)]);
    let days: Vec<_> = havana.occurrences(at("2026-03-08T05:00Z"), at("2026-03-09T04:00Z"));
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].end.duration_since(days[0].start), SignedDuration::from_hours(23));
    // Apia had no 2011-12-30: it went from UTC-10 to UTC+14 at 10:00 UTC.
    let apia = calendar("Pacific/Apia", vec![window(DAILY, (8, 0), (18, 0), 1)]);
    assert_eq!(apia.at(at("2011-12-30T15:00Z")).floor, 1, "the lost day's window keeps its length");
    assert_eq!(apia.at(at("2011-12-30T20:00Z")).floor, 1, "and Saturday's follows");
    let starts: Vec<_> = apia.occurrences(at("2011-12-29T00:00Z"), at("2011-12-31T12:00Z"));
    let starts: Vec<_> =
        starts.iter().map(|it| (it.from.to_string(), it.start.to_string())).collect();
    assert_eq!(
        starts,
        [
            ("2011-12-28T08:00:00", "2011-12-28T18:00:00Z"),
            ("2011-12-29T08:00:00", "2011-12-29T18:00:00Z"),
            ("2011-12-30T08:00:00", "2011-12-30T10:00:00Z"),
            ("2011-12-31T08:00:00", "2011-12-30T18:00:00Z"),
        ]
        .map(|(from, start)| (from.to_owned(), start.to_owned()))
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
    assert_eq!(floors(HolidayRule::Also), [2, 2]);
    // A Saturday: no day of the office, unless it is a holiday.
    let boxing = |rule| {
        let mut office = window(WORKDAYS, (8, 0), (18, 0), 2);
        office.days.holidays = rule;
        Calendar::new(zone("UTC"), vec![office], vec![date(2026, 12, 26)])
            .at(at("2026-12-26T10:00:00Z"))
            .floor
    };
    let rules = [HolidayRule::Skip, HolidayRule::Ignore, HolidayRule::Only, HolidayRule::Also];
    assert_eq!(rules.map(boxing), [0, 0, 2, 2]);
    // A date of its own holds whatever the day is.
    let mut once = window([false; 7], (8, 0), (18, 0), 9);
    once.days.dates = vec![date(2026, 12, 25)];
    assert_eq!(Calendar::new(zone("UTC"), vec![once], christmas.clone()).at(holiday).floor, 9);
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
    let both = calendar(
        "UTC",
        vec![window(DAILY, (8, 0), (18, 0), 2), window(DAILY, (11, 0), (13, 0), 5), cap],
    );
    let bounds = |hour: &str| both.at(at(&format!("2026-11-24T{hour}:00Z")));
    assert_eq!(bounds("10:30"), Bounds { floor: 2, ceiling: Some(3), ..Bounds::default() });
    assert_eq!(
        bounds("11:30"),
        Bounds { floor: 5, ceiling: Some(5), conflict: true, ..Bounds::default() }
    );
    assert_eq!(bounds("12:30"), Bounds { floor: 5, ..Bounds::default() });
}

#[test]
fn zero_is_allowed_only_where_no_window_forbids_it() {
    let rule = |rule, from, to| Window {
        min_replicas: None,
        scale_to_zero: Some(rule),
        ..window(DAILY, from, to, 0)
    };
    let both = calendar(
        "UTC",
        vec![rule(ZeroRule::Allowed, (20, 0), (6, 0)), rule(ZeroRule::Never, (5, 0), (7, 0))],
    );
    let bounds = |text: &str| (both.at(at(text)).zero_allowed, both.at(at(text)).zero_forbidden);
    assert_eq!(bounds("2026-11-24T23:00:00Z"), (true, false));
    assert_eq!(bounds("2026-11-24T05:30:00Z"), (false, true));
    assert_eq!(bounds("2026-11-24T12:00:00Z"), (false, false));
}

#[test]
fn a_window_that_forbids_zero_is_a_floor_of_one() {
    let rule = |zero, min, max| Window {
        min_replicas: min,
        max_replicas: max,
        scale_to_zero: Some(zero),
        ..window(DAILY, (8, 0), (18, 0), 0)
    };
    let (before, lead) = (at("2026-11-24T07:54:00Z"), SignedDuration::from_mins(6));
    let floor = |window: Window| calendar("UTC", vec![window]).floor_within(before, lead);
    assert_eq!(floor(rule(ZeroRule::Never, None, None)), 1);
    assert_eq!(floor(rule(ZeroRule::Never, Some(3), None)), 3);
    assert_eq!(floor(rule(ZeroRule::Allowed, None, None)), 0);
    let off = Window { name: "off".into(), ..rule(ZeroRule::Allowed, None, Some(0)) };
    let both = calendar("UTC", vec![rule(ZeroRule::Never, None, None), off]);
    let bounds = both.at(at("2026-11-24T12:00:00Z"));
    assert_eq!((bounds.floor, bounds.ceiling, bounds.conflict), (1, Some(1), true));
}

#[test]
fn changes_are_found_however_far_off() {
    let t = at("2026-11-24T12:00:00Z");
    assert_eq!(calendar("UTC", vec![]).next_change(t), None);
    let mut only = window([false; 7], (8, 0), (18, 0), 1);
    only.days.dates = vec![date(2020, 1, 1), date(2032, 2, 29)];
    let calendar = |rule, holidays: Vec<Date>| {
        let mut office = window(WORKDAYS, (8, 0), (18, 0), 2);
        office.days.holidays = rule;
        Calendar::new(zone("UTC"), vec![office], holidays)
    };
    let rare = Calendar::new(zone("UTC"), vec![only], vec![]);
    assert_eq!(rare.next_change(t), Some(at("2032-02-29T08:00:00Z")));
    assert_eq!(rare.next_change(at("2032-02-29T08:00:00Z")), Some(at("2032-02-29T18:00:00Z")));
    assert_eq!(rare.next_change(at("2032-02-29T18:00:00Z")), None);
    // Two months off work.
    let off = days_from(date(2026, 11, 25)).take_while(|day| *day < date(2027, 2, 1)).collect();
    assert_eq!(
        calendar(HolidayRule::Skip, off).next_change(at("2026-11-24T18:00:00Z")),
        Some(at("2027-02-01T08:00:00Z"))
    );
    assert_eq!(
        calendar(HolidayRule::Only, vec![date(2040, 5, 1)]).next_change(t),
        Some(at("2040-05-01T08:00:00Z"))
    );
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
