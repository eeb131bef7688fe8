//! What is assumed of the workload, the cluster and money: the flags of `prewarm replay`.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::calendar::{Window, ZeroRule};
use prewarm_forecaster::decide::policy::{ScaleToZero, Threshold};
use prewarm_forecaster::replay::Scenario as ColdStartModel;
use prewarm_forecaster::replay::scenario::{ColdStart, Slots};
use prewarm_forecaster::{Calendar, Series};

use super::summary::{Assumptions, StartUp};
use crate::duration;
use crate::signal::holds_what_waits;

/// The assumptions of a replay.
#[derive(Debug, clap::Args)]
pub(crate) struct ScenarioArgs {
    /// Demand that one replica carries, in the history's own unit
    #[arg(long, value_name = "X", value_parser = threshold)]
    pub(crate) threshold: Threshold,
    /// From asked for to Ready: node, image, weights, warm-up; or several, drawn by their shares:
    /// 2m,8m@0.1
    #[arg(long, value_name = "DURATION[@SHARE],…", value_parser = start_ups)]
    pub(crate) cold_start: ColdStart,
    /// Of the cold starts that are drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// One missed replica-hour costs as much as so many idle GPU-hours
    #[arg(long, value_name = "X", default_value_t = 30.0, value_parser = cost_ratio)]
    pub(crate) cost_ratio: f64,
    /// Requests that wait longer are missed
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = wait_limit)]
    pub(crate) wait_limit: SignedDuration,
    /// Requests that wait longer go away [default: none does]
    #[arg(long, value_name = "DURATION", value_parser = wait_limit)]
    pub(crate) patience: Option<SignedDuration>,
    /// Requests that a replica works on at once, where demand is requests per second
    #[arg(long, value_name = "N", requires = "service_time", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) concurrency_limit: Option<u32>,
    /// Time that one of them takes by itself
    #[arg(long, value_name = "DURATION", requires = "concurrency_limit", value_parser = wait_limit)]
    pub(crate) service_time: Option<SignedDuration>,
    /// Whether demand shows what waits: requests in flight do, a rate of arrivals does not
    /// [default: by the metrics of --query; a CSV counts as seen]
    #[arg(long, value_name = "WHETHER")]
    pub(crate) queue: Option<Shown>,
    /// Money for one GPU-hour
    #[arg(long, value_name = "X", default_value_t = 2.5, value_parser = price)]
    pub(crate) gpu_price: f64,
    /// Replicas that always run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) min_replicas: u32,
    /// History to learn from before figures count [default: a third, at most 14 days]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) learn: Option<SignedDuration>,
    /// Replicas that there are at most [default: twice what the largest demand needs]
    #[arg(long, value_name = "N")]
    pub(crate) max_replicas: Option<u32>,
}

/// Whether metrics show what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shown {
    Seen,
    Unseen,
}

/// Where results go.
#[derive(Debug, clap::Args)]
pub(crate) struct Outputs {
    /// table for people, csv or json for programs
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
    /// Every arm moment by moment: arm,time,demand,ready,desired,metric_value,active,reason
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) timeline: Option<PathBuf>,
    /// One page to show around, with plots
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Table,
    Csv,
    Json,
}

impl ScenarioArgs {
    /// As `assumed` has them.
    pub(crate) fn assumptions(&self, assumed: &ColdStartModel) -> Assumptions {
        Assumptions {
            threshold: self.threshold.get(),
            cold_start_seconds: self.cold_start.lead().as_secs_f64(),
            cold_starts: self.start_ups(),
            min_replicas: assumed.keda.min,
            max_replicas: assumed.keda.max,
            cost_ratio: self.cost_ratio,
            wait_limit_seconds: self.wait_limit.as_secs_f64(),
            shows_queue: assumed.shows_queue,
            gpu_price: self.gpu_price,
        }
    }

    /// The same for the simulation. `query`: of the history, if it came from Prometheus.
    pub(crate) fn assumed(
        &self,
        series: &Series,
        calendar: Calendar,
        query: Option<&str>,
    ) -> ColdStartModel {
        let largest =
            series.values().iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let mut assumed = ColdStartModel::new(self.threshold, self.cold_start.lead());
        assumed.cold_start = self.cold_start.clone();
        assumed.seed = self.seed;
        assumed.patience = self.patience;
        assumed.slots = self
            .concurrency_limit
            .zip(self.service_time)
            .map(|(limit, service)| Slots { limit, service });
        let shown = || query.is_none_or(holds_what_waits);
        assumed.shows_queue = self.queue.map_or_else(shown, |queue| queue == Shown::Seen);
        assumed.keda.min = self.min_replicas;
        assumed.keda.max = self.most_replicas(largest);
        assumed.cost_ratio = self.cost_ratio;
        assumed.wait_limit = self.wait_limit;
        let learned = series.start().checked_add(self.learned(series)).ok();
        // Whole local days: what follows is summed by day.
        let midnight = learned
            .and_then(|at| next_midnight(at, calendar.zone()))
            .filter(|at| *at < series.end());
        assumed.counted_from = midnight.or(learned);
        // As `scaleToZero: windows` has it: who names when zero is allowed means no other time.
        let allows = |window: &Window| window.scale_to_zero == Some(ZeroRule::Allowed);
        if calendar.windows().iter().any(allows) {
            assumed.scale_to_zero = ScaleToZero::Windows;
        }
        assumed.calendar = calendar;
        assumed
    }

    fn start_ups(&self) -> Vec<StartUp> {
        let classes = self.cold_start.classes();
        classes.map(|(took, share)| StartUp { seconds: took.as_secs_f64(), share }).collect()
    }

    /// What comes before figures count: policies are chosen and forecasts trained on it.
    fn learned(&self, series: &Series) -> SignedDuration {
        let all = series.end().duration_since(series.start());
        let third = SignedDuration::from_secs(all.as_secs() / 3);
        self.learn.unwrap_or(third.min(SignedDuration::from_hours(14 * 24)))
    }

    /// Replicas that there are at most, `largest` being the largest demand.
    fn most_replicas(&self, largest: f64) -> u32 {
        let needed = (2.0 * largest / self.threshold.get()).ceil().clamp(1.0, 100_000.0) as u32;
        self.max_replicas.unwrap_or(needed).max(self.min_replicas).max(1)
    }
}

/// The first local midnight at or after `at`.
fn next_midnight(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let date = at.to_zoned(zone.clone()).date();
    let start = |date: jiff::civil::Date| {
        date.to_zoned(zone.clone()).ok().map(|midnight| midnight.timestamp())
    };
    start(date).filter(|midnight| *midnight >= at).or_else(|| start(date.tomorrow().ok()?))
}

fn threshold(text: &str) -> Result<Threshold, String> {
    let value: f64 = text.parse().map_err(|_| format!("must be {}", Threshold::RANGE))?;
    Threshold::new(value).map_err(|error| format!("must be {}", error.range))
}

fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("must be a number from {least} to {most}")),
    }
}

fn cost_ratio(text: &str) -> Result<f64, String> {
    between(text, 0.0, 100_000.0)
}

fn price(text: &str) -> Result<f64, String> {
    between(text, 0.0, 1_000_000.0)
}

fn span(text: &str, least: SignedDuration, most: SignedDuration) -> Result<SignedDuration, String> {
    let span = duration::parse(text)?;
    if span >= least && span <= most && span.subsec_nanos() == 0 {
        return Ok(span);
    }
    Err(format!("must be whole seconds from {} to {}", duration::text(least), duration::text(most)))
}

fn cold_start(text: &str) -> Result<SignedDuration, String> {
    span(text, SignedDuration::from_secs(1), SignedDuration::from_hours(2))
}

/// One duration, or several: `@` gives a share of all start-ups, those without one have equal parts
/// of the rest.
fn start_ups(text: &str) -> Result<ColdStart, String> {
    const FORM: &str = "write durations, with shares after @ where they differ: 2m,8m@0.1";
    let one = |item: &str| -> Result<(SignedDuration, Option<f64>), String> {
        let (took, share) = item
            .trim()
            .split_once('@')
            .map_or((item.trim(), None), |(took, share)| (took, Some(share)));
        let share = share.map(|share| {
            between(share, 0.0, 1.0).map_err(|error| format!("a share {error}; {FORM}"))
        });
        Ok((cold_start(took)?, share.transpose()?))
    };
    let items = text.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
    let said: f64 = items.iter().filter_map(|(_, share)| *share).sum();
    let silent = items.iter().filter(|(_, share)| share.is_none()).count();
    let rest = 1.0 - said;
    if rest < -1e-9 || silent == 0 && rest > 1e-9 || silent > 0 && rest < 1e-9 {
        let said = (said * 1000.0).round() / 1000.0;
        return Err(format!("the shares come to {said}, and all start-ups are 1; {FORM}"));
    }
    let classes =
        items.into_iter().map(|(took, share)| (took, share.unwrap_or(rest / silent.max(1) as f64)));
    ColdStart::weighted(classes).ok_or_else(|| FORM.to_owned())
}

fn wait_limit(text: &str) -> Result<SignedDuration, String> {
    span(text, SignedDuration::from_secs(1), SignedDuration::from_hours(1))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn read(flags: &[&str]) -> Result<ScenarioArgs, String> {
        let command = ScenarioArgs::augment_args(clap::Command::new("replay").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).map_err(|error| error.to_string())?;
        ScenarioArgs::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let args = read(&["--threshold", "4", "--cold-start", "5m"]).unwrap();
        assert_eq!(args.cold_start.lead().as_secs(), 300);
        assert_eq!(
            (args.cost_ratio, args.gpu_price, args.wait_limit.as_secs(), args.min_replicas),
            (30.0, 2.5, 15, 1)
        );
        assert_eq!(
            (args.most_replicas(21.0), args.most_replicas(0.0), args.most_replicas(f64::NAN)),
            (11, 1, 1)
        );
    }

    #[test]
    fn cold_starts_are_one_or_several_with_shares() {
        let of = |text: &str| {
            let args = read(&["--threshold", "4", "--cold-start", text])?;
            Ok(args
                .start_ups()
                .iter()
                .map(|one| (one.seconds, (one.share * 100.0).round()))
                .collect::<Vec<_>>())
        };
        assert_eq!(of("5m"), Ok(vec![(300.0, 100.0)]));
        assert_eq!(of("8m@0.1, 2m"), Ok(vec![(120.0, 90.0), (480.0, 10.0)]));
        assert_eq!(of("2m,3m,2m,4m"), Ok(vec![(120.0, 50.0), (180.0, 25.0), (240.0, 25.0)]));
        for (text, expected) in [
            ("2m@0.7,5m@0.2", "the shares come to 0.9"),
            ("2m@1,5m", "the shares come to 1,"),
            ("2m@x", "a share must be a number from 0 to 1"),
            ("2m,", "cold-start"),
        ] {
            let complaint: String = of(text).unwrap_err();
            assert!(complaint.contains(expected), "{text}: {complaint}");
        }
    }

    #[test]
    fn figures_count_from_a_local_midnight_after_a_third() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let start: Timestamp = "2026-11-02T09:00:00Z".parse().unwrap();
        let from = |flags: &[&str], days: usize| {
            let series = Series::new(start, SignedDuration::from_hours(1), vec![1.0; 24 * days]);
            let args =
                read(&[&["--threshold", "4", "--cold-start", "5m"], flags].concat()).unwrap();
            args.assumed(&series, Calendar::empty(berlin.clone()), None)
                .counted_from
                .unwrap()
                .to_string()
        };
        assert_eq!(from(&[], 9), "2026-11-05T23:00:00Z");
        assert_eq!(from(&[], 90), "2026-11-16T23:00:00Z");
        assert_eq!(from(&["--learn", "14h"], 9), "2026-11-02T23:00:00Z");
        assert_eq!(from(&["--learn", "0s"], 9), "2026-11-02T23:00:00Z");
    }

    #[test]
    fn a_rate_shows_no_queue_unless_somebody_says_so() {
        let series =
            Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_hours(1), vec![1.0; 72]);
        let shows = |flags: &[&str], query: Option<&str>| {
            let args =
                read(&[&["--threshold", "4", "--cold-start", "5m"], flags].concat()).unwrap();
            args.assumed(&series, Calendar::empty(TimeZone::UTC), query).shows_queue
        };
        let rate = Some("sum(rate(http_requests_total[1m]))");
        assert!(
            shows(&[], None)
                && !shows(&[], rate)
                && shows(&[], Some("sum(running) + sum(waiting)"))
        );
        assert!(shows(&["--queue", "seen"], rate) && !shows(&["--queue", "unseen"], None));
    }

    #[test]
    fn what_is_out_of_range_says_the_range() {
        let complaint = |flag: &str, value: &str| {
            let flags: Vec<&str> = match flag {
                "--threshold" => vec!["--cold-start", "5m", flag, value],
                "--cold-start" => vec!["--threshold", "4", flag, value],
                _ => vec!["--threshold", "4", "--cold-start", "5m", flag, value],
            };
            read(&flags).unwrap_err()
        };
        let cases = [
            ("--threshold", "0", "a number from 0.001 to 1000000000"),
            ("--cold-start", "300", "has no unit: write 300s"),
            ("--cold-start", "3h", "must be whole seconds from 1s to 2h"),
            ("--cost-ratio", "-1", "must be a number from 0 to 100000"),
            ("--wait-limit", "0s", "must be whole seconds from 1s to 1h"),
            ("--gpu-price", "cheap", "must be a number from 0 to 1000000"),
        ];
        for (flag, value, expected) in cases {
            // clap takes "-1" for a flag unless it follows an equals sign.
            let complaint = if value.starts_with('-') {
                read(&["--threshold", "4", "--cold-start", "5m", &format!("{flag}={value}")])
                    .unwrap_err()
            } else {
                complaint(flag, value)
            };
            assert!(
                complaint.contains(expected) && complaint.contains(flag),
                "{flag} {value}: {complaint}"
            );
        }
    }
}
