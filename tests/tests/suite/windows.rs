//! Windows by the wall clock of people: floors that answer whatever is down, ready by their start,
//! right through DST.

use jiff::{SignedDuration, Timestamp};
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::Trigger;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, days, monday};
use tonic::Code;

/// A trigger without demand: whatever runs, runs for its windows.
fn trigger(zone: &str, windows: &str) -> Trigger {
    Trigger::new("models", "llama")
        .with("query", "demand")
        .with("threshold", "2.5")
        .with("leadTime", "10m")
        .with("keepWarm", "0s")
        .with("mode", "off")
        .with("timezone", zone)
        .with("windows", windows)
}

async fn no_demand(start: Timestamp, length: SignedDuration) -> Prometheus {
    Prometheus::holding(&[Trace::constant(start, length, 0.0).gauge("demand")]).await
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Replicas and activity as KEDA reads them at `t`, long enough after the last change for every
/// hold to have passed.
async fn replicas_at(app: &TestApp, trigger: &Trigger, t: Timestamp) -> (u32, bool) {
    app.jump(t).await;
    let answers = app.keda.poll(trigger).await.unwrap_or_else(|status| panic!("at {t}: {status}"));
    (answers.replicas(), answers.active)
}

#[tokio::test]
async fn c17_a_floor_is_answered_with_everything_down() {
    let prometheus = no_demand(monday(), days(1)).await;
    let postgres = Postgres::start().await;
    let (source, store) =
        (Proxy::before(prometheus.address()).await, Proxy::before(postgres.address()).await);
    let trigger = trigger(
        "Europe/Berlin",
        r#"[{name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 3}]"#,
    );
    // 09:00 in Berlin, which is two hours ahead of UTC in September.
    let nine = at("2026-09-07T07:00:00Z");
    for fault in [Fault::Stop, Fault::Hang, Fault::Garbage] {
        source.set(Fault::Pass).await;
        store.set(Fault::Pass).await;
        let setup = Setup::new(source.address(), nine)
            .database(postgres.url_through(store.address()))
            .impatient();
        let app = setup.start().await;
        source.set(fault).await;
        store.set(fault).await;

        // Never any data, no store, at zero: the window wakes the workload all the same.
        app.keda.metric_spec(&trigger).await.unwrap();
        let answers = eventually(
            std::time::Duration::from_secs(10),
            "an answer inside the window",
            || async { app.keda.poll(&trigger).await.ok() },
        )
        .await;
        assert_eq!(
            (answers.replicas(), answers.active, answers.value),
            (3, true, 7.5),
            "{fault:?}"
        );
        for _ in 0..4 {
            app.step().await;
            let answers = app.keda.poll(&trigger).await.unwrap();
            assert_eq!((answers.replicas(), answers.active), (3, true), "{fault:?}");
        }
        // A day later everything is still down, and the window holds again.
        assert_eq!(replicas_at(&app, &trigger, nine + days(1)).await, (3, true), "{fault:?}");
        // Outside of it nothing is known, which is not zero.
        app.jump(nine + SignedDuration::from_hours(34)).await;
        let status = app.keda.poll(&trigger).await.unwrap_err();
        assert!(
            matches!(status.code(), Code::FailedPrecondition | Code::Unavailable),
            "{fault:?}: {status}"
        );
    }
}

#[tokio::test]
async fn replicas_are_ready_by_the_start_of_a_window() {
    let prometheus = no_demand(monday(), days(1)).await;
    let app = Setup::new(prometheus.address(), at("2026-09-07T05:00:00Z")).start().await;
    let trigger = trigger(
        "Europe/Berlin",
        r#"[{name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 3}]"#,
    );
    app.register(&[&trigger]).await;
    // The lead is ten minutes, the window begins at 06:00 UTC: asked for from 05:50 on, slot by
    // slot.
    app.jump(at("2026-09-07T05:48:00Z")).await;
    let start = at("2026-09-07T06:00:00Z") - SignedDuration::from_mins(10);
    while app.slot() < start + SLOT * 8 {
        let answers = app.keda.poll(&trigger).await.unwrap();
        let due = app.slot() >= start;
        assert_eq!(
            (answers.replicas(), answers.active),
            if due { (3, true) } else { (0, false) },
            "{}",
            app.slot()
        );
        app.step().await;
    }
}

#[tokio::test]
async fn c18_a_floor_is_released_soon_after_its_window() {
    let prometheus = no_demand(monday(), days(1)).await;
    let end = at("2026-09-07T16:00:00Z");
    let app = Setup::new(prometheus.address(), end - SignedDuration::from_mins(5)).start().await;
    let trigger = trigger(
        "Europe/Berlin",
        r#"[{name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 3}]"#,
    );
    app.register(&[&trigger]).await;
    let mut seen = Vec::new();
    while app.slot() < end + SignedDuration::from_mins(30) {
        let answers = app.keda.poll(&trigger).await.unwrap();
        if app.slot() < end {
            assert_eq!((answers.replicas(), answers.active), (3, true), "{}", app.slot());
        }
        if seen.last() != Some(&(answers.replicas(), answers.active)) {
            seen.push((answers.replicas(), answers.active));
        }
        app.step().await;
    }
    assert_eq!(seen.last(), Some(&(0, false)), "released within half an hour: {seen:?}");
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0), "on the way down it only goes down: {seen:?}");
    let answers = app.keda.poll(&trigger).await.unwrap();
    assert_eq!(answers.value, 0.0);
}

#[tokio::test]
async fn c19_windows_are_right_through_clock_changes_midnight_and_leap_days() {
    let night = r#"[{name: night, days: "*", from: "22:00", to: "06:00", minReplicas: 2}]"#;
    let gap = r#"[{name: gap, days: "*", from: "02:30", to: "05:00", minReplicas: 2}]"#;
    let overlap = r#"[{name: overlap, days: "*", from: "01:30", to: "02:30", minReplicas: 2}]"#;
    let friday = r#"[{name: friday, days: Fri, from: "22:00", to: "02:00", minReplicas: 2}]"#;
    let leap =
        r#"[{name: leap, dates: ["2028-02-29"], from: "00:00", to: "12:00", minReplicas: 2}]"#;
    // Zone, windows, instant (UTC), whether the floor holds.
    let cases = [
        // Berlin leaves summer time on 25 October 2026: 03:00 +02 becomes 02:00 +01.
        ("Europe/Berlin", night, "2026-10-24T19:45:00Z", false),
        ("Europe/Berlin", night, "2026-10-24T20:05:00Z", true),
        ("Europe/Berlin", night, "2026-10-25T04:55:00Z", true),
        ("Europe/Berlin", night, "2026-10-25T05:40:00Z", false),
        // 01:30 +02 to the first 02:30: counted once.
        ("Europe/Berlin", overlap, "2026-10-24T23:45:00Z", true),
        ("Europe/Berlin", overlap, "2026-10-25T02:30:00Z", false),
        // New York enters summer time on 14 March 2027: 02:00 becomes 03:00, so 02:30 is 03:00 -04.
        ("America/New_York", gap, "2027-03-14T06:45:00Z", false),
        ("America/New_York", gap, "2027-03-14T07:05:00Z", true),
        ("America/New_York", gap, "2027-03-14T08:55:00Z", true),
        ("America/New_York", gap, "2027-03-14T09:40:00Z", false),
        // Berlin enters it on 28 March 2027.
        ("Europe/Berlin", night, "2027-03-28T03:55:00Z", true),
        ("Europe/Berlin", night, "2027-03-28T04:40:00Z", false),
        // New York leaves it on 1 November 2026.
        ("America/New_York", night, "2026-11-01T10:55:00Z", true),
        ("America/New_York", night, "2026-11-01T11:40:00Z", false),
        // Five hours and three quarters ahead of UTC.
        ("Asia/Kathmandu", night, "2026-09-07T16:00:00Z", false),
        ("Asia/Kathmandu", night, "2026-09-07T16:20:00Z", true),
        ("Asia/Kathmandu", night, "2026-09-08T00:10:00Z", true),
        ("Asia/Kathmandu", night, "2026-09-08T01:00:00Z", false),
        // A Friday's window runs into Saturday, a Thursday's night has none.
        ("UTC", friday, "2026-09-11T01:00:00Z", false),
        ("UTC", friday, "2026-09-11T22:30:00Z", true),
        ("UTC", friday, "2026-09-12T01:30:00Z", true),
        ("UTC", friday, "2026-09-12T22:30:00Z", false),
        ("UTC", leap, "2028-02-28T23:00:00Z", false),
        ("UTC", leap, "2028-02-29T06:00:00Z", true),
        ("UTC", leap, "2028-03-01T06:00:00Z", false),
    ];
    // One sample at every instant is all that is asked for.
    let mut instants: Vec<Timestamp> = cases.iter().map(|(_, _, t, _)| at(t)).collect();
    instants.sort_unstable();
    instants.dedup();
    let samples: Vec<_> = instants
        .iter()
        .map(|t| {
            Trace::constant(*t - SignedDuration::from_mins(1), SignedDuration::from_mins(4), 0.0)
                .gauge("demand")
        })
        .collect();
    let prometheus = Prometheus::holding(&samples).await;
    let app = Setup::new(prometheus.address(), instants[0]).start().await;
    let mut cases = cases.to_vec();
    cases.sort_by_key(|(_, _, t, _)| at(t));
    for (i, (zone, windows, t, holds)) in cases.iter().enumerate() {
        // A workload of its own: nothing is held from the case before.
        let trigger = Trigger { name: format!("case-{i}"), ..trigger(zone, windows) };
        app.jump(at(t)).await;
        app.register(&[&trigger]).await;
        let answers = app.keda.poll(&trigger).await.unwrap();
        let due = if *holds { (2, true) } else { (0, false) };
        assert_eq!((answers.replicas(), answers.active), due, "{zone} {windows} at {t}");
    }
}

#[tokio::test]
async fn c19_an_unknown_zone_is_refused_by_name() {
    let prometheus = no_demand(monday(), days(1)).await;
    let app = Setup::new(prometheus.address(), monday()).start().await;
    let trigger = trigger("Europe/Atlantis", "[]");
    app.keda.metric_spec(&trigger).await.expect("the target is good");
    let status = app.keda.poll(&trigger).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("timezone") && status.message().contains("Europe/Atlantis"),
        "{status}"
    );
}

#[tokio::test]
async fn a_ceiling_caps_what_demand_asks_for() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 100.0).gauge("demand")]).await;
    let trigger =
        trigger("UTC", r#"[{name: night, days: "*", from: "22:00", to: "06:00", maxReplicas: 4}]"#);
    let app = Setup::new(prometheus.address(), at("2026-09-07T05:00:00Z")).start().await;
    app.register(&[&trigger]).await;
    let capped = app.keda.poll(&trigger).await.unwrap();
    assert_eq!((capped.replicas(), capped.active), (4, true));
    app.jump(at("2026-09-07T06:00:00Z")).await;
    assert_eq!(app.keda.poll(&trigger).await.unwrap().replicas(), 40);
}
