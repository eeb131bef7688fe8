//! What is asked for, held against the history: leads in steps, quantiles, origins as rows.

use std::path::Path;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use prewarm_forecaster::forecast::MAX_LEAD_BUCKETS;

use crate::cli::history::{instant, last, written};
use crate::duration::{self, quoted};

/// What is to be forecast from a history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Rows that are the last to be used, ascending, each once.
    pub(crate) origins: Vec<usize>,
    /// Distance of the forecast rows from the origin, ascending, multiples of the step.
    pub(crate) leads: Vec<SignedDuration>,
    /// Ascending, within (0, 1).
    pub(crate) quantiles: Vec<f64>,
}

impl Request {
    /// Errors name the flag, the value, what is allowed and a value that would do.
    pub(crate) fn new(
        series: &Series,
        origins: &[Timestamp],
        leads: &[SignedDuration],
        quantiles: &[f64],
    ) -> anyhow::Result<Self> {
        let mut origins =
            origins.iter().map(|at| row(series, *at)).collect::<anyhow::Result<Vec<_>>>()?;
        origins.sort_unstable();
        origins.dedup();
        let mut leads = leads.to_vec();
        leads.sort_unstable();
        leads.dedup();
        for lead in &leads {
            fits(*lead, series.step())?;
        }
        let mut quantiles = quantiles.to_vec();
        quantiles.sort_by(f64::total_cmp);
        quantiles.dedup();
        Ok(Self { origins, leads, quantiles })
    }
}

/// Instants of `--at` and the lines of `--origins`; the last row without either.
pub(crate) fn origins(
    series: &Series,
    at: &[Timestamp],
    file: Option<&Path>,
) -> anyhow::Result<Vec<Timestamp>> {
    let Some(path) = file else {
        return Ok(if at.is_empty() { vec![last(series)] } else { at.to_vec() });
    };
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--origins {name}: cannot be read"))?;
    let lines = text.lines().zip(1..).map(|(line, n)| (line.trim(), n));
    let times = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let times: Vec<_> = times
        .map(|(line, n)| {
            let at = instant(line).with_context(|| format!("--origins {name}:{n}"))?;
            row(series, at).with_context(|| format!("--origins {name}:{n}"))?;
            Ok(at)
        })
        .collect::<anyhow::Result<_>>()?;
    if times.is_empty() {
        bail!("--origins {name}: holds no times: write one a line, like 2026-11-24T08:00:00Z");
    }
    Ok(times)
}

/// Leads of `--lead`; without any, the next row and what people ask for first, where the step
/// allows it.
pub(crate) fn leads(series: &Series, given: &[SignedDuration]) -> Vec<SignedDuration> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let usual = [5, 15, 60].map(SignedDuration::from_mins);
    let fitting = usual.into_iter().filter(|lead| lead.as_secs() % series.step().as_secs() == 0);
    std::iter::once(series.step()).chain(fitting).collect()
}

/// The row whose timestamp is `at`.
fn row(series: &Series, at: Timestamp) -> anyhow::Result<usize> {
    let (first, last, step) = (series.start(), last(series), series.step());
    if at < first || at > last {
        bail!("origin {at} is outside the data: it must be a timestamp from {first} to {last}");
    }
    let offset = at.as_second() - first.as_second();
    let past = offset % step.as_secs();
    if past != 0 {
        let before = at - SignedDuration::from_secs(past);
        bail!(
            "origin {at} is no timestamp of a row, they are {} apart: the row before it is {before}",
            written(step)
        );
    }
    Ok(usize::try_from(offset / step.as_secs())?)
}

fn fits(lead: SignedDuration, step: SignedDuration) -> anyhow::Result<()> {
    let (lead_s, step_s) = (lead.as_secs(), step.as_secs());
    let most_s = i64::try_from(MAX_LEAD_BUCKETS)?.saturating_mul(step_s);
    if lead_s > most_s {
        bail!(
            "--lead {} is more than {MAX_LEAD_BUCKETS} rows ahead: with rows {} apart it may be {} at most; \
             for more, write the input with a longer step",
            written(lead),
            written(step),
            written(SignedDuration::from_secs(most_s))
        );
    }
    if lead_s % step_s == 0 {
        return Ok(());
    }
    let below = SignedDuration::from_secs(lead_s / step_s * step_s);
    let above = below + step;
    let near = if below.is_zero() {
        written(above)
    } else {
        format!("{} or {}", written(below), written(above))
    };
    bail!(
        "--lead {} is no multiple of the input's step of {}: try {near}",
        written(lead),
        written(step)
    )
}

/// A lead of `--lead`.
pub(crate) fn lead(text: &str) -> Result<SignedDuration, String> {
    let lead = duration::parse(text.trim())?;
    if lead.is_zero() || lead > LONGEST || lead.subsec_nanos() != 0 {
        return Err(format!("a lead is whole seconds, from 1s to {}", written(LONGEST)));
    }
    Ok(lead)
}

/// A quantile of `--quantile`.
pub(crate) fn quantile(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(q) if q > 0.0 && q < 1.0 => Ok(q),
        Ok(q) if q > 1.0 && q < 100.0 => {
            Err(format!("a quantile is between 0 and 1: write {} for {q} %", q / 100.0))
        }
        _ => Err("a quantile is a number between 0 and 1, without either, like 0.95".to_owned()),
    }
}

/// An instant of `--at`.
pub(crate) fn at(text: &str) -> Result<Timestamp, String> {
    instant(text.trim())
        .map_err(|_| format!("{} is no time: write it like 2026-11-24T08:00:00Z", quoted(text)))
}

/// Nobody prepares replicas for later than that.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let start = "2026-11-24T08:00:00Z".parse().unwrap();
        Series::new(start, SignedDuration::from_mins(5), vec![1.0; 13])
    }

    fn asked(origin: &str, lead: &str) -> Result<Request, String> {
        let (origin, lead) = (origin.parse().unwrap(), super::lead(lead)?);
        Request::new(&series(), &[origin], &[lead], &[0.9, 0.5, 0.9])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn origins_become_rows_and_everything_is_sorted() {
        let request = asked("2026-11-24T08:15:00Z", "10m").unwrap();
        assert_eq!(request.origins, [3]);
        assert_eq!(request.leads, [SignedDuration::from_mins(10)]);
        assert_eq!(request.quantiles, [0.5, 0.9]);
        assert_eq!(
            origins(&series(), &[], None).unwrap(),
            ["2026-11-24T09:00:00Z".parse().unwrap()]
        );
    }

    #[test]
    fn what_cannot_be_asked_says_what_can() {
        let mut errors: Vec<String> = [
            ("2026-11-24T07:55:00Z", "5m"),
            ("2026-11-24T09:05:00Z", "5m"),
            ("2026-11-24T08:07:00Z", "5m"),
            ("2026-11-24T08:15:00Z", "7m"),
            ("2026-11-24T08:15:00Z", "90s"),
            ("2026-11-24T08:15:00Z", "0s"),
            ("2026-11-24T08:15:00Z", "8d"),
        ]
        .map(|(origin, lead)| asked(origin, lead).unwrap_err())
        .into();
        errors.extend(["0", "1", "95", "p95", "-1", "NaN"].map(|text| quantile(text).unwrap_err()));
        errors.push(at("noon").unwrap_err());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_lead_that_no_forecast_reaches_is_refused_with_the_one_that_does() {
        let minutes = SignedDuration::from_mins;
        assert!(fits(minutes(3000), minutes(1)).is_ok());
        let error = fits(minutes(3001), minutes(1)).unwrap_err().to_string();
        assert!(error.contains("3000 rows ahead") && error.contains("50h at most"), "{error}");
    }

    #[test]
    fn a_file_of_origins_names_the_line_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origins.txt");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            origins(&series(), &[], Some(&file)).map_err(|error| format!("{error:#}"))
        };
        let good = read("# Monday\n2026-11-24T08:15:00Z\n\n 2026-11-24T08:05:00Z\n").unwrap();
        assert_eq!(good.len(), 2);
        assert!(
            read("2026-11-24T08:15:00Z\nnoon\n")
                .unwrap_err()
                .contains("origins.txt:2: timestamp \"noon\" is no time")
        );
        assert!(
            read("2026-11-25T08:15:00Z\n")
                .unwrap_err()
                .contains("origins.txt:1: origin 2026-11-25T08:15:00Z is outside")
        );
        assert!(read("\n").unwrap_err().contains("holds no times"));
    }
}
