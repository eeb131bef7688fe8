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
mod tests;
