//! Business hours, a ceiling at night, zero overnight: what simulated policies cost with windows is
//! what the planner then comes to, and the rivals live by the same windows.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::*;
use crate::Policy;
use crate::calendar::{Days, HolidayRule, Window, ZeroRule};
use crate::decide::policy::{Quantile, ScaleToZero};
use crate::replay::Moment;
use crate::tuning::simulator::PolicyLimits;

fn window(name: &str, from: (i8, i8), to: (i8, i8), weekdays: [bool; 7]) -> Window {
    let time = |(hour, minute): (i8, i8)| Time::constant(hour, minute, 0, 0);
    let everyday = weekdays == [true; 7];
    let holidays = if everyday { HolidayRule::Ignore } else { HolidayRule::Skip };
    Window {
        name: name.to_owned(),
        days: Days { weekdays, dates: Vec::new(), holidays },
        from: time(from),
        to: time(to),
        min_replicas: None,
        max_replicas: None,
        scale_to_zero: None,
    }
}

/// At least five on working days from 07:40 to 18:20, at most three from 19:00 to 22:00, off but for
/// what is queued from 22:00 to 05:00. Thursday, 8 January 1970 is a holiday.
fn calendar() -> Calendar {
    let working = [true, true, true, true, true, false, false];
    let office = Window { min_replicas: Some(5), ..window("office", (7, 40), (18, 20), working) };
    let evening =
        Window { max_replicas: Some(3), ..window("evening", (19, 0), (22, 0), [true; 7]) };
    let night = Window {
        max_replicas: Some(0),
        scale_to_zero: Some(ZeroRule::Allowed),
        ..window("night", (22, 0), (5, 0), [true; 7])
    };
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    Calendar::new(zone, vec![office, evening, night], vec![jiff::civil::date(1970, 1, 8)])
}

/// By day three to ten replicas' worth with spikes, in the evening four, at night next to none.
fn demand(i: i64) -> f64 {
    let hour = i.rem_euclid(BUCKETS_A_DAY) as f64 / 12.0;
    let spike = if chance(11 * i) < 0.02 { 80.0 * chance(11 * i + 1) } else { 0.0 };
    match hour {
        7.0..17.5 => 30.0 + 70.0 * ((hour - 7.0) / 10.5 * std::f64::consts::PI).sin() + spike,
        17.5..20.5 => 25.0 + 25.0 * chance(3 * i),
        _ => 0.0,
    }
}

fn limited(cold_start: i64, shows_queue: bool, hpa_window: i64, trace: &Series) -> Scenario {
    let keda = ScaledObject { min: 0, ..ScaledObject::default() };
    let service =
        Service { hpa_window: SignedDuration::from_secs(hpa_window), ..Service::default() };
    Scenario {
        calendar: calendar(),
        scale_to_zero: ScaleToZero::Windows,
        counted_from: Some(trace.start() + SignedDuration::from_hours(48)),
        shows_queue,
        service,
        ..scene(trace, cold_start, keda)
    }
}

/// Of two policies that react and four that look ahead.
fn policies() -> Vec<ShadowPolicy> {
    let reactive = |utilization: f64, seconds: i64| ShadowPolicy::Reactive {
        utilization,
        scale_down_window: SignedDuration::from_secs(seconds),
    };
    let ahead = portfolio::forecasting().into_iter().step_by(6);
    [reactive(0.8, 300), reactive(1.0, 1800)].into_iter().chain(ahead).collect()
}

/// What the simulated policies come to in a scene, by blocks from the third day on.
fn simulated(scene: &Scenario, trace: &Series, forecasts: &[Forecast]) -> Vec<Costs> {
    let policy = scene.policy();
    let inputs = scene.simulation_inputs(&policy, BUCKET);
    let spec = inputs.simulator(&policy).spec().clone();
    let mut bank = PolicySimulator::new(spec, policies());
    let mut now = trace.start();
    while now <= trace.end() {
        let i = (now.duration_since(trace.start()).as_secs() / BUCKET.as_secs()) as usize;
        let newest = forecasts
            .partition_point(|forecast| forecast.origin() + ACTIVATION_DELAY <= now)
            .checked_sub(1);
        bank.step(now, trace.values().get(i).copied(), newest.map(|newest| &forecasts[newest]));
        now += SignedDuration::from_secs(15);
    }
    let mut told = vec![Costs::default(); policies().len()];
    for block in bank.blocks().skip(8) {
        told.iter_mut().zip(&block.sums).for_each(|(told, sums)| *told += *sums);
    }
    told
}

fn dictated(scene: &Scenario, trace: &Series, forecasts: &[Forecast], i: usize) -> Outcome {
    let policy = policies()[i];
    let reactive = if policy.forecasts() { policies()[0] } else { policy };
    let choice = Selection::untried(policy, reactive, SelectionReason::Earned, 30.0);
    let service = Service { selection: Some(choice), ..scene.service.clone() };
    replay(trace, forecasts, &Scenario { service, ..scene.clone() }, Arm::Prewarm)
}

#[test]
fn with_windows_the_bank_foretells_what_the_planner_will_cost_and_miss() {
    let trace = trace(9, demand);
    let forecasts = yesterday(&trace);
    for (cold_start, shows_queue, hpa_window) in [(60, true, 0), (600, true, 0), (180, false, 300)]
    {
        let scene = limited(cold_start, shows_queue, hpa_window, &trace);
        let told = simulated(&scene, &trace, &forecasts);
        for (i, told) in told.iter().enumerate() {
            let came = dictated(&scene, &trace, &forecasts, i);
            let total = told.total_cost(scene.cost_ratio);
            let (hours, all) = (came.gpu_hours / told.gpu_hours, cost(&came, &scene) / total);
            assert!(
                (0.98..1.02).contains(&hours) && (0.97..1.03).contains(&all),
                "{cold_start} {shows_queue} {hpa_window} {:?}: {hours} {all} {told:?} {} {}",
                policies()[i],
                came.gpu_hours,
                came.missed_replica_hours
            );
        }
    }
}

/// A cap on the forecast, a fixed quantile and an activation are in the sums too.
#[test]
fn caps_quantile_and_activation_change_sums_as_they_change_the_planner() {
    let trace = trace(9, demand);
    let forecasts = yesterday(&trace);
    let plain = limited(600, true, 0, &trace);
    let free = simulated(&plain, &trace, &forecasts);
    let scenes = [
        Scenario { max_prewarm_replicas: Some(1), ..plain.clone() },
        Scenario { quantile: Quantile::Fixed(0.6), ..plain.clone() },
        Scenario { activation: 31.0, ..plain.clone() },
    ];
    for (n, scene) in scenes.iter().enumerate() {
        let told = simulated(scene, &trace, &forecasts);
        let differ = told.iter().zip(&free).filter(|(told, free)| told != free).count();
        assert!(differ >= 2, "{n}: {differ}");
        for i in [0, 3, 5] {
            let came = dictated(scene, &trace, &forecasts, i);
            let hours = came.gpu_hours / told[i].gpu_hours;
            assert!((0.98..1.02).contains(&hours), "{n} {i}: {hours} {:?}", told[i]);
        }
    }
}

/// Every way to scale lives by the windows, but perfect foresight, which nobody can have.
#[test]
fn floors_and_ceilings_bind_the_rivals_as_well() {
    let trace = trace(9, demand);
    let forecasts = yesterday(&trace);
    let scene = Scenario { timeline: true, ..limited(180, true, 0, &trace) };
    let zone = scene.calendar.zone().clone();
    let rivals = Arm::ALL.into_iter().filter(|arm| *arm != Arm::Oracle);
    for arm in rivals {
        let outcome = replay(&trace, &forecasts, &scene, arm);
        let within = |moment: &&Moment, from: (i8, i8), to: (i8, i8)| {
            let local = zone.to_datetime(moment.time).time();
            let at = |(hour, minute)| Time::constant(hour, minute, 0, 0);
            (at(from)..at(to)).contains(&local)
        };
        let timeline = || outcome.timeline.iter();
        let working = |moment: &&Moment| {
            let date = zone.to_datetime(moment.time).date();
            let weekday = date.weekday().to_monday_zero_offset() < 5;
            weekday && date != jiff::civil::date(1970, 1, 8)
        };
        let office = timeline().filter(working).filter(|m| within(m, (7, 45), (18, 20)));
        assert!(office.clone().all(|m| m.desired >= 5), "{arm}");
        // Asked for ahead: Ready as the window begins.
        let first = office.filter(|m| within(m, (7, 45), (7, 50)));
        assert!(first.clone().count() > 0 && first.into_iter().all(|m| m.ready >= 5), "{arm}");
        let evening = timeline().filter(|m| within(m, (19, 5), (22, 0)));
        let over = evening.into_iter().find(|m| m.desired > 3);
        assert_eq!(over, None, "{arm}");
        let night = timeline().filter(|m| within(m, (23, 30), (23, 59)));
        let off = night.clone().filter(|m| m.desired == 0).count();
        assert_eq!(off, night.count(), "{arm}");
    }
}

#[test]
fn what_sums_were_simulated_with_names_every_limit_and_no_name() {
    let trace = trace(1, demand);
    let identity = |scene: &Scenario| {
        let policy = scene.policy();
        scene.simulation_inputs(&policy, BUCKET).simulator(&policy).identity()
    };
    let plain = limited(60, true, 0, &trace);
    let renamed: Vec<Window> = plain
        .calendar
        .windows()
        .iter()
        .map(|window| Window { name: "x".to_owned() + &window.name, ..window.clone() })
        .collect();
    let with = |windows: Vec<Window>, holidays: Vec<jiff::civil::Date>| Scenario {
        calendar: Calendar::new(plain.calendar.zone().clone(), windows, holidays),
        ..plain.clone()
    };
    let holidays = plain.calendar.holidays().to_vec();
    assert_eq!(identity(&plain), identity(&with(renamed, holidays.clone())));
    let mut edited = plain.calendar.windows().to_vec();
    edited[0].min_replicas = Some(6);
    let others = [
        with(edited, holidays.clone()),
        with(plain.calendar.windows()[..2].to_vec(), holidays),
        with(plain.calendar.windows().to_vec(), Vec::new()),
        Scenario { scale_to_zero: ScaleToZero::Auto, ..plain.clone() },
        Scenario { activation: 1.0, ..plain.clone() },
        Scenario { quantile: Quantile::Fixed(0.9), ..plain.clone() },
        Scenario { max_prewarm_replicas: Some(2), ..plain.clone() },
        Scenario { calendar: Calendar::empty(TimeZone::UTC), ..plain.clone() },
    ];
    let mut seen = vec![identity(&plain)];
    for other in &others {
        let identity = identity(other);
        assert!(!seen.contains(&identity), "{identity}");
        seen.push(identity);
    }
    assert_eq!(
        PolicyLimits::default(),
        PolicyLimits::of(&Policy::new(plain.threshold, Calendar::empty(TimeZone::UTC)))
    );
}
