//! Times as exports write them.

use anyhow::{anyhow, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::duration::quoted;

/// An instant in whole seconds; a fraction is dropped. Read are RFC 3339, the same with a space or
/// with slashes in the date, with ` UTC` or an offset behind it, and seconds, milliseconds,
/// microseconds or nanoseconds since 1970. A time without a zone is local time in `zone`; of an
/// hour that comes twice the second one is meant where the first would lie before `previous`.
pub(super) fn moment(
    text: &str,
    zone: Option<&TimeZone>,
    previous: Option<Timestamp>,
) -> anyhow::Result<Timestamp> {
    if let Some(since) = since_1970(text)? {
        return Ok(since);
    }
    let plain = normalized(text);
    if let Ok(at) = plain.parse::<Timestamp>() {
        return Ok(Timestamp::from_second(at.as_second())?);
    }
    let Ok(local) = plain.parse::<DateTime>() else {
        bail!("timestamp {} is no time: write it like 2026-11-24T08:00:00Z", quoted(text));
    };
    let Some(zone) = zone else {
        bail!(
            "timestamp {} is no time: its zone is missing: for UTC add a Z, for local time give its zone, \
             like --timezone Europe/Berlin",
            quoted(text)
        );
    };
    at_home(local, zone, previous)
        .map_err(|problem| anyhow!("timestamp {}: {problem}", quoted(text)))
}

/// Whether this may be a time at all: as a column of times is looked for where no name says so.
pub(super) fn looks_like_time(text: &str) -> bool {
    let plain = normalized(text);
    plain.parse::<Timestamp>().is_ok() || plain.parse::<DateTime>().is_ok()
}

/// Local time in a zone. Clocks that go back show an hour twice.
fn at_home(
    local: DateTime,
    zone: &TimeZone,
    previous: Option<Timestamp>,
) -> anyhow::Result<Timestamp> {
    let ambiguous = zone.to_ambiguous_zoned(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        let name = zone.iana_name().unwrap_or("that zone");
        bail!("{local} does not exist in {name}: clocks go forward then; is --timezone right?");
    }
    let second = || ambiguous.clone().later();
    let first = ambiguous.clone().earlier()?;
    let at = match previous {
        Some(previous) if first.timestamp() <= previous => second()?,
        _ => first,
    };
    Ok(Timestamp::from_second(at.timestamp().as_second())?)
}

/// Seconds or a fraction of them since 1970, told by their size; `None` for what is no number.
fn since_1970(text: &str) -> anyhow::Result<Option<Timestamp>> {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let Some(count) = number.then(|| text.parse::<f64>().ok()).flatten() else { return Ok(None) };
    // 1e9 s is the year 2001, 1e11 s the year 5138.
    let scale = match count {
        1e9..1e11 => 1.0,
        1e12..1e14 => 1e3,
        1e15..1e17 => 1e6,
        1e18..1e20 => 1e9,
        _ => bail!(
            "timestamp {} is no time: as a number it must be seconds, or ms, µs, ns, since 1970",
            quoted(text)
        ),
    };
    Ok(Some(Timestamp::from_second((count / scale).floor() as i64)?))
}

/// RFC 3339, as far as what is written allows.
fn normalized(text: &str) -> String {
    let mut plain = text.trim();
    for suffix in [" UTC", " GMT", " Z"] {
        plain = plain.strip_suffix(suffix).map_or(plain, str::trim_end);
    }
    let universal = plain.len() < text.trim().len();

    let date: String = plain.chars().take(10).map(|c| if c == '/' { '-' } else { c }).collect();
    let rest: String = plain.chars().skip(10).collect();
    // Go and BigQuery write a space before the offset.
    let rest = rest.replace(" +", "+").replace(" -", "-");
    let offset = rest.ends_with('Z') || rest.contains('+') || rest.contains('-');
    let zulu = if universal && !offset { "Z" } else { "" };
    format!("{date}{rest}{zulu}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        moment(text, None, None).map_or_else(|error| error.to_string(), |at| at.to_string())
    }

    #[test]
    fn exports_write_times_in_many_ways() {
        for text in [
            "2026-11-24T08:00:00Z",
            "2026-11-24 08:00:00Z",
            "2026-11-24T09:00:00+01:00",
            "2026-11-24 09:00:00+0100",
            "2026-11-24 08:00:00 UTC",
            "2026-11-24 08:00:00 +0000 UTC",
            "2026-11-24 08:00:00.000 UTC",
            "2026/11/24 08:00:00 UTC",
            "1795507200",
            "1795507200.25",
            "1795507200000",
            "1795507200000000",
            "1795507200000000000",
        ] {
            assert_eq!(read(text), "2026-11-24T08:00:00Z", "{text}");
        }
        for text in ["2026-11-24 08:00", "2026/11/24 08:00:00", "2026-11-24"] {
            assert!(read(text).contains("--timezone"), "{}", read(text));
        }
        assert!(read("24.11.2026 08:00").contains("write it like 2026-11-24T08:00:00Z"));
        assert!(read("20261124").contains("since 1970"));
    }

    #[test]
    fn the_hour_that_comes_twice_is_told_apart_by_its_order() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let mut previous = None;
        let mut seen = Vec::new();
        for text in ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"] {
            let at = moment(&format!("2026-10-25 {text}"), Some(&berlin), previous).unwrap();
            seen.push(at.to_string());
            previous = Some(at);
        }
        let utc = ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"];
        let day = |i: usize| if i == 0 { "24" } else { "25" };
        let expected = utc.iter().enumerate();
        let expected: Vec<_> =
            expected.map(|(i, time)| format!("2026-10-{}T{time}:00Z", day(i))).collect();
        assert_eq!(seen, expected);

        let lost = moment("2026-03-29 02:30", Some(&berlin), None).unwrap_err().to_string();
        assert!(lost.contains("does not exist in Europe/Berlin"), "{lost}");
    }
}
