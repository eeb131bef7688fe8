//! Random calendars against an independent library: `tests/calendars/generate.py` says what is in
//! them.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::Value;

use super::holidays;

const FIRST: Date = date(2026, 1, 1);
const LAST: Date = date(2028, 12, 31);

/// Four hundred of the repository, or those of the file that `PREWARM_CALENDARS` names: `tests/run`
/// makes 5,000 anew.
#[test]
fn generated_calendars_have_the_dates_that_an_independent_library_finds() {
    let text = match std::env::var_os("PREWARM_CALENDARS") {
        Some(file) => std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        None => include_str!("../../../../tests/calendars/generated.jsonl").to_owned(),
    };
    let mut with_dates = 0;
    let mut different = Vec::new();
    for (line, case) in text.lines().enumerate() {
        let case: Value = serde_json::from_str(case).unwrap();
        // Bytes as code points: a fold may lie within a character.
        let file: Vec<u8> =
            case["ics"].as_str().unwrap().chars().map(|byte| u8::try_from(byte).unwrap()).collect();
        let offsets =
            case["dates"].as_array().unwrap().iter().map(|offset| offset.as_i64().unwrap());
        let expected: Vec<Date> = offsets.map(|offset| FIRST + offset.days()).collect();
        with_dates += usize::from(!expected.is_empty());
        let found = holidays(&file, FIRST, LAST).map(|read| read.dates);
        if found.as_ref() != Ok(&expected) {
            different.push(format!(
                "line {}: {}\nexpected {expected:?}\nfound {found:?}",
                line + 1,
                String::from_utf8_lossy(&file)
            ));
        }
    }
    let all = text.lines().count();
    assert!(all >= 400 && with_dates > all / 2, "{with_dates} of {all} calendars have dates");
    assert!(different.is_empty(), "{} of {all} differ, such as\n{}", different.len(), different[0]);
}
