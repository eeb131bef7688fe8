//! What is wrong, in words: sources, store, triggers. Errors (answers suffer) come first.

use std::collections::{BTreeMap, BTreeSet};

use super::api;
use crate::metrics::Metrics;
use crate::registry::{Refusal, Registry};
use crate::trigger::MetadataError;

/// The server's state of health, as far as the registry says it.
pub(super) fn status(
    registry: &Registry,
    metrics: &Metrics,
    ready: bool,
    store: Result<(), String>,
) -> api::Status {
    let refusals = registry.refusals();
    let mut notices = degraded(registry);
    // Whoever watches the store says it in more words.
    if notices.iter().all(|notice| notice.subject != "store") {
        notices.extend(store.err().map(|why| database(&why, metrics)));
    }
    notices.extend(sources(registry));
    notices.extend(invalid(registry));
    notices.extend(refused_notice(&refusals));
    notices.sort_by_key(|notice| notice.level != ERROR);
    let all = registry.workloads();
    let namespaces: BTreeSet<String> = all.iter().map(|w| w.key().namespace.clone()).collect();
    api::Status {
        now: registry.clock().now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready,
        workloads: all.len(),
        namespaces: namespaces.into_iter().collect(),
        notices,
        refused: refusals.iter().map(refused).collect(),
    }
}

/// What is not as it should be with the process, while it answers all the same.
fn degraded(registry: &Registry) -> Vec<api::Notice> {
    let holds = registry.notices().all().into_iter().filter_map(|(what, text)| Some((what, text?)));
    let notice = |(what, text)| {
        let detail = "KEDA is answered all the same, from memory.";
        named(ERROR, what, text, detail, Vec::new())
    };
    holds.map(notice).collect()
}

fn database(why: &str, metrics: &Metrics) -> api::Notice {
    let waiting = metrics.queued_rows();
    api::Notice {
        level: ERROR.to_owned(),
        subject: "store".to_owned(),
        title: format!("The database does not answer: {why}"),
        detail: format!(
            "Answers go on from memory; {waiting} minutes of history wait to be written. Is the database of \
             `database = …` up and reachable from here?"
        ),
        count: 0,
        workloads: Vec::new(),
    }
}

/// Trouble of sources, alike ones together: a Prometheus that is down is one thing, not two thousand.
fn sources(registry: &Registry) -> Vec<api::Notice> {
    let mut by_kind: BTreeMap<(bool, &'static str), (String, Vec<String>)> = BTreeMap::new();
    for workload in registry.workloads() {
        let Some(trouble) = workload.source_trouble() else { continue };
        let caveat = trouble.kind == crate::status::SourceTrouble::CAVEAT;
        let entry = by_kind
            .entry((caveat, trouble.kind))
            .or_insert_with(|| (trouble.message.clone(), Vec::new()));
        entry.1.push(format!("{}/{}", workload.key().namespace, workload.key().name));
    }
    let notice = |((caveat, kind), (message, workloads)): (_, (String, Vec<String>))| {
        let more = workloads.len() - 1;
        let title = match more {
            0 => message,
            more => format!("{message} (and {more} more alike)"),
        };
        named(if caveat { WARNING } else { ERROR }, "source", title, next_step(kind), workloads)
    };
    by_kind.into_iter().map(notice).collect()
}

fn next_step(kind: &str) -> &'static str {
    match kind {
        "missing" => {
            "Nothing is reported, never zero. Ask the query by hand with the curl of the workload's page: a wrong \
             label, or a metric that is not exported yet, gives nothing."
        }
        "caveat" => "There is demand, and the system may not show all of it.",
        "unreachable" => {
            "Forecast and the last good value answer meanwhile. Is the source up, and may this pod reach it?"
        }
        "partial" => "The source read only part of its data: a store or replica behind it is down.",
        "unauthorized" => "Look at the source's credentials in the server's configuration.",
        "bad_query" => "The source refuses the query: mend the ScaledObject's metadata.",
        "garbage" => {
            "The query must give one number of 0 or more: wrap it in sum(…), or narrow it to one series."
        }
        "unsupported" => {
            "An exposition source understands a small part of PromQL: use a Prometheus."
        }
        _ => "Look at the source's settings in the server's configuration.",
    }
}

/// Triggers whose metadata is wrong, and that KEDA is told to hold for.
fn invalid(registry: &Registry) -> Option<api::Notice> {
    let mut workloads = Vec::new();
    let mut first = None;
    let mut all = registry.workloads();
    all.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    for workload in all {
        let Err(errors) = &workload.registration().trigger else { continue };
        first = first.or_else(|| errors.first().map(words));
        workloads.push(format!("{}/{}", workload.key().namespace, workload.key().name));
    }
    let title =
        format!("{}: metadata that cannot be acted upon: {}", triggers(workloads.len()), first?);
    let detail = "KEDA is told INVALID_ARGUMENT with the same words and holds the replicas that run. Mend the \
                  ScaledObject; it takes effect at once.";
    Some(named(ERROR, "trigger", title, detail, workloads))
}

fn refused_notice(refusals: &[Refusal]) -> Option<api::Notice> {
    let first = refusals.first()?.errors.first().map(words)?;
    let workloads: Vec<_> =
        refusals.iter().map(|refusal| format!("{}/{}", refusal.namespace, refusal.name)).collect();
    let title = format!("{}: refused, not followed at all: {first}", triggers(refusals.len()));
    let detail = "Without a threshold the HPA cannot be told a target, and KEDA says no more than \"got empty metric \
                  spec\". Mend the ScaledObject's metadata.";
    Some(named(ERROR, "refused", title, detail, workloads))
}

fn refused(refusal: &Refusal) -> api::Refused {
    api::Refused {
        namespace: refusal.namespace.clone(),
        name: refusal.name.clone(),
        errors: refusal
            .errors
            .iter()
            .map(|error| api::Problem { key: error.key.clone(), problem: error.problem.clone() })
            .collect(),
        since: refusal.since,
        last_seen: refusal.last_seen,
    }
}

fn named(
    level: &str,
    subject: &str,
    title: String,
    detail: &str,
    mut workloads: Vec<String>,
) -> api::Notice {
    let count = workloads.len();
    workloads.sort_unstable();
    workloads.truncate(NAMED);
    let (level, subject, detail) = (level.to_owned(), subject.to_owned(), detail.to_owned());
    api::Notice { level, subject, title, detail, count, workloads }
}

fn words(error: &MetadataError) -> String {
    format!("{}: {}", error.key, error.problem)
}

fn triggers(count: usize) -> String {
    format!("{count} trigger{}", if count == 1 { "" } else { "s" })
}

const ERROR: &str = "error";
const WARNING: &str = "warning";

/// Workloads that a notice names.
const NAMED: usize = 8;
