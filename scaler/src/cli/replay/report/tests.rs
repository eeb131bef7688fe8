use super::super::example::summary;
use super::*;
use prewarm_forecaster::replay::Advice;

use crate::cli::replay::summary::{Tuned, Verdict};
use serde_json::json;

/// Three weeks of working days; each arm follows the demand in its own way.
fn plot_data() -> PlotData {
    let start: Timestamp = "2026-11-01T23:00:00Z".parse().unwrap();
    let step = SignedDuration::from_mins(5);
    let level = |i: i32| {
        let (day, minute) = (i / 288, (i % 288) * 5);
        let peak = if day % 7 >= 5 { 3.0 } else { 10.0 };
        let working =
            f64::from(minute - 480).max(0.0).min(f64::from(1140 - minute).max(0.0)) / 90.0;
        1.0 + peak * working.min(1.0) + f64::from((i * 7919) % 13) / 13.0
    };
    let demand: Vec<f64> = (0..21 * 288).map(level).collect();
    let ready = |ahead: i32, headroom: f64| {
        (0..21 * 288).map(|i| (level((i + ahead).max(0)) * headroom).ceil()).collect::<Vec<_>>()
    };
    let track = |name, ahead, headroom| Track {
        name,
        ready: Series::new(start, step, ready(ahead, headroom)),
    };
    let tracks = vec![track(replay::Arm::Hpa, -6, 1.05), track(replay::Arm::Prewarm, 2, 1.15)];
    PlotData {
        demand: Series::new(start, step, demand),
        tracks,
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page(&summary(), &plot_data());
    assert!(!page.contains("<script") && !page.contains("url(") && !page.contains("@import"));
    let linked = page
        .match_indices("http")
        .filter(|(i, _)| !page[*i..].starts_with("http://prometheus.monitoring"));
    let outside: Vec<_> = linked
        .map(|(i, _)| &page[i..(i + 40).min(page.len())])
        .filter(|text| text.contains("://"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert!(page.contains("chat &lt;production&gt;") && !page.contains("<production>"));
}

/// Texts of the elements of this name.
fn texts(page: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let inner = |after: &str| {
        after.split_once('>').and_then(|(_, rest)| Some(rest.split_once(&close)?.0.to_owned()))
    };
    page.split(&open).skip(1).filter_map(inner).collect()
}

#[test]
fn the_figures_are_those_of_the_json() {
    let summary = summary();
    let page = page(&summary, &plot_data());
    let json = serde_json::to_value(&summary).unwrap();
    let cells = texts(&page, "td");
    for (arm, row) in json["arms"].as_array().unwrap().iter().zip(cells.chunks(8)) {
        let of = |key: &str| arm[key].as_f64().unwrap();
        let expected = [
            figure(of("totalCost")),
            format!("{:.2} ×", of("costToHpa")),
            format!("{:.2} ×", of("costToOracle")),
            figure(of("gpuHours")),
            money(of("money")),
            share(of("missedShare")),
            figure(of("minutesUnderCapacity")),
            arm["starts"].to_string(),
        ];
        assert_eq!(row, expected, "{}", arm["name"]);
    }
    assert_eq!(cells.len(), 8 * 8);
    assert_eq!(texts(&page, "h1"), [unbroken(json["conclusion"]["headline"].as_str().unwrap())]);
}

#[test]
fn every_plot_is_xml_drawn_for_screen_and_phone() {
    let page = page(&summary(), &plot_data());
    let plots: Vec<_> = page
        .split("<svg")
        .skip(1)
        .map(|rest| format!("<svg{}</svg>", rest.split_once("</svg>").unwrap().0))
        .collect();
    assert_eq!(plots.len(), 10, "five plots, twice");
    for plot in &plots {
        let tree = roxmltree::Document::parse(plot)
            .unwrap_or_else(|error| panic!("{error}: {}", &plot[..200]));
        let root = tree.root_element();
        let view: Vec<f64> =
            root.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(view[2], if root.attribute("class") == Some("wide") { 1040.0 } else { 380.0 });
        // Nothing lies outside the drawing.
        for node in tree.descendants() {
            let of = |name: &str| node.attribute(name).and_then(|value| value.parse::<f64>().ok());
            let (x, y) = (of("x").or(of("cx")).or(of("x2")), of("y").or(of("cy")).or(of("y2")));
            assert!(x.is_none_or(|x| (0.0..=view[2]).contains(&x)), "{node:?}");
            assert!(y.is_none_or(|y| (0.0..=view[3]).contains(&y)), "{node:?}");
        }
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn the_week_is_a_whole_one_and_the_day_the_hardest() {
    let (summary, plot_data) = (summary(), plot_data());
    let (from, to) = typical_week(&plot_data).unwrap();
    assert_eq!(from.to_zoned(plot_data.zone.clone()).strftime("%a %H:%M").to_string(), "Mon 00:00");
    assert_eq!(to.duration_since(from), SignedDuration::from_hours(7 * 24));
    let hpa = summary.arm(replay::Arm::Hpa).unwrap();
    let most = hpa.days.iter().map(|day| day.missed_replica_hours).fold(0.0, f64::max);
    let (from, to) = worst_day(&summary, &plot_data).unwrap();
    let date = from.to_zoned(plot_data.zone.clone()).date();
    assert!(hpa.days.iter().any(|day| day.date == date && day.missed_replica_hours == most));
    assert_eq!(to.duration_since(from), SignedDuration::from_hours(24));
}

#[test]
fn settings_are_yaml_that_our_own_check_takes() {
    let mut summary = summary();
    let jumps = Tuned { panics: true, ..summary.tuned };
    let keep = Summary { tuned: jumps, ..summary.clone() };
    let keep =
        Summary { conclusion: Verdict { advice: Advice::TuneHpa, ..keep.conclusion }, ..keep };
    let tree: serde_json::Value = serde_saphyr::from_str(&settings::yaml(&keep)).unwrap();
    let query = tree["spec"]["triggers"][0]["metadata"]["query"].as_str().unwrap();
    assert!(
        query.starts_with("max_over_time((") && query.contains(">= 2 * avg_over_time("),
        "{query}"
    );
    for use_prewarm in [true, false] {
        summary.conclusion.advice = if use_prewarm { Advice::UsePrewarm } else { Advice::TuneHpa };
        let text = settings::yaml(&summary);
        let tree: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let trigger = &tree["spec"]["triggers"][0];
        assert_eq!(trigger["type"], if use_prewarm { "external-push" } else { "prometheus" });
        assert_eq!(trigger["metadata"]["query"].as_str(), summary.query.as_deref());
        assert_eq!(trigger["metadata"]["threshold"], if use_prewarm { "4" } else { "2.4" });
        let window =
            &tree["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"];
        assert_eq!(window["stabilizationWindowSeconds"], if use_prewarm { 0 } else { 900 });
        assert_eq!(
            (&tree["spec"]["minReplicaCount"], &tree["spec"]["maxReplicaCount"]),
            (&json!(1), &json!(24))
        );
    }
}
