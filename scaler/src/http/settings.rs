//! What a trigger's settings come to and where each comes from; what its source is asked.

use prewarm_forecaster::Recommendation;

use super::words::{number, percentile, span};
use super::{Sources, api, view};
use crate::registry::{Registration, Workload};
use crate::signal::{Query, SourceRef};
use crate::trigger::{Trigger, keys};

/// Every key that holds something, in the order in which people write them.
pub(super) fn settings(
    registration: &Registration,
    workload: &Workload,
    latest: Option<&Recommendation>,
) -> Vec<api::Setting> {
    let shown = view::shown(registration);
    let setting = |key: &keys::Key| {
        let (value, origin) = match shown.get(key.name) {
            Some(value) if value != "auto" => (value.clone(), "metadata"),
            _ => in_force(key, registration, workload, latest)?,
        };
        let meaning = key.doc.to_owned();
        Some(api::Setting { key: key.name.to_owned(), value, origin: origin.to_owned(), meaning })
    };
    keys::ALL.iter().filter_map(setting).collect()
}

/// What holds where the metadata says nothing, or `auto`.
fn in_force(
    key: &keys::Key,
    registration: &Registration,
    workload: &Workload,
    latest: Option<&Recommendation>,
) -> Option<(String, &'static str)> {
    let parts = latest.map(|latest| &latest.decision.parts);
    let learned = workload.replica_status().starts.cold_start;
    if key.name == keys::LEAD_TIME.name {
        let lead = span(parts?.lead.as_secs_f64());
        return Some((lead, if learned.is_some() { "learned" } else { "default" }));
    }
    if key.name == keys::QUANTILE.name {
        let parts = parts?;
        let origin = if parts.policy.is_some() { "selection" } else { "default" };
        return Some((percentile(parts.forecast_quantile), origin));
    }
    if key.name == keys::THRESHOLD.name {
        return Some((number(registration.spec.threshold.get()), "preset"));
    }
    if key.name == keys::METRIC_NAME.name {
        return Some((registration.spec.name.clone(), "default"));
    }
    Some((key.default?.to_owned(), "default"))
}

/// What its source is asked, and what it last said.
pub(super) fn questions(
    trigger: &Trigger,
    sources: &Sources,
    latest: Option<&Recommendation>,
) -> Vec<api::Question> {
    let Some(spec) = &trigger.source else { return Vec::new() };
    let (source, known) = match &spec.at {
        SourceRef::Named(name) => (name.clone(), sources.get(name).cloned()),
        SourceRef::Address(url) => {
            let address = view::without_credentials(url.as_str());
            // The path says what it is, as it does for the source itself.
            let exposition = url.path().ends_with("/metrics");
            (address.clone(), Some(KnownSource { exposition, address }))
        }
        // A person asks it by `kubectl get --raw`, with rights of their own.
        SourceRef::ExternalMetrics => ("external metrics".to_owned(), None),
    };
    let parts = latest.map(|latest| &latest.decision.parts);
    let question = |signal: &str, query: &Query, last_value| api::Question {
        signal: signal.to_owned(),
        query: query.promql().to_owned(),
        source: source.clone(),
        curl: known.as_ref().map(|known| known.curl(query.promql())),
        last_value,
    };
    let signals = &spec.signals;
    let demand = question("demand", &signals.demand, parts.and_then(|parts| parts.observed));
    let backlog = signals
        .backlog
        .as_ref()
        .map(|query| question("backlog", query, parts.and_then(|parts| parts.backlog)));
    let latency = signals.latency.as_ref().map(|query| question("latency", query, None));
    std::iter::once(demand).chain(backlog).chain(latency).collect()
}

/// A source that a person can ask too.
#[derive(Debug, Clone)]
pub struct KnownSource {
    /// It is scraped, not queried.
    pub exposition: bool,
    /// Without credentials.
    pub address: String,
}

impl KnownSource {
    /// The command that asks the same. A single quote within a query ends the shell's quotation for
    /// a moment.
    fn curl(&self, query: &str) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let address = self.address.trim_end_matches('/');
        if self.exposition {
            return format!("curl -sS {}", quoted(address));
        }
        let query = quoted(&format!("query={query}"));
        format!(
            "curl -sS -G {} --data-urlencode {query}",
            quoted(&format!("{address}/api/v1/query"))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_quotes() {
        let source = KnownSource { exposition: false, address: "http://prom:9090/".into() };
        assert_eq!(
            source.curl("sum(x{a='b'})"),
            r"curl -sS -G 'http://prom:9090/api/v1/query' --data-urlencode 'query=sum(x{a='\''b'\''})'"
        );
    }
}
