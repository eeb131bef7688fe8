//! `--evaluate`: the forecasts as they would have been issued over the last third of the history,
//! against baselines.

use std::fmt::Write as _;

use anyhow::bail;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prewarm_forecaster::forecast::accuracy::{Accuracy, Scores, naive_error};
use prewarm_forecaster::forecast::ensemble::LeadAccuracy;
use prewarm_forecaster::{Calendar, Series};
use serde::Serialize;

use super::answer::{Answer, answers};
use super::baseline::Baseline;
use super::request::Request;
use super::table::{heading, local};
use crate::cli::columns::{Align, aligned};
use crate::cli::history::written;

/// Who was how good.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evaluation {
    from: Timestamp,
    to: Timestamp,
    /// Origins; a row is judged where everybody has a forecast and it is known what came.
    origins: usize,
    quantiles: Vec<f64>,
    leads: Vec<AtLead>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AtLead {
    lead_seconds: i64,
    forecasters: Vec<Judged>,
    /// What the members of the ensemble counted for at the end, largest first.
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Member {
    name: &'static str,
    /// Mean over the quantiles; all members add up to one.
    weight: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Judged {
    name: &'static str,
    /// See [`Scores`], as are the others.
    wql: Option<f64>,
    mase: Option<f64>,
    coverage: Vec<f64>,
    rows: u32,
}

impl Judged {
    fn new(name: &'static str, scores: Scores) -> Self {
        let Scores { wql, mase, coverage, rows } = scores;
        Self { name, wql, mase, coverage, rows }
    }
}

/// Judges forecasts at the leads and quantiles (the median is added) on the last third of the
/// history.
pub(crate) fn evaluate(
    series: &Series,
    mut request: Request,
    calendar: Calendar,
) -> anyhow::Result<Evaluation> {
    if !request.quantiles.contains(&0.5) {
        request.quantiles.push(0.5);
        request.quantiles.sort_by(f64::total_cmp);
    }
    let per_day = usize::try_from(86_400 / series.step().as_secs())?.max(1);
    let rows = series.values().len();
    let first = rows * 2 / 3;
    let longest = steps(&request, series, request.leads.len().saturating_sub(1));
    request.origins = origins(first, rows.saturating_sub(longest), per_day);
    let (Some(from), Some(to)) =
        (request.origins.first().copied(), request.origins.last().copied())
    else {
        bail!(
            "--evaluate: {rows} rows are too few to judge forecasts {} ahead on their last third",
            request.leads.last().map_or_else(String::new, |lead| written(*lead))
        );
    };
    let (answers, report) = answers(series, &request, calendar);
    let naive = naive_error(series.values().get(..first).unwrap_or_default(), per_day);
    let at_lead = |i: usize| {
        let members = report.leads.get(i).map(members).unwrap_or_default();
        Some(AtLead { members, ..judge(series, &request, &answers, i, per_day, naive)? })
    };
    let leads: Vec<AtLead> = (0..request.leads.len()).filter_map(at_lead).collect();
    if leads.iter().all(|lead| lead.forecasters.iter().all(|judged| judged.rows == 0)) {
        let reason = answers.iter().find_map(|answer| answer.outcome.as_ref().err().cloned());
        bail!(
            "--evaluate: no row could be judged{}",
            reason.map_or_else(String::new, |reason| format!(": {reason}"))
        );
    }
    Ok(Evaluation {
        from: series.instant(from),
        to: series.instant(to),
        origins: request.origins.len(),
        quantiles: request.quantiles,
        leads,
    })
}

fn steps(request: &Request, series: &Series, i: usize) -> usize {
    let lead = request.leads.get(i).map_or(0, |lead| lead.as_secs());
    usize::try_from(lead / series.step().as_secs()).unwrap_or(usize::MAX)
}

/// Rows from `first` up to `end`, at most [`MOST_ORIGINS`], evenly apart such that all times of day
/// have their turn.
fn origins(first: usize, end: usize, per_day: usize) -> Vec<usize> {
    let count = end.saturating_sub(first);
    let mut apart = count.div_ceil(MOST_ORIGINS).max(1);
    while apart > 1 && greatest_divisor(apart, per_day) > 1 {
        apart += 1;
    }
    (first..end).step_by(apart).collect()
}

fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

/// Everybody at one lead, on the same rows.
fn judge(
    series: &Series,
    request: &Request,
    answers: &[Answer],
    i: usize,
    per_day: usize,
    naive: Option<f64>,
) -> Option<AtLead> {
    let (lead, quantiles) = (*request.leads.get(i)?, &request.quantiles);
    let steps = steps(request, series, i);
    // Histories too short for a baseline are judged without it.
    let has = |baseline: &Baseline| {
        let of =
            |origin: &usize| baseline.forecast(series.values(), *origin, steps, per_day, quantiles);
        request.origins.iter().any(|origin| of(origin).is_some())
    };
    let baselines: Vec<_> = Baseline::ALL.into_iter().filter(has).collect();
    let mut accuracies = vec![Accuracy::new(quantiles); baselines.len() + 1];
    for (answer, origin) in answers.iter().zip(&request.origins) {
        let Some(point) = answer.outcome.as_ref().ok().and_then(|issued| issued.points.get(i))
        else {
            continue;
        };
        let Some(came) = point.actual.filter(|_| point.is_known()) else { continue };
        let of = |baseline: &Baseline| {
            baseline.forecast(series.values(), *origin, steps, per_day, quantiles)
        };
        let Some(simple) = baselines.iter().map(of).collect::<Option<Vec<_>>>() else { continue };
        for (accuracy, values) in
            accuracies.iter_mut().zip(std::iter::once(&point.values).chain(&simple))
        {
            accuracy.add(came, values);
        }
    }
    let names = std::iter::once("prewarm").chain(baselines.iter().map(|baseline| baseline.name()));
    let judged =
        names.zip(&accuracies).map(|(name, accuracy)| Judged::new(name, accuracy.scores(naive)));
    Some(AtLead {
        lead_seconds: lead.as_secs(),
        forecasters: judged.collect(),
        members: Vec::new(),
    })
}

fn members(lead: &LeadAccuracy) -> Vec<Member> {
    let mean = |weights: &[f64]| weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let mut members: Vec<_> = lead
        .members
        .iter()
        .map(|one| Member { name: one.member, weight: mean(&one.weights) })
        .collect();
    members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    members
}

/// For people.
pub(crate) fn table(
    title: &str,
    series: &Series,
    evaluation: &Evaluation,
    zone: &TimeZone,
) -> String {
    let mut text = heading(title, series, zone);
    let _ = writeln!(
        text,
        "judged at {} origins from {} to {}; no forecast knows anything after its origin\n",
        evaluation.origins,
        local(evaluation.from, zone),
        local(evaluation.to, zone)
    );
    let mut head =
        ["lead", "forecaster", "rows", "WQL", "to prewarm", "MASE"].map(str::to_owned).to_vec();
    head.extend(
        evaluation.quantiles.iter().map(|q| format!("≤p{}", crate::cli::plot::figure(q * 100.0))),
    );
    let mut align = vec![Align::Right; head.len()];
    align.iter_mut().skip(1).take(1).for_each(|column| *column = Align::Left);
    let mut lines = vec![head];
    for lead in &evaluation.leads {
        let ours = lead.forecasters.first().and_then(|judged| judged.wql);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        for (n, judged) in lead.forecasters.iter().enumerate() {
            let first = if n == 0 {
                written(jiff::SignedDuration::from_secs(lead.lead_seconds))
            } else {
                String::new()
            };
            let times = judged
                .wql
                .zip(ours.filter(|ours| *ours > 0.0))
                .map(|(wql, ours)| format!("{:.2} ×", wql / ours));
            let times = if n == 0 { String::new() } else { or_dash(times) };
            let mase = or_dash(judged.mase.map(|mase| format!("{mase:.3}")));
            let mut line = vec![first, judged.name.to_owned(), judged.rows.to_string()];
            line.extend([or_dash(judged.wql.map(|wql| format!("{wql:.4}"))), times, mase]);
            line.extend(judged.coverage.iter().map(|share| format!("{share:.3}")));
            lines.push(line);
        }
    }
    text += &aligned(&lines, &align);
    for lead in evaluation.leads.iter().filter(|lead| !lead.members.is_empty()) {
        let share = |member: &Member| format!("{} {:.0} %", member.name, member.weight * 100.0);
        let rest: f64 = lead.members.iter().skip(SHOWN).map(|member| member.weight).sum();
        let mut members: Vec<_> = lead.members.iter().take(SHOWN).map(share).collect();
        members.extend((rest > 0.0).then(|| format!("others {:.0} %", rest * 100.0)));
        let ahead = written(jiff::SignedDuration::from_secs(lead.lead_seconds));
        let _ = write!(text, "\nmembers {ahead} ahead: {}", members.join(", "));
    }
    text.trim_end().to_owned() + "\n\n" + LEGEND
}

const LEGEND: &str = "\
WQL   loss over all quantiles, weighted by demand: 0 is perfect, lower is better
MASE  error of the median, in errors of \"the same as a day before\": below 1 is better than that
≤p90  share of rows that came at or below the forecast's p90: should be .900
last value, yesterday, last week: that row repeated, with the quantiles of its own errors over seven days
";

/// Members that are named; JSON has all.
const SHOWN: usize = 6;

/// More say the same, and take their time.
const MOST_ORIGINS: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_pass_through_all_times_of_day() {
        assert_eq!(origins(10, 13, 288), [10, 11, 12]);
        let many = origins(0, 20_000, 288);
        assert!(many.len() <= MOST_ORIGINS && many.len() > 1500, "{}", many.len());
        let mut times: Vec<_> = many.iter().map(|row| row % 288).collect();
        times.sort_unstable();
        times.dedup();
        assert_eq!(times.len(), 288);
        assert!(origins(10, 5, 288).is_empty());
    }
}
