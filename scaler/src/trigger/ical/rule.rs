//! Recurrence rules (RFC 5545, 3.3.10) as far as they give dates.

use jiff::civil::Weekday;

use super::lines::Property;
use super::value::{Moment, parse_moment};
use super::{on_line, quoted};

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule whose parts go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    pub(super) count: Option<u32>,
    pub(super) until: Option<Moment>,
    pub(super) week_start: Weekday,
    /// 1 … 12.
    pub(super) months: Vec<i64>,
    /// Of the month: 1 … 31, or -31 … -1 from its end.
    pub(super) month_days: Vec<i64>,
    /// 1 … 366, or from the year's end.
    pub(super) year_days: Vec<i64>,
    /// 1 … 53, or from the year's end.
    pub(super) weeks: Vec<i64>,
    /// Weekdays, with their position in the month or year where one is given.
    pub(super) weekdays: Vec<(Option<i64>, Weekday)>,
    /// Which of a period's dates count; none = all.
    pub(super) positions: Vec<i64>,
}

/// What a rule may say.
const PARTS: &str = "FREQ, INTERVAL, COUNT, UNTIL, WKST, BYMONTH, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYDAY and BYSETPOS";

/// Numbers of one part; more are a mistake.
const MOST_NUMBERS: usize = 400;

/// Reads the rule of a property `RRULE`.
pub(super) fn parse(property: &Property) -> Result<Rule, String> {
    let wrong = |problem: String| Err(on_line(property.line, format!("RRULE: {problem}")));
    let text = property.word();
    let mut rule = Rule {
        frequency: Frequency::Yearly,
        interval: 1,
        count: None,
        until: None,
        week_start: Weekday::Monday,
        months: Vec::new(),
        month_days: Vec::new(),
        year_days: Vec::new(),
        weeks: Vec::new(),
        weekdays: Vec::new(),
        positions: Vec::new(),
    };
    let mut seen: Vec<&str> = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return wrong(format!("{} is no part of a rule: write NAME=VALUE", quoted(part)));
        };
        if seen.contains(&name) {
            return wrong(format!("{name} is given twice"));
        }
        seen.push(name);
        if let Err(problem) = rule.read_part(property, name, value) {
            return wrong(format!("{} {problem}", quoted(part)));
        }
    }
    if !seen.contains(&"FREQ") {
        return wrong("FREQ is missing".to_owned());
    }
    match rule.contradiction() {
        Some(problem) => wrong(problem.to_owned()),
        None => Ok(rule),
    }
}

impl Rule {
    fn read_part(&mut self, property: &Property, name: &str, value: &str) -> Result<(), String> {
        match name {
            "FREQ" => self.frequency = frequency(value)?,
            "INTERVAL" => self.interval = i64::from(positive(value)?),
            "COUNT" => self.count = Some(positive(value)?),
            "UNTIL" => {
                let read = parse_moment(property, value);
                self.until =
                    Some(read.map_err(|_| "is no date: write it like 20301231".to_owned())?);
            }
            "WKST" => self.week_start = weekday(value).ok_or("is no weekday: write MO, TU, …")?,
            "BYMONTH" => self.months = numbers(value, 1, 12, false)?,
            "BYMONTHDAY" => self.month_days = numbers(value, 1, 31, true)?,
            "BYYEARDAY" => self.year_days = numbers(value, 1, 366, true)?,
            "BYWEEKNO" => self.weeks = numbers(value, 1, 53, true)?,
            "BYSETPOS" => self.positions = numbers(value, 1, 366, true)?,
            "BYDAY" => self.weekdays = weekdays(value)?,
            // Whole days begin at midnight.
            "BYHOUR" | "BYMINUTE" | "BYSECOND" if value.trim_start_matches('0').is_empty() => {}
            // RFC 7529's names for what holds anyway.
            "RSCALE" if value == "GREGORIAN" => {}
            "SKIP" if value == "OMIT" => {}
            _ => return Err(format!("is not understood: of whole days, {PARTS} are known")),
        }
        Ok(())
    }

    /// What RFC 5545 does not let stand together.
    fn contradiction(&self) -> Option<&'static str> {
        let numbered = self.weekdays.iter().any(|(position, _)| position.is_some());
        let monthly_or_yearly = matches!(self.frequency, Frequency::Monthly | Frequency::Yearly);
        let by_anything = !(self.months.is_empty()
            && self.month_days.is_empty()
            && self.year_days.is_empty()
            && self.weeks.is_empty()
            && self.weekdays.is_empty());
        if numbered && !monthly_or_yearly {
            return Some("BYDAY with a position such as 1MO needs FREQ=MONTHLY or FREQ=YEARLY");
        }
        if numbered && !self.weeks.is_empty() {
            return Some("BYDAY with a position such as 1MO does not go with BYWEEKNO");
        }
        if !self.weeks.is_empty() && self.frequency != Frequency::Yearly {
            return Some("BYWEEKNO needs FREQ=YEARLY");
        }
        if !self.year_days.is_empty() && self.frequency != Frequency::Yearly {
            return Some("BYYEARDAY needs FREQ=YEARLY");
        }
        if !self.month_days.is_empty() && self.frequency == Frequency::Weekly {
            return Some("BYMONTHDAY does not go with FREQ=WEEKLY");
        }
        if !self.positions.is_empty() && !by_anything {
            return Some("BYSETPOS needs another BY… to choose from");
        }
        None
    }
}

fn frequency(value: &str) -> Result<Frequency, String> {
    match value {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "SECONDLY" | "MINUTELY" | "HOURLY" => {
            Err("is more often than whole days are: use DAILY".to_owned())
        }
        _ => Err("is no frequency: write DAILY, WEEKLY, MONTHLY or YEARLY".to_owned()),
    }
}

fn positive(value: &str) -> Result<u32, String> {
    let number =
        if value.bytes().all(|byte| byte.is_ascii_digit()) { value.parse().ok() } else { None };
    number
        .filter(|number| (1..=1_000_000).contains(number))
        .ok_or("must be a number from 1 to 1000000".to_owned())
}

/// Numbers from `least` to `most`, and from the end where `negative`.
fn numbers(value: &str, least: i64, most: i64, negative: bool) -> Result<Vec<i64>, String> {
    let wrong = || {
        let or_negative =
            if negative { format!(", or -{most} to -{least}") } else { String::new() };
        format!("must be numbers from {least} to {most}{or_negative}")
    };
    let mut found = Vec::new();
    for word in value.split(',').map(str::trim) {
        let number = signed(word).ok_or_else(wrong)?;
        let allowed = (least..=most).contains(&number.abs()) && (number > 0 || negative);
        if !allowed || found.len() == MOST_NUMBERS {
            return Err(wrong());
        }
        found.push(number);
    }
    Ok(found)
}

/// `12`, `+12`, `-12`.
fn signed(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    let well_formed =
        (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { word.parse().ok() } else { None }
}

/// `MO`, `1MO`, `-1FR`.
fn weekdays(value: &str) -> Result<Vec<(Option<i64>, Weekday)>, String> {
    let wrong = || "must be weekdays such as MO,TU or 1MO,-1FR".to_owned();
    let mut found = Vec::new();
    for word in value.split(',').map(str::trim) {
        let split = word.len().checked_sub(2).ok_or_else(wrong)?;
        let (position, day) = word.split_at_checked(split).ok_or_else(wrong)?;
        let day = weekday(day).ok_or_else(wrong)?;
        let position = match position {
            "" => None,
            _ => Some(signed(position).filter(|n| (1..=53).contains(&n.abs())).ok_or_else(wrong)?),
        };
        if found.len() == MOST_NUMBERS {
            return Err(wrong());
        }
        found.push((position, day));
    }
    Ok(found)
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}
