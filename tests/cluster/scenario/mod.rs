//! The scenarios, each a story of its own namespace.

mod bad_input;
mod claim;
mod forms;
mod outages;
mod rolling;
mod tls;
mod windows;

use std::pin::Pin;
use std::sync::Arc;

use crate::world::World;

/// A scenario.
pub(crate) struct Scenario {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Plays it; a panic is a failure.
    pub(crate) run: Box<dyn FnOnce(Arc<World>) -> Played>,
}

/// A scenario under way.
type Played = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All of them: those that take long first.
pub(crate) fn all() -> Vec<Scenario> {
    fn named<F>(name: &'static str, run: fn(Arc<World>) -> F) -> Scenario
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Scenario { name, run: Box::new(move |world| Box::pin(run(world))) }
    }
    vec![
        named("the-claim", claim::the_claim),
        named("windows", windows::windows),
        named("outages", outages::outages),
        named("rolling", rolling::rolling),
        named("tls", tls::tls),
        named("bad-input", bad_input::bad_input),
        named("external", forms::external),
        named("external-push", forms::external_push),
        named("threshold-edit", forms::threshold_edit),
        named("cached-metrics", forms::cached_metrics),
        named("scaling-modifiers", forms::scaling_modifiers),
        named("fallback", forms::fallback),
        named("idle-replicas", forms::idle_replicas),
        named("paused", forms::paused),
        named("scaled-job", forms::scaled_job),
    ]
}
