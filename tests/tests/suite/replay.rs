//! `prewarm replay` as a user runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use prewarm::clock::{Clock as _, SystemClock, floor};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, days, monday};

const STEP: SignedDuration = SignedDuration::from_mins(5);

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prewarm-under-test"));
    command.arg("replay").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && complaints.is_empty(), "{arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// Nine days of a service used by people, at five minutes.
fn csv(folder: &Path) -> String {
    let fine = Trace::working_days(monday(), days(9), 80.0, 5);
    let trace = Trace::new(monday(), days(9), STEP, |t| fine.at(t).unwrap());
    let row = |(i, value): (i32, &f64)| format!("{},{value}\n", monday() + STEP * i);
    let rows: String = (0..).zip(trace.values()).map(row).collect();
    let path = folder.join("demand.csv");
    std::fs::write(&path, format!("timestamp,value\n{rows}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Replica-hours asked for of each arm from `from` on, by the rows of a timeline.
fn replica_hours(timeline: &str, from: Timestamp) -> BTreeMap<&str, f64> {
    let mut lines = timeline.lines();
    assert_eq!(lines.next(), Some("arm,time,demand,ready,desired,metric_value,active,reason"));
    let mut hours = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let [arm, time, demand, ready, desired, _, active, reason] = fields.as_slice() else {
            panic!("{line}")
        };
        assert!(demand.parse::<f64>().unwrap() >= 0.0 && !reason.is_empty(), "{line}");
        assert!(ready.parse::<u32>().unwrap() <= desired.parse().unwrap(), "{line}");
        assert!(["true", "false"].contains(active), "{line}");
        if time.parse::<Timestamp>().unwrap() >= from {
            *hours.entry(*arm).or_default() += desired.parse::<f64>().unwrap() * 15.0 / 3600.0;
        }
    }
    hours
}

#[test]
fn json_timeline_and_report_tell_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let input = csv(folder.path());
    let (timeline, report) =
        (folder.path().join("timeline.csv"), folder.path().join("report.html"));
    let files = ["--timeline", timeline.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let scene = ["--input", &input, "--threshold", "10", "--cold-start", "5m", "--learn", "5d"];
    let json: serde_json::Value =
        serde_json::from_str(&text(&[&scene[..], &files, &["--json"]].concat())).unwrap();

    let arms = json["arms"].as_array().unwrap();
    let names: Vec<_> = arms.iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["hpa", "reactive-tuned", "yesterday", "cron", "knative", "aws", "prewarm", "oracle"]
    );
    let figure = |arm: &serde_json::Value, key: &str| {
        arm[key].as_f64().unwrap_or_else(|| panic!("{key} of {arm}"))
    };
    for arm in arms {
        assert!(
            figure(arm, "costToOracle") >= 1.0 - 1e-9,
            "nobody is cheaper than who knows what comes: {arm}"
        );
        let cost = figure(arm, "gpuHours") + 30.0 * figure(arm, "missedReplicaHours");
        assert!((figure(arm, "totalCost") - cost).abs() < 1e-6 * cost, "{arm}");
        assert!(
            (figure(arm, "money") - 2.5 * figure(arm, "gpuHours")).abs() < 1e-6 * cost,
            "{arm}"
        );
    }

    let from: Timestamp = json["from"].as_str().unwrap().parse().unwrap();
    assert_eq!(from, monday() + days(5));
    let timeline = std::fs::read_to_string(timeline).unwrap();
    let hours = replica_hours(&timeline, from);
    for arm in arms {
        let (name, counted) = (arm["name"].as_str().unwrap(), figure(arm, "gpuHours"));
        assert!(
            (hours[name] - counted).abs() < 0.01 * counted,
            "{name}: {} {counted}",
            hours[name]
        );
    }

    let report = std::fs::read_to_string(report).unwrap();
    let headline = json["conclusion"]["headline"].as_str().unwrap();
    assert!(report.contains(&headline.replace(" %", "\u{a0}%")));
    assert!(report.starts_with("<!DOCTYPE html>") && !report.contains("<script"));
    let table = text(&scene);
    assert!(table.starts_with(headline) && table.contains("\nprewarm "), "{table}");
    assert_eq!(text(&[&scene[..], &["--output", "csv"]].concat()).lines().count(), 9);
}

/// The end of the last whole step, as the program takes it.
fn last_step() -> Timestamp {
    floor(SystemClock.now(), STEP)
}

/// The same arms from a real Prometheus as from a file that holds the same values.
#[tokio::test]
async fn straight_from_prometheus_as_from_a_file() {
    let end = last_step() + STEP;
    let start = floor(end, days(1)) - days(6);
    let fine = Trace::working_days(monday(), days(7), 80.0, 5);
    let trace = Trace::new(start, end.duration_since(start), STEP, |t| {
        fine.at(monday() + t.duration_since(start)).unwrap().round()
    });
    let prometheus = Prometheus::holding(&[trace.clone().gauge("demand")]).await;
    let url = format!("http://{}", prometheus.address());
    let scene = ["--threshold", "10", "--cold-start", "5m", "--learn", "3d", "--json"];
    let (mut asked, mut end);
    loop {
        end = last_step();
        let source =
            ["--prometheus", &url, "--query", "sum(demand)", "--days", "5", "--step", "5m"];
        asked = text(&[&source[..], &scene].concat());
        // Not over a step's end: what is read would be another five days.
        if end == last_step() {
            break;
        }
    }
    let at = |i: i32| end - days(5) + STEP * i;
    let rows: Vec<String> =
        (0..5 * 288).map(|i| format!("{},{}\n", at(i), trace.at(at(i)).unwrap())).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demand.csv");
    std::fs::write(&path, format!("timestamp,value\n{}", rows.concat())).unwrap();
    // Nobody knows of a metric called demand that it shows what waits; a file says nothing.
    let filed =
        text(&[&["--input", path.to_str().unwrap(), "--queue", "unseen"][..], &scene].concat());
    let [asked, filed]: [serde_json::Value; 2] =
        [asked, filed].map(|json| serde_json::from_str(&json).unwrap());
    assert_eq!(
        (&asked["query"], &asked["assumptions"]["showsQueue"]),
        (&"sum(demand)".into(), &false.into())
    );
    assert_eq!((&asked["arms"], &asked["from"]), (&filed["arms"], &filed["from"]));

    let cases = [
        ("nothing", url.as_str(), "--query returned nothing in the last 28 days"),
        ("demand or label_replace(demand, \"a\", \"b\", \"\", \"\")", &url, "series"),
        ("sum(", &url, "--query"),
        ("demand", "http://127.0.0.1:1", "127.0.0.1:1"),
        ("demand", "http://user:secret@127.0.0.1:1", "--bearer-token-file"),
    ];
    for (query, url, expected) in cases {
        let output =
            run(&["--prometheus", url, "--query", query, "--threshold", "4", "--cold-start", "5m"]);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && complaint.contains(expected),
            "{query} {url}: {complaint}"
        );
        assert!(!complaint.contains("secret"), "{complaint}");
    }
}

/// A night at zero, and windows that bring replicas back before anybody comes.
#[test]
fn scale_to_zero_and_windows_of_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, policy, timeline) = (path("demand.csv"), path("policy.yaml"), path("timeline.csv"));
    let demand = |hour: i64| if (9..17).contains(&hour) { 25 } else { 0 };
    let at = |i: i64| monday() + SignedDuration::from_mins(5 * i);
    let rows: Vec<String> =
        (0..6 * 288).map(|i| format!("{},{}\n", at(i), demand(i / 12 % 24))).collect();
    std::fs::write(&input, format!("timestamp,value\n{}", rows.concat())).unwrap();
    let windows =
        r#"windows: [{name: early, days: "*", from: "06:00", to: "07:00", minReplicas: 4}]"#;
    std::fs::write(&policy, format!("timezone: UTC\n{windows}\n")).unwrap();
    let scene = [
        "--input",
        &input,
        "--threshold",
        "10",
        "--cold-start",
        "2m,6m@0.2",
        "--min-replicas",
        "0",
    ];
    let json =
        text(&[&scene[..], &["--policy", &policy, "--timeline", &timeline, "--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["assumptions"]["coldStarts"].as_array().unwrap().len(), 2);
    assert_eq!(json["assumptions"]["minReplicas"], 0);

    let timeline = std::fs::read_to_string(&timeline).unwrap();
    // Ready at most and asked for at least, of an arm within an hour of the last day.
    let within = |arm: &str, hour: i64| {
        let day = monday() + days(5);
        let inside = timeline.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let time: Timestamp = fields.get(1)?.parse().ok()?;
            let here =
                fields[0] == arm && time.duration_since(day).as_hours() == hour && time >= day;
            here.then(|| (fields[3].parse::<u32>().unwrap(), fields[4].parse::<u32>().unwrap()))
        });
        inside.fold((0, u32::MAX), |(most, least), (ready, desired)| {
            (most.max(ready), least.min(desired))
        })
    };
    for arm in ["hpa", "prewarm", "oracle"] {
        assert_eq!(within(arm, 3).0, 0, "{arm} sleeps at night");
        assert!(within(arm, 12).1 >= 3, "{arm} serves at noon");
    }
    // A cron trigger beside the HPA holds its floors.
    assert_eq!((within("prewarm", 6).0, within("hpa", 6).0), (4, 4), "windows are for every arm");
    assert!(within("prewarm", 6).1 >= 4);
}

#[test]
fn what_is_missing_or_out_of_range_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = csv(folder.path());
    let cases: [(&[&str], &str); 5] = [
        (
            &["--input", &input, "--threshold", "4", "--cold-start", "5m", "--learn", "9d"],
            "only 0s of the history would count (from 2026-09-16T00:00:00Z to 2026-09-16T00:00:00Z)",
        ),
        (&["--input", &input, "--cold-start", "5m"], "--threshold <X>"),
        (
            &["--input", &input, "--threshold", "0", "--cold-start", "5m"],
            "a number from 0.001 to 1000000000",
        ),
        (&["--input", &input, "--threshold", "4", "--cold-start", "5"], "has no unit: write 5s"),
        (&["--threshold", "4", "--cold-start", "5m"], "--input <FILE>"),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && complaint.contains(expected),
            "{arguments:?}: {complaint}"
        );
    }
}
