//! Named holiday calendars of the server: the all-day events of an iCalendar file (RFC 5545).

use ical::IcalParser;
use ical::parser::ical::component::IcalEvent;
use jiff::ToSpan;
use jiff::civil::Date;

/// An event longer than this is a season, not a holiday.
const LONGEST_DAYS: i32 = 60;

/// Local dates on which all-day events lie, within `from ..= to`, sorted. Yearly events (`RRULE:FREQ=YEARLY`, without
/// further parts but `UNTIL`) are expanded; timed events are left out. Errors say what cannot be read.
pub fn holidays(text: &str, from: Date, to: Date) -> Result<Vec<Date>, String> {
    let mut dates = Vec::new();
    for calendar in IcalParser::new(text.as_bytes()) {
        let calendar = calendar.map_err(|cause| format!("is no iCalendar file: {cause}"))?;
        for event in &calendar.events {
            expand(event, from, to, &mut dates)?;
        }
    }
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

fn expand(event: &IcalEvent, from: Date, to: Date, dates: &mut Vec<Date>) -> Result<(), String> {
    let value = |name: &str| event.properties.iter().find(|p| p.name == name).and_then(|p| p.value.as_deref());
    let name = value("SUMMARY").unwrap_or("an event");
    // A date is eight digits; anything longer has a time of day.
    let Some(start) = value("DTSTART").filter(|text| text.len() == 8) else { return Ok(()) };
    let read = |text: &str| {
        Date::strptime("%Y%m%d", text).map_err(|_| format!("{name}: {text:?} is no date: write it like 20261224"))
    };
    let first = read(start)?;
    // DTEND is exclusive; without it the event lasts one day.
    let days = match value("DTEND").filter(|text| text.len() == 8) {
        Some(end) => first.until(read(end)?).map(|span| span.get_days()).unwrap_or(1).clamp(1, LONGEST_DAYS),
        None => 1,
    };
    let starts: Vec<Date> = match value("RRULE") {
        None => vec![first],
        Some(rule) => {
            let parts: Vec<&str> = rule.split(';').collect();
            let until = parts.iter().find_map(|part| part.strip_prefix("UNTIL=")).and_then(|text| text.get(..8));
            let until = until.map(read).transpose()?.unwrap_or(to);
            let known = |part: &&str| *part == "FREQ=YEARLY" || *part == "INTERVAL=1" || part.starts_with("UNTIL=");
            if !parts.iter().all(known) || !parts.contains(&"FREQ=YEARLY") {
                return Err(format!("{name}: RRULE {rule:?} is not understood: list the dates, or use FREQ=YEARLY"));
            }
            // The 29th of February is left out of common years, as RFC 5545 has it.
            let years = first.year().max(from.year() - 1)..=until.min(to).year();
            years.filter_map(|year| Date::new(year, first.month(), first.day()).ok()).filter(|d| *d <= until).collect()
        }
    };
    for start in starts {
        let all = (0..days).filter_map(|offset| start.checked_add(offset.days()).ok());
        dates.extend(all.filter(|date| (from..=to).contains(date)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn file(events: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", events.replace('\n', "\r\n"))
    }

    fn event(body: &str) -> String {
        file(&format!("BEGIN:VEVENT\nSUMMARY:Day\n{body}\nEND:VEVENT\n"))
    }

    fn read(text: &str) -> Result<Vec<Date>, String> {
        holidays(text, date(2026, 1, 1), date(2028, 12, 31))
    }

    #[test]
    fn all_day_events_end_before_their_end() {
        let christmas = event("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227");
        assert_eq!(read(&christmas).unwrap(), [date(2026, 12, 25), date(2026, 12, 26)]);
        assert_eq!(read(&event("DTSTART:20261225T100000Z")).unwrap(), []);
    }

    #[test]
    fn yearly_events_come_every_year() {
        let may = event("DTSTART;VALUE=DATE:20100501\nRRULE:FREQ=YEARLY");
        assert_eq!(read(&may).unwrap(), [date(2026, 5, 1), date(2027, 5, 1), date(2028, 5, 1)]);
        let leap = event("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY;UNTIL=20300101");
        assert_eq!(read(&leap).unwrap(), [date(2028, 2, 29)]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let easter = event("DTSTART;VALUE=DATE:20260405\nRRULE:FREQ=MONTHLY;BYDAY=1SU");
        assert!(read(&easter).unwrap_err().contains("Day: RRULE"));
        assert!(read(&event("DTSTART;VALUE=DATE:2026x405")).unwrap_err().contains("no date"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(?s).{0,200}", start in "[0-9TZ]{0,10}", rule in "[A-Z=;0-9]{0,20}") {
            let _ = read(&text);
            let _ = read(&event(&format!("DTSTART:{start}\nRRULE:{rule}")));
        }
    }
}
