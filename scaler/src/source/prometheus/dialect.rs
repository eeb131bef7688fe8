//! What is known of the server behind the API, by what it has answered: nothing is tried out on it
//! that Prometheus does not know, for some (Google Managed Prometheus) refuse every unknown
//! parameter.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;

use super::answer::{Told, is_of_the_api};
use crate::config::Method;
use crate::source::http::Reply;

/// What is known of one server.
#[derive(Debug)]
pub(super) struct Dialect {
    method: Method,
    /// Its proxy lets GET pass and POST not.
    only_gets: AtomicBool,
    /// It is a Thanos.
    thanos: AtomicBool,
    /// It is a cluster of VictoriaMetrics.
    victoria_metrics: AtomicBool,
}

impl Dialect {
    pub(super) fn new(method: Method) -> Self {
        let unknown = AtomicBool::default;
        Self { method, only_gets: unknown(), thanos: unknown(), victoria_metrics: unknown() }
    }

    /// Whether to ask by GET at once.
    pub(super) fn gets(&self) -> bool {
        self.method == Method::Get || self.only_gets.load(Ordering::Relaxed)
    }

    /// Whether the answer to POST may come from somebody who lets only GET pass: by the verb (RBAC
    /// proxies say 403), or because forms are not understood.
    pub(super) fn refuses_post(&self, reply: &Reply) -> bool {
        let by_verb = matches!(
            reply.status,
            StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        );
        let by_form = matches!(
            reply.status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        self.method == Method::Auto && (by_verb || by_form && !is_of_the_api(&reply.body))
    }

    /// GET passed where POST did not.
    pub(super) fn remember_get(&self, source: &str, status: StatusCode) {
        if !self.only_gets.swap(true, Ordering::Relaxed) {
            tracing::info!(
                source.name = source,
                http.status = status.as_u16(),
                "POST is refused: asking by GET"
            );
        }
    }

    /// Takes note of fields that only one kind of server has.
    pub(super) fn note(&self, told: &Told) {
        if told.has_analysis {
            self.thanos.store(true, Ordering::Relaxed);
        }
        if told.says_whether_partial {
            self.victoria_metrics.store(true, Ordering::Relaxed);
        }
    }

    /// What makes this server refuse rather than answer in part: a sum over the shards that happen
    /// to answer looks like falling demand.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let thanos = self.thanos.load(Ordering::Relaxed).then_some(("partial_response", "false"));
        let known = self.victoria_metrics.load(Ordering::Relaxed);
        thanos.into_iter().chain(known.then_some(("deny_partial_response", "1")))
    }
}
