//! What is seen of a workload's demand at a slot.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Observation, Planner};

use super::external_metrics::EXTERNAL_METRICS;
use super::{Collector, WorkloadState};
use crate::clock::floor;
use crate::registry::Workload;
use crate::source::{MetricSource, Query, Sample, SignalFailure, SourceError, SourceRef};
use crate::status::{SignalTrouble, SourceTrouble};
use crate::trigger::Trigger;

/// A slot and what the source said of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) slot: Timestamp,
    pub(super) sample: Sample,
    /// The source answered, and there was nothing.
    pub(super) absent: bool,
}

impl Collector {
    /// Waits for the next slot and samples as of it.
    pub(super) async fn observe(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        state: &mut WorkloadState,
    ) -> Seen {
        let current = loop {
            let now = self.clock.now();
            let current = floor(now, self.rhythm.slot);
            if state.last_slot.is_none_or(|last| last < current || last > now) {
                break current;
            }
            // Slots are spread over workloads, so that a thousand queries do not leave in one
            // instant.
            let wake = self.clock.sleep_until(current + self.rhythm.slot + state.offset);
            // A clock that was set back must not keep us waiting for the old time: look again after
            // two slots.
            let guard = Duration::try_from(self.rhythm.slot * 2).unwrap_or(Duration::from_secs(30));
            let _ = tokio::time::timeout(guard, wake).await;
        };
        let asked = self.sample(workload, trigger, source, current, state).await;
        state.last_slot = Some(current);
        let absent = matches!(asked, Some(Sample { demand: None, .. }));
        Seen { slot: current, sample: asked.unwrap_or_default(), absent }
    }

    /// Nothing is known yet to judge the first sample by: the source's word on the slot before is,
    /// if it remembers that.
    pub(super) async fn witness(
        &self,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        seen: &Seen,
        planner: &mut Planner,
    ) {
        let (Some(spec), Some(source)) =
            (&trigger.source, source.filter(|source| source.has_history()))
        else {
            return;
        };
        let replica = trigger.policy.threshold.get();
        let small = seen.sample.demand.is_none_or(|demand| demand <= replica)
            && seen.sample.backlog.is_none_or(|items| items == 0.0);
        if small {
            return;
        }
        let before = seen.slot - self.rhythm.slot;
        let asked_for = before + self.skew(&spec.at, source);
        let limit = self.clock.sleep_until(self.clock.now().max(seen.slot) + self.rhythm.slot / 4);
        let asked = tokio::select! {
            asked = source.sample(&spec.signals, asked_for) => asked,
            () = limit => return,
        };
        if let Ok(Sample { demand, backlog, .. }) = asked {
            planner.witness(before, &Observation { demand, backlog, ..Observation::default() });
        }
    }

    /// By how much later than a slot the source is to be asked for it.
    fn skew(&self, at: &SourceRef, source: &dyn MetricSource) -> SignedDuration {
        let address;
        let name = match at {
            SourceRef::Named(name) => name.as_str(),
            SourceRef::Address(url) => {
                address = url.to_string();
                &address
            }
            // Read as it is now, whatever the time.
            SourceRef::ExternalMetrics => return SignedDuration::ZERO,
        };
        let notices = self.registry.notices();
        self.skews.of(name, source, &*self.clock, &self.metrics, notices)
    }

    /// Asks the source; a failure is `None`, told once per outage.
    async fn sample(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        at: Timestamp,
        state: &mut WorkloadState,
    ) -> Option<Sample> {
        let Some(spec) = &trigger.source else {
            workload.set_source_trouble(None);
            // Windows and nothing else: there is no demand by definition, which is not the same as
            // not knowing it.
            return Some(Sample { demand: Some(0.0), ..Sample::default() });
        };
        let source = source?;
        let name = match &spec.at {
            SourceRef::Named(name) => name.as_str(),
            SourceRef::Address(_) => "address",
            SourceRef::ExternalMetrics => EXTERNAL_METRICS,
        };
        let asked_for = at + self.skew(&spec.at, source);
        let started = Instant::now();
        // Half a slot is left for the tick: floors and ceilings move on time whatever hangs.
        let limit = self.clock.sleep_until(self.clock.now().max(at) + self.rhythm.slot / 2);
        let result = tokio::select! {
            result = source.sample(&spec.signals, asked_for) => result,
            () = limit => Err(SourceError::Unreachable {
                source_name: name.to_owned(),
                cause: "no answer within half a slot".to_owned(),
            }),
        };
        let outcome = match &result {
            Ok(Sample { demand: Some(_), .. }) => "ok",
            Ok(_) => "missing",
            Err(error) => error.kind(),
        };
        self.metrics.sampled(name, outcome, started.elapsed());
        workload.set_source_trouble(match &result {
            Ok(Sample { demand: Some(_), caveat, .. }) => caveat.map(|words| cautioned(words, at)),
            Ok(_) => Some(nothing(&spec.signals.demand, at)),
            Err(error) => Some(trouble(error, at)),
        });
        let failures = source.failures(&spec.signals);
        for failure in &failures {
            self.metrics.signal_failed(name, failure.signal, failure.kind);
        }
        let signal_trouble = |failure: SignalFailure| {
            let SignalFailure { signal, kind, message } = failure;
            SignalTrouble { signal, trouble: SourceTrouble { kind, message, since: at } }
        };
        workload.set_signal_troubles(failures.into_iter().map(signal_trouble).collect());
        let key = workload.key();
        if let Ok(Sample { caveat: Some(words), .. }) = result
            && !state.cautioned
        {
            tracing::warn!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                source.name = name,
                "demand may not tell the truth: {words}"
            );
            state.cautioned = true;
        }
        let outage = (outcome != "ok").then_some(outcome);
        if outage != state.outage {
            match &result {
                Ok(Sample { demand: Some(_), .. }) => tracing::info!(
                    workload.namespace = key.namespace,
                    workload.name = key.name,
                    source.name = name,
                    "demand is back"
                ),
                Ok(_) => tracing::warn!(
                    workload.namespace = key.namespace,
                    workload.name = key.name,
                    source.name = name,
                    "the demand query gives nothing: treated as missing, not as zero"
                ),
                Err(error) => {
                    tracing::warn!(workload.namespace = key.namespace, workload.name = key.name,
                    source.name = name, error = %error, "cannot sample")
                }
            }
            state.outage = outage;
        }
        result.ok()
    }
}

/// What a source's error means to a workload.
pub(super) fn trouble(error: &SourceError, since: Timestamp) -> SourceTrouble {
    SourceTrouble { kind: error.kind(), message: error.to_string(), since }
}

/// Demand that may not tell the truth.
fn cautioned(words: &str, since: Timestamp) -> SourceTrouble {
    SourceTrouble { kind: SourceTrouble::CAVEAT, message: words.to_owned(), since }
}

/// A query that was answered with nothing.
fn nothing(query: &Query, since: Timestamp) -> SourceTrouble {
    let message = format!("the demand query returns nothing: {}", query.promql());
    SourceTrouble { kind: SourceTrouble::MISSING, message, since }
}
