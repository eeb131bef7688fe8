//! Queries tried before they are applied: `prewarm check --server` sends a trigger's metadata, and
//! what its source says at this moment comes back. Nothing is registered, nothing is kept.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::SignedDuration;
use tokio::sync::Semaphore;

use crate::clock::floor;
use crate::http::api::{Problem, SignalProblem, Trial, TrialRequest};
use crate::http::{Refusal, TryTrigger};
use crate::registry::{Reference, Registry};
use crate::source::{Sample, SourceError, Sources};

/// Trials under way at once: people ask, and sources have their samples to answer.
const AT_ONCE: usize = 2;

/// A source that has not answered by then gives no number in its slots either.
const PATIENCE: Duration = Duration::from_secs(7);

/// Tries triggers by the rules and the sources of the running server: what it could not sample in
/// earnest cannot be tried either.
#[derive(Debug)]
pub(crate) struct Trials {
    registry: Arc<Registry>,
    sources: Arc<Sources>,
    slot: SignedDuration,
    permits: Semaphore,
}

impl Trials {
    /// Over the server's own rules and sources, which are asked as of its slots.
    pub(crate) fn new(
        registry: Arc<Registry>,
        sources: Arc<Sources>,
        slot: SignedDuration,
    ) -> Self {
        Self { registry, sources, slot, permits: Semaphore::new(AT_ONCE) }
    }

    async fn attempt(&self, request: TrialRequest) -> Result<Trial, Refusal> {
        let Ok(_permit) = self.permits.try_acquire() else { return Err(Refusal::Busy) };
        let TrialRequest { namespace, name, metadata } = &request;
        let parsed = self.registry.parse(Reference { namespace, name, metadata, peer: None });
        let mut trial = Trial::default();
        let trigger = match parsed.trigger {
            Ok(trigger) => trigger,
            Err(errors) => {
                let problem = |error: &crate::trigger::MetadataError| Problem {
                    key: error.key.clone(),
                    problem: error.problem.clone(),
                };
                trial.errors = errors.iter().map(problem).collect();
                return Ok(trial);
            }
        };
        let Some(spec) = &trigger.source else { return Ok(trial) };
        let source = match self.sources.resolve(&spec.at) {
            Ok(source) => source,
            Err(error) => {
                trial.troubles.push(trouble("demand", &error));
                return Ok(trial);
            }
        };
        // What a collector asks in this slot: a page is not scraped out of turn.
        let slot = floor(self.registry.clock().now(), self.slot);
        match tokio::time::timeout(PATIENCE, source.sample(&spec.signals, slot)).await {
            Ok(Ok(Sample { demand, backlog, latency, caveat })) => {
                (trial.demand, trial.backlog, trial.latency) = (demand, backlog, latency);
                trial.asked = true;
                if demand.is_none() {
                    let message = "the query gives nothing: no series, no number, or a rate of a page that is scraped for the first time".to_owned();
                    trial.troubles.push(SignalProblem { signal: "demand".to_owned(), message });
                }
                if let Some(words) = caveat {
                    let (signal, message) = ("demand".to_owned(), words.to_owned());
                    trial.troubles.push(SignalProblem { signal, message });
                }
                for failure in source.failures(&spec.signals) {
                    let (signal, message) = (failure.signal.to_owned(), failure.message);
                    trial.troubles.push(SignalProblem { signal, message });
                }
            }
            Ok(Err(error)) => trial.troubles.push(trouble("demand", &error)),
            Err(_) => {
                let message = format!("no answer within {} s", PATIENCE.as_secs());
                trial.troubles.push(SignalProblem { signal: "demand".to_owned(), message });
            }
        }
        Ok(trial)
    }
}

impl TryTrigger for Trials {
    fn attempt(&self, request: TrialRequest) -> BoxFuture<'_, Result<Trial, Refusal>> {
        Box::pin(self.attempt(request))
    }
}

fn trouble(signal: &str, error: &SourceError) -> SignalProblem {
    SignalProblem { signal: signal.to_owned(), message: error.to_string() }
}
