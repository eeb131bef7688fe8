//! The answer table, row by row: what callers are told in which state of knowledge.
//!
//! An error means "hold"; a value means that we vouch for it. Zero is vouched for only on a fresh observation, on a
//! last good answer that was zero, or asleep.

use crate::control::average_value::replicas;
use crate::decide::combine::Combined;
use crate::decide::policy::{OnNoData, Policy};
use crate::decide::{Answer, Reason, State};

/// What the table looks at beside the combined value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) policy: &'a Policy,
    pub(super) state: State,
    /// Something asks for replicas that needs no live demand: a floor, a queue.
    pub(super) asked_blindly: bool,
    /// One replica must always stay.
    pub(super) never_zero: bool,
    /// Replicas ready or starting, if the cluster can be read.
    pub(super) running: Option<u32>,
}

/// The answer for a combined value, and the value with its reason as the row has it.
pub(super) fn answer(sight: &Sight<'_>, mut combined: Combined) -> (Answer, Combined) {
    let vouched = match sight.state {
        // In an outage what was active stays so, by what is asked for: nothing here can turn it into zero.
        State::Fresh | State::Reactive | State::Asleep | State::LiveDown | State::LastGood => true,
        State::Blind => blindly(sight, &combined),
        State::NoData => blindly(sight, &combined) || sight.policy.on_no_data == OnNoData::Zero,
    };
    if !vouched {
        let (answer, reason) = match sight.state {
            State::NoData => (Answer::NoData, Reason::NoData),
            _ => (Answer::Unavailable, Reason::Unavailable),
        };
        return (answer, Combined { reason, ..combined });
    }
    combined.reason = match (sight.state, combined.reason) {
        (State::Asleep, Reason::Idle) => Reason::Asleep,
        (
            State::LiveDown | State::LastGood | State::Blind,
            Reason::Live | Reason::Panic | Reason::Hold | Reason::KeepWarm | Reason::Idle,
        ) => Reason::LastGood,
        (_, reason) => reason,
    };
    (Answer::Value { metric_value: combined.value, active: combined.active }, combined)
}

/// Without live demand, forecast and last good answer: floors and queues are answered where that cannot scale in what
/// runs; and one replica where none runs and one must.
fn blindly(sight: &Sight<'_>, combined: &Combined) -> bool {
    let enough = replicas(combined.value, sight.policy.threshold);
    let asked = sight.asked_blindly && sight.running.is_none_or(|running| running <= enough);
    asked || (sight.never_zero && sight.running == Some(0))
}
