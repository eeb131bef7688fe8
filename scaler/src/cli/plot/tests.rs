use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::html;

use super::axis::Scale as _;
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn labels(ticks: &[(f64, String)]) -> Vec<&str> {
    ticks.iter().map(|(_, label)| label.as_str()).collect()
}

#[test]
fn numbers_have_round_ticks() {
    assert_eq!(labels(&Linear::from_zero(47.0).ticks(5)), ["0", "10", "20", "30", "40"]);
    assert_eq!(labels(&Linear::from_zero(0.013).ticks(4)), ["0", "0.005", "0.01"]);
    assert_eq!(labels(&Linear::from_zero(3.2e6).ticks(4)), ["0", "1M", "2M", "3M"]);
    assert_eq!(labels(&Linear::from_zero(0.0).ticks(2)), ["0", "1"]);
    assert_eq!(labels(&Linear::from_zero(f64::NAN).ticks(2)), ["0", "1"]);
    let ticks = Linear::around(100.0, 120.0).ticks(4);
    assert!(
        ticks.iter().all(|(place, _)| (0.0..=1.0).contains(place))
            && labels(&ticks).contains(&"110"),
        "{ticks:?}"
    );
}

#[test]
fn figures_have_the_digits_that_count() {
    let shown = [
        0.0,
        3e-7,
        0.000_123_4,
        0.25,
        1.0,
        12.34,
        123.4,
        1234.5,
        12_345.0,
        1.5e6,
        2e9,
        -3.456,
        7e12,
    ]
    .map(figure);
    let expected = [
        "0", "3.00e-7", "0.000123", "0.25", "1", "12.3", "123", "1234", "12.3k", "1.5M", "2G",
        "-3.46", "7T",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn times_have_ticks_at_full_local_hours_and_days() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let day = Times::new(at("2026-11-24T05:30:00Z"), at("2026-11-24T17:00:00Z"), berlin.clone());
    assert_eq!(labels(&day.ticks(4)), ["09:00", "12:00", "15:00", "18:00"]);
    assert_eq!(day.place(at("2026-11-24T11:15:00Z")), 0.5);
    // Clocks go back from 03:00 to 02:00 on 25 October.
    let change = Times::new(at("2026-10-24T20:00:00Z"), at("2026-10-25T05:00:00Z"), berlin.clone());
    assert_eq!(labels(&change.ticks(4)), ["Sun 25 Oct", "03:00", "06:00"]);
    let week = Times::new(at("2026-11-22T23:00:00Z"), at("2026-11-29T23:00:00Z"), berlin);
    assert_eq!(labels(&week.ticks(8))[..2], ["Mon 23 Nov", "Tue 24 Nov"]);
    let year = Times::new(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), TimeZone::UTC);
    assert!(year.ticks(10).len() <= 14, "{:?}", year.ticks(10));
}

#[test]
fn what_is_unknown_breaks_lines_steps_and_bands() {
    let nan = f64::NAN;
    assert_eq!(line([(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 4.0)]), "M0 1L1 2M3 4");
    assert_eq!(
        steps([(0.0, 1.0), (1.0, 1.0), (2.0, 5.0), (3.0, nan), (4.0, 2.0), (6.0, 2.0)]),
        "M0 1H2V5H3M4 2H6"
    );
    assert_eq!(
        band([(0.0, 0.0, 2.0), (1.0, 0.0, 3.0), (2.0, nan, nan), (3.0, 0.0, 1.0)]),
        "M0 0L1 0L1 3L0 2Z"
    );
}

#[test]
fn a_plot_of_its_own_is_xml_that_needs_nothing_else() {
    let frame = Frame { left: 50.0, top: 40.0, right: 390.0, bottom: 160.0 };
    let (x, y) = (
        Times::new(at("2026-11-24T00:00:00Z"), at("2026-11-25T00:00:00Z"), TimeZone::UTC),
        Linear::from_zero(9.0),
    );
    let keys = [
        Key::new(Mark::Line, "demand", "a < b & \"c\""),
        Key::new(Mark::Area, "band", "likely".repeat(9)),
    ];
    let content =
        html! { (frame.axes(&x, "time (UTC)", &y, "requests/s")) (frame.key(&keys, 20.0)) };
    let text = document(400.0, 200.0, "Demand & <forecast>", &content);
    let tree = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(tree.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    let words: Vec<_> = tree
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .collect();
    assert!(words.iter().any(|node| node.text() == Some("a < b & \"c\"")));
    assert!(words.iter().any(|node| node.text() == Some("requests/s")));
    let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !elsewhere.contains("http") && !elsewhere.contains("url("),
        "no address but the name space"
    );
    assert_eq!(frame.key_rows(&keys), 2.0, "a key that is too wide goes on in the next row");
}
