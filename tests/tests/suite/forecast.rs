//! `prewarm forecast` as a user runs it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use prewarm::clock::{Clock as _, SystemClock};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, days, monday};

const STEP: SignedDuration = SignedDuration::from_mins(5);

fn prewarm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prewarm-under-test"));
    command.arg("forecast").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    prewarm(arguments).output().unwrap()
}

/// Standard output of a run that succeeds and has nothing to complain about.
fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && complaints.is_empty(), "{arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// Ten days of a service used by people.
fn trace() -> Trace {
    let mut fine = Trace::working_days(monday(), days(10), 80.0, 5).values().to_vec().into_iter();
    Trace::new(monday(), days(10), STEP, |_| {
        let twenty: Vec<f64> = fine.by_ref().take(20).collect();
        twenty.iter().sum::<f64>() / 20.0
    })
}

/// Its rows as CSV, those of `gap` without a value.
fn csv(folder: &Path, trace: &Trace, gap: std::ops::Range<usize>) -> String {
    let mut text = String::from("timestamp,value\n");
    for (i, value) in trace.values().iter().enumerate() {
        let at = trace.start() + STEP * i32::try_from(i).unwrap();
        let value = if gap.contains(&i) { String::new() } else { value.to_string() };
        writeln!(text, "{at},{value}").unwrap();
    }
    let path = folder.join("demand.csv");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `(origin, lead, quantile) → value` of the rows.
fn rows(text: &str) -> Vec<(Timestamp, i64, f64, f64)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("origin,lead_seconds,quantile,value"));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [origin, lead, quantile, value] = fields.as_slice() else { panic!("{line}") };
        (
            origin.parse().unwrap(),
            lead.parse().unwrap(),
            quantile.parse().unwrap(),
            value.parse().unwrap(),
        )
    };
    lines.map(row).collect()
}

#[test]
fn rows_are_ordered_finite_and_near_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let trace = trace();
    let input = csv(folder.path(), &trace, 0..0);
    let origins = folder.path().join("origins.txt");
    let chosen: Vec<Timestamp> =
        (0..8).map(|i| monday() + days(8) + SignedDuration::from_hours(3 * i)).collect();
    std::fs::write(&origins, chosen.iter().map(|at| format!("{at}\n")).collect::<String>())
        .unwrap();
    let arguments = [
        "--input",
        &input,
        "--origins",
        origins.to_str().unwrap(),
        "--lead",
        "60m,5m",
        "--quantile",
        "0.9,0.5,0.99",
    ];
    let rows = rows(&text(&arguments));
    assert_eq!(rows.len(), 8 * 2 * 3);
    let mut error = 0.0;
    for (three, i) in rows.chunks(3).zip(0..) {
        let [(origin, lead, low, median), (_, _, _, p90), (_, _, high, p99)] = three else {
            panic!("{three:?}")
        };
        assert_eq!((*origin, *lead, *low, *high), (chosen[i / 2], [300, 3600][i % 2], 0.5, 0.99));
        assert!(0.0 <= *median && median <= p90 && p90 <= p99 && p99.is_finite(), "{three:?}");
        error +=
            (median - trace.at(*origin + SignedDuration::from_secs(*lead)).unwrap()).abs() / 16.0;
    }
    assert!(error < 8.0, "a tenth of the peak at most: {error}");
}

#[test]
fn nothing_after_an_origin_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let trace = trace();
    let origin = monday() + days(8) + SignedDuration::from_hours(7);
    let at = origin.to_string();
    let of = |trace: &Trace| {
        let input = csv(folder.path(), trace, 0..0);
        text(&["--input", &input, "--at", &at, "--lead", "5m,60m,24h", "--output", "csv"])
    };
    let spoilt =
        Trace::new(
            monday(),
            days(10),
            STEP,
            |t| if t > origin { 1e9 } else { trace.at(t).unwrap() },
        );
    let alone = Trace::new(monday(), origin.duration_since(monday()) + STEP, STEP, |t| {
        trace.at(t).unwrap()
    });
    assert_eq!(of(&trace), of(&spoilt));
    assert_eq!(of(&trace), of(&alone), "the last row is the default origin's");
}

#[test]
fn standard_input_a_gap_and_a_drawing() {
    let folder = tempfile::tempdir().unwrap();
    let input = csv(folder.path(), &trace(), 2000..2012);
    let plot = folder.path().join("plot.svg");
    let arguments = [
        "--input",
        "-",
        "--timezone",
        "Europe/Berlin",
        "--output",
        "table",
        "--plot",
        plot.to_str().unwrap(),
    ];
    let output = prewarm(&arguments).stdin(std::fs::File::open(input).unwrap()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let head = "standard input: 2880 rows, 12 of them missing, 5m apart, from Mon 2026-09-07 02:00 to Thu 2026-09-17 01:55 (Europe/Berlin)";
    assert_eq!(text.lines().next(), Some(head));
    assert!(text.contains("\nat Thu 2026-09-17 01:55\nlead  for"), "{text}");
    let drawn = std::fs::read_to_string(plot).unwrap();
    assert!(
        drawn.starts_with("<svg ")
            && drawn.ends_with("</svg>\n")
            && drawn.contains("time (Europe/Berlin)")
    );
}

#[test]
fn an_evaluation_compares_with_what_is_simple() {
    let folder = tempfile::tempdir().unwrap();
    let input = csv(folder.path(), &trace(), 0..0);
    let json = text(&[
        "--input",
        &input,
        "--evaluate",
        "--lead",
        "60m",
        "--quantile",
        "0.9",
        "--output",
        "json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let judged = json["leads"][0]["forecasters"].as_array().unwrap();
    let names: Vec<_> = judged.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["prewarm", "last value", "yesterday", "last week"]);
    let wql = |i: usize| judged[i]["wql"].as_f64().unwrap();
    assert!(
        wql(0) < wql(1),
        "an hour ahead, a service with hours beats its last value: {} {}",
        wql(0),
        wql(1)
    );
    assert_eq!(judged[0]["coverage"].as_array().unwrap().len(), 2, "the median is judged as well");
    let table = text(&["--input", &input, "--evaluate", "--output", "table"]);
    assert!(
        table.contains("lead  forecaster  rows") && table.contains("WQL   loss over all quantiles"),
        "{table}"
    );
}

/// Rows of `values`, five minutes apart, as CSV; those that are NaN are left out.
fn rows_of(folder: &Path, values: &[f64]) -> String {
    let mut text = String::from("timestamp,value\n");
    for (i, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        writeln!(text, "{},{value}", monday() + STEP * i32::try_from(i).unwrap()).unwrap();
    }
    let path = folder.join("rows.csv");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_hour_of_rows_then_two_without_does_not_leave_the_next_weeks_without_forecasts() {
    // Public reports have it of workloads that sleep at night: blind from their first day on.
    let folder = tempfile::tempdir().unwrap();
    let values = [vec![5.0; 12], vec![f64::NAN; 24], vec![5.0; 10 * 288]].concat();
    let rows = rows(&text(&["--input", &rows_of(folder.path(), &values), "--output", "csv"]));
    assert_eq!(rows.len(), 3 * 4);
    assert!(rows.iter().all(|(.., value)| (value - 5.0).abs() < 1e-3), "{rows:?}");
}

#[test]
fn an_origin_without_a_forecast_is_said_with_its_reason_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    // A day and a half of rows, a day and an hour without, half a day of rows.
    let values = [vec![5.0; 432], vec![f64::NAN; 300], vec![5.0; 144]].concat();
    let input = rows_of(folder.path(), &values);
    let at = |i: i32| (monday() + STEP * i).to_string();
    let run = |origins: &[String], more: &[&str]| {
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        let output = run(&[&["--input", &input, "--at"][..], &origins, more].concat());
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), said)
    };
    // In the gap for more than a day; the others have theirs.
    let stale = "nothing was observed for 24h 10m, a forecast needs a value of the last day";
    let (succeeded, [rows, complaints]) = run(&[at(400), at(721), at(800)], &["--output", "csv"]);
    assert!(!succeeded && rows.lines().count() == 1 + 2 * 3 * 4, "{rows}");
    assert_eq!(complaints, format!("prewarm: no forecast at {}: {stale}\n", at(721)));
    let (succeeded, [table, complaints]) =
        run(&[at(400), at(721), at(800)], &["--output", "table"]);
    assert!(
        !succeeded && complaints.is_empty() && table.contains(&format!("\nno forecast: {stale}\n")),
        "{table}"
    );
    // A lead that was named, and that the history does not suffice for yet.
    let (succeeded, [rows, complaints]) = run(&[at(27)], &["--lead", "5m,60m", "--output", "csv"]);
    assert!(!succeeded && rows.lines().count() == 1 + 4, "{rows}");
    let young = "28 buckets were observed, a forecast needs 32";
    assert_eq!(complaints, format!("prewarm: no forecast at {} for 1h ahead: {young}\n", at(27)));
    let (succeeded, [json, _]) = run(&[at(27)], &["--output", "json"]);
    assert!(succeeded && json.contains(young), "nobody named the hour: {json}");
}

#[test]
fn what_cannot_be_done_is_said_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let input = csv(folder.path(), &trace(), 0..0);
    let complaint = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let rows = String::from_utf8(output.stdout).unwrap();
        assert!(rows.lines().count() <= 1, "nothing but a header: {rows}");
        String::from_utf8(output.stderr).unwrap()
    };
    let cases: [(&[&str], &str); 9] = [
        (
            &["--input", &input, "--lead", "7m"],
            "--lead 7m is no multiple of the input's step of 5m: try 5m or 10m",
        ),
        (&["--input", &input, "--quantile", "95"], "write 0.95 for 95 %"),
        (
            &["--input", &input, "--at", "2027-01-01T00:00:00Z"],
            "is outside the data: it must be a timestamp from 2026-09-07T00:00:00Z to",
        ),
        (&["--input", &input, "--timezone", "Europe/Atlantis"], "--timezone Europe/Atlantis"),
        (&["--input", "/nowhere.csv"], "--input /nowhere.csv: cannot be read"),
        (
            &["--prometheus", "http://me:secret@localhost:9090", "--query", "up"],
            "PREWARM_PROMETHEUS_TOKEN",
        ),
        (
            &["--prometheus", "http://localhost:9090", "--query", "up", "--header", "x"],
            "X-Scope-OrgID: team-a",
        ),
        (&["--config", "/nowhere.toml", "--query", "up"], "cannot read /nowhere.toml"),
        (&[], "--input <FILE>"),
    ];
    for (arguments, expected) in cases {
        let complaint = complaint(arguments);
        assert!(
            complaint.contains(expected) && !complaint.contains("secret"),
            "{arguments:?}: {complaint}"
        );
    }
    let short = csv(folder.path(), &Trace::new(monday(), STEP * 3, STEP, |_| 1.0), 0..0);
    assert!(complaint(&["--input", &short, "--output", "csv"]).contains("no forecast at"));
}

#[tokio::test]
async fn a_history_comes_straight_from_prometheus() {
    let now = SystemClock.now();
    let start = Timestamp::from_second(now.as_second() / 300 * 300).unwrap() - days(3);
    let demand = Trace::new(start, days(3) + STEP, SignedDuration::from_secs(60), |t| {
        10.0 + 5.0 * (t.as_second() as f64 / 86_400.0 * std::f64::consts::TAU).sin()
    });
    let prometheus = Prometheus::holding(&[demand.clone().gauge("demand{a=\"b\"}")]).await;
    let address = format!("http://{}", prometheus.address());
    let arguments = [
        "--prometheus",
        &address,
        "--query",
        "sum(demand)",
        "--days",
        "30",
        "--lead",
        "10m",
        "--quantile",
        "0.5",
        "--output",
        "csv",
    ];
    // The server is a process of its own: this thread may wait.
    let given = text(&arguments);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prewarm.toml");
    std::fs::write(&config, format!("[sources.mimir]\nurl = \"{address}\"\ntenant = \"team-a\"\n"))
        .unwrap();
    let mut configured = vec!["--config", config.to_str().unwrap(), "--source", "mimir"];
    configured.extend_from_slice(&arguments[2..]);
    assert_eq!(text(&configured).len(), given.len(), "a source of the server's configuration");
    let mut headed = arguments.to_vec();
    headed.extend(["--header", "X-Scope-OrgID: team-a"]);
    assert_eq!(text(&headed).len(), given.len());

    let rows = rows(&given);
    let [(origin, 600, 0.5, value)] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(now.duration_since(*origin).as_secs().abs() < 120, "the last full minute: {origin}");
    assert!((value - demand.at(start + days(2)).unwrap()).abs() < 3.0, "{value}");
}
