//! Public holidays by country and region (ISO 3166): data of the Python library `holidays`, MIT,
//! kept by its people for years. No crate serves: those that hold regions are years old or ask a
//! web service. `generate.py` brings the table up to date.

use jiff::ToSpan;
use jiff::civil::{Date, date};

/// Code, dates, dates of the country that a region does not have; dates as days since the one
/// before.
const TABLE: &str = include_str!("dates.tsv");

/// The first day of the table.
const EPOCH: Date = date(2020, 1, 1);

/// Whether a word has the form of a code: `DE`, `DE-BY`.
pub(crate) fn is_code(word: &str) -> bool {
    let (country, region) = word.split_once('-').unwrap_or((word, "X"));
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (1..=3).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The public holidays of a country or region from 2020 to 2040. The error says which codes there
/// are.
pub(crate) fn holidays(code: &str) -> Result<Vec<Date>, String> {
    let code = code.to_ascii_uppercase();
    let country = code.split_once('-').map_or(code.as_str(), |(country, _)| country);
    // Some countries have regions with holidays, and none of their own.
    let Some((national, _)) = entry(country) else { return Err(no_country(country)) };
    if country == code && national.is_empty() {
        return Err(no_country(country));
    }
    if country == code {
        return Ok(national);
    }
    let Some((more, fewer)) = entry(&code) else { return Err(no_region(country, &code)) };
    let mut dates: Vec<Date> =
        national.into_iter().filter(|date| !fewer.contains(date)).chain(more).collect();
    dates.sort_unstable();
    Ok(dates)
}

fn no_country(country: &str) -> String {
    let hint = match country {
        "UK" => "its code is \"GB\"",
        "EL" => "its code is \"GR\"",
        _ => "write an ISO 3166 code like DE, DE-BY, US-CA or GB-ENG",
    };
    format!("no public holidays are known of the country {country}; {hint}")
}

fn no_region(country: &str, code: &str) -> String {
    let prefix = format!("{country}-");
    let regions: Vec<&str> = codes().filter_map(|code| code.strip_prefix(&prefix)).collect();
    let known = if regions.is_empty() {
        "none: write the country alone".to_owned()
    } else {
        regions.join(", ")
    };
    format!("{code} is no region of {country}; known are {known}")
}

fn codes() -> impl Iterator<Item = &'static str> {
    lines().filter_map(|line| line.split('\t').next())
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

fn entry(code: &str) -> Option<(Vec<Date>, Vec<Date>)> {
    let line = lines().find(|line| line.split('\t').next() == Some(code))?;
    let mut columns = line.split('\t').skip(1);
    Some((dates(columns.next()?), dates(columns.next()?)))
}

fn dates(gaps: &str) -> Vec<Date> {
    let mut last = EPOCH;
    let mut found = Vec::new();
    for gap in gaps.split_ascii_whitespace().filter_map(|gap| gap.parse::<i32>().ok()) {
        last = last.saturating_add(gap.days());
        found.push(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_2026(code: &str) -> Vec<String> {
        let all = holidays(code).unwrap_or_else(|problem| panic!("{code}: {problem}"));
        all.iter()
            .filter(|date| date.year() == 2026)
            .map(|date| date.strftime("%m-%d").to_string())
            .collect()
    }

    #[test]
    fn countries_and_regions_have_their_days() {
        let germany =
            ["01-01", "04-03", "04-06", "05-01", "05-14", "05-25", "10-03", "12-25", "12-26"];
        assert_eq!(in_2026("DE"), germany);
        let bavaria = in_2026("de-by");
        assert!(
            ["01-06", "06-04", "11-01"].iter().all(|day| bavaria.contains(&(*day).to_owned())),
            "{bavaria:?}"
        );
        assert!(germany.iter().all(|day| bavaria.contains(&(*day).to_owned())));
        // The second Monday of October: what Arkansas does not keep.
        assert!(
            in_2026("US").contains(&"10-12".to_owned())
                && !in_2026("US-AR").contains(&"10-12".to_owned())
        );
        assert!(in_2026("NO").contains(&"05-17".to_owned()));
        assert!(
            in_2026("GB-SCT").contains(&"11-30".to_owned())
                && !in_2026("GB-ENG").contains(&"11-30".to_owned())
        );
    }

    #[test]
    fn the_table_is_whole() {
        assert!(codes().count() > 800);
        for code in codes() {
            assert!(is_code(code), "{code}");
            let Ok(dates) = holidays(code) else { continue };
            assert!(dates.is_sorted_by(|one, other| one < other), "{code}");
            assert!(dates.iter().all(|date| (2020..=2040).contains(&date.year())), "{code}");
        }
    }

    #[test]
    fn an_unknown_code_is_answered_with_those_that_there_are() {
        assert!(holidays("UK").unwrap_err().ends_with("its code is \"GB\""));
        assert!(
            holidays("DE-XX")
                .unwrap_err()
                .starts_with("DE-XX is no region of DE; known are BB, BE, BW, BY, ")
        );
        assert!(holidays("QQ").unwrap_err().contains("ISO 3166"));
    }
}
