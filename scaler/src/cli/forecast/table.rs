//! The answers as text: a table for people, CSV and JSON for programs.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use serde::Serialize;

use super::answer::{Answer, Point};
use super::request::Request;
use crate::cli::columns::{Align, aligned};
use crate::cli::history::{last, written};
use crate::cli::plot::figure;

/// For people: what was read, then a block for each origin.
pub(crate) fn table(
    title: &str,
    series: &Series,
    request: &Request,
    answers: &[Answer],
    zone: &TimeZone,
) -> String {
    let mut text = heading(title, series, zone);
    let known = answers.iter().filter_map(|answer| answer.outcome.as_ref().ok());
    let came = known.flat_map(|issued| &issued.points).any(|point| point.actual.is_some());
    for answer in answers {
        text += &format!("\nat {}\n", local(answer.origin, zone));
        match &answer.outcome {
            Ok(issued) => {
                let mut head = vec!["lead".to_owned(), "for".to_owned()];
                head.extend(request.quantiles.iter().map(|q| format!("p{}", figure(q * 100.0))));
                head.extend(came.then(|| "came".to_owned()));
                let mut lines = vec![head];
                lines.extend(
                    issued.points.iter().map(|point| line(point, answer.origin, zone, came)),
                );
                let mut align = vec![Align::Right; lines.first().map_or(0, Vec::len)];
                align.iter_mut().skip(1).take(1).for_each(|column| *column = Align::Left);
                text += &aligned(&lines, &align);
                for (lead, reason) in &issued.missing {
                    text += &format!("no forecast {} ahead: {reason}\n", written(*lead));
                }
            }
            Err(reason) => text += &format!("no forecast: {reason}\n"),
        }
    }
    text
}

/// What was read.
pub(crate) fn heading(title: &str, series: &Series, zone: &TimeZone) -> String {
    let gaps = series.values().iter().filter(|value| value.is_nan()).count();
    let gaps = if gaps == 0 { String::new() } else { format!(", {gaps} of them missing") };
    format!(
        "{title}: {} rows{gaps}, {} apart, from {} to {} ({})\n",
        series.values().len(),
        written(series.step()),
        local(series.start(), zone),
        local(last(series), zone),
        zone.iana_name().unwrap_or("UTC"),
    )
}

fn line(point: &Point, origin: Timestamp, zone: &TimeZone, came: bool) -> Vec<String> {
    let same_day = point.at.to_zoned(zone.clone()).date() == origin.to_zoned(zone.clone()).date();
    let at = if same_day {
        point.at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
    } else {
        local(point.at, zone)
    };
    let shown =
        |value: Option<f64>| value.filter(|v| v.is_finite()).map_or_else(|| "?".to_owned(), figure);
    let mut cells = vec![format!("+{}", written(point.lead)), at];
    cells.extend(point.values.iter().map(|value| shown(Some(*value))));
    cells.extend(came.then(|| shown(point.actual)));
    cells
}

pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string()
}

/// Rows `origin,lead_seconds,quantile,value`; an origin or a lead without a forecast has none.
pub(crate) fn csv(request: &Request, answers: &[Answer]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["origin", "lead_seconds", "quantile", "value"])?;
    for answer in answers {
        let points =
            answer.outcome.as_ref().map(|issued| issued.points.as_slice()).unwrap_or_default();
        for point in points {
            for (quantile, value) in
                request.quantiles.iter().zip(&point.values).filter(|(_, value)| value.is_finite())
            {
                writer.write_record([
                    answer.origin.to_string(),
                    point.lead.as_secs().to_string(),
                    quantile.to_string(),
                    value.to_string(),
                ])?;
            }
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerJson {
    origin: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_forecast: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leads: Vec<LeadJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeadJson {
    lead_seconds: i64,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_forecast: Option<String>,
    quantiles: Vec<QuantileJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<f64>,
}

#[derive(Serialize)]
struct QuantileJson {
    quantile: f64,
    /// `null` where it is unknown.
    value: Option<f64>,
}

/// The same as one JSON list, an entry for each origin.
pub(crate) fn json(request: &Request, answers: &[Answer]) -> anyhow::Result<String> {
    let quantiles = |point: &Point| {
        let pairs = request.quantiles.iter().zip(&point.values);
        pairs
            .map(|(q, value)| QuantileJson {
                quantile: *q,
                value: Some(*value).filter(|v| v.is_finite()),
            })
            .collect()
    };
    let mut entries = Vec::new();
    for answer in answers {
        let mut entry = AnswerJson {
            origin: answer.origin,
            no_forecast: answer.outcome.as_ref().err().cloned(),
            leads: Vec::new(),
        };
        if let Ok(issued) = &answer.outcome {
            let missing =
                |lead: SignedDuration| issued.missing.iter().find(|(missing, _)| *missing == lead);
            entry.leads.extend(issued.points.iter().map(|point| LeadJson {
                lead_seconds: point.lead.as_secs(),
                at: point.at,
                no_forecast: missing(point.lead).map(|(_, reason)| reason.clone()),
                quantiles: quantiles(point),
                actual: point.actual,
            }));
        }
        entries.push(entry);
    }
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

/// The longest lead of a request.
pub(crate) fn longest(request: &Request) -> SignedDuration {
    request.leads.last().copied().unwrap_or_default()
}
