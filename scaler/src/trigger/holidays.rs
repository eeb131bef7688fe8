//! Holidays as people write them: dates, named calendars of the server, country codes; alone or in
//! one list.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::MetadataError;
use super::countries;
use super::keys::{HOLIDAYS, nearest};
use super::windows::{MOST_BYTES, date, too_long};
use crate::duration::quoted;

/// Reads dates, names of `calendars` and ISO 3166 codes, separated by commas or white space, or as
/// a YAML list. A calendar of the server goes before a country of the same name. Errors name
/// `holidays`.
pub fn parse(
    text: &str,
    calendars: &BTreeMap<String, Vec<Date>>,
) -> Result<Vec<Date>, Vec<MetadataError>> {
    if let Some(dates) = calendars.get(text.trim()) {
        return Ok(dates.clone());
    }
    if text.len() > MOST_BYTES {
        return Err(vec![too_long(HOLIDAYS.name)]);
    }
    let mut dates = Vec::new();
    let mut errors = Vec::new();
    for word in words(text) {
        match one(word, calendars) {
            Ok(more) => dates.extend(more),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(dates) } else { Err(errors) }
}

/// Names in `holidays` that only the server's configuration can resolve: neither dates nor
/// countries.
pub(crate) fn calendar_names(text: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && (!countries::is_code(word) || countries::holidays(word).is_err())
    };
    words(text).filter(is_name).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| matches!(c, ',' | '[' | ']' | '"' | '\'') || c.is_whitespace();
    text.split(separates).filter(|word| !word.is_empty() && *word != "-")
}

fn one(word: &str, calendars: &BTreeMap<String, Vec<Date>>) -> Result<Vec<Date>, MetadataError> {
    let wrong = |problem: String| MetadataError { key: HOLIDAYS.name.to_owned(), problem };
    if let Some(dates) = calendars.get(word) {
        return Ok(dates.clone());
    }
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return date(word, HOLIDAYS.name).map(|date| vec![date]);
    }
    if let Some(near) = nearest(word, calendars.keys().map(|name| (name.as_str(), name))) {
        let problem = format!(
            "the server's configuration has no calendar {}; did you mean \"{near}\"?",
            quoted(word)
        );
        return Err(wrong(problem));
    }
    if countries::is_code(word) {
        return countries::holidays(word)
            .map_err(|problem| wrong(format!("{}: {problem}", quoted(word))));
    }
    Err(wrong(format!(
        "the server's configuration has no calendar {}; add it there as holidays.NAME, or write dates (2026-12-24) or \
         an ISO 3166 code (DE-BY)",
        quoted(word)
    )))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Date>, String> {
        let office = vec![date(2026, 12, 24)];
        let calendars =
            BTreeMap::from([("office".to_owned(), office.clone()), ("NO".to_owned(), office)]);
        parse(text, &calendars).map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn dates_names_and_codes_may_stand_in_one_list() {
        assert_eq!(read("office").unwrap(), [date(2026, 12, 24)]);
        let all = read("- DE-BY\n- office\n- 2026-12-31").unwrap();
        assert!(
            [date(2026, 1, 6), date(2026, 12, 24), date(2026, 12, 31)]
                .iter()
                .all(|day| all.contains(day))
        );
        assert!(read("DE-BY, 2026-12-31").unwrap().contains(&date(2026, 11, 1)));
        // What the server calls so goes first.
        assert_eq!(read("NO").unwrap(), [date(2026, 12, 24)]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_neither_says_what_there_is() {
        insta::assert_snapshot!(read("offcie").unwrap_err(), @r#"holidays: the server's configuration has no calendar "offcie"; did you mean "office"?"#);
        insta::assert_snapshot!(read("bavaria").unwrap_err(), @r#"holidays: the server's configuration has no calendar "bavaria"; add it there as holidays.NAME, or write dates (2026-12-24) or an ISO 3166 code (DE-BY)"#);
        insta::assert_snapshot!(read("UK").unwrap_err(), @r#"holidays: "UK": no public holidays are known of the country UK; its code is "GB""#);
        assert!(
            read("2026-02-29")
                .unwrap_err()
                .contains("\"2026-02-29\" is no date: write it like 2026-12-24")
        );
        assert_eq!(calendar_names("DE-BY, 2026-12-24, office"), ["office"]);
    }

    proptest! {
        #[test]
        fn any_text_of_holidays_is_read_or_refused(text in "([A-Za-z]{2}(-[A-Za-z]{0,3})?|[-0-9]{8,10}|(?s).{0,9})(, ?|\\n- |.)[A-Z0-9-]{0,9}") {
            if let Err(problem) = read(&text) {
                prop_assert!(problem.starts_with("holidays: "), "{problem}");
            }
        }
    }
}
