//! The service, called as KEDA calls it, and the Prewarm arm of a replay: the same inputs, the same decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm::store::note::{Kind, unpack_forecast};
use prewarm_forecaster::control::keda::ScaledObject;
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::replay::scene::Service;
use prewarm_forecaster::replay::{Arm, Moment, Scene, reach, replay};
use prewarm_forecaster::{Answer, Forecast, Recommendation, Series};
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A planner remembers what was before it began to record: two live windows and what it wanted within its own.
const SETTLES: SignedDuration = SignedDuration::from_mins(20);

/// Steep steps at fixed times, every day alike, on a slope: 4 at night, from 40 on from 08:00 to 18:00.
fn clockwork() -> Trace {
    Trace::new(monday(), days(9), MINUTE, |t| match t.as_second().rem_euclid(86_400) / 60 {
        minute @ 480..1080 => 40.0 + (minute - 480) as f64 * 0.3,
        minute => 4.0 + (minute % 7) as f64 * 0.5,
    })
}

/// What was asked and decided at each slot, and every forecast that was saved meanwhile.
#[derive(Default)]
struct Protocol {
    samples: Vec<f64>,
    decided: Vec<(Timestamp, Arc<Recommendation>)>,
    forecasts: BTreeMap<Timestamp, Forecast>,
}

impl Protocol {
    async fn record(&mut self, app: &TestApp, prometheus: &Prometheus, trigger: &Trigger) {
        let slot = app.slot();
        self.samples.push(prometheus.query("clockwork", slot).await.unwrap());
        self.decided.push((slot, app.recommendation(trigger)));
        let key = app.workload(trigger).key().clone();
        let saved = app.store.notes(&key, Kind::Forecast, slot - days(1), slot + days(1)).await.unwrap();
        for note in &saved {
            let forecast = unpack_forecast(note).unwrap();
            self.forecasts.insert(forecast.origin(), forecast);
        }
    }
}

#[tokio::test]
async fn serve_and_replay_decide_alike() {
    let prometheus = Prometheus::holding(&[clockwork().gauge("clockwork")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(8), 7, 10)).start().await;
    let trigger =
        Trigger::new("models", "alike").with("query", "clockwork").with("threshold", 4).with("coldStart", "10m");
    app.register(&[&trigger]).await;
    let mut protocol = Protocol::default();
    protocol.record(&app, &prometheus, &trigger).await;
    app.chosen(&trigger).await;
    protocol.record(&app, &prometheus, &trigger).await;
    let choice = app.workload(&trigger).insight().choices.last().unwrap().choice.clone();
    while app.slot() < clock_time(monday() + days(8), 8, 10) {
        TestApp::follow(&[&app], &trigger).await;
        protocol.record(&app, &prometheus, &trigger).await;
    }
    let now_in_force = app.workload(&trigger).insight().choices.last().unwrap().choice.clone();
    assert_eq!(choice.policy, now_in_force.policy, "one choice all the time");

    let Protocol { samples, decided, forecasts } = protocol;
    let begun = decided[0].0;
    assert!(decided.iter().zip(0..).all(|((slot, _), i)| *slot == begun + SLOT * i), "every slot was recorded");
    assert!(forecasts.len() >= 10, "{:?}", forecasts.keys());
    // At a step the arm sees the sample before it.
    let trace = Series::new(begun - SLOT, SLOT, samples);
    let scene = Scene {
        keda: ScaledObject { min: 0, ..ScaledObject::default() },
        metric_delay: SLOT,
        timeline: true,
        service: Service {
            hpa_window: SignedDuration::from_secs(300),
            forecast_delay: reach::ACTS,
            sees_replicas: false,
            choice: Some((*choice).clone()),
        },
        ..Scene::new(Threshold::new(4.0).unwrap(), SignedDuration::from_mins(10))
    };
    let forecasts: Vec<Forecast> = forecasts.into_values().collect();
    let replayed: BTreeMap<Timestamp, Moment> = replay(&trace, &forecasts, &scene, Arm::Prewarm)
        .timeline
        .into_iter()
        .map(|moment| (moment.time, moment))
        .collect();

    let mut values = BTreeMap::new();
    let mut ahead = 0;
    for (slot, recommendation) in decided.iter().filter(|(slot, _)| *slot >= begun + SETTLES) {
        let Some(moment) = replayed.get(slot) else { continue };
        let Answer::Value { metric_value, active } = recommendation.answer else { panic!("{recommendation:?}") };
        let told = moment.metric_value.unwrap();
        assert!(
            (metric_value - told).abs() < 1e-9,
            "{slot}: {metric_value} served, {told} replayed: {recommendation:?}"
        );
        assert_eq!((active, recommendation.decision.reason.as_str()), (moment.active, moment.reason), "{slot}");
        values.insert((metric_value * 1000.0) as u64, ());
        ahead += usize::from(recommendation.decision.parts.forecast_acts);
    }
    assert!(ahead > 100 && values.len() > 3, "the forecast acted at {ahead} slots, {} values", values.len());
    // And it was worth it: the step of 08:00 is asked for before it comes.
    let before = &replayed[&clock_time(monday() + days(8), 7, 55)];
    assert!(before.metric_value.unwrap() >= 40.0, "{before:?}");
}
