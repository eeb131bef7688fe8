//! Time zones as people write them. What is no zone is answered with what it would mean, and with
//! zones that fit.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::keys::nearest;
use crate::duration::quoted;

/// Looks a zone up in the bundled database, which is the same on every replica.
pub(crate) fn parse(name: &str) -> Result<TimeZone, String> {
    let name = name.trim();
    let bundled = TimeZoneDatabase::bundled();
    if let Ok(zone) = bundled.get(name) {
        return Ok(zone);
    }
    let names: Vec<String> = bundled.available().map(|zone| zone.to_string()).collect();
    let answer =
        as_offset(name).or_else(|| as_abbreviation(name, &names)).or_else(|| as_rule(name));
    let answer =
        answer.unwrap_or_else(|| format!("is not a time zone; {}", by_spelling(name, &names)));
    Err(format!("{} {answer}", quoted(name)))
}

/// What may surprise about a zone that is one.
pub(crate) fn surprise(name: &str) -> Option<String> {
    if let Some(hours) = name.strip_prefix("Etc/GMT").and_then(|text| text.parse::<i32>().ok()) {
        if hours == 0 || !(-14..=14).contains(&hours) {
            return None;
        }
        let meant = -hours * 3600;
        let turned = etc(-meant);
        return Some(format!(
            "{name} is {}: its sign is turned round, as in POSIX; for {} write {turned}{}",
            shown(meant),
            shown(-meant),
            fitting(-meant).map_or_else(String::new, |zones| format!(" or a zone such as {zones}")),
        ));
    }
    let (offset, moving) = match name {
        "EST" => ("UTC−5", "America/New_York"),
        "MST" => ("UTC−7", "America/Denver"),
        _ => return None,
    };
    Some(format!(
        "{name} is {offset} all year, without summer time; where clocks change, write {moving}"
    ))
}

/// `UTC+2`, `GMT-5`, `+05:30`: an offset from UTC. `GMT+2` has a meaning of its own in POSIX, with
/// the sign turned round.
fn as_offset(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase().replace(' ', "");
    let bare = upper.strip_prefix("ETC/").unwrap_or(&upper);
    let number = bare.strip_prefix("UTC").or_else(|| bare.strip_prefix("GMT")).unwrap_or(bare);
    let ahead = seconds_ahead(number)?;
    let posix = if number.len() < bare.len() {
        format!("; in POSIX {bare} would be {}, for the sign is turned round there", shown(-ahead))
    } else {
        String::new()
    };
    let zones = fitting(ahead).map(|zones| format!("a zone such as {zones}"));
    let fixed = (ahead % 3600 == 0).then(|| format!("{} without summer time", etc(ahead)));
    let written = [zones, fixed].into_iter().flatten().collect::<Vec<_>>().join(", or ");
    let advice = if written.is_empty() {
        "write an IANA name like Europe/Berlin".to_owned()
    } else {
        written
    };
    Some(format!("is an offset, not a time zone{posix}. For {} write {advice}", shown(ahead)))
}

/// `+2`, `-05`, `+0530`, `+5:30`.
fn seconds_ahead(text: &str) -> Option<i32> {
    let (sign, digits) = match text.chars().next()? {
        '+' => (1, text.get(1..)?),
        '-' => (-1, text.get(1..)?),
        '−' => (-1, text.get('−'.len_utf8()..)?),
        _ => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) if minutes.len() == 2 => (hours, minutes),
        (None, 1 | 2) => (digits, "0"),
        (None, 4) => digits.split_at_checked(2)?,
        _ => return None,
    };
    let all_digits = (1..=2).contains(&hours.len())
        && (hours.bytes().chain(minutes.bytes())).all(|b| b.is_ascii_digit());
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (all_digits && hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `PST`, `CEST`: what zones call their time, which is half a year's and often more than one
/// zone's.
fn as_abbreviation(name: &str, names: &[String]) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    if !(2..=5).contains(&upper.len()) || !upper.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut meanings: Vec<(i32, Vec<&str>)> = Vec::new();
    let mut add = |offset: i32, zone| match meanings.iter_mut().find(|(known, _)| *known == offset)
    {
        Some((_, zones)) => zones.push(zone),
        None => meanings.push((offset, vec![zone])),
    };
    for (_, zone) in COLLOQUIAL.iter().filter(|(known, _)| *known == upper) {
        add(offsets(zone)?.0, *zone);
    }
    let others = names
        .iter()
        .map(String::as_str)
        .filter(|zone| zone.contains('/') && !WELL_KNOWN.contains(zone));
    for zone in WELL_KNOWN.iter().copied().chain(others) {
        for (offset, abbreviation) in seasons(zone).into_iter().flatten() {
            if abbreviation == upper {
                add(offset, zone);
            }
        }
    }
    let ambiguous = meanings.len() > 1;
    let mut told = Vec::new();
    for (offset, mut zones) in meanings {
        zones.dedup();
        zones.truncate(if ambiguous { 1 } else { 3 });
        told.push(format!("{} in {}", shown(offset), zones.join(", ")));
    }
    if told.is_empty() {
        return None;
    }
    told.truncate(4);
    Some(format!(
        "is an abbreviation, not a time zone: it means {}; write the zone",
        told.join(", or ")
    ))
}

/// `CET-1CEST`: a rule of POSIX, whose sign is turned round.
fn as_rule(name: &str) -> Option<String> {
    if !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let zone = TimeZone::posix(name).ok()?;
    let [january, july] = instants()?;
    let ahead = zone.to_offset(january).seconds().min(zone.to_offset(july).seconds());
    let zones = fitting(ahead).unwrap_or_else(|| "Europe/Berlin".to_owned());
    Some(format!(
        "is a rule of POSIX, not a time zone: it would mean {}; write a zone such as {zones}",
        shown(ahead)
    ))
}

/// A name that is a few letters off, in the same part of the world; or the zone of a city.
fn by_spelling(name: &str, names: &[String]) -> String {
    let written = name.to_lowercase().replace(' ', "_");
    let lower = |zone: &str| zone.to_lowercase();
    let (area, city) = written.split_once('/').unwrap_or(("", written.as_str()));
    let within: Vec<&String> =
        names.iter().filter(|zone| lower(zone).split('/').next() == Some(area)).collect();
    let candidates =
        if within.is_empty() && !area.is_empty() { names.iter().collect() } else { within };
    if let Some(near) = nearest(name, candidates.iter().map(|zone| (zone.as_str(), *zone))) {
        return format!("did you mean \"{near}\"?");
    }
    let city_of = |zone: &&String| lower(zone).rsplit_once('/').map(|(_, city)| city.to_owned());
    if let Some(found) = names.iter().find(|zone| city_of(zone).as_deref() == Some(city)) {
        return format!("did you mean \"{found}\"?");
    }
    if area.is_empty() && city.len() >= 5 {
        let cities = names.iter().filter(|zone| !zone.starts_with("Etc/"));
        let cities: Vec<(String, &String)> =
            cities.filter_map(|zone| Some((city_of(&zone)?, zone))).collect();
        if let Some(near) = nearest(city, cities.iter().map(|(city, zone)| (city.as_str(), *zone)))
        {
            return format!("did you mean \"{near}\"?");
        }
    }
    "write an IANA name like Europe/Berlin".to_owned()
}

/// `UTC+5:30`.
fn shown(ahead: i32) -> String {
    let sign = if ahead < 0 { '−' } else { '+' };
    let (hours, minutes) = (ahead.abs() / 3600, ahead.abs() / 60 % 60);
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (_, 0) => format!("UTC{sign}{hours}"),
        _ => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// The zone of the database that is a fixed offset of whole hours; its sign is turned round.
fn etc(ahead: i32) -> String {
    match -ahead / 3600 {
        0 => "Etc/UTC".to_owned(),
        hours => format!("Etc/GMT{hours:+}"),
    }
}

/// Up to three well-known zones whose standard time is so far ahead of UTC.
fn fitting(ahead: i32) -> Option<String> {
    let fits =
        |zone: &&&str| offsets(zone).is_some_and(|(january, july)| january.min(july) == ahead);
    let zones: Vec<&str> = WELL_KNOWN.iter().filter(fits).take(3).copied().collect();
    if zones.is_empty() { None } else { Some(zones.join(", ")) }
}

/// How far a zone is ahead in January and in July.
fn offsets(zone: &str) -> Option<(i32, i32)> {
    let [january, july] = seasons(zone)?;
    Some((january.0, july.0))
}

/// Offset and abbreviation in January and in July.
fn seasons(name: &str) -> Option<[(i32, String); 2]> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    let read = |instant: Timestamp| {
        let info = zone.to_offset_info(instant);
        let offset: Offset = info.offset();
        (offset.seconds(), info.abbreviation().to_owned())
    };
    Some(instants()?.map(read))
}

/// The middle of January and of July of a fixed year: reading metadata knows no clock.
fn instants() -> Option<[Timestamp; 2]> {
    const JANUARY: i64 = 1_768_435_200;
    const JULY: i64 = 1_784_073_600;
    Some([Timestamp::from_second(JANUARY).ok()?, Timestamp::from_second(JULY).ok()?])
}

/// Zones that are proposed first: large cities, one or two for each standard time.
const WELL_KNOWN: [&str; 64] = [
    "Europe/Berlin",
    "Europe/Paris",
    "Europe/Madrid",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Dublin",
    "Europe/Athens",
    "Europe/Helsinki",
    "Europe/Kyiv",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Atlantic/Azores",
    "Atlantic/Cape_Verde",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Halifax",
    "America/St_Johns",
    "America/Mexico_City",
    "America/Bogota",
    "America/Lima",
    "America/Caracas",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires",
    "America/Noronha",
    "Africa/Lagos",
    "Africa/Johannesburg",
    "Africa/Cairo",
    "Africa/Nairobi",
    "Asia/Jerusalem",
    "Asia/Riyadh",
    "Asia/Tehran",
    "Asia/Dubai",
    "Asia/Kabul",
    "Asia/Karachi",
    "Asia/Tashkent",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Dhaka",
    "Asia/Yangon",
    "Asia/Bangkok",
    "Asia/Jakarta",
    "Asia/Ho_Chi_Minh",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Hong_Kong",
    "Asia/Taipei",
    "Asia/Manila",
    "Australia/Perth",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Australia/Darwin",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Sydney",
    "Pacific/Noumea",
    "Pacific/Auckland",
    "Pacific/Tongatapu",
    "Pacific/Pago_Pago",
];

/// Abbreviations that people write and the database does not have.
const COLLOQUIAL: [(&str, &str); 18] = [
    ("ET", "America/New_York"),
    ("CT", "America/Chicago"),
    ("MT", "America/Denver"),
    ("PT", "America/Los_Angeles"),
    ("MEZ", "Europe/Berlin"),
    ("MESZ", "Europe/Berlin"),
    ("TRT", "Europe/Istanbul"),
    ("BRT", "America/Sao_Paulo"),
    ("ART", "America/Argentina/Buenos_Aires"),
    ("CLT", "America/Santiago"),
    ("COT", "America/Bogota"),
    ("PET", "America/Lima"),
    ("GST", "Asia/Dubai"),
    ("SGT", "Asia/Singapore"),
    ("ICT", "Asia/Bangkok"),
    ("MYT", "Asia/Kuala_Lumpur"),
    ("BDT", "Asia/Dhaka"),
    ("NPT", "Asia/Kathmandu"),
];

#[cfg(test)]
mod tests {
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
        for unknown in
            ["Europe/Atlantis", "Mars/Olympus", "../../etc/passwd", "Bern", "Africa/Xyz", ""]
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
}
