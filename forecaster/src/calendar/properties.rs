//! Spans, instants, changes and leads tell the same story; and it is what clocks on the wall tell.

use jiff::civil::{date, time};
use proptest::prelude::*;

use super::*;

/// DST by an hour, by half an hour, at midnight; none; and a date line crossed (2011-12-30 does not
/// exist in Apia).
const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/St_Johns",
    "Asia/Gaza",
    "Pacific/Apia",
];

fn zone(name: &str) -> TimeZone {
    #[expect(clippy::disallowed_methods, reason = "tests look zones up")]
    TimeZone::get(name).unwrap()
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(ZONES.to_vec()).prop_map(zone)
}

fn minutes() -> impl Strategy<Value = i16> {
    // Often at the hours around which clocks change.
    prop_oneof![0i16..1440, (0i16..16).prop_map(|quarter| quarter * 15), Just(0)]
}

prop_compose! {
    fn any_window()(
        weekdays in prop_oneof![Just([true; 7]), any::<[bool; 7]>(), Just([false; 7])],
        from in minutes(), to in minutes(),
        min_replicas in prop::option::of(0u32..9), max_replicas in prop::option::of(0u32..9),
        scale_to_zero in prop::option::of(prop::sample::select(vec![ZeroRule::Allowed, ZeroRule::Never])),
        holidays in prop::sample::select(vec![
            HolidayRule::Skip, HolidayRule::Ignore, HolidayRule::Only, HolidayRule::Also,
        ]),
        dates in prop::collection::vec((2010i16..2028, 1i8..13, 1i8..29).prop_map(|(y, m, d)| date(y, m, d)), 0..3),
    ) -> Window {
        let clock = |minute: i16| time((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        let days = Days { weekdays, dates, holidays };
        Window { name: String::new(), days, from: clock(from), to: clock(to), min_replicas, max_replicas, scale_to_zero }
    }
}

prop_compose! {
    fn any_calendar()(
        zone in any_zone(), mut windows in prop::collection::vec(any_window(), 0..6),
        holidays in prop::collection::vec((2010i16..2028, 1i8..13, 1i8..29).prop_map(|(y, m, d)| date(y, m, d)), 0..9),
    ) -> Calendar {
        for (i, window) in windows.iter_mut().enumerate() {
            window.name = format!("w{i}");
        }
        let known = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 12, 25)];
        Calendar::new(zone, windows, known.into_iter().chain(holidays).collect())
    }
}

/// Instants to the second: anywhere in some years, and around their changes of clocks.
fn any_instant(zone: &TimeZone) -> BoxedStrategy<Timestamp> {
    let somewhere = 1_262_304_000i64..1_830_297_600;
    let zone = zone.clone();
    let near = (somewhere.clone(), -100_000i64..100_000).prop_map(move |(second, off)| {
        let t = Timestamp::from_second(second).unwrap();
        let change = zone.following(t).next().map_or(t, |change| change.timestamp());
        change + SignedDuration::from_secs(off)
    });
    prop_oneof![somewhere.prop_map(|second| Timestamp::from_second(second).unwrap()), near].boxed()
}

fn calendar_and_instant() -> impl Strategy<Value = (Calendar, Timestamp)> {
    any_calendar().prop_flat_map(|calendar| {
        let t = any_instant(&calendar.zone);
        (Just(calendar), t)
    })
}

/// Minute by minute over two days either way: the latest that clocks have read until `t`, and the
/// earliest they are yet to read.
fn readings(calendar: &Calendar, t: Timestamp) -> (DateTime, DateTime) {
    let read = |minutes: i64| calendar.local(t + SignedDuration::from_mins(minutes));
    ((-2880..=0).map(read).max().unwrap(), (0..=2880).map(read).min().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn spans_partition_and_agree_with_every_instant(
        (calendar, from) in calendar_and_instant(), hours in 1i64..200, probe in 0.0f64..1.0,
    ) {
        let to = from + SignedDuration::from_hours(hours);
        let spans = calendar.spans(from, to);
        prop_assert_eq!(spans.first().map(|s| s.from), Some(from));
        prop_assert_eq!(spans.last().map(|s| s.to), Some(to));
        prop_assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].names != pair[1].names));
        for span in &spans {
            let length = span.to.duration_since(span.from).as_nanos();
            prop_assert!(length > 0);
            let inside = span.from + SignedDuration::from_nanos((probe * length as f64) as i64);
            let last = span.to - SignedDuration::from_nanos(1);
            for t in [span.from, inside.min(last), last] {
                prop_assert_eq!(calendar.at(t), span.bounds);
                let names: Vec<_> = calendar.in_force(t).map(|window| window.name.clone()).collect();
                prop_assert_eq!(&names, &span.names);
            }
        }
    }

    #[test]
    fn changes_are_the_edges_of_spans((calendar, from) in calendar_and_instant(), hours in 1i64..200) {
        let to = from + SignedDuration::from_hours(hours);
        let mut changes = vec![from];
        while let Some(change) = calendar.next_change(*changes.last().unwrap()).filter(|change| *change < to) {
            prop_assert!(change > *changes.last().unwrap());
            changes.push(change);
        }
        // Every edge is a change; a change is no edge only where a window ends as the same one
        // begins.
        changes.dedup_by_key(|t| calendar.in_force(*t).map(|window| window.name.clone()).collect::<Vec<_>>());
        let edges: Vec<_> = calendar.spans(from, to).iter().map(|span| span.from).collect();
        prop_assert_eq!(changes, edges);
    }

    #[test]
    fn the_floor_within_a_lead_is_the_highest_of_the_spans_it_touches(
        (calendar, from) in calendar_and_instant(), lead in prop_oneof![0i64..30_000, 0i64..400_000],
    ) {
        let lead = SignedDuration::from_secs(lead);
        let touched = calendar.spans(from, from + lead + SignedDuration::from_nanos(1));
        let highest = touched.iter().map(|s| s.bounds.floor).max().unwrap_or(0);
        prop_assert_eq!(calendar.floor_within(from, lead), highest);
    }

    #[test]
    fn what_is_in_force_is_what_clocks_read((calendar, t) in calendar_and_instant()) {
        let t = Timestamp::from_second(t.as_second().div_euclid(60) * 60).unwrap();
        let (so_far, to_come) = readings(&calendar, t);
        let now = calendar.occurrences(t, t + SignedDuration::from_nanos(1));
        let force: Vec<_> = calendar.in_force(t).map(|window| window.name.clone()).collect();
        for (i, window) in calendar.windows.iter().enumerate() {
            let read = days_from(to_come.date().saturating_sub(2.days())).take(6).any(|day| {
                let (from, to) = window.local(day);
                window.starts_on(day, &calendar.holidays) && from <= so_far && to_come < to
            });
            // Wholly in a gap: clocks read no time within it, yet it is not lost.
            let moved = now.iter().any(|it| it.window == i && calendar.local(it.start) >= it.to);
            prop_assert_eq!(force.contains(&window.name), read || moved, "{} {}", calendar.local(t), window.name);
        }
    }
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let days = Days {
        weekdays: [true; 7],
        dates: vec![Date::MIN, Date::MAX],
        holidays: HolidayRule::Skip,
    };
    for name in ZONES {
        for (from, to) in [((22, 0), (6, 0)), ((0, 0), (0, 0)), ((2, 15), (2, 45))] {
            let window = Window {
                name: "w".into(),
                days: days.clone(),
                from: time(from.0, from.1, 0, 0),
                to: time(to.0, to.1, 0, 0),
                min_replicas: Some(1),
                max_replicas: None,
                scale_to_zero: None,
            };
            let calendar = Calendar::new(zone(name), vec![window], vec![Date::MIN, Date::MAX]);
            let day = SignedDuration::from_hours(24);
            for t in [Timestamp::MIN, Timestamp::MIN + day, Timestamp::MAX - day, Timestamp::MAX] {
                let _ = (calendar.at(t), calendar.next_change(t));
                for lead in [SignedDuration::MIN, SignedDuration::ZERO, day, SignedDuration::MAX] {
                    calendar.floor_within(t, lead);
                }
                let (from, to) = ((t - day.min(t.duration_since(Timestamp::MIN))), t);
                let spans = calendar.spans(from, to);
                assert_eq!(spans.is_empty(), from == to);
            }
        }
    }
}
