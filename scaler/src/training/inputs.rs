//! What a model is made for: what the store knows of a workload's cluster, in the forecaster's
//! terms.

use jiff::SignedDuration;
use prewarm_forecaster::Policy;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::tuning::cold_start::ColdStart;
use prewarm_forecaster::tuning::inputs::{LearnedColdStart, ReplicaLimits, SimulationInputs};

use crate::cold_starts::{ColdStartHistory, ColdStartModel};
use crate::scaled_object::ScaledObjectLimits;

/// Of a policy; `rhythm`: the server's, where the ScaledObject says nothing; `lead`: as last
/// decided with.
pub(super) fn simulation_inputs(
    policy: &Policy,
    rhythm: LoopTiming,
    lead: Option<SignedDuration>,
    history: &ColdStartHistory,
) -> SimulationInputs {
    let scaling = history.scaling();
    let rhythm = scaling.map_or(rhythm, |scaling| scaling.rhythm(rhythm));
    let learned = history.assumed().map(learned);
    SimulationInputs::new(policy, rhythm, lead, learned.as_ref(), scaling.as_ref().map(limits))
}

fn limits(scaling: &ScaledObjectLimits) -> ReplicaLimits {
    ReplicaLimits {
        min: scaling.min,
        idle: scaling.idle,
        max: scaling.max,
        cooldown: scaling.cooldown,
    }
}

fn learned(assumed: &ColdStartModel) -> LearnedColdStart {
    let equally_frequent = assumed.drawn.iter().map(|took| (*took, 1.0));
    LearnedColdStart { lead: assumed.lead, drawn: ColdStart::weighted(equally_frequent) }
}

/// Of what sums were simulated with: the store gives back those of the same fingerprint alone.
pub(super) fn fingerprint(identity: &str) -> u64 {
    u64::from(crc32fast::hash(identity.as_bytes()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use prewarm_forecaster::Calendar;
    use prewarm_forecaster::decide::policy::Threshold;

    use super::*;

    /// A number that stores of running services hold: sums of 28 days are discarded where it
    /// changes.
    #[test]
    fn sums_of_older_versions_are_found_again() {
        let policy = Policy::new(Threshold::new(4.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let simulator = SimulationInputs::new(&policy, LoopTiming::default(), None, None, None)
            .simulator(&policy);
        assert_eq!(fingerprint(&simulator.identity()), 23_902_798);
    }
}
