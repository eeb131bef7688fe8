//! What people write, what they get wrong, and that nothing panics.

use jiff::civil::{date, time};
use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Window {
    let mut all = parse_windows(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

fn errors(text: &str) -> Vec<String> {
    parse_windows(text).expect_err(text).iter().map(ToString::to_string).collect()
}

#[test]
fn the_documented_example_is_read() {
    let text = r#"
      - {name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 2, maxReplicas: 12}
      - {name: night, days: "*", from: "22:00", to: "06:00", maxReplicas: 2, scaleToZero: allowed}
    "#;
    let windows = parse_windows(text).unwrap();
    assert_eq!(windows[0].days.weekdays, [true, true, true, true, true, false, false]);
    assert_eq!((windows[0].min_replicas, windows[0].max_replicas), (Some(2), Some(12)));
    assert_eq!((windows[1].from, windows[1].to), (time(22, 0, 0, 0), time(6, 0, 0, 0)));
    assert_eq!(windows[1].scale_to_zero, Some(ZeroRule::Allowed));
}

#[test]
fn days_are_read_in_every_form() {
    let days =
        |written: &str| one(&format!("- {{days: {written}, from: \"8:00\", to: \"24:00\", minReplicas: 1}}")).days;
    let of = |letters: &str| letters.bytes().map(|b| b == b'x').collect::<Vec<_>>();
    for (written, expected) in [
        ("\"*\"", "xxxxxxx"),
        ("daily", "xxxxxxx"),
        ("Mon", "x......"),
        ("\"Sat,Sun\"", ".....xx"),
        ("Fri-Mon", "x...xxx"),
        ("[mon, Wed-Thu]", "x.xx..."),
        ("Monday-friday", "xxxxx.."),
    ] {
        assert_eq!(days(written).weekdays.to_vec(), of(expected), "{written}");
    }
    assert_eq!(days("holidays").holidays, HolidayRule::Only);
    let launch = one("- {dates: [2026-12-24], from: \"00:00\", to: \"24:00\", minReplicas: 5, holidays: ignore}");
    assert_eq!((launch.days.dates, launch.days.weekdays), (vec![date(2026, 12, 24)], [false; 7]));
    assert_eq!(
        (launch.name.as_str(), launch.to, launch.days.holidays),
        ("window-1", Time::midnight(), HolidayRule::Ignore)
    );
}

#[test]
fn every_error_names_its_place_its_value_and_the_fix() {
    let found = errors(
        "- {days: Mon-Fry, from: \"8\", to: \"25:00\", minReplicas: -1, maxReplica: 3}\n- {from: \"08:00\", to: \"09:00\"}",
    );
    assert_eq!(found.len(), 6, "{found:#?}");
    for (error, parts) in found.iter().zip([
        ["windows[0].maxReplica: ", "did you mean maxReplicas?"],
        ["windows[0].days: ", "\"Mon-Fry\" names no days: write"],
        ["windows[0].from: ", "\"8\" is no local time: write it like \"08:00\""],
        ["windows[0].to: ", "\"25:00\" is no local time"],
        ["windows[0].minReplicas: ", "-1 must be a whole number from 0 to 100000"],
        ["windows[1]: ", "needs minReplicas, maxReplicas or scaleToZero"],
    ]) {
        assert!(parts.iter().all(|part| error.contains(part)), "{error} lacks one of {parts:?}");
    }
    assert!(
        errors("- {from: \"08:00\", to: \"09:00\", minReplicas: 5, maxReplicas: 2}")[0]
            .contains("5 is above maxReplicas 2")
    );
    assert!(errors("- {name: a, from: \"08:00\", to: \"09:00\", minReplicas: 5}\n- {name: a, from: \"08:00\", to: \"09:00\", minReplicas: 5}")[0].contains("is taken"));
    assert!(errors("office hours")[0].starts_with("windows: must be a list of windows, not text"));
    assert!(errors("- [")[0].starts_with("windows: cannot be read as YAML"));
    assert!(errors(&"x".repeat(MOST_BYTES + 1))[0].contains("longer than 64 KiB"));
    assert!(
        errors(&"- {from: \"08:00\", to: \"09:00\", minReplicas: 1}\n".repeat(65))[0]
            .contains("65 windows are too many")
    );
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (this, last) in "bcdefghijk".chars().zip("abcdefghij".chars()) {
        bomb += &format!(
            "{this}: &{this} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
    }
    assert!(!errors(&bomb).is_empty());
}

#[test]
fn dates_are_read_with_commas_blanks_or_as_a_list() {
    let expected = vec![date(2026, 12, 24), date(2028, 2, 29)];
    for text in [
        "2026-12-24, 2028-02-29",
        "2026-12-24 2028-02-29",
        "- 2026-12-24\n- 2028-02-29",
        "[2026-12-24, \"2028-02-29\"]",
    ] {
        assert_eq!(parse_dates(text).unwrap(), expected, "{text}");
    }
    let wrong = parse_dates("2026-02-29, soon").unwrap_err();
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].to_string().contains("holidays: \"2026-02-29\" is no date: write it like 2026-12-24"));
}

#[test]
fn a_policy_file_a_resource_and_a_scaled_object_say_the_same() {
    let inner = "timezone: Europe/Berlin\nwindows:\n- {name: office, from: \"08:00\", to: \"18:00\", minReplicas: 2}\nholidays: [2026-12-25]\n";
    let indented = inner.replace('\n', "\n  ");
    let resource = format!("kind: PrewarmPolicy\nspec:\n  {indented}");
    let scaled = "kind: ScaledObject\nspec:\n  triggers:\n  - type: cpu\n    metadata: {value: \"50\"}\n  - type: external\n    metadata:\n      scalerAddress: p:9090\n      timezone: Europe/Berlin\n      holidays: 2026-12-25\n      windows: |\n        - {name: office, from: \"08:00\", to: \"18:00\", minReplicas: 2}\n";
    for text in [inner, resource.as_str(), scaled] {
        let policy = parse_policy_file(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        assert_eq!(policy.zone.as_ref().and_then(TimeZone::iana_name), Some("Europe/Berlin"));
        assert_eq!((policy.windows.len(), policy.holidays), (1, vec![date(2026, 12, 25)]));
    }
    assert!(
        parse_policy_file("timezone: Europe/Berln\nwindows: []").unwrap_err()[0]
            .to_string()
            .contains("timezone: \"Europe/Berln\" is no time zone")
    );
}

proptest! {
    #[test]
    fn nothing_panics_and_every_error_names_a_key(text in "(?s).{0,300}") {
        for errors in [parse_windows(&text).err(), parse_dates(&text).err(), parse_policy_file(&text).err()].into_iter().flatten() {
            prop_assert!(!errors.is_empty() && errors.iter().all(|error| !error.key.is_empty()));
        }
    }

    #[test]
    fn windows_that_are_nearly_right_do_not_panic(
        field in prop::sample::select(FIELDS.to_vec()), value in "[\\-0-9a-zA-Z:*,\\[\\]{}\"'& .]{0,20}",
    ) {
        let _ = parse_windows(&format!("- {{days: Mon-Fri, from: \"08:00\", to: \"18:00\", minReplicas: 2, {field}: {value}}}"));
    }
}
