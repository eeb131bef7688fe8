mod any;
mod conformance;

use std::collections::HashMap;

use insta::assert_snapshot;
use jiff::SignedDuration;
use prewarm_forecaster::decide::policy::{LeadTime, Mode, Objective, Quantile, ScaleToZero};

use super::*;
use crate::signal::{Query, SourceRef};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const QUERY_4: Pairs<'_> = &[("query", "sum(demand)"), ("threshold", "4")];

fn map(pairs: Pairs<'_>) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn with<'a>(base: Pairs<'a>, more: Pairs<'a>) -> HashMap<String, String> {
    let mut metadata = map(base);
    metadata.extend(map(more));
    metadata
}

/// A server with two sources and one shared policy.
fn rules() -> Rules {
    let source = |kind, namespaces: &[&str]| SourceRule {
        kind,
        namespaces: namespaces.iter().map(|n| (*n).into()).collect(),
        queries: (kind == SourceKind::Sql).then(|| vec!["done".to_owned(), "waiting".to_owned()]),
    };
    Rules {
        allow: Allow { server_addresses: vec!["http://*.models.svc:*".parse().unwrap()] },
        sources: Some(BTreeMap::from([
            ("default".to_owned(), source(SourceKind::Prometheus, &[])),
            ("pods".to_owned(), source(SourceKind::Exposition, &[])),
            ("payroll".to_owned(), source(SourceKind::Prometheus, &["finance"])),
            ("jobs".to_owned(), source(SourceKind::Sql, &[])),
        ])),
        policies: BTreeMap::from([(
            "business-hours".to_owned(),
            SharedPolicy {
                zone: Some(TimeZone::get("Europe/Berlin").unwrap()),
                windows: ["office", "weekend"].map(shared_window).to_vec(),
                holidays: vec![jiff::civil::date(2026, 12, 25)],
            },
        )]),
        holidays: BTreeMap::from([("bavaria".to_owned(), vec![jiff::civil::date(2026, 1, 6)])]),
        without_cluster: false,
    }
}

fn shared_window(name: &str) -> Window {
    let text =
        format!(r#"- {{name: {name}, days: "*", from: "09:00", to: "17:00", minReplicas: 3}}"#);
    windows::parse_windows(&text).unwrap().remove(0)
}

fn parsed(metadata: &HashMap<String, String>) -> Parsed {
    parse("models", "llama", metadata, &rules())
}

fn trigger(pairs: Pairs<'_>) -> Trigger {
    parsed(&with(QUERY_4, pairs)).trigger.unwrap()
}

fn policy(pairs: Pairs<'_>) -> Policy {
    Policy::clone(&trigger(pairs).policy)
}

/// What is wrong, one line each.
fn complaints(metadata: &HashMap<String, String>) -> String {
    let errors = parsed(metadata).trigger.expect_err("metadata that is wrong");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn complaint(key: &str, value: &str) -> String {
    complaints(&with(QUERY_4, &[(key, value)]))
}

#[test]
fn the_smallest_trigger() {
    let parsed = parsed(&map(QUERY_4));
    assert_eq!(parsed.spec.unwrap().threshold.get(), 4.0);
    let trigger = parsed.trigger.unwrap();
    let source = trigger.source.unwrap();
    assert_eq!(source.at, SourceRef::Named("default".into()));
    assert_eq!(source.signals.demand, Query::Text("sum(demand)".into()));
    assert_eq!(trigger.policy.calendar.zone(), &TimeZone::UTC);
    assert!(trigger.warnings.is_empty());
}

#[test]
fn every_key_has_its_effect() {
    assert_eq!(policy(&[("activationThreshold", "1.5")]).activation, 1.5);
    assert_eq!(
        policy(&[("backlogQuery", "b"), ("backlogThreshold", "8")])
            .backlog_threshold
            .unwrap()
            .get(),
        8.0
    );
    assert_eq!(policy(&[("latencyQuery", "l"), ("latencyTarget", "2")]).latency_target, Some(2.0));
    assert_eq!(policy(&[("mode", "shadow")]).mode, Mode::Shadow);
    assert_eq!(policy(&[("mode", "off")]).mode, Mode::Off);
    assert_eq!(policy(&[("leadTime", "auto")]).lead_time, LeadTime::Auto);
    assert_eq!(
        policy(&[("leadTime", "6m")]).lead_time,
        LeadTime::Fixed(SignedDuration::from_mins(6))
    );
    assert_eq!(policy(&[("coldStart", "90s")]).cold_start, SignedDuration::from_secs(90));
    assert_eq!(policy(&[("quantile", "auto")]).quantile, Quantile::Auto);
    assert_eq!(policy(&[("quantile", "0.95")]).quantile, Quantile::Fixed(0.95));
    assert_eq!(policy(&[("costRatio", "100")]).cost_ratio, 100.0);
    assert_eq!(policy(&[("objective", "cost")]).objective, Objective::Cost);
    assert_eq!(policy(&[("objective", "safe")]).objective, Objective::Safe);
    assert_eq!(policy(&[("objective", "1%")]).objective, Objective::Late(0.01));
    assert_eq!(
        policy(&[("historyWindow", "14d")]).history_window,
        SignedDuration::from_hours(14 * 24)
    );
    assert_eq!(policy(&[("maxPrewarmReplicas", "8")]).max_prewarm_replicas, Some(8));
    assert_eq!(
        policy(&[("timezone", "Asia/Kathmandu")]).calendar.zone().iana_name(),
        Some("Asia/Kathmandu")
    );
    assert_eq!(
        policy(&[("holidays", "bavaria")]).calendar.holidays(),
        [jiff::civil::date(2026, 1, 6)]
    );
    assert_eq!(policy(&[("scaleToZero", "never")]).scale_to_zero, ScaleToZero::Never);
    assert_eq!(policy(&[("scaleToZero", "windows")]).scale_to_zero, ScaleToZero::Windows);
    assert_eq!(policy(&[("keepWarm", "0s")]).keep_warm, SignedDuration::ZERO);
    assert!(policy(&[("scaledJob", "true")]).scaled_job);
    assert_eq!(policy(&[("onNoData", "zero")]).on_no_data, OnNoData::Zero);
    let shared = policy(&[("policyRef", "business-hours")]).calendar;
    assert_eq!(shared.zone().iana_name(), Some("Europe/Berlin"));
    assert_eq!(shared.holidays(), [jiff::civil::date(2026, 12, 25)]);
    let own_zone =
        policy(&[("policyRef", "business-hours"), ("timezone", "America/New_York")]).calendar;
    assert_eq!(own_zone.zone().iana_name(), Some("America/New_York"));
}

const WINDOWS: &str = r#"
- {name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 2}
- {name: night, days: "*", from: "22:00", to: "06:00", maxReplicas: 1, scaleToZero: allowed}
"#;

#[test]
fn windows_make_the_calendar() {
    let names = |pairs| {
        let policy = policy(pairs);
        policy
            .calendar
            .windows()
            .iter()
            .map(|window| window.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(&[("windows", WINDOWS)]), "office night");
    // The trigger's own window takes the place of a shared one of the same name.
    let own = r#"- {name: office, days: Sat, from: "10:00", to: "12:00", minReplicas: 1}"#;
    assert_eq!(names(&[("policyRef", "business-hours"), ("windows", own)]), "weekend office");
    let zero = [("windows", WINDOWS), ("scaleToZero", "windows")];
    assert!(trigger(&zero).warnings.is_empty());
    assert_snapshot!(complaint("windows", r#"[{name: a, days: Mon, from: "25:00", to: "1:00", minReplicas: -1}]"#), @r#"
    windows[0].from: "25:00" is no local time: write it like "08:00"
    windows[0].minReplicas: -1 must be a whole number from 0 to 100000
    "#);
}

#[test]
fn warns_of_a_floor_above_a_ceiling() {
    let warned = |ceiling: &str| {
        let windows = format!(
            r#"{WINDOWS}- {{name: cap, days: "{ceiling}", from: "17:00", to: "19:00", maxReplicas: 1}}"#
        );
        trigger(&[("windows", &windows)]).warnings.join("\n")
    };
    assert_eq!(warned("Sun"), "");
    assert_snapshot!(warned("Wed"), @"windows: a floor lies above a ceiling while these overlap: office, cap; the floor wins");
}

#[test]
fn the_table_states_the_defaults_of_the_policy() {
    let stated: Vec<(&str, &str)> = keys::ALL
        .iter()
        .filter(|key| !["source", "backlogThreshold"].contains(&key.name))
        .filter_map(|key| Some((key.name, key.default?)))
        .collect();
    let threshold = Threshold::new(4.0).unwrap();
    // Who states the default of keepWarm means it.
    let bare = Policy {
        keep_warm_fixed: true,
        ..Policy::new(threshold, prewarm_forecaster::Calendar::empty(TimeZone::UTC))
    };
    assert_eq!(format!("{:?}", policy(&stated)), format!("{bare:?}"));
}

#[test]
fn addresses_and_sources() {
    let at = |pairs| trigger(pairs).source.unwrap().at;
    assert_eq!(at(&[("source", "pods")]), SourceRef::Named("pods".into()));
    assert_eq!(
        at(&[("serverAddress", "http://llama.models.svc:8000/metrics")]),
        SourceRef::Address("http://llama.models.svc:8000/metrics".parse().unwrap())
    );
    assert_snapshot!(complaint("source", "defualt"), @r#"source: the server's configuration has no source "defualt"; did you mean "default"?"#);
    assert_snapshot!(complaint("source", "x"), @r#"source: the server's configuration has no source "x"; add it there as sources.NAME, or name another source"#);
    // A tenant does not learn of the sources of others.
    assert_snapshot!(complaint("source", "payrol"), @r#"source: the server's configuration has no source "payrol"; add it there as sources.NAME, or name another source"#);
    assert_snapshot!(complaint("source", "payroll"), @r#"source: namespace "models" may not use source "payroll": whoever runs the server decides by the source's key namespaces"#);
    assert!(
        parse("finance", "x", &with(QUERY_4, &[("source", "payroll")]), &rules()).trigger.is_ok()
    );
    assert_snapshot!(complaint("serverAddress", "http://prometheus:9090"), @r#"serverAddress: "http://prometheus:9090" is not permitted: its host is not among those permitted by allow.serverAddresses in the server's configuration; add it there, or name a source"#);

    let nothing_configured = Rules { sources: Some(BTreeMap::new()), ..Rules::default() };
    let error = parse("models", "llama", &map(QUERY_4), &nothing_configured).trigger.unwrap_err();
    assert_snapshot!(error[0], @r#"source: the server's configuration has no source "default"; set sources.default.url there, or name another source"#);
}

#[test]
fn another_trigger_is_demand() {
    let metadata = map(&[("triggerName", "rabbitmq-jobs"), ("threshold", "4")]);
    let Parsed { spec, trigger } = parsed(&metadata);
    assert!(spec.unwrap().name.starts_with("prewarm-trigger-"));
    let source = trigger.unwrap().source.unwrap();
    assert_eq!(source.at, SourceRef::ExternalMetrics);
    assert_eq!(source.signals.demand, Query::Trigger("rabbitmq-jobs".into()));
    assert!(source.signals.show_queue(), "the length of a queue holds what waits");

    // The spec stands, so that the HPA does not lose its metric over it.
    let blind = Rules { without_cluster: true, ..rules() };
    let Parsed { spec, trigger } = parse("models", "llama", &metadata, &blind);
    assert!(spec.is_ok());
    assert_snapshot!(trigger.unwrap_err()[0], @r#"triggerName: needs the Kubernetes API, which the server does not read: its configuration says cluster.access = "off""#);

    let beside =
        |key, value| complaints(&map(&[("triggerName", "jobs"), ("threshold", "4"), (key, value)]));
    assert_snapshot!(beside("backlogQuery", "b"), @"backlogQuery: cannot stand beside triggerName, which is read through KEDA");
    assert_snapshot!(beside("latencyQuery", "b").lines().next().unwrap(), @"latencyQuery: cannot stand beside triggerName, which is read through KEDA");
    assert_snapshot!(beside("source", "default"), @"source: cannot stand beside triggerName, which is read through KEDA");
    assert_snapshot!(beside("preset", "vllm").lines().next().unwrap(), @"triggerName: cannot stand beside preset: give one of query, preset and triggerName");
    assert_snapshot!(beside("scaledJob", "true"), @"triggerName: KEDA's external metrics have no ScaledJobs: give query or preset");
    assert_snapshot!(complaints(&map(&[("triggerName", "jobs")])), @"threshold: is missing: say how much demand one replica sustains: a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does");
}

#[test]
fn a_database_is_asked_by_the_names_of_its_queries() {
    let ask = |pairs: Pairs<'_>| {
        let base = map(&[("source", "jobs"), ("threshold", "4")]);
        base.into_iter().chain(map(pairs)).collect::<HashMap<_, _>>()
    };
    let good = ask(&[("query", "waiting"), ("backlogQuery", "done")]);
    let source = parsed(&good).trigger.unwrap().source.unwrap();
    assert_eq!(source.at, SourceRef::Named("jobs".into()));
    assert_snapshot!(complaints(&ask(&[("query", "SELECT 1")])), @r#"query: "SELECT 1" is no query of source "jobs": triggers name one of done, waiting, and SQL stands in the server's configuration"#);
    assert_snapshot!(complaints(&ask(&[("query", "waitin")])), @r#"query: "waitin" is no query of source "jobs"; did you mean "waiting"?"#);
    assert_snapshot!(complaints(&ask(&[("query", "waiting"), ("backlogQuery", "x")])), @r#"backlogQuery: "x" is no query of source "jobs": triggers name one of done, waiting, and SQL stands in the server's configuration"#);
    assert_snapshot!(complaints(&ask(&[("preset", "vllm"), ("selector", "a=\"b\"")])), @r#"preset: source "jobs" is a database, which has no presets: give query, one of done, waiting"#);
}

#[test]
fn demand_is_exactly_one() {
    assert_snapshot!(complaints(&map(&[("threshold", "4")])), @"query: is missing: give one of query, preset and triggerName, or windows alone");
    assert_snapshot!(complaints(&map(&[("query", "q"), ("thresholdFromEnv", "hunter2")])), @"threshold: is missing: say how much demand one replica sustains: a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does (thresholdFromEnv is not read)");
    assert_snapshot!(complaint("triggerName", "other"), @"triggerName: cannot stand beside query: give one of query, preset and triggerName");
    assert_snapshot!(complaint("selector", r#"a="b""#), @"selector: goes with a preset; put the matchers of a query into the query itself");
    assert_snapshot!(complaints(&map(&[("preset", "vllm")])), @r#"
    selector: is missing: say which series the preset is to read, like namespace="llm",model_name="llama"
    threshold: is missing: the preset cannot supply it; say how much demand one replica sustains
    "#);
}

#[test]
fn presets_bring_their_signals_and_a_threshold() {
    let preset =
        |more| parsed(&with(&[("preset", "vllm"), ("selector", r#"namespace="llm""#)], more));
    let parsed_preset = preset(&[]);
    let spec = parsed_preset.spec.unwrap();
    assert!(spec.threshold.get() > 0.0 && spec.name.starts_with("prewarm-vllm-"), "{spec:?}");
    let signals = parsed_preset.trigger.unwrap().source.unwrap().signals;
    // Its demand counts those that wait already: they count once more only where asked for.
    assert!(matches!((signals.demand, signals.backlog), (Query::Preset(_), None)));
    let asked = preset(&[("backlogThreshold", "2")]).trigger.unwrap().source.unwrap().signals;
    assert!(matches!(asked.backlog, Some(Query::Preset(_))));
    assert_eq!(preset(&[("threshold", "7")]).spec.unwrap().threshold.get(), 7.0);
    let own = preset(&[("backlogQuery", "b")]).trigger.unwrap().source.unwrap().signals;
    assert_eq!(own.backlog, Some(Query::Text("b".into())));
    // One scraped endpoint needs no selection.
    assert!(parsed(&map(&[("preset", "vllm"), ("source", "pods")])).trigger.is_ok());
}

#[test]
fn errors_name_key_value_range_and_fix() {
    assert_snapshot!(complaint("threshold", "0"), @r#"threshold: "0" is out of range: must be a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does"#);
    assert_snapshot!(complaint("threshold", "four"), @r#"threshold: "four" is not a number: must be a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does"#);
    assert_snapshot!(complaint("threshold", " "), @"threshold: is empty: give a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does, or remove the key");
    assert_snapshot!(complaint("leadTime", "90"), @r#"leadTime: "90" has no unit: write 90s if seconds are meant ("auto" or a duration from 0s to 2h)"#);
    assert_snapshot!(complaint("leadTime", "3h"), @r#"leadTime: "3h" is out of range: must be "auto" or a duration from 0s to 2h"#);
    assert_snapshot!(complaint("mode", "Auto"), @r#"mode: "Auto" is not "auto", "shadow" or "off" (write it "auto")"#);
    assert_snapshot!(complaint("mode", "x".repeat(500).as_str()), @r#"mode: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… is not "auto", "shadow" or "off""#);
    assert_snapshot!(complaint("quantile", "95"), @r#"quantile: "95" is out of range: must be "auto" or a number from 0.5 to 0.999"#);
    assert_snapshot!(complaint("objective", "1"), @r#"objective: "1" is not a number: must be "cost", "safe" or a percentage from 0.01% to 50%"#);
    assert_snapshot!(complaint("maxPrewarmReplicas", "2.5"), @"maxPrewarmReplicas: 2.5 is not a whole number: must be a number from 0 to 10000");
    assert_snapshot!(complaint("historyWindow", "59m"), @r#"historyWindow: "59m" is out of range: must be a duration from 1h to 400d"#);
    assert_snapshot!(complaint("activationThreshold", "NaN"), @r#"activationThreshold: "NaN" is out of range: must be a number from 0 to 1000000000"#);
    assert_snapshot!(complaint("scaledJob", "yes"), @r#"scaledJob: "yes" is not "true" or "false" (write it "true")"#);
    assert_snapshot!(complaint("mode", "false"), @r#"mode: "false" is not "auto", "shadow" or "off" (unquoted, off is false in YAML: write it "off")"#);
    assert_snapshot!(complaint("timezone", "Europe/Berlim"), @r#"timezone: "Europe/Berlim" is not a time zone; did you mean "Europe/Berlin"?"#);
    assert_snapshot!(complaint("policyRef", "business-hour"), @r#"policyRef: the server's configuration has no policy "business-hour"; did you mean "business-hours"?"#);
    assert_snapshot!(complaint("holidays", "bavria"), @r#"holidays: the server's configuration has no calendar "bavria"; did you mean "bavaria"?"#);
    assert_snapshot!(complaint("metricName", "Llama Demand"), @r#"metricName: must be 1 to 63 of a-z, 0-9 and -; try "llama-demand""#);
    assert_snapshot!(complaint("latencyQuery", "l"), @"latencyTarget: is missing: latencyQuery needs it: seconds above which live demand is scaled up");
    assert_snapshot!(complaint("query", &"x".repeat(8193)), @"query: has 8193 bytes: at most 8192 are allowed");
    assert_snapshot!(complaint("junk", &"x".repeat(131_072)), @"metadata: 131102 bytes are too many: at most 131072 in all keys and values together");
}

#[test]
fn misspelt_keys_are_errors_and_unknown_ones_are_not() {
    assert_snapshot!(complaints(&map(&[("qurey", "sum(demand)"), ("treshold", "4"), ("leadtime", "6m")])), @"
    leadtime: is not a key; did you mean leadTime?
    qurey: is not a key; did you mean query?
    treshold: is not a key; did you mean threshold?
    ");
    let warnings = trigger(&[("team", "llm"), ("metricType", "Value")]).warnings;
    assert_eq!(
        warnings,
        [
            "metricType: does nothing in metadata; it belongs in the trigger, beside `type`",
            "unknown key \"team\" is ignored"
        ]
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let all = complaints(&map(&[
        ("threshold", "x"),
        ("mode", "x"),
        ("keepWarm", "x"),
        ("metricName", "X"),
        ("source", "x"),
        ("query", "q"),
    ]));
    let keys: Vec<&str> = all.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(keys, ["source", "threshold", "metricName", "mode", "keepWarm"]);
}

#[test]
fn warns_of_what_has_no_effect() {
    let warned = |pairs| trigger(pairs).warnings.join("\n");
    assert_snapshot!(warned(&[("backlogThreshold", "3")]), @"backlogThreshold: has no effect without backlogQuery");
    assert_snapshot!(warned(&[("latencyTarget", "3")]), @"latencyTarget: has no effect without latencyQuery");
    assert_snapshot!(warned(&[("scaledJob", "true"), ("leadTime", "3m")]), @"leadTime: has no effect with scaledJob: a ScaledJob is answered from live demand alone");
    assert_snapshot!(warned(&[("scaleToZero", "windows")]), @"scaleToZero: no window says scaleToZero: allowed, so zero is never reached");
}

#[test]
fn windows_alone_need_neither_demand_nor_threshold() {
    let parsed = parsed(&map(&[("policyRef", "business-hours")]));
    let spec = parsed.spec.unwrap();
    assert_eq!((spec.name.as_str(), spec.threshold.get()), ("prewarm-windows", 1.0));
    assert_eq!(parsed.trigger.unwrap().source, None);
    assert_snapshot!(complaints(&map(&[("policyRef", "business-hours"), ("backlogQuery", "b")])), @"backlogQuery: needs a demand: give one of query, preset and triggerName");
}

/// C02: KEDA's own keys and unknown ones are accepted; KEDA's without a warning.
#[test]
fn c02_keys_of_keda_are_ignored() {
    let keda: Pairs<'_> = &[
        ("scalerAddress", "prewarm:9090"),
        ("enableTLS", "true"),
        ("unsafeSsl", "false"),
        ("caCert", "-----BEGIN CERTIFICATE-----"),
        ("tlsClientCert", ""),
        ("tlsClientKey", "hunter2"),
        ("passwordFromEnv", "hunter2"),
        ("thresholdFromEnv", "hunter2"),
    ];
    assert!(trigger(keda).warnings.is_empty());
    assert_eq!(trigger(&[("something", "else")]).warnings.len(), 1);
}
