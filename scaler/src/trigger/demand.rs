//! What is measured and where: `query` or `preset`, at a `source` or a `serverAddress`.

use super::SourceKind;
use super::fields::Fields;
use super::keys::{
    BACKLOG_QUERY, BACKLOG_THRESHOLD, LATENCY_QUERY, POLICY_REF, PRESET, QUERY, SCALED_JOB,
    SELECTOR, SERVER_ADDRESS, SOURCE, THRESHOLD, TRIGGER_NAME, WINDOWS, nearest,
};
use super::name::DemandText;
use super::{Rules, SourceRule};
use crate::duration::quoted;
use crate::signal::preset::{self, PresetSignals};
use crate::signal::selector::Selector;
use crate::signal::{Query, Signals, SourceRef, SourceSpec};

/// What was read about the demand.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    /// As written, for the metric's name. Present even if something is wrong.
    pub(super) text: DemandText<'a>,
    /// The threshold to use if none is given.
    pub(super) threshold: Option<f64>,
    /// Where to look and what to ask; `None` for windows only (or if something is wrong).
    pub(super) source: Option<SourceSpec>,
}

/// Reads the demand's keys.
pub(super) fn read<'a>(fields: &mut Fields<'a>, namespace: &str, rules: &Rules) -> Demand<'a> {
    if fields.has(&QUERY) && fields.has(&PRESET) {
        fields.error(&PRESET, "cannot stand beside query: give one of query and preset");
    }
    if fields.has(&TRIGGER_NAME) {
        judge_trigger_name(fields, rules);
    }
    let query = fields.text(&QUERY);
    let preset = fields.text(&PRESET);
    let trigger = fields.text(&TRIGGER_NAME);
    let backlog = fields.text(&BACKLOG_QUERY).map(|text| Query::Text(text.to_owned()));
    let latency = fields.text(&LATENCY_QUERY).map(|text| Query::Text(text.to_owned()));
    let at = place(fields, namespace, rules);
    if let Some(Place { queries: Some(queries), at: SourceRef::Named(source), .. }) = &at {
        judge_query_names(fields, source, queries);
    }
    let selector_text = fields.text(&SELECTOR);
    let selector =
        read_selector(fields, selector_text, at.as_ref().is_some_and(|place| place.exposition));

    let none = |text| Demand { text, threshold: None, source: None };
    let (text, demand, found) = match (query, preset, trigger) {
        (Some(query), _, _) => {
            (DemandText::Query(query), Some(Query::Text(query.to_owned())), None)
        }
        (_, Some(preset), _) => {
            let found = selector.and_then(|selector| known_preset(fields, preset, &selector));
            let demand = found.as_ref().map(|found| Query::Preset(found.demand.clone()));
            (DemandText::Preset(preset, selector_text.unwrap_or_default()), demand, found)
        }
        (_, _, Some(name)) => {
            let demand = Query::Trigger(name.to_owned());
            let signals = Signals { demand, backlog: None, latency: None };
            let source = Some(SourceSpec { at: SourceRef::ExternalMetrics, signals });
            return Demand { text: DemandText::Trigger(name), threshold: None, source };
        }
        _ if ![&QUERY, &PRESET, &TRIGGER_NAME].into_iter().any(|key| fields.has(key)) => {
            without_demand(fields);
            return none(DemandText::Windows);
        }
        // The key is there, its value is wrong: an error already.
        _ => return none(DemandText::Windows),
    };
    if let Some(found) = &found {
        // Of a source that is named, and not known here, one cannot say that its pods are other
        // people's.
        let known = rules.sources.is_some() || fields.has(&SOURCE) || fields.has(&SERVER_ADDRESS);
        let scraped = at.as_ref().is_some_and(|place| place.exposition && known);
        warn_of_open_labels(fields, found, scraped);
    }
    let threshold = found.as_ref().map(|found| found.threshold);
    let (preset_backlog, preset_latency) =
        found.map_or((None, None), |found| (found.backlog, found.latency));
    // A preset's demand is requests in flight, those that wait included: they count once more only
    // where asked for.
    let preset_backlog = preset_backlog.filter(|_| fields.has(&BACKLOG_THRESHOLD));
    let source = demand.zip(at).map(|(demand, place)| SourceSpec {
        at: place.at,
        signals: Signals {
            demand,
            backlog: backlog.or(preset_backlog.map(Query::Preset)),
            latency: latency.or(preset_latency.map(Query::Preset)),
        },
    });
    Demand { text, threshold, source }
}

/// Another trigger is read through KEDA: nothing else is asked beside it, and there has to be a
/// cluster to read.
fn judge_trigger_name(fields: &mut Fields<'_>, rules: &Rules) {
    for key in [&QUERY, &PRESET] {
        if fields.has(key) {
            let problem =
                format!("cannot stand beside {key}: give one of query, preset and triggerName");
            fields.error(&TRIGGER_NAME, problem);
        }
    }
    for key in [&SOURCE, &SERVER_ADDRESS, &BACKLOG_QUERY, &LATENCY_QUERY] {
        if fields.has(key) && !fields.has(&QUERY) && !fields.has(&PRESET) {
            fields.error(key, "cannot stand beside triggerName, which is read through KEDA");
        }
    }
    if fields.peek(&SCALED_JOB) == Some("true") {
        let problem = "KEDA's external metrics have no ScaledJobs: give query or preset";
        fields.error(&TRIGGER_NAME, problem);
    }
    if rules.without_cluster {
        fields.error(
            &TRIGGER_NAME,
            "needs the Kubernetes API, which the server does not read: its configuration says \
             cluster.access = \"off\"",
        );
    }
}

/// A database answers the queries that its configuration names.
fn judge_query_names(fields: &mut Fields<'_>, source: &str, queries: &[String]) {
    let known = queries.join(", ");
    if fields.has(&PRESET) {
        let source = quoted(source);
        fields.error(
            &PRESET,
            format!(
                "source {source} is a database, which has no presets: give query, one of {known}"
            ),
        );
    }
    for key in [&QUERY, &BACKLOG_QUERY, &LATENCY_QUERY] {
        let Some(name) = fields.peek(key) else { continue };
        if queries.iter().any(|query| query == name) {
            continue;
        }
        let near = nearest(name, queries.iter().map(|query| (query.as_str(), query)));
        let hint = match near {
            Some(near) => format!("; did you mean {}?", quoted(near)),
            None => format!(
                ": triggers name one of {known}, and SQL stands in the server's configuration"
            ),
        };
        let problem = format!("{} is no query of source {}{hint}", quoted(name), quoted(source));
        fields.error(key, problem);
    }
}

/// A trigger may live on windows alone; what only makes sense beside a demand is then an error.
fn without_demand(fields: &mut Fields<'_>) {
    if [&QUERY, &PRESET, &TRIGGER_NAME].into_iter().any(|key| fields.misspelt(key)) {
        return;
    }
    if !fields.has(&WINDOWS) && !fields.has(&POLICY_REF) {
        return fields
            .missing(&QUERY, "give one of query, preset and triggerName, or windows alone");
    }
    for key in [&BACKLOG_QUERY, &LATENCY_QUERY, &SOURCE, &SERVER_ADDRESS] {
        if fields.has(key) {
            fields.error(key, "needs a demand: give one of query, preset and triggerName");
        }
    }
}

fn read_selector(
    fields: &mut Fields<'_>,
    text: Option<&str>,
    exposition: bool,
) -> Option<Selector> {
    if !fields.has(&PRESET) {
        if fields.has(&SELECTOR) {
            fields.error(
                &SELECTOR,
                "goes with a preset; put the matchers of a query into the query itself",
            );
        }
        return None;
    }
    match text {
        Some(text) => {
            Selector::parse(text).map_err(|problem| fields.error(&SELECTOR, problem)).ok()
        }
        None if fields.has(&SELECTOR) => None,
        // One endpoint of one server needs no selection.
        None if exposition => Some(Selector::default()),
        None => {
            fields.missing(
                &SELECTOR,
                "say which series the preset is to read, like namespace=\"llm\",model_name=\"llama\"",
            );
            None
        }
    }
}

fn known_preset(fields: &mut Fields<'_>, name: &str, selector: &Selector) -> Option<PresetSignals> {
    preset::find(name, selector).map_err(|problem| fields.error(&PRESET, problem)).ok()
}

/// Labels that the preset's selector should name; an endpoint that is scraped directly has its own
/// pods only.
fn warn_of_open_labels(fields: &mut Fields<'_>, found: &PresetSignals, scraped: bool) {
    for open in &found.unnamed {
        if scraped && open.is_settled_by_an_endpoint() {
            continue;
        }
        let named = match open.any_of {
            [one] => format!("does not name {one}"),
            several => format!("names none of {}", several.join(", ")),
        };
        fields.warn(&SELECTOR, format!("{named}: {}", open.why));
    }
}

/// Where to ask.
#[derive(Debug)]
struct Place {
    at: SourceRef,
    /// Scraped directly.
    exposition: bool,
    /// What it may be asked, by name; `None` = whatever a trigger says.
    queries: Option<Vec<String>>,
}

fn place(fields: &mut Fields<'_>, namespace: &str, rules: &Rules) -> Option<Place> {
    if fields.has(&SERVER_ADDRESS) {
        if fields.has(&SOURCE) {
            fields.error(&SERVER_ADDRESS, "cannot stand beside source: give one of them");
        }
        let text = fields.text(&SERVER_ADDRESS)?;
        let url = rules
            .allow
            .address(text)
            .map_err(|problem| fields.error(&SERVER_ADDRESS, problem))
            .ok()?;
        let exposition = url.path().trim_end_matches('/').ends_with("/metrics");
        return Some(Place { at: SourceRef::Address(url), exposition, queries: None });
    }
    let asked = [&QUERY, &PRESET].into_iter().any(|key| fields.has(key));
    let name = match fields.text(&SOURCE) {
        Some(name) => name,
        None if fields.has(&SOURCE) || !asked => return None,
        None => "default",
    };
    let Some(sources) = &rules.sources else {
        let at = SourceRef::Named(name.to_owned());
        return Some(Place { at, exposition: true, queries: None });
    };
    let permitted = |rule: &SourceRule| {
        rule.namespaces.is_empty() || rule.namespaces.iter().any(|n| n == namespace)
    };
    let Some(rule) = sources.get(name) else {
        let others = sources
            .iter()
            .filter(|(_, rule)| permitted(rule))
            .map(|(other, _)| (other.as_str(), other));
        let hint = match nearest(name, others) {
            Some(other) => format!("did you mean \"{other}\"?"),
            None if name == "default" => {
                "set sources.default.url there, or name another source".to_owned()
            }
            None => "add it there as sources.NAME, or name another source".to_owned(),
        };
        fields.error(
            &SOURCE,
            format!("the server's configuration has no source {}; {hint}", quoted(name)),
        );
        return None;
    };
    if !permitted(rule) {
        let problem = format!(
            "namespace {} may not use source {}: whoever runs the server decides by the source's key namespaces",
            quoted(namespace),
            quoted(name)
        );
        fields.error(&SOURCE, problem);
        return None;
    }
    Some(Place {
        at: SourceRef::Named(name.to_owned()),
        exposition: rule.kind == SourceKind::Exposition,
        queries: rule.queries.clone(),
    })
}

/// The threshold: given, or the preset's, or 1 where there is no demand to divide.
pub(super) fn default_threshold(fields: &mut Fields<'_>, demand: &Demand<'_>) -> Option<f64> {
    match (demand.text, demand.threshold) {
        (_, Some(threshold)) => Some(threshold),
        (DemandText::Windows, None)
            if !fields.has(&QUERY) && !fields.has(&PRESET) && !fields.has(&TRIGGER_NAME) =>
        {
            Some(1.0)
        }
        (DemandText::Preset(..), None) => {
            // The preset would bring it, but is wrong itself.
            fields.missing(
                &THRESHOLD,
                "the preset cannot supply it; say how much demand one replica sustains",
            );
            None
        }
        _ => {
            fields.missing(
                &THRESHOLD,
                format!("say how much demand one replica sustains: {}", THRESHOLD.range()),
            );
            None
        }
    }
}
