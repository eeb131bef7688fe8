//! What people write, what they get wrong, and that nothing panics.

use jiff::civil::{date, time};
use proptest::prelude::*;

use super::super::Rules;
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
    let days = |written: &str| {
        one(&format!("- {{days: {written}, from: \"8:00\", to: \"24:00\", minReplicas: 1}}")).days
    };
    let of = |letters: &str| letters.bytes().map(|b| b == b'x').collect::<Vec<_>>();
    for (written, expected) in [
        ("\"*\"", "xxxxxxx"),
        ("daily", "xxxxxxx"),
        ("Mon", "x......"),
        ("\"Sat,Sun\"", ".....xx"),
        ("Fri-Mon", "x...xxx"),
        ("[mon, Wed-Thu]", "x.xx..."),
        ("Monday-friday", "xxxxx.."),
        ("\"Sat,Sun,holidays\"", ".....xx"),
        ("[Sat, Sun, Holidays]", ".....xx"),
        ("\"*,holidays\"", "xxxxxxx"),
    ] {
        assert_eq!(days(written).weekdays.to_vec(), of(expected), "{written}");
    }
    assert_eq!(days("holidays").holidays, HolidayRule::Only);
    assert_eq!(days("\"Sat,Sun,holidays\"").holidays, HolidayRule::Also);
    let launch = one(
        "- {dates: [2026-12-24], from: \"00:00\", to: \"24:00\", minReplicas: 5, holidays: ignore}",
    );
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
    assert!(
        wrong[0]
            .to_string()
            .contains("holidays: \"2026-02-29\" is no date: write it like 2026-12-24")
    );
}

/// All days are all days. A night that capped and allowed zero skipped holidays once, so that
/// holidays cost most.
#[test]
fn windows_for_all_days_hold_on_holidays_unless_they_say_otherwise() {
    let rule = |fields: &str| {
        one(&format!("- {{{fields}from: \"22:00\", to: \"06:00\", maxReplicas: 2}}")).days.holidays
    };
    for all_days in ["days: \"*\", ", "days: daily, ", "days: Mon-Sun, ", ""] {
        assert_eq!(rule(all_days), HolidayRule::Ignore, "{all_days}");
        assert_eq!(rule(&format!("{all_days}holidays: skip, ")), HolidayRule::Skip, "{all_days}");
    }
    assert_eq!(rule("days: Mon-Fri, "), HolidayRule::Skip);
    assert_eq!(rule("days: Mon-Fri, holidays: ignore, "), HolidayRule::Ignore);
    let wrong = |fields: &str| {
        errors(&format!("- {{{fields}, from: \"22:00\", to: \"06:00\", maxReplicas: 2}}")).remove(0)
    };
    assert_eq!(
        wrong("days: \"Sat,holidays\", holidays: skip"),
        "windows[0].holidays: skip contradicts days, which names holidays"
    );
    assert_eq!(
        wrong("days: Mon-Fri, holidays: never"),
        "windows[0].holidays: \"never\" must be skip or ignore (default here: skip)"
    );
    let undecided = "- {name: a, from: \"22:00\", to: \"06:00\", maxReplicas: 2}\n- {name: b, days: Mon, from: \"22:00\", to: \"06:00\", maxReplicas: 2}\n- {name: c, holidays: ignore, from: \"22:00\", to: \"06:00\", maxReplicas: 2}";
    assert_eq!(undecided_on_holidays(undecided), ["a"]);
}

/// Words that YAML 1.1, and Kubernetes with it, takes for true and false are text in a window.
#[test]
fn off_on_yes_and_no_are_text() {
    for word in ["off", "on", "yes", "no", "NO", "Off", "y", "n"] {
        let window =
            one(&format!("- {{name: {word}, from: \"08:00\", to: \"09:00\", minReplicas: 1}}"));
        assert_eq!(window.name, word);
    }
    let told = |fields: &str| {
        errors(&format!("- {{{fields}, from: \"08:00\", to: \"09:00\", minReplicas: 1}}")).remove(0)
    };
    assert_eq!(
        told("name: true"),
        "windows[0].name: true must be text of 1 to 63 bytes without control characters: write \"true\""
    );
    assert_eq!(
        told("name: 12"),
        "windows[0].name: 12 must be text of 1 to 63 bytes without control characters: write \"12\""
    );
    assert!(told("scaleToZero: off").contains("\"off\" must be allowed or never"));
}

const OFFICE: &str = "timezone: Europe/Berlin\nwindows:\n- {name: office, from: \"08:00\", to: \"18:00\", minReplicas: 2}\n";

fn scaled(name: &str, metadata: &str) -> String {
    let metadata = metadata.replace('\n', "\n      ");
    format!(
        "kind: ScaledObject\nmetadata: {{name: {name}, namespace: llm}}\nspec:\n  triggers:\n  - type: cpu\n    metadata: {{value: \"50\"}}\n  - type: external\n    metadata:\n      scalerAddress: p:9090\n      {metadata}\n"
    )
}

fn found(text: &str) -> Vec<FoundPolicy> {
    policies(text, Rules::default(), true).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn told(text: &str) -> String {
    policies(text, Rules::default(), false)
        .expect_err(text)
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_policy_file_a_resource_and_a_scaled_object_say_the_same() {
    let inner = format!("{OFFICE}holidays: [2026-12-25]\n");
    let resource = format!("kind: PrewarmPolicy\nspec:\n  {}", inner.replace('\n', "\n  "));
    let text = "timezone: Europe/Berlin\nholidays: 2026-12-25\nwindows: |\n  - {name: office, from: \"08:00\", to: \"18:00\", minReplicas: 2}";
    for text in [inner.as_str(), resource.as_str(), &scaled("chat", text)] {
        let found = found(text);
        let [FoundPolicy { policy, warnings, .. }] = found.as_slice() else {
            panic!("{text}: {found:?}")
        };
        assert_eq!(
            policy.zone.as_ref().and_then(jiff::tz::TimeZone::iana_name),
            Some("Europe/Berlin")
        );
        assert_eq!((policy.windows.len(), &policy.holidays), (1, &vec![date(2026, 12, 25)]));
        assert_eq!(warnings.len(), 0);
    }
    assert_eq!(
        told("timezone: Europe/Berln\nwindows: []"),
        "timezone: \"Europe/Berln\" is not a time zone; did you mean \"Europe/Berlin\"?"
    );
}

/// A Deployment and its ScaledObject in one file, as most repositories have it; lists; policies
/// that triggers refer to.
#[test]
fn every_document_of_a_file_is_looked_into() {
    let deployment = "# chat\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat, namespace: llm}\nspec: {replicas: 1}\n---\n";
    let own = "timezone: Asia/Jerusalem\nwindows: |\n  - {name: work, days: Sun-Fri, from: \"06:00\", to: \"22:30\", minReplicas: 3}";
    let one = found(&format!("{deployment}{}", scaled("chat", own)));
    assert_eq!(one.len(), 1);
    assert_eq!(
        (one[0].title.as_str(), one[0].policy.windows[0].name.as_str()),
        ("ScaledObject llm/chat, spec.triggers[1]", "work")
    );

    let policy = format!(
        "kind: PrewarmPolicy\nmetadata: {{name: office}}\nspec:\n  {}",
        OFFICE.replace('\n', "\n  ")
    );
    let several =
        format!("{policy}\n---\n{}---\n{}", scaled("a", "policyRef: office"), scaled("b", own));
    let titles: Vec<String> = found(&several)
        .into_iter()
        .map(|one| format!("{}: {}", one.title, one.policy.windows[0].name))
        .collect();
    assert_eq!(
        titles,
        [
            "PrewarmPolicy office: office",
            "ScaledObject llm/a, spec.triggers[1]: office",
            "ScaledObject llm/b, spec.triggers[1]: work"
        ]
    );
    let list = format!("kind: List\nitems:\n- {}", scaled("a", own).replace('\n', "\n  "));
    assert_eq!(found(&list).len(), 1);

    assert!(told(deployment).starts_with(
        "policy: holds no windows: it needs windows, a PrewarmPolicy, or a ScaledObject"
    ));
    let wrong = own.replace("Sun-Fri", "Sun-Fry");
    assert!(
        told(&scaled("chat", &wrong))
            .starts_with("spec.triggers[1].metadata.windows[0].days: \"Sun-Fry\" names no days")
    );
}

#[test]
fn what_only_the_server_knows_is_said() {
    let text = scaled("chat", "policyRef: office\nholidays: bavaria, DE-BY");
    let one = found(&text).remove(0);
    assert_eq!(
        one.warnings,
        [
            "policyRef: office is the server's: give --config FILE to read it, too",
            "holidays: bavaria is the server's: give --config FILE to read it, too",
        ]
    );
    assert!(one.policy.holidays.contains(&date(2026, 11, 1)));
    let told = told(&text);
    assert!(
        told.contains("spec.triggers[1].metadata.policyRef: the server's configuration has no policy \"office\""),
        "{told}"
    );
    assert!(
        told.contains("spec.triggers[1].metadata.holidays: the server's configuration has no calendar \"bavaria\""),
        "{told}"
    );
    let zone = found(&format!(
        "timezone: Etc/GMT+2\nwindows:\n{}",
        OFFICE.split_once("windows:\n").unwrap().1
    ))
    .remove(0);
    assert!(
        zone.warnings[0].starts_with("timezone: Etc/GMT+2 is UTC−2: its sign is turned round"),
        "{:?}",
        zone.warnings
    );
}

/// Forms in which policies, lists and ScaledObjects come, to be damaged.
fn whole_files() -> Vec<String> {
    let own = "timezone: \"UTC\"\nholidays: DE-BY, 2026-12-25\nwindows: |\n  - {name: a, days: \"Sat,holidays\", from: \"06:00\", to: \"22:30\", minReplicas: 3}";
    vec![format!("{OFFICE}holidays: [2026-12-25, NO]\n"), format!("---\n{}", scaled("a", own))]
}

proptest! {
    #[test]
    fn nothing_panics_and_every_error_names_a_key(text in "(?s).{0,300}") {
        let file = policies(&text, Rules::default(), true).err();
        for errors in [parse_windows(&text).err(), parse_dates(&text).err(), file].into_iter().flatten() {
            prop_assert!(!errors.is_empty() && errors.iter().all(|error| !error.key.is_empty()));
        }
    }

    #[test]
    fn mutated_text_of_a_policy_file_is_read_or_refused(
        which in 0usize..2,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[-a-z0-9:{}\\[\\],\"|&* \\n]{0,6}"), 1..6),
    ) {
        let mut text = whole_files().remove(which);
        for (at, length, more) in cuts {
            let at = at.index(text.len() + 1);
            let end = text.len().min(at + length);
            text.replace_range(at..end, &more);
        }
        if let Err(errors) = policies(&text, Rules::default(), true) {
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
