//! The scenarios, each a story of its own namespace.

mod access;
mod agreement;
mod bad_input;
mod chart;
mod claim;
mod counted;
mod deadlines;
mod examples;
mod forms;
mod new_node;
mod outages;
mod rolling;
mod settled;
mod sibling;
mod tls;
mod windows;

use std::pin::Pin;
use std::sync::Arc;

use crate::fixture::Fixture;

/// A scenario.
pub(crate) struct Scenario {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Plays it; a panic is a failure.
    pub(crate) run: Box<dyn FnOnce(Arc<Fixture>) -> Played>,
}

/// A scenario under way.
type Played = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All of them: those that take long first.
pub(crate) fn all() -> Vec<Scenario> {
    fn named<F>(name: &'static str, run: fn(Arc<Fixture>) -> F) -> Scenario
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Scenario { name, run: Box::new(move |fixture| Box::pin(run(fixture))) }
    }
    vec![
        named("the-claim", claim::c16_the_claim),
        named("new-node", new_node::c16_new_node),
        named("windows", windows::c18_windows),
        named("daily-list", sibling::daily_list),
        named("redis-list", sibling::redis_list),
        named("chart", chart::helm_chart),
        named("examples", examples::examples),
        named("access", access::c21_access),
        named("outages", outages::c21_c22_outages),
        named("hang", settled::c25_hang),
        named("api-deadlines", deadlines::api_deadlines),
        named("rolling", rolling::c14_c34_rolling),
        named("tls", tls::c36_tls),
        named("bad-input", bad_input::c07_bad_input),
        named("external", forms::external),
        named("external-push", forms::external_push),
        named("threshold-edit", forms::c03_c38_threshold_edit),
        named("cached-metrics", forms::cached_metrics),
        named("scaling-modifiers", forms::scaling_modifiers),
        named("fallback", forms::fallback),
        named("fallback-at-zero", counted::fallback_at_zero),
        named("fallback-counts", counted::fallback_counts),
        named("polls", counted::c44_polls_ask_for_the_spec),
        named("cached-fallback", settled::cached_fallback),
        named("edit-streams", settled::c43_edit_streams),
        named("idle-replicas", forms::idle_replicas),
        named("check-agrees", agreement::check_agrees),
        named("paused", forms::c40_paused),
        named("scaled-job", forms::c41_scaled_job),
    ]
}
