//! `prewarm replay` as a user runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
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
        let [arm, time, demand, ready, desired, _, active, reason] = fields.as_slice() else { panic!("{line}") };
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
    let (timeline, report) = (folder.path().join("timeline.csv"), folder.path().join("report.html"));
    let files = ["--timeline", timeline.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let scene = ["--input", &input, "--threshold", "10", "--cold-start", "5m", "--learn", "5d"];
    let json: serde_json::Value = serde_json::from_str(&text(&[&scene[..], &files, &["--json"]].concat())).unwrap();

    let arms = json["arms"].as_array().unwrap();
    let names: Vec<_> = arms.iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hpa", "reactive-tuned", "yesterday", "cron", "knative", "aws", "prewarm", "oracle"]);
    let figure = |arm: &serde_json::Value, key: &str| arm[key].as_f64().unwrap_or_else(|| panic!("{key} of {arm}"));
    for arm in arms {
        assert!(figure(arm, "costToOracle") >= 1.0 - 1e-9, "nobody is cheaper than who knows what comes: {arm}");
        let cost = figure(arm, "gpuHours") + 30.0 * figure(arm, "missedReplicaHours");
        assert!((figure(arm, "totalCost") - cost).abs() < 1e-6 * cost, "{arm}");
        assert!((figure(arm, "money") - 2.5 * figure(arm, "gpuHours")).abs() < 1e-6 * cost, "{arm}");
    }

    let from: Timestamp = json["from"].as_str().unwrap().parse().unwrap();
    assert_eq!(from, monday() + days(5));
    let timeline = std::fs::read_to_string(timeline).unwrap();
    let hours = replica_hours(&timeline, from);
    for arm in arms {
        let (name, counted) = (arm["name"].as_str().unwrap(), figure(arm, "gpuHours"));
        assert!((hours[name] - counted).abs() < 0.01 * counted, "{name}: {} {counted}", hours[name]);
    }

    let report = std::fs::read_to_string(report).unwrap();
    let headline = json["conclusion"]["headline"].as_str().unwrap();
    assert!(report.contains(&headline.replace(" %", "\u{a0}%")));
    assert!(report.starts_with("<!DOCTYPE html>") && !report.contains("<script"));
    let table = text(&scene);
    assert!(table.starts_with(headline) && table.contains("\nprewarm "), "{table}");
    assert_eq!(text(&[&scene[..], &["--output", "csv"]].concat()).lines().count(), 9);
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
        (&["--input", &input, "--threshold", "0", "--cold-start", "5m"], "a number from 0.001 to 1000000000"),
        (&["--input", &input, "--threshold", "4", "--cold-start", "5"], "has no unit: write 5s"),
        (&["--threshold", "4", "--cold-start", "5m"], "--input <FILE>"),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && complaint.contains(expected), "{arguments:?}: {complaint}");
    }
}
