//! Whatever is seen, whenever: what always holds.

use proptest::prelude::*;

use super::*;
use crate::control::average_value::{replicas, whole_replicas};
use crate::control::quantity::{MAX_REPLICAS, MAX_VALUE};

const SLOT: i64 = 15;

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let number = prop_oneof![4 => (0.0f64..200.0).prop_map(Some), 2 => Just(None), 1 => prop::num::f64::ANY.prop_map(Some)];
    let one = (number.clone(), prop::option::of(0.0f64..50.0), number, any::<bool>());
    let one = one.prop_map(|(demand, backlog, latency, absent)| Observation {
        demand,
        backlog,
        latency,
        absent,
        replicas: None,
    });
    prop::collection::vec(one, 1..80)
}

proptest! {
    #[test]
    fn c11_c13_whatever_is_seen_the_answer_is_sane(
        seen in observations(), activation in 0.0f64..20.0, threshold in 0.001f64..100.0, floor in prop::option::of(0u32..5),
        ceiling in prop::option::of(0u32..9),
    ) {
        let threshold = Threshold::new(threshold).unwrap();
        let calendar = office(floor, ceiling, None);
        let mut line = Timeline::new(Policy { activation, threshold, calendar, latency_target: Some(1.0), ..policy() });
        line.0.install(forecast(28_000, 0, 86_000, 55.0));
        for (i, observation) in seen.iter().enumerate() {
            let Recommendation { answer, decision, .. } = line.tick(28_000 + SLOT * i as i64, *observation);
            let Answer::Value { metric_value, active } = *answer else { continue };
            prop_assert!(metric_value.is_finite() && (0.0..=MAX_VALUE).contains(&metric_value));
            // Thousandths; next to the largest values a thousandth is a bit or two.
            let off = (metric_value - (metric_value * 1000.0).round() / 1000.0).abs();
            prop_assert!(off <= f64::EPSILON * metric_value, "{metric_value}");
            let most = decision.parts.ceiling.map(|ceiling| ceiling.max(decision.parts.floor));
            prop_assert!(active || metric_value <= activation);
            if most.is_none_or(|most| decision.desired_replicas < most) {
                prop_assert!(!active || metric_value > activation, "C13");
                let live = decision.parts.live.unwrap_or(0.0).min(MAX_VALUE);
                let live = live.min(whole_replicas(MAX_REPLICAS, threshold));
                let least = (live * 1000.0).round() / 1000.0 - 1e-9 - f64::EPSILON * live;
                prop_assert!(metric_value >= least, "C15: never below live demand");
            }
            if let Some(most) = most {
                prop_assert!(decision.desired_replicas <= most.max(1));
            }
            prop_assert!(decision.desired_replicas >= decision.parts.floor);
        }
    }

    #[test]
    fn c15_more_demand_never_gives_fewer_replicas(levels in prop::collection::vec(0.0f64..200.0, 1..60), more in 1.0f64..3.0) {
        let mut less_line = Timeline::new(policy());
        let mut more_line = Timeline::new(policy());
        for (i, level) in levels.iter().enumerate() {
            let second = SLOT * i as i64;
            let less = less_line.tick(second, demand(*level)).decision;
            // The same shape, scaled: panics fall on the same slots.
            let more = more_line.tick(second, demand(*level * more)).decision;
            prop_assert!(more.desired_replicas >= less.desired_replicas, "{less:?} {more:?}");
        }
    }

    /// After any past: seeing more gives no fewer, and seeing nothing gives no fewer than seeing
    /// zero.
    #[test]
    fn c15_one_observation_more_or_less(seen in observations(), less in 0.0f64..200.0, more in 0.0f64..200.0, skip in 1i64..8) {
        let mut line = Timeline::new(policy());
        line.0.install(forecast(0, 300, 900, 55.0));
        for (i, observation) in seen.iter().enumerate() {
            line.tick(SLOT * i as i64, *observation);
        }
        let next = SLOT * (seen.len() as i64 - 1 + skip);
        let answer = |observation| line.0.clone().tick(at(next), &observation);
        let [nothing, zero, less, more] = [Observation::default(), demand(0.0), demand(less), demand(less + more)].map(answer);
        prop_assert!(more.decision.metric_value >= less.decision.metric_value || more.decision.desired_replicas >= less.decision.desired_replicas);
        prop_assert!(more.decision.active || !less.decision.active);
        if let Answer::Value { metric_value, active } = nothing.answer {
            let threshold = Threshold::new(10.0).unwrap();
            prop_assert!(replicas(metric_value, threshold) >= zero.decision.desired_replicas, "{nothing:?} {zero:?}");
            prop_assert!(active || !zero.decision.active);
        }
    }

    /// C42: time may stand still, jump, and end; nothing panics, no age is negative, the same tick
    /// twice is the same answer.
    #[test]
    fn c42_any_time_at_all(
        steps in prop::collection::vec((prop_oneof![3 => -4000i64..4000, 1 => any::<i64>()], prop::option::of(0.0f64..99.0)), 1..60),
        lead in prop_oneof![Just(LeadTime::Auto), Just(LeadTime::Fixed(SignedDuration::MAX)), Just(LeadTime::Fixed(SignedDuration::MIN))],
    ) {
        let mut line = Timeline::new(Policy { lead_time: lead, calendar: office(Some(2), Some(3), None), ..policy() });
        line.0.install(forecast(0, 0, 7200, 35.0));
        let mut now = at(0);
        for (step, seen) in steps {
            now = later(now, SignedDuration::from_secs(step));
            let observation = Observation { demand: seen, ..Observation::default() };
            let first = line.0.tick(now, &observation);
            prop_assert!(first.decision.parts.live_age.is_none_or(|age| !age.is_negative()));
            prop_assert!(first.valid_until >= now);
            let again = line.0.tick(now, &observation);
            prop_assert_eq!(first.answer, again.answer);
        }
    }

    /// An outage never becomes "no demand": after demand, missing observations alone never lead to
    /// inactive.
    #[test]
    fn missing_observations_never_lead_to_zero(
        level in 0.1f64..200.0, zeros in 0i64..40, gap in 1i64..2000, absent in any::<bool>(), ceiling in prop::option::of(0u32..3),
        expected in 0.0f64..50.0,
    ) {
        let mut line = Timeline::new(Policy { calendar: office(None, ceiling, None), ..policy() });
        line.0.install(forecast(28_000, 0, 7200, expected));
        // Demand that is still kept warm for.
        line.hold(28_000, 28_060, demand(level));
        let last = 28_075 + SLOT * zeros;
        line.hold(28_075, last, demand(0.0));
        if matches!(line.1.answer, Answer::Value { active: false, .. }) {
            return Ok(());
        }
        for slot in 1..gap {
            let observation = Observation { absent, ..Observation::default() };
            let answer = line.tick(last + slot * SLOT, observation).answer;
            let inactive = matches!(answer, Answer::Value { active: false, .. });
            prop_assert!(!inactive, "{answer:?} after {slot} slots");
        }
    }
}
