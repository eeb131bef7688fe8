//! Direct scrape of exposition text, for where no Prometheus is: the endpoints' series are summed,
//! divided and compared by a part of PromQL (see `plan`), with PromQL's meaning.
//!
//! Each endpoint is scraped once a slot, however many workloads read it, and stamped with the slot.
//! A host name of a plain HTTP endpoint stands for all its addresses, so a headless Service is
//! scraped pod by pod. An `instance` label (`host:port`) tells them apart; labels that a Prometheus
//! would add (`namespace`, `pod`, `job`) do not exist here.
//!
//! If one endpoint does not answer, nothing is observed at this slot: the sum of the others would
//! look like falling demand. Pods that have gone leave a headless Service within seconds; a list of
//! fixed addresses has no such excuse. A counter needs two scrapes for its first rate; until then
//! it is missing.

mod evaluate;
mod plan;
mod scrape;
pub mod text;
mod window;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use self::evaluate::evaluate;
use self::plan::Plan;
use self::scrape::Scraper;
use self::window::{Labels, Window};
use super::outage_log::OutageLog;
use super::{
    MetricSource, Query, Sample, SignalFailure, Signals, SourceError, observed, several, shorten,
};
use crate::config::SourceConfig;

/// Endpoints that are scraped directly.
pub struct ExpositionSource {
    scraper: Scraper,
    state: Mutex<State>,
    plans: std::sync::Mutex<HashMap<String, Result<Arc<Plan>, String>>>,
    outage_log: OutageLog,
}

#[derive(Default)]
struct State {
    window: Window,
    last: Option<(Timestamp, Result<(), SourceError>)>,
}

impl ExpositionSource {
    /// A source of this name over all addresses of its configuration.
    pub fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(Self {
            scraper: Scraper::new(name, config)?,
            state: Mutex::default(),
            plans: std::sync::Mutex::default(),
            outage_log: OutageLog::default(),
        })
    }

    async fn observe(&self, signals: &Signals, at: Timestamp) -> Result<Sample, SourceError> {
        let demand = self.plan(&signals.demand)?;
        let backlog = signals.backlog.as_ref().map(|query| (query, self.plan(query)));
        let latency = signals.latency.as_ref().map(|query| (query, self.plan(query)));
        let caveat = signals.demand.caveat();
        let (caveat, words) =
            caveat.map_or((None, None), |(query, words)| (Some(query), Some(words)));
        let caveat = caveat.as_ref().map(|query| (query, self.plan(query)));
        let plans: Vec<Arc<Plan>> = [&backlog, &latency, &caveat]
            .into_iter()
            .filter_map(|side| side.as_ref()?.1.as_ref().ok().cloned())
            .chain([demand.clone()])
            .collect();

        // Whoever is first in a slot scrapes; the others wait here and find the scrape done.
        let mut state = self.state.lock().await;
        state.bring_to(at, &plans, &self.scraper).await?;
        let value = |query: &Query, plan: &Plan| self.number(query, plan, &state.window, at);
        let side = |signal, side: Option<(&Query, Result<Arc<Plan>, SourceError>)>| {
            let (query, plan) = side?;
            self.outage_log.record(
                self.scraper.name(),
                signal,
                query,
                plan.and_then(|plan| value(query, &plan)),
            )
        };
        Ok(Sample {
            demand: value(&signals.demand, &demand)?,
            backlog: side("backlog", backlog),
            latency: side("latency", latency),
            caveat: words.filter(|_| side("caveat", caveat).is_some_and(|sign| sign > 0.0)),
        })
    }

    fn number(
        &self,
        query: &Query,
        plan: &Plan,
        window: &Window,
        at: Timestamp,
    ) -> Result<Option<f64>, SourceError> {
        let source_name = self.scraper.name().to_owned();
        match evaluate(plan, window, at).into_vector().as_slice() {
            [] => match unmatchable(query, plan, window, at) {
                Some(cause) => Err(SourceError::Unmatchable { source_name, cause }),
                None => Ok(None),
            },
            [(_, value)] => Ok(observed(*value)),
            series => {
                let promql = query.promql();
                let cause = format!("{} in {}", several(series.len()), shorten(promql));
                Err(SourceError::NotOneNumber { source_name, cause })
            }
        }
    }

    fn plan(&self, query: &Query) -> Result<Arc<Plan>, SourceError> {
        let promql = query.promql();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= MAX_PLANS && !plans.contains_key(promql) {
            plans.clear();
        }
        let plan = plans.entry(promql.into()).or_insert_with(|| Plan::parse(promql).map(Arc::new));
        plan.clone().map_err(|cause| SourceError::BadQuery {
            source_name: self.scraper.name().into(),
            cause: format!("{} in {}", shorten(&cause), shorten(promql)),
        })
    }

    fn unsupported(&self, what: &'static str) -> SourceError {
        SourceError::Unsupported { source_name: self.scraper.name().into(), what }
    }
}

/// Why a plan that came to nothing always will, if so: series of its metric were scraped, and none
/// of them has a label by which the plan selects. `namespace`, `pod` and `job` are added by a
/// Prometheus; a page does not have them.
fn unmatchable(query: &Query, plan: &Plan, window: &Window, at: Timestamp) -> Option<String> {
    plan.series().into_iter().find_map(|series| {
        let scraped: Vec<&Labels> = window.scraped(&series.metric, at).collect();
        let has = |label: &str| scraped.iter().any(|labels| labels.iter().any(|(known, _)| known == label));
        let mut named = series.matchers.iter().filter(|matcher| query.names(&matcher.name));
        let lacking = named.find(|matcher| !matcher.is_match("") && !has(&matcher.name))?;
        let labels = scraped.first()?.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>().join(", ");
        Some(format!(
            "no series of {} has a label {} where it is scraped directly (it has {labels}; what a Prometheus adds, as \
             namespace, pod and job, is not there): leave {} out of the selector",
            series.metric, lacking.name, lacking.name
        ))
    })
}

impl State {
    /// Scrapes unless this slot has been, with all that these plans read.
    async fn bring_to(
        &mut self,
        at: Timestamp,
        plans: &[Arc<Plan>],
        scraper: &Scraper,
    ) -> Result<(), SourceError> {
        let mut unknown = false;
        for (metric, range) in plans.iter().flat_map(|plan| plan.metrics()) {
            unknown |= self.window.want(metric, range, at);
        }
        match &self.last {
            // Late: what the window still holds of that slot has to do.
            Some((slot, _)) if *slot > at => return Ok(()),
            Some((slot, outcome)) if *slot == at && !unknown => return outcome.clone(),
            _ => {}
        }
        let outcome = scraper
            .scrape(self.window.wanted())
            .await
            .map(|scraped| self.window.record(at, scraped));
        self.last = Some((at, outcome.clone()));
        outcome
    }
}

impl MetricSource for ExpositionSource {
    fn sample<'a>(
        &'a self,
        signals: &'a Signals,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Sample, SourceError>> {
        Box::pin(self.observe(signals, at))
    }

    fn range<'a>(
        &'a self,
        _query: &'a Query,
        _from: Timestamp,
        _to: Timestamp,
        _step: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>> {
        Box::pin(async { Err(self.unsupported("tell the past; only a Prometheus keeps it")) })
    }

    fn has_history(&self) -> bool {
        false
    }

    fn failures(&self, signals: &Signals) -> Vec<SignalFailure> {
        self.outage_log.failures(signals)
    }
}

impl fmt::Debug for ExpositionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpositionSource")
            .field("name", &self.scraper.name())
            .finish_non_exhaustive()
    }
}

/// Three for each of a few thousand workloads; beyond, they are parsed again.
const MAX_PLANS: usize = 10_000;

#[cfg(test)]
mod tests;
