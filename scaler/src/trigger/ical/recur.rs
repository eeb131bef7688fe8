//! The dates of a recurrence rule. Each period (year, month, week or day) is searched day by day:
//! what RFC 5545 calls expanding and limiting is then one question for each day, and the work is
//! bounded by days.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::rule::{Frequency, Rule};

/// Dates from `start` up to `last`, in order; `start` itself only if the rule matches it. `None`
/// when the `steps` left (days looked at) do not suffice.
pub(super) fn dates(rule: &Rule, start: Date, last: Date, steps: &mut u64) -> Option<Vec<Date>> {
    let rule = completed(rule, start);
    let mut found = Vec::new();
    let mut number = 0_i64;
    loop {
        let Some(period) = Period::nth(&rule, start, number) else { return Some(found) };
        if period.first > last {
            return Some(found);
        }
        let mut matching = Vec::new();
        *steps = steps.checked_sub(1)?;
        for day in period.days(&rule) {
            *steps = steps.checked_sub(1)?;
            if matches(&rule, day) {
                matching.push(day);
            }
        }
        for day in chosen(&rule, matching) {
            if day < start {
                continue;
            }
            if day > last || rule.count.is_some_and(|count| found.len() >= count as usize) {
                return Some(found);
            }
            found.push(day);
        }
        number += 1;
    }
}

/// What the rule leaves out is taken from the start.
fn completed(rule: &Rule, start: Date) -> Rule {
    let mut rule = rule.clone();
    let by_day =
        !(rule.month_days.is_empty() && rule.year_days.is_empty() && rule.weekdays.is_empty());
    match rule.frequency {
        _ if by_day => {}
        Frequency::Daily => {}
        Frequency::Weekly => rule.weekdays.push((None, start.weekday())),
        Frequency::Monthly => rule.month_days.push(i64::from(start.day())),
        Frequency::Yearly if !rule.weeks.is_empty() => rule.weekdays.push((None, start.weekday())),
        Frequency::Yearly => {
            if rule.months.is_empty() {
                rule.months.push(i64::from(start.month()));
            }
            rule.month_days.push(i64::from(start.day()));
        }
    }
    rule
}

/// A stretch of days that one step of the frequency spans.
struct Period {
    first: Date,
    last: Date,
}

impl Period {
    /// The period of the start, moved on by so many intervals; `None` beyond representable time.
    fn nth(rule: &Rule, start: Date, number: i64) -> Option<Self> {
        let moved = rule.interval.checked_mul(number)?;
        match rule.frequency {
            Frequency::Yearly => {
                let year = i16::try_from(i64::from(start.year()) + moved).ok()?;
                let first = Date::new(year, 1, 1).ok()?;
                Some(Self { first, last: first.last_of_year() })
            }
            Frequency::Monthly => {
                let month = i64::from(start.year()) * 12 + i64::from(start.month()) - 1 + moved;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                let first = Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok()?;
                Some(Self { first, last: first.last_of_month() })
            }
            Frequency::Weekly => {
                let into_week = i64::from(start.weekday().since(rule.week_start));
                let first = shifted(shifted(start, -into_week)?, moved.checked_mul(7)?)?;
                Some(Self { first, last: shifted(first, 6)? })
            }
            Frequency::Daily => {
                let first = shifted(start, moved)?;
                Some(Self { first, last: first })
            }
        }
    }

    /// Its days, without the months that the rule does not name.
    fn days(&self, rule: &Rule) -> Vec<Date> {
        let mut days = Vec::new();
        let mut next = Some(self.first);
        while let Some(day) = next.filter(|day| *day <= self.last) {
            if day.day() == 1 && !in_months(rule, day) {
                // A whole month is passed over.
                next = day.last_of_month().tomorrow().ok();
                continue;
            }
            days.push(day);
            next = day.tomorrow().ok();
        }
        days
    }
}

fn shifted(day: Date, days: i64) -> Option<Date> {
    // A span holds fewer days than a rule could ask for.
    let span = 0.days().try_days(days).ok()?;
    day.checked_add(span).ok()
}

fn in_months(rule: &Rule, day: Date) -> bool {
    rule.months.is_empty() || rule.months.contains(&i64::from(day.month()))
}

fn matches(rule: &Rule, day: Date) -> bool {
    let day_of_month = i64::from(day.day());
    let days_in_month = i64::from(day.days_in_month());
    let day_of_year = i64::from(day.day_of_year());
    let days_in_year = i64::from(day.days_in_year());
    in_months(rule, day)
        && counted(&rule.month_days, day_of_month, days_in_month)
        && counted(&rule.year_days, day_of_year, days_in_year)
        && in_weeks(rule, day)
        && on_weekdays(rule, day)
}

/// Whether the `number`th of `of` is listed, from the start or from the end; an empty list lets
/// everything pass.
fn counted(list: &[i64], number: i64, of: i64) -> bool {
    list.is_empty() || list.contains(&number) || list.contains(&(number - of - 1))
}

fn on_weekdays(rule: &Rule, day: Date) -> bool {
    let within_month = rule.frequency == Frequency::Monthly || !rule.months.is_empty();
    let (number, of) = if within_month {
        (i64::from(day.day()), i64::from(day.days_in_month()))
    } else {
        (i64::from(day.day_of_year()), i64::from(day.days_in_year()))
    };
    let from_start = (number - 1) / 7 + 1;
    let from_end = -((of - number) / 7 + 1);
    let named = |(position, weekday): &(Option<i64>, Weekday)| {
        *weekday == day.weekday()
            && position.is_none_or(|position| position == from_start || position == from_end)
    };
    rule.weekdays.is_empty() || rule.weekdays.iter().any(named)
}

/// Weeks are numbered as in ISO 8601, but begin on the rule's weekday: the first one has at least
/// four days of the year.
fn in_weeks(rule: &Rule, day: Date) -> bool {
    if rule.weeks.is_empty() {
        return true;
    }
    let year = i64::from(day.year());
    let (Some(this), Some(next)) = (first_week(rule, year), first_week(rule, year + 1)) else {
        return false;
    };
    let (begin, end) = if day >= next {
        (next, first_week(rule, year + 2))
    } else if day >= this {
        (this, Some(next))
    } else {
        let Some(before) = first_week(rule, year - 1) else { return false };
        (before, Some(this))
    };
    let Some(end) = end else { return false };
    let weeks_since = |later: Date| i64::from((later - begin).get_days()) / 7;
    counted(&rule.weeks, weeks_since(day) + 1, weeks_since(end))
}

/// The day on which week 1 of a year begins.
fn first_week(rule: &Rule, year: i64) -> Option<Date> {
    let fourth = Date::new(i16::try_from(year).ok()?, 1, 4).ok()?;
    shifted(fourth, -i64::from(fourth.weekday().since(rule.week_start)))
}

/// The dates of a period that BYSETPOS picks; all without one.
fn chosen(rule: &Rule, matching: Vec<Date>) -> Vec<Date> {
    if rule.positions.is_empty() {
        return matching;
    }
    let of = matching.len() as i64;
    let picked =
        matching.into_iter().zip(1..).filter(|(_, number)| counted(&rule.positions, *number, of));
    picked.map(|(day, _)| day).collect()
}
