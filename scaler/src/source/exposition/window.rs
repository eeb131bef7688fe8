//! The last scrapes of the metrics that somebody asks for. Everything else of an exposition is
//! passed over.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use promql_parser::label::Matcher;

/// A series' labels, sorted by name; the metric's name is not among them.
pub(super) type Labels = Vec<(String, String)>;

/// A value and when it was scraped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) value: f64,
}

/// A series of one complete scrape.
#[derive(Debug)]
pub(super) struct Scraped {
    pub(super) metric: String,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// Metrics by name, as far back as they are read.
#[derive(Debug, Default)]
pub(super) struct Window {
    metrics: HashMap<String, Metric>,
    scrapes: VecDeque<Timestamp>,
}

#[derive(Debug)]
struct Metric {
    range: Duration,
    asked: Timestamp,
    series: HashMap<Labels, VecDeque<Point>>,
}

impl Window {
    /// Notes that a metric is read at `at`, `range` far back; whether that was unknown.
    pub(super) fn want(&mut self, metric: &str, range: Duration, at: Timestamp) -> bool {
        if let Some(known) = self.metrics.get_mut(metric) {
            known.range = known.range.max(range);
            known.asked = known.asked.max(at);
            return false;
        }
        self.metrics.insert(metric.into(), Metric { range, asked: at, series: HashMap::new() });
        true
    }

    /// The metrics that a scrape shall keep.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    /// Adds a complete scrape, not before the last one, and forgets what nobody reads any more.
    pub(super) fn record(&mut self, at: Timestamp, scraped: Vec<Scraped>) {
        for Scraped { metric, labels, value } in scraped {
            let Some(metric) = self.metrics.get_mut(&metric) else { continue };
            let points = metric.series.entry(labels).or_default();
            match points.back_mut() {
                // The same slot again, because a new metric was asked for.
                Some(last) if last.at >= at => last.value = value,
                _ => points.push_back(Point { at, value }),
            }
        }
        if self.scrapes.back().is_none_or(|last| *last < at) {
            self.scrapes.push_back(at);
        }
        let before =
            |age: Duration| at - SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        while self.scrapes.front().is_some_and(|scrape| *scrape < before(LOOK_BACK)) {
            self.scrapes.pop_front();
        }
        self.metrics.retain(|_, metric| metric.asked >= before(FORGET));
        for metric in self.metrics.values_mut() {
            let oldest = before(metric.range.max(LOOK_BACK));
            metric.series.retain(|_, points| {
                while points.front().is_some_and(|point| point.at < oldest) {
                    points.pop_front();
                }
                !points.is_empty()
            });
        }
    }

    /// The newest complete scrape at or before `at`, unless it is too old to speak for it.
    pub(super) fn newest(&self, at: Timestamp) -> Option<Timestamp> {
        let newest = self.scrapes.iter().rev().find(|scrape| **scrape <= at).copied()?;
        (at.duration_since(newest).unsigned_abs() <= LOOK_BACK).then_some(newest)
    }

    /// The labels of a metric's series in the newest complete scrape at or before `at`.
    pub(super) fn scraped<'a>(
        &'a self,
        metric: &str,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Labels> {
        let newest = self.newest(at);
        let series = self.select(metric, &[]);
        series
            .filter(move |(_, points)| points.iter().any(|point| Some(point.at) == newest))
            .map(|(labels, _)| labels)
    }

    /// The series of a metric that all matchers accept, oldest point first. An absent label counts
    /// as empty.
    pub(super) fn select<'a>(
        &'a self,
        metric: &str,
        matchers: &'a [Matcher],
    ) -> impl Iterator<Item = (&'a Labels, &'a VecDeque<Point>)> {
        let series = self.metrics.get(metric).map(|metric| &metric.series);
        series.into_iter().flatten().filter(move |(labels, _)| {
            matchers.iter().all(|matcher| {
                let value = labels
                    .iter()
                    .find(|(label, _)| *label == matcher.name)
                    .map_or("", |(_, value)| value);
                matcher.is_match(value)
            })
        })
    }
}

/// A value older than a scrape or two says nothing; slots are at most a minute long.
const LOOK_BACK: Duration = Duration::from_secs(120);
/// A workload asks at every slot; one that was evicted does not come back.
const FORGET: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    use promql_parser::parser::{Expr, parse};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn scraped(pod: &str, value: f64) -> Scraped {
        Scraped { metric: "x".into(), labels: vec![("pod".into(), pod.into())], value }
    }

    fn points(window: &Window, matchers: &str) -> Vec<(String, Vec<f64>)> {
        let Ok(Expr::VectorSelector(selector)) = parse(&format!("x{{{matchers}}}")) else {
            panic!("{matchers}")
        };
        let mut found: Vec<_> = window
            .select("x", &selector.matchers.matchers)
            .map(|(labels, points)| {
                (labels[0].1.clone(), points.iter().map(|point| point.value).collect())
            })
            .collect();
        found.sort_by(|a: &(String, _), b| a.0.cmp(&b.0));
        found
    }

    #[test]
    fn keeps_what_is_wanted_as_far_back_as_it_is_read() {
        let mut window = Window::default();
        window.record(at(0), vec![scraped("a", 1.0)]);
        assert_eq!(points(&window, ""), [], "nobody had asked");
        assert!(window.want("x", Duration::from_secs(300), at(15)));
        assert!(!window.want("x", Duration::ZERO, at(15)));
        for slot in 1..=100 {
            window.want("x", Duration::ZERO, at(15 * slot));
            window.record(at(15 * slot), vec![scraped("a", slot as f64)]);
        }
        let kept = points(&window, "");
        assert_eq!(kept[0].1.len(), 21, "300 s and both ends");
        assert_eq!(window.newest(at(1500)), Some(at(1500)));
        assert_eq!(window.newest(at(1499)), Some(at(1485)));
        assert_eq!(window.newest(at(1700)), None, "too old");

        window.record(at(1500), vec![scraped("a", 7.0)]);
        assert_eq!(points(&window, "")[0].1.last(), Some(&7.0), "the same slot again replaces");
        assert_eq!(points(&window, "")[0].1.len(), 21);
    }

    #[test]
    fn forgets_series_that_are_gone_and_metrics_that_nobody_reads() {
        let mut window = Window::default();
        window.want("x", Duration::ZERO, at(0));
        window.record(at(0), vec![scraped("a", 1.0), scraped("b", 1.0)]);
        for slot in 1..=9 {
            window.record(at(15 * slot), vec![scraped("a", 1.0)]);
        }
        assert_eq!(points(&window, "").len(), 1);
        window.record(at(901), vec![scraped("a", 1.0)]);
        assert_eq!(window.wanted().count(), 0);
    }

    #[test]
    fn selects_as_promql_does() {
        let mut window = Window::default();
        window.want("x", Duration::ZERO, at(0));
        window.record(at(0), vec![scraped("a", 1.0), scraped("ab", 2.0)]);
        for (matchers, found) in [
            (r#"pod="a""#, 1),
            (r#"pod!="a""#, 1),
            (r#"pod=~"a""#, 1),
            (r#"pod=~"a.*""#, 2),
            (r#"pod!~"a.""#, 1),
            (r#"other="""#, 2),
            (r#"other="b""#, 0),
            (r#"other!="b""#, 2),
            (r#"pod="a",pod="ab""#, 0),
        ] {
            assert_eq!(points(&window, matchers).len(), found, "{matchers}");
        }
    }
}
