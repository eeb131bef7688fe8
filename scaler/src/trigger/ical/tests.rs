//! What programs write, case by case; and that nothing panics or takes for ever.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

fn file(body: &str) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{body}\nEND:VCALENDAR\n").replace('\n', "\r\n")
}

fn event(body: &str) -> String {
    file(&format!("BEGIN:VEVENT\nUID:1\nSUMMARY:Day\n{body}\nEND:VEVENT"))
}

fn read(text: &str) -> Result<Holidays, Vec<String>> {
    holidays(text.as_bytes(), date(2026, 1, 1), date(2028, 12, 31))
}

fn dates(text: &str) -> Vec<Date> {
    read(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).dates
}

fn refused(text: &str) -> String {
    let problems = read(text).expect_err(text);
    assert!(!problems.is_empty());
    problems.join("\n")
}

/// Whether the first of December 2026 is a holiday.
fn on_the_first(text: &str) -> bool {
    dates(text).contains(&date(2026, 12, 1))
}

/// Forms in which calendars of offices, Google, Outlook and national sites write a holiday.
#[test]
fn the_first_of_december_is_found_in_every_form() {
    for body in [
        "DTSTART;VALUE=DATE:20261201",
        "DTSTART:20261201",
        "DTSTART;VALUE=DATE:20261201\nDTEND;VALUE=DATE:20261202",
        "DTSTART;VALUE=DATE:20261201\nDTEND;VALUE=DATE:20261201",
        "DTSTART;VALUE=DATE:20261130\nDTEND;VALUE=DATE:20261203",
        "DTSTART;VALUE=DATE:20261130\nDURATION:P3D",
        "DTSTART;VALUE=DATE:20261128\nDURATION:P1W",
        "DTSTART;VALUE=DATE:20261201\nDURATION:PT24H",
        "DTSTART;VALUE=DATE:20261201\nDTEND:20261201T235959",
        // Outlook: from midnight to midnight, in a zone of its own.
        "DTSTART;TZID=\"W. Europe Standard Time\":20261201T000000\nDTEND;TZID=\"W. Europe Standard Time\":20261202T000000",
        "DTSTART;TZID=Europe/Berlin:20261201T000000\nDTEND;TZID=Europe/Berlin:20261201T235900",
        "DTSTART:20261201T000000\nDTEND:20261202T000000",
        "DTSTART:20261201T000000Z\nDURATION:P1D",
        "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE\nDTSTART:20261201T000000",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;COUNT=10",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;INTERVAL=3",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;UNTIL=20261201",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;BYDAY=1TU;BYMONTH=12",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1",
        "DTSTART;VALUE=DATE:20201229\nRRULE:FREQ=WEEKLY;BYDAY=TU,WE;WKST=SU",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=TU;BYMONTHDAY=1,2,3,4,5,6,7",
        "DTSTART;TZID=Europe/Berlin:20201201T000000\nDURATION:P1D\nRRULE:FREQ=YEARLY;UNTIL=20261130T230000Z",
        "DTSTART;VALUE=DATE:20250101\nRDATE;VALUE=DATE:20261201,20271201",
        "DTSTART;VALUE=DATE:20250101\nRDATE;VALUE=PERIOD:20261130T000000/P3D",
    ] {
        for text in
            [event(body), event(body).replace("\r\n", "\n"), format!("\u{feff}{}", event(body))]
        {
            assert!(on_the_first(&text), "{text}");
        }
    }
    let lower = "begin:vcalendar\nbegin:vevent\ndtstart;value=date:20201201\nrrule:freq=yearly;bymonth=12\nend:vevent\nend:vcalendar";
    assert!(on_the_first(lower));
    assert!(on_the_first(&event("DTSTART;VAL\n UE=DATE:2026\n\t1201")));
    assert!(on_the_first(&event("DTSTART;VALUE=DATE:20261201").replace("\r\n", "\r")));
}

#[test]
fn what_is_excluded_moved_or_cancelled_is_no_holiday() {
    for body in [
        "DTSTART;VALUE=DATE:20261202",
        "DTSTART;VALUE=DATE:20261129\nDTEND;VALUE=DATE:20261201",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20261201",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY\nEXDATE:20261201T000000",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;COUNT=6",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;UNTIL=20261130",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY;INTERVAL=4",
        "DTSTART;VALUE=DATE:20261201\nSTATUS:CANCELLED",
        "DTSTART;TZID=Europe/Berlin:20201201T000000\nDURATION:P1D\nRRULE:FREQ=YEARLY;UNTIL=20261130T225959Z",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID;VALUE=DATE:20261201\nDTSTART;VALUE=DATE:20261204",
        "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID;VALUE=DATE:20261201\nDTSTART;VALUE=DATE:20261201\nSTATUS:CANCELLED",
        "DTSTART;VALUE=DATE:20261201\nSEQUENCE:1\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nSEQUENCE:2\nDTSTART;VALUE=DATE:20261204",
    ] {
        assert!(!on_the_first(&event(body)), "{body}");
    }
    let moved = "DTSTART;VALUE=DATE:20201201\nRRULE:FREQ=YEARLY\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID;VALUE=DATE:20261201\nDTSTART;VALUE=DATE:20261204";
    assert_eq!(dates(&event(moved)), [date(2026, 12, 4), date(2027, 12, 1), date(2028, 12, 1)]);
    // One UID for all events, as some exports have it: none of them is lost.
    let twins =
        "DTSTART;VALUE=DATE:20261201\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261204";
    assert_eq!(dates(&event(twins)), [date(2026, 12, 1), date(2026, 12, 4)]);
    let leap = "DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY;UNTIL=20300101";
    assert_eq!(dates(&event(leap)), [date(2028, 2, 29)]);
}

#[test]
fn moments_in_utc_are_read_where_the_calendar_is_at_home() {
    let body = "BEGIN:VEVENT\nDTSTART:20261130T230000Z\nDTEND:20261201T230000Z\nEND:VEVENT";
    assert!(on_the_first(&file(&format!("X-WR-TIMEZONE:Europe/Berlin\n{body}"))));
    assert!(on_the_first(&file(&format!(
        "X-WR-TIMEZONE:/mozilla.org/20050126_1/Europe/Berlin\n{body}"
    ))));
    // Exchange: a zone that only the file defines.
    let zone = "BEGIN:VTIMEZONE\nTZID:Our Zone\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE";
    assert!(on_the_first(&file(&format!("{body}\n{zone}"))));
    let series = |start: &str, until: &str| {
        let rule = format!("RRULE:FREQ=YEARLY;UNTIL={until}");
        dates(&file(&format!(
            "{zone}\nBEGIN:VEVENT\nDTSTART;TZID=Our Zone:{start}T000000\nDURATION:P1D\n{rule}\nEND:VEVENT"
        )))
    };
    assert_eq!(series("20201201", "20271130T230000Z"), [date(2026, 12, 1), date(2027, 12, 1)]);
    assert_eq!(series("20201201", "20271130T225959Z"), [date(2026, 12, 1)]);
    // In summer the same zone is two hours ahead.
    assert_eq!(series("20200701", "20270630T220000Z"), [date(2026, 7, 1), date(2027, 7, 1)]);
    assert_eq!(series("20200701", "20270630T215959Z"), [date(2026, 7, 1)]);
    let homeless = refused(&file(body));
    assert!(
        homeless.starts_with("line 4: whole days begin at another time than midnight UTC"),
        "{homeless}"
    );
}

#[test]
fn what_has_a_time_of_day_is_left_out_with_a_word() {
    let text = event("DTSTART:20261225T100000Z\nDTEND:20261225T110000Z\nRRULE:FREQ=HOURLY");
    let read = read(&text).unwrap();
    assert_eq!(read.dates, []);
    assert_eq!(read.notes, ["events left out, for they are no whole days: 1 (\"Day\" on line 3)"]);
}

#[test]
fn what_is_not_understood_is_refused_by_line() {
    for (body, problem) in [
        (
            "DTSTART;VALUE=DATE:2026x405",
            "line 6: DTSTART \"2026x405\" is no date: write it like 20261224",
        ),
        ("DTSTART;VALUE=DATE:20260230", "line 6: DTSTART \"20260230\" is no date"),
        ("DTSTART:2026-12-01", "line 6: DTSTART \"2026-12-01\" is no date"),
        ("STATUS:CONFIRMED", "line 3: the event has no DTSTART"),
        ("DTSTART:20261201\nDTSTART:20261202", "line 7: DTSTART is given twice in one event"),
        ("DTSTART:20261201\nDTEND:20261130", "line 6: the event ends before it begins"),
        (
            "DTSTART:20261201\nDURATION:P3X",
            "line 7: \"P3X\" is no duration: write it like P3D or PT24H",
        ),
        (
            "DTSTART:20261201\nDURATION:PT9H",
            "line 6: the event begins on a date and ends at a time of day",
        ),
        (
            "DTSTART:20261201\nDURATION:P1D\nDTEND:20261202",
            "line 7: DURATION cannot stand beside DTEND",
        ),
        ("DTSTART:20261201\nDTEND:20281201", "line 6: the event lasts 731 days"),
        (
            "DTSTART:20261201\nRRULE:FREQ=HOURLY",
            "line 7: RRULE: \"FREQ=HOURLY\" is more often than whole days are",
        ),
        (
            "DTSTART:20261201\nRRULE:FREQ=YEARLY;BYEASTER=0",
            "line 7: RRULE: \"BYEASTER=0\" is not understood",
        ),
        (
            "DTSTART:20261201\nRRULE:FREQ=YEARLY;BYMONTH=13",
            "line 7: RRULE: \"BYMONTH=13\" must be numbers from 1 to 12",
        ),
        (
            "DTSTART:20261201\nRRULE:FREQ=YEARLY;COUNT=0",
            "line 7: RRULE: \"COUNT=0\" must be a number from 1",
        ),
        (
            "DTSTART:20261201\nRRULE:FREQ=WEEKLY;BYDAY=1MO",
            "line 7: RRULE: BYDAY with a position such as 1MO needs",
        ),
        ("DTSTART:20261201\nRRULE:INTERVAL=2", "line 7: RRULE: FREQ is missing"),
        ("DTSTART:20261201\nRRULE:FREQ=YEARLY;FREQ=DAILY", "line 7: RRULE: FREQ is given twice"),
        (
            "DTSTART:20261201\nRRULE:RSCALE=CHINESE;FREQ=YEARLY",
            "line 7: RRULE: \"RSCALE=CHINESE\" is not understood",
        ),
        ("DTSTART:20261201\nEXRULE:FREQ=YEARLY", "line 7: EXRULE is not understood"),
        (
            "DTSTART:20261201\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261201",
            "line 7: RECURRENCE-ID with RANGE=",
        ),
        ("DTSTART:20261201\nSEQUENCE:one", "line 7: SEQUENCE \"one\" is no number"),
        ("DTSTART:20261201\nthis goes on", "line 7: \"this goes on\" has no colon"),
        (
            "DTSTART;TZID=Nowhere:20201201T000000\nDURATION:P1D\nRRULE:FREQ=YEARLY;UNTIL=20261201T000000Z",
            "line 8: TZID \"Nowhere\" is no zone of the IANA database",
        ),
    ] {
        let told = refused(&event(body));
        assert!(told.starts_with(problem), "{told}\n{problem}");
    }
    for (text, problem) in [
        ("", "is empty: an iCalendar file begins with BEGIN:VCALENDAR"),
        ("\u{feff}\r\n \n", "is empty"),
        ("<html>not found</html>", "line 1: \"<html>not found</html>\" has no colon"),
        ("BEGIN:VCARD\nEND:VCARD", "line 1: \"VCARD\" is no calendar"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", "holds no event"),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261201",
            "line 2: the file ends within BEGIN:VEVENT: it is cut off",
        ),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR",
            "line 3: END:VCALENDAR ends what is not begun",
        ),
        ("DTSTART:20261201", "line 1: DTSTART stands outside of a calendar"),
    ] {
        let told = refused(text);
        assert!(told.starts_with(problem), "{told}\n{problem}");
    }
    assert_eq!(
        holidays(&[0xFF, 0xFE, 0x42, 0], Date::MIN, Date::MAX),
        Err(vec!["is UTF-16: save it as UTF-8".to_owned()])
    );
    assert!(
        holidays(&vec![b'a'; MOST_BYTES + 1], Date::MIN, Date::MAX).unwrap_err()[0]
            .contains("longer than 4 MiB")
    );
    // Every wrong event is told, not the first one alone.
    let two = file("BEGIN:VEVENT\nDTSTART:x\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART:y\nEND:VEVENT");
    assert_eq!(read(&two).unwrap_err().len(), 2);
}

#[test]
fn the_work_that_a_file_makes_is_bounded() {
    let daily =
        "BEGIN:VEVENT\nDTSTART:00010101\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\n";
    assert!(
        refused(&file(&daily.repeat(20)))
            .contains("the file's rules name more days than can be looked at")
    );
    let rare = event("DTSTART:00010101\nRRULE:FREQ=YEARLY;INTERVAL=1000000;BYDAY=53SU");
    assert_eq!(dates(&rare), []);
    let long = event(&format!("DTSTART:20261201\nRDATE:{}", "20261201,".repeat(400_000)));
    assert_eq!(dates(&long), [date(2026, 12, 1)]);
}

/// A calendar with most of what there is, as a start for damage.
const WHOLE: &str = "BEGIN:VCALENDAR\r\nX-WR-TIMEZONE:Europe/Berlin\r\nBEGIN:VTIMEZONE\r\nTZID:Z\r\nBEGIN:STANDARD\r\nDTSTART:20001029T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Z:20201201T000000\r\nDURATION:P1DT24H\r\nRRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=1MO,-1FR;BYSETPOS=1,-1;WKST=SU;UNTIL=20281201T000000Z\r\nEXDATE;VALUE=DATE:20261201,20270101\r\nRDATE;VALUE=PERIOD:20261205T000000/P2D\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20261130T230000Z\r\nDTSTART;VALUE=DATE:20261203\r\nSEQUENCE:2\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=MO;COUNT=20\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn the_start_for_damage_is_whole() {
    assert!(read(WHOLE).unwrap().dates.len() > 10);
}

fn is_told(result: &Result<Holidays, Vec<String>>) -> bool {
    match result {
        Ok(read) => read.dates.is_sorted_by(|one, other| one < other),
        Err(problems) => !problems.is_empty() && problems.iter().all(|problem| !problem.is_empty()),
    }
}

proptest! {
    #[test]
    fn mutated_text_of_a_calendar_is_read_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..8),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, from, kind, byte) in cuts {
            if bytes.is_empty() {
                break;
            }
            let (at, from) = (at.index(bytes.len()), from.index(bytes.len()));
            let end = bytes.len().min(from + usize::from(byte) % 40);
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..bytes.len().min(at + usize::from(byte) % 20))),
                2 => drop(bytes.splice(at..at, bytes[from..end].to_vec())),
                _ => bytes[at] = b"0123456789:;,=-TZP\r\n "[usize::from(byte) % 21],
            }
        }
        prop_assert!(is_told(&holidays(&bytes, date(2026, 1, 1), date(2028, 12, 31))));
    }

    #[test]
    fn any_text_of_a_rule_is_read_or_refused(
        // Rules are followed from their start: one that lies far back costs a hundred times as much,
        // and one in sixteen finds what there is to find.
        start in prop_oneof![
            15 => "20[0-2][0-9][01][0-9][0-3][0-9](T[0-9]{6}Z?)?",
            1 => "[0-9]{8}(T[0-9]{6}Z?)?",
        ],
        rule in "FREQ=(YEARLY|MONTHLY|WEEKLY|DAILY)(;(INTERVAL=[0-9]{1,7}|COUNT=[0-9]{1,3}|UNTIL=[0-9]{8}|WKST=SU|BYDAY=-?[0-9]{0,2}(MO|SU)|BYMONTH=[0-9]{1,2}|BYMONTHDAY=-?[0-9]{1,2}|BYYEARDAY=-?[0-9]{1,3}|BYWEEKNO=-?[0-9]{1,2}|BYSETPOS=-?[0-9]{1,2})){0,4}",
        duration in "P[0-9]{1,10}[WD]|PT[0-9]{1,10}H|-?P.{0,6}",
    ) {
        let text = event(&format!("DTSTART:{start}\nDURATION:{duration}\nRRULE:{rule}"));
        prop_assert!(is_told(&holidays(text.as_bytes(), date(2026, 1, 1), date(2030, 12, 31))));
    }
}
