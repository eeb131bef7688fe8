use super::super::window::Scraped;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A window of scrapes 15 s apart that ends at 0: `series` are lines `name{label=value,…} v v v
/// …`, `-` = absent.
fn window(plan: &Plan, series: &str) -> Window {
    let mut window = Window::default();
    for (metric, range) in plan.metrics() {
        window.want(metric, range, at(0));
    }
    let rows: Vec<(&str, Vec<&str>)> = series
        .lines()
        .map(|line| line.trim().split_once(' ').unwrap())
        .map(|(name, values)| (name, values.split_whitespace().collect()))
        .collect();
    let length = rows.iter().map(|(_, values)| values.len()).max().unwrap();
    for scrape in 0..length {
        let scraped =
            rows.iter().filter(|(_, values)| values[scrape] != "-").map(|(series, values)| {
                let (metric, labels) =
                    series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
                let mut labels: Labels = labels
                    .split(',')
                    .filter_map(|label| label.split_once('='))
                    .map(|(label, value)| (label.into(), value.into()))
                    .collect();
                labels.sort();
                Scraped { metric: metric.into(), labels, value: values[scrape].parse().unwrap() }
            });
        window.record(at(15 * (scrape as i64 + 1 - length as i64)), scraped.collect());
    }
    window
}

#[track_caller]
fn check(promql: &str, series: &str, expected: &[f64]) {
    let plan = Plan::parse(promql).unwrap();
    let mut found = evaluate(&plan, &window(&plan, series), at(0)).into_vector();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let found: Vec<f64> = found.into_iter().map(|(_, value)| value).collect();
    let alike = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(f, e)| (f.is_nan() && e.is_nan()) || f == e || (f - e).abs() < 1e-9);
    assert!(alike, "{promql}: {found:?} instead of {expected:?}");
}

#[test]
fn gauges_are_those_of_the_newest_scrape() {
    check("sum(x)", "x{a=1} 1 2\nx{a=2} 3 4", &[6.0]);
    check("sum(x)", "x{a=1} 1 2\nx{a=2} 3 -", &[2.0]);
    check("sum(x)", "x{a=1} 1 -\ny 1 1", &[]);
    check("max(x) - min(x) + avg(x) * count(x)", "x{a=1} 2\nx{a=2} 6", &[12.0]);
    check("sum by (a) (x)", "x{a=1,b=1} 1\nx{a=1,b=2} 2\nx{a=2,b=1} 5", &[3.0, 5.0]);
    check("sum without (a) (x)", "x{a=1,b=1} 1\nx{a=1,b=2} 2\nx{a=2,b=1} 5", &[6.0, 2.0]);
    check("max(x)", "x{a=1} NaN\nx{a=2} 2", &[2.0]);
}

#[test]
fn counters_need_two_scrapes_and_survive_a_reset() {
    check("rate(x[1m])", "x 5", &[]);
    check("rate(x[1m])", "x 100 115 130 145 160", &[1.0]);
    // (−60, 0] holds 115 … 160 over 45 s; the reset at 30 loses nothing.
    check("increase(x[1m])", "x 100 115 15 30 45", &[(45.0 - 115.0 + 115.0) * 60.0 / 45.0]);
    // Not below zero: from 0 on there is nothing before the first point.
    check("increase(x[1m])", "x - 0 15 30 45", &[45.0]);
    // A gap wider than the spacing is bridged by half a spacing only.
    check("increase(x[2m])", "x 100 115 130", &[30.0 * (7.5 + 30.0) / 30.0]);
}

#[test]
fn a_slope_is_a_least_squares_fit() {
    check("deriv(x[1m])", "x 9 1 2 3 4", &[1.0 / 15.0]);
    check("deriv(x[1m])", "x 0 5 5 5 5", &[0.0]);
    check("deriv(x[1m])", "x - 0 3 0 3", &[0.04]);
    check(
        "avg_over_time(x[1m]) + max_over_time(x[1m]) - min_over_time(x[1m])",
        "x 9 1 2 3 6",
        &[8.0],
    );
    check("sum_over_time(x[1m])", "x 9 1 2 3 6", &[12.0]);
}

#[test]
fn quantiles_interpolate_within_a_bucket() {
    let buckets = "x{le=1} 10\nx{le=2} 30\nx{le=+Inf} 40";
    check("histogram_quantile(0.5, x)", buckets, &[1.5]);
    check("histogram_quantile(0.25, x)", buckets, &[1.0]);
    check("histogram_quantile(0.95, x)", buckets, &[2.0]);
    check("histogram_quantile(0.5, x)", "x{le=1} 0\nx{le=+Inf} 0", &[f64::NAN]);
    check("histogram_quantile(0.5, x)", "x{le=1} 5\nx{le=2} 6", &[f64::NAN]);
    check(
        "histogram_quantile(0.5, x)",
        "x{a=1,le=1} 2\nx{a=1,le=+Inf} 2\nx{a=2,le=4} 2\nx{a=2,le=+Inf} 2",
        &[0.5, 2.0],
    );
    check("histogram_quantile(0.5, x)", "x{le=1} 4\nx{le=2} 3\nx{le=4} 8\nx{le=+Inf} 8", &[1.0]);
    check("histogram_quantile(0.9, x)", "x 1", &[]);
    check("histogram_quantile(2, x)", buckets, &[f64::INFINITY]);
}

#[test]
fn sides_are_matched_by_their_labels() {
    check("x + y", "x{a=1} 1\nx{a=2} 2\ny{a=2} 5\ny{a=3} 6", &[7.0]);
    check("x or y", "x{a=1} 1\nx{a=2} 2\ny{a=2} 5\ny{a=3} 6", &[1.0, 2.0, 6.0]);
    check("sum(x) or sum(y)", "y{a=1} 4\nz 1", &[4.0]);
    check("sum(x) + (sum(y) or vector(0))", "x{a=1} 4", &[4.0]);
    check("sum(x) + (sum(y) or vector(0))", "z 4", &[]);
    check("x unless y", "x{a=1} 1\nx{a=2} 2\ny{a=2} 5\ny{a=3} 6", &[1.0]);
    check("sum(x) unless sum(y) unless sum(z)", "x{a=1} 1\ny{a=2} 5", &[]);
    check("sum(x) / 1e3 - 2 * 3", "x 9000", &[3.0]);
    check("10 / x", "x 4", &[2.5]);
    check("x / scalar(y)", "x 4\ny{a=1} 2", &[2.0]);
    check("x / scalar(y)", "x 4\ny{a=1} 2\ny{a=2} 2", &[f64::NAN]);
    check("clamp_min(x - 5, 0)", "x 4", &[0.0]);
    check("clamp(x, 1, 2)", "x{a=1} 0\nx{a=2} 9", &[1.0, 2.0]);
    check("clamp(x, 2, 1)", "x 1", &[]);
    check("-x", "x 1", &[-1.0]);
}
