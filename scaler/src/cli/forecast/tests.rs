//! What a person reads and a program parses, from answers written down by hand.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Forecast, Series};

use super::answer::{Answer, Issued, Point};
use super::request::Request;
use super::{chart, table};

const STEP: SignedDuration = SignedDuration::from_mins(5);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Three hours before midnight in Berlin, with a gap.
fn series() -> Series {
    let values = (0..36).map(|i| if i == 7 { f64::NAN } else { 10.0 + f64::from(i % 5) }).collect();
    Series::new(at("2026-11-24T20:00:00Z"), STEP, values)
}

fn request(origins: &[usize]) -> Request {
    let leads = vec![STEP, SignedDuration::from_mins(60)];
    Request { origins: origins.to_vec(), leads, quantiles: vec![0.5, 0.9, 0.999] }
}

/// Twelve steps that rise by one, 1.5 and 2.
fn answer(row: usize) -> Answer {
    let origin = series().instant(row);
    let values: Vec<Vec<f64>> =
        (1..=12).map(|h| [1.0, 1.5, 2.0].map(|slope| 10.0 + slope * f64::from(h)).into()).collect();
    let point = |lead: SignedDuration| {
        let (at, steps) = (origin + lead, lead.as_secs() / STEP.as_secs());
        Point { lead, at, values: values[steps as usize - 1].clone(), actual: series().at(at) }
    };
    let points = request(&[]).leads.into_iter().map(point).collect();
    let whole = Forecast::new(origin + STEP, STEP, request(&[]).quantiles, values);
    Answer { origin, outcome: Ok(Issued { points, whole, missing: Vec::new() }) }
}

/// The same where the hour ahead has none.
fn partial(row: usize) -> Answer {
    let Answer { origin, outcome } = answer(row);
    let mut issued = outcome.unwrap();
    issued.points[1].values = vec![f64::NAN; 3];
    let young = "36 buckets were observed, a forecast needs 37";
    issued.missing = vec![(SignedDuration::from_mins(60), young.to_owned())];
    Answer { origin, outcome: Ok(issued) }
}

fn refused(row: usize) -> Answer {
    Answer { origin: series().instant(row), outcome: Err("the history covers 5m".to_owned()) }
}

#[test]
fn the_table_says_what_was_read_and_what_is_expected_when() {
    let answers = [refused(0), answer(6), answer(35)];
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    insta::assert_snapshot!(table::table(
        "demand",
        &series(),
        &request(&[0, 6, 35]),
        &answers,
        &zone
    ));
}

#[test]
fn rows_for_programs_leave_out_what_is_not_known() {
    let answers = [refused(0), answer(35)];
    insta::assert_snapshot!(table::csv(&request(&[0, 35]), &answers).unwrap());
    let json: serde_json::Value =
        serde_json::from_str(&table::json(&request(&[0, 35]), &answers).unwrap()).unwrap();
    assert_eq!(json[0]["noForecast"], "the history covers 5m");
    assert_eq!(json[1]["leads"][1]["leadSeconds"], 3600);
    assert_eq!(
        json[1]["leads"][1]["quantiles"][1],
        serde_json::json!({"quantile": 0.9, "value": 28.0})
    );
    assert_eq!(json[1]["leads"][1].get("actual"), None);
}

/// Numbers of all points of a path.
fn points(svg: &str, class: &str) -> usize {
    let tree = roxmltree::Document::parse(svg).unwrap();
    let path = tree.descendants().find(|node| {
        node.has_tag_name(("http://www.w3.org/2000/svg", "path"))
            && node.attribute("class") == Some(class)
    });
    path.unwrap_or_else(|| panic!("no path of class {class}"))
        .attribute("d")
        .unwrap()
        .matches(['M', 'L'])
        .count()
}

#[test]
fn a_lead_without_a_forecast_says_why() {
    let answers = [partial(35)];
    let text =
        table::table("demand", &series(), &request(&[35]), &answers, &jiff::tz::TimeZone::UTC);
    assert!(
        text.ends_with("no forecast 1h ahead: 36 buckets were observed, a forecast needs 37\n"),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&table::json(&request(&[35]), &answers).unwrap()).unwrap();
    assert_eq!(json[0]["leads"][1]["noForecast"], "36 buckets were observed, a forecast needs 37");
    assert_eq!(json[0]["leads"][0].get("noForecast"), None);
    assert_eq!(
        json[0]["leads"][1]["quantiles"][0],
        serde_json::json!({"quantile": 0.5, "value": null})
    );
    assert_eq!(table::csv(&request(&[35]), &answers).unwrap().lines().count(), 1 + 3);
}

#[test]
fn one_origin_is_drawn_as_a_fan() {
    let utc = jiff::tz::TimeZone::UTC;
    let draw = |answer: Answer, row| {
        chart::svg("a < b", &series(), &request(&[row]), &[answer], &utc).unwrap()
    };
    let known = draw(answer(20), 20);
    // The history up to the origin without its gap; then the anchor, and what came or was forecast
    // over one hour.
    assert_eq!(
        (points(&known, "demand"), points(&known, "demand came"), points(&known, "prewarm")),
        (20, 13, 13)
    );
    assert_eq!(
        known.matches("class=\"band\" fill-opacity").count(),
        2,
        "one band between neighboring quantiles"
    );
    assert_eq!(known.matches("r=\"4\"").count(), 2, "a dot for each lead");
    let ahead = draw(answer(35), 35);
    assert!(!ahead.contains("what came"));
    assert!(ahead.contains("a &lt; b") && ahead.contains("time (UTC)"));
}

#[test]
fn several_origins_are_drawn_in_a_panel_for_each_lead() {
    let utc = jiff::tz::TimeZone::UTC;
    let answers = [refused(1), answer(6), answer(12), answer(20), partial(30)];
    let svg =
        chart::svg("demand", &series(), &request(&[1, 6, 12, 20, 30]), &answers, &utc).unwrap();
    assert!(!svg.contains("NaN"));
    let tree = roxmltree::Document::parse(&svg).unwrap();
    let count = |class: &str| {
        tree.descendants().filter(|node| node.attribute("class") == Some(class)).count()
    };
    assert_eq!((count("panel"), svg.matches("r=\"3\"").count()), (2, 7));
    assert!(svg.contains("5m ahead") && svg.contains("1h ahead"));
    assert_eq!(chart::svg("demand", &series(), &request(&[1]), &[refused(1)], &utc), None);
}
