//! Samples that were not believed: counted each, told now and then.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Recommendation;
use prewarm_forecaster::decide::{Check, Earlier, Verdict};

use crate::metrics::Metrics;
use crate::registry::Workload;

/// A source that errs in every other slot is told once an hour.
const TOLD_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What was told of one workload's samples.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    told: Option<Timestamp>,
    /// That it was held has been told, what became of it has not.
    waits: bool,
}

impl Doubt {
    /// Counts what was held, confirmed, rejected or no number, and tells the first of it.
    pub(super) fn tell(
        &mut self,
        workload: &Workload,
        metrics: &Metrics,
        recommendation: &Recommendation,
    ) {
        for (signal, check) in recommendation.decision.parts.checks() {
            if check.verdict != Verdict::Plausible {
                metrics.implausible(signal, check.verdict.as_str());
            }
            if let Some(earlier) = check.earlier {
                metrics.implausible(signal, earlier.as_str());
                self.tell_outcome(workload, signal, earlier);
            }
            self.tell_verdict(workload, recommendation, signal, check);
        }
    }

    fn tell_outcome(&mut self, workload: &Workload, signal: &'static str, earlier: Earlier) {
        if !std::mem::take(&mut self.waits) {
            return;
        }
        let key = workload.key();
        match earlier {
            Earlier::Confirmed => tracing::info!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                signal,
                "the next slot confirms the sample: it counts"
            ),
            Earlier::Rejected => tracing::warn!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                signal,
                "the next slot does not confirm the sample: it is neither learned nor repeated"
            ),
        }
    }

    fn tell_verdict(
        &mut self,
        workload: &Workload,
        recommendation: &Recommendation,
        signal: &'static str,
        check: Check,
    ) {
        let at = recommendation.at;
        let lately =
            self.told.is_some_and(|told| told <= at && at.duration_since(told) < TOLD_EVERY);
        if check.verdict == Verdict::Plausible || lately {
            return;
        }
        self.told = Some(at);
        self.waits = check.verdict == Verdict::Held;
        let parts = &recommendation.decision.parts;
        let key = workload.key();
        tracing::warn!(
            workload.namespace = key.namespace,
            workload.name = key.name,
            signal,
            verdict = check.verdict.as_str(),
            demand = parts.observed,
            backlog = parts.backlog,
            "a sample far above all that is known, or none that can be: it waits for the next slot (told once an hour)"
        );
    }
}
