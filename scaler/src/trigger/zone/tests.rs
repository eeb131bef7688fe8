use proptest::prelude::*;

use super::*;

fn told(name: &str) -> String {
    parse(name).expect_err(name)
}

#[test]
fn zones_are_found_whatever_their_case() {
    for name in
        ["Europe/Berlin", "europe/berlin", "UTC", "Etc/GMT+2", "America/Argentina/Buenos_Aires"]
    {
        assert!(parse(name).is_ok(), "{name}");
    }
}

/// Public questions about KEDA's cron trigger and Kubernetes' CronJob ask for `GMT+2`, `IST`,
/// `PST`, `UTC+05:30`.
#[test]
fn offsets_are_told_with_what_they_would_mean_and_zones_that_fit() {
    insta::assert_snapshot!(told("GMT+2"), @r#""GMT+2" is an offset, not a time zone; in POSIX GMT+2 would be UTC−2, for the sign is turned round there. For UTC+2 write a zone such as Europe/Athens, Europe/Helsinki, Europe/Kyiv, or Etc/GMT-2 without summer time"#);
    insta::assert_snapshot!(told("utc-5"), @r#""utc-5" is an offset, not a time zone; in POSIX UTC-5 would be UTC+5, for the sign is turned round there. For UTC−5 write a zone such as America/New_York, America/Bogota, America/Lima, or Etc/GMT+5 without summer time"#);
    insta::assert_snapshot!(told("+05:30"), @r#""+05:30" is an offset, not a time zone. For UTC+5:30 write a zone such as Asia/Kolkata"#);
    insta::assert_snapshot!(surprise("Etc/GMT+2").unwrap(), @"Etc/GMT+2 is UTC−2: its sign is turned round, as in POSIX; for UTC+2 write Etc/GMT-2 or a zone such as Europe/Athens, Europe/Helsinki, Europe/Kyiv");
    assert_eq!(
        ["Etc/GMT", "Etc/GMT0", "Etc/GMT+0", "UTC", "Europe/Berlin"].map(surprise),
        [const { None }; 5]
    );
    assert!(surprise("EST").unwrap().starts_with("EST is UTC−5 all year, without summer time"));
}

#[test]
fn abbreviations_are_told_with_every_zone_that_they_may_mean() {
    insta::assert_snapshot!(told("PST"), @r#""PST" is an abbreviation, not a time zone: it means UTC−8 in America/Los_Angeles, or UTC+8 in Asia/Manila; write the zone"#);
    insta::assert_snapshot!(told("CEST"), @r#""CEST" is an abbreviation, not a time zone: it means UTC+2 in Europe/Berlin, Europe/Paris, Europe/Madrid; write the zone"#);
    insta::assert_snapshot!(told("IST"), @r#""IST" is an abbreviation, not a time zone: it means UTC+1 in Europe/Dublin, or UTC+2 in Asia/Jerusalem, or UTC+5:30 in Asia/Kolkata; write the zone"#);
    assert!(told("SGT").contains("UTC+8 in Asia/Singapore"));
    assert!(told("CEST7").contains("is a rule of POSIX, not a time zone: it would mean UTC−7"));
    assert!(
        told("CET-1CEST,M3.5.0,M10.5.0/3")
            .contains("would mean UTC+1; write a zone such as Europe/Berlin")
    );
}

#[test]
fn a_slip_of_the_pen_stays_on_its_continent() {
    let hint = |name: &str| told(name).split_once("; ").unwrap().1.to_owned();
    for (written, meant) in [
        ("Europe/Berlim", "Europe/Berlin"),
        ("Europ/Berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("Berlim", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("America/Sao Paulo", "America/Sao_Paulo"),
    ] {
        assert_eq!(hint(written), format!("did you mean \"{meant}\"?"), "{written}");
    }
    for unknown in ["Europe/Atlantis", "Mars/Olympus", "../../etc/passwd", "Bern", "Africa/Xyz", ""]
    {
        assert_eq!(hint(unknown), "write an IANA name like Europe/Berlin", "{unknown}");
    }
}

proptest! {
    #[test]
    fn any_text_of_an_offset_is_answered_or_passed_on(
        text in "(UTC|GMT|Etc/GMT|[A-Za-z]{0,4})[-+−]?[0-9:]{0,6}.{0,3}", other in "(?s).{0,20}",
    ) {
        for text in [text, other] {
            for answer in [as_offset(&text), as_rule(&text), surprise(&text)].into_iter().flatten() {
                prop_assert!(answer.contains("UTC"), "{answer}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_written_is_a_zone_or_is_answered(text in "([A-Z][a-z]{2,9}/)?[A-Za-z_+0-9]{0,9}|(?s).{0,70}") {
        if let Err(answer) = parse(&text) {
            prop_assert!(answer.contains(" not a time zone"), "{answer}");
        }
    }
}

/// Every zone with one letter wrong is answered from its own part of the world, or not at all.
#[test]
fn no_misspelt_zone_is_answered_from_another_continent() {
    let names: Vec<String> =
        TimeZoneDatabase::bundled().available().map(|zone| zone.to_string()).collect();
    for zone in names.iter().filter(|zone| zone.contains('/')) {
        let (area, city) = zone.split_once('/').unwrap();
        let wrong = format!("{area}/{}", city.replace(['a', 'e', 'o'], "q"));
        if let Err(problem) = parse(&wrong)
            && let Some((_, near)) = problem.split_once("did you mean \"")
        {
            assert!(near.starts_with(&format!("{area}/")), "{problem}");
        }
    }
}
