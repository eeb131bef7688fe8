//! Another trigger as demand: a list in a real Redis, read through real KEDA.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm_tests::eventually;
use prewarm_tests::redis::Redis;
use prewarm_tests::serve::Serve;
use serde_json::{Value, json};

use super::chart;
use crate::fixture::{self, Fixture, POLL};
use crate::history::{self, Day};
use crate::queue::Queue;
use crate::timeline::Timeline;
use crate::workload::{PATIENCE, Workload, trigger};

pub(super) async fn redis_list(fixture: Arc<Fixture>) {
    let (name, api) = ("redis-list", fixture.api());
    let mut redis = Redis::start().await;
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/list.db", dir.path().display());
    let configuration = fixture::configuration(fixture.prometheus.address(), &database);
    let kubeconfig = chart::rights(api, "prewarm-list", dir.path()).await;
    let environment = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let prewarm = Serve::start(&fixture::program(), &configuration, &environment).await;

    let workload = Workload::deploy(api, name, 1, "none").await;
    let broker = redis.address().to_string();
    let object = |advanced: Value| {
        let metadata = json!({"triggerName": "jobs", "threshold": "5", "mode": "off"});
        let mut ahead = trigger("external-push", prewarm.grpc, metadata);
        ahead["name"] = json!("ahead");
        // By itself it would never ask for a second replica.
        let list = list(&broker, "jobs", "1000");
        json!({"pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 1,
               "maxReplicaCount": 20, "advanced": advanced, "triggers": [ahead, list]})
    };
    let quick = json!({"horizontalPodAutoscalerConfig": {
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}});
    redis.set_length("jobs", 40).await;
    workload.scaled_object(object(quick.clone())).await;
    workload.until("forty jobs are eight replicas", |status| status.ready == 8).await;
    redis.set_length("jobs", 20).await;
    workload.until("twenty are four", |status| status.desired == 4).await;
    assert!(!prewarm.log().contains("refused"), "{}", prewarm.log());

    // The broker is gone: what ran runs on, beyond the time of a last good answer.
    redis.stop();
    eventually(PATIENCE, "KEDA cannot say", || async {
        prewarm.log().contains("cannot sample").then_some(())
    })
    .await;
    let blind = || async { state(&prewarm, name).await.as_deref() == Some("blind") };
    workload.holds_while("held without the broker", |status| status.desired == 4, blind).await;
    redis.restart().await;
    redis.set_length("jobs", 30).await;
    workload.until("followed again", |status| status.ready == 6).await;

    // A formula makes one number of all triggers, ours included: refused with the reason.
    let mut composite = quick;
    composite["scalingModifiers"] = json!({"formula": "ahead + jobs", "target": "5"});
    workload.scaled_object(object(composite)).await;
    eventually(PATIENCE, "the formula is refused", || async {
        prewarm.log().contains("advanced.scalingModifiers").then_some(())
    })
    .await;
    workload.remove().await;
}

/// KEDA's own trigger.
fn list(broker: &str, name: &str, length: &str) -> Value {
    json!({"type": "redis", "name": "jobs",
           "metadata": {"address": broker, "listName": name, "listLength": length}})
}

async fn state(prewarm: &Serve, name: &str) -> Option<String> {
    let text = prewarm.body(&format!("/api/v1/workloads/{name}/model")).await;
    let explanation: Value = serde_json::from_str(&text).ok()?;
    explanation["triggers"].get(0)?["state"].as_str().map(str::to_owned)
}

/// Jobs that run or wait for one worker.
const THRESHOLD: f64 = 2.0;

/// Jobs a second, once a day: none, then up to six within two minutes.
const DAILY: Day = |t| match t {
    ..0.0 => 0.0,
    ..120.0 => 4.0 + 8.0 * t / 120.0,
    ..150.0 => 12.0,
    ..210.0 => 12.0 - 10.0 * (t - 150.0) / 60.0,
    _ => 0.0,
};

/// Cold start, poll, sync, the HPA's ramp and a reserve of 15 s.
const LEAD: Duration = Duration::from_secs(70);

/// A queue that fills at the same time each day has its workers before, where KEDA's own trigger
/// on the same list is late.
pub(super) async fn daily_list(fixture: Arc<Fixture>) {
    let (api, name, plain) = (fixture.api(), "list-ahead", "list-plain");
    let redis = Redis::start().await;
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/list.db", dir.path().display());
    let moment = history::next_minute(Duration::from_secs(200));
    let end = moment + SignedDuration::from_secs(240);
    history::preload(&database, name, "daily-list", moment, 15, DAILY).await;
    let configuration = fixture::configuration(fixture.prometheus.address(), &database);
    let kubeconfig = chart::rights(api, "prewarm-daily", dir.path()).await;
    let environment = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let prewarm = Serve::start(&fixture::program(), &configuration, &environment).await;

    let broker = redis.address().to_string();
    let spec = |triggers: Vec<Value>| {
        json!({
            "pollingInterval": POLL, "cooldownPeriod": 60, "minReplicaCount": 0,
            "maxReplicaCount": 12, "triggers": triggers,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0,
                            "policies": [{"type": "Pods", "value": 8, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 60}}}}})
    };
    let metadata = json!({"triggerName": "jobs", "threshold": "2", "metricName": "daily-list",
                          "coldStart": "48s", "keepWarm": "0s"});
    let ahead = Workload::deploy(api, name, 0, "longest").await;
    let ours = trigger("external-push", prewarm.grpc, metadata);
    ahead.scaled_object(spec(vec![ours, list(&broker, name, "2")])).await;
    let late = Workload::deploy(api, plain, 0, "longest").await;
    late.scaled_object(spec(vec![list(&broker, plain, "2")])).await;

    let learned = async {
        eventually(PATIENCE, "the forecast may act", || async {
            prewarm.log().contains("another policy acts").then_some(())
        })
        .await;
        let left = moment.duration_since(history::now());
        assert!(left.as_secs_f64() > LEAD.as_secs_f64(), "learned {left:?} ahead");
    };
    let ((), (first, ours), (_, theirs)) =
        tokio::join!(learned, play(&redis, &ahead, moment, end), play(&redis, &late, moment, end));
    let (ready, jobs) = (first.ready_at_start().unwrap(), ours.requests);
    println!(
        "daily list: of {jobs:.0} jobs over 15 s: {:.0} with Prewarm, {:.0} with KEDA's trigger",
        ours.late[1], theirs.late[1]
    );
    assert!(ready >= 2, "workers Ready before the first job: {ready}");
    assert!(theirs.late[1] > 0.0, "a plain trigger is late");
    assert!(ours.late[1] <= 0.1 * theirs.late[1], "{} against {}", ours.late[1], theirs.late[1]);
    ahead.remove().await;
    late.remove().await;
}

/// Plays the day against the workers that there are; the list is as long as what runs and waits.
async fn play(
    redis: &Redis,
    workload: &Workload,
    moment: Timestamp,
    end: Timestamp,
) -> (Timeline, Queue) {
    let mut queue = Queue::default();
    let start = moment.duration_since(history::now()).as_secs_f64();
    let (lengths, mut length) = tokio::sync::watch::channel(0);
    let feeding = async {
        while length.changed().await.is_ok() {
            let jobs = *length.borrow_and_update();
            redis.set_length(&workload.namespace, jobs).await;
        }
    };
    let playing = async {
        let timeline = Timeline::record(workload, end, |at, status| {
            queue.advance(at, status.ready as f64 * THRESHOLD, |t| DAILY(t - start));
            let load = queue.load();
            let jobs = load.running + load.waiting;
            lengths.send_replace(jobs.round() as usize);
            (DAILY(at - start), jobs)
        })
        .await;
        drop(lengths);
        timeline
    };
    let (timeline, ()) = tokio::join!(playing, feeding);
    queue.close();
    (timeline, queue)
}
