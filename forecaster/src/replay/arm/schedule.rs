//! What recurs by the hour: a schedule for KEDA's cron scaler, and AWS's hourly forecast.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::replay::demand::Demand;

/// Steps of a day and of a quarter of an hour: no zone's hours begin elsewhere.
const DAY: usize = 5760;
const QUARTER: usize = 60;

/// How a schedule is made.
#[derive(Debug, Clone, Copy)]
pub(in crate::replay) struct Habit {
    /// The hour's peak counts, else its mean.
    pub(in crate::replay) peak: bool,
    /// Days that are looked back on.
    pub(in crate::replay) back: usize,
    /// It is renewed every so many days.
    pub(in crate::replay) renewed: usize,
    /// Steps before an hour at which its replicas are asked for.
    pub(in crate::replay) early: usize,
    /// Demand per replica as a share of the threshold.
    pub(in crate::replay) utilization: f64,
}

/// A local hour of the history.
#[derive(Debug, Clone, Copy)]
struct Hour {
    first: usize,
    end: usize,
    /// 0 … 23 on working days, 24 … 47 on weekends.
    slot: usize,
    most: f64,
    mean: f64,
}

/// Replicas for every step by the habit: the median over working days, or weekends, of each local
/// hour. Nothing until a first week is over.
pub(in crate::replay) fn replicas(demand: &Demand, zone: &TimeZone, habit: &Habit) -> Vec<f64> {
    let hours = hours(demand, zone);
    let mut wanted = vec![0.0f64; demand.len()];
    let mut profile: Option<(usize, [f64; 48])> = None;
    for hour in &hours {
        let asked = hour.first.saturating_sub(habit.early);
        let period = habit.renewed * DAY;
        let made = asked / period * period;
        if made < 7 * DAY {
            continue;
        }
        if profile.is_none_or(|(at, _)| at != made) {
            profile = Some((made, medians(&hours, made, habit)));
        }
        let level = profile.and_then(|(_, medians)| medians.get(hour.slot).copied()).unwrap_or(0.0);
        let level = (level / habit.utilization).ceil();
        for step in wanted.get_mut(asked..hour.end).unwrap_or_default() {
            *step = step.max(level);
        }
    }
    wanted
}

fn medians(hours: &[Hour], made: usize, habit: &Habit) -> [f64; 48] {
    let known = |hour: &&Hour| hour.end <= made && hour.first + habit.back * DAY >= made;
    let mut of: [Vec<f64>; 48] = std::array::from_fn(|_| Vec::new());
    for hour in hours.iter().filter(known) {
        if let Some(values) = of.get_mut(hour.slot) {
            values.push(if habit.peak { hour.most } else { hour.mean });
        }
    }
    of.map(|mut values| {
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    })
}

fn hours(demand: &Demand, zone: &TimeZone) -> Vec<Hour> {
    let mut hours: Vec<Hour> = Vec::new();
    for first in (0..demand.len()).step_by(QUARTER) {
        let local = zone.to_datetime(demand.instant(first));
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        let slot = usize::try_from(local.hour()).unwrap_or(0) + if weekend { 24 } else { 0 };
        let end = (first + QUARTER).min(demand.len());
        match hours.last_mut().filter(|hour| hour.slot == slot && hour.end == first) {
            Some(hour) => hour.end = end,
            None => hours.push(Hour { first, end, slot, most: 0.0, mean: 0.0 }),
        }
    }
    for hour in &mut hours {
        let steps = demand.values.get(hour.first..hour.end).unwrap_or_default();
        let known = steps.iter().filter(|value| !value.is_nan());
        let (sum, n) = known.clone().fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
        hour.mean = if n > 0 { sum / f64::from(n) } else { 0.0 };
        hour.most = known.copied().fold(0.0, f64::max);
    }
    hours
}
