//! The two streams. They are polled: a slow reader gets the latest state, nothing is queued for it.
//! Neither ends by itself, because KEDA would reopen it for ever; what is unknown or invalid is met
//! with silence.

use std::future::pending;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prewarm_forecaster::Recommendation;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::convert;
use super::proto::{GetMetricSpecResponse, IsActiveResponse, ScaledObjectRef};
use crate::registry::{Found, Reference, Registration, Registry, Workload};
use crate::trigger::MetricSpec;

/// Messages of a stream, made when the transport has room for them.
pub(super) type Messages<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// `StreamIsActive`: `true` at once if active, then each transition, and `true` again and again
/// while active.
pub(super) fn activity(
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
    peer: Option<IpAddr>,
) -> Messages<IsActiveResponse> {
    let stream = Activity { attachment: Attachment::new(registry, reference, peer), last: None };
    Box::pin(futures::stream::unfold(stream, async |mut stream| {
        let result = stream.next().await;
        Some((Ok(IsActiveResponse { result }), stream))
    }))
}

/// `StreamMetricSpec`: the spec at once, then only when it has changed; always what `GetMetricSpec`
/// says.
pub(super) fn metric_specs(
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
    peer: Option<IpAddr>,
) -> Messages<GetMetricSpecResponse> {
    let stream = Specs { attachment: Attachment::new(registry, reference, peer), last: None };
    Box::pin(futures::stream::unfold(stream, async |mut stream| {
        let spec = stream.next().await;
        Some((Ok(convert::metric_spec(&spec)), stream))
    }))
}

struct Activity {
    attachment: Attachment,
    last: Option<Told>,
}

impl Activity {
    async fn next(&mut self) -> bool {
        loop {
            let now = Instant::now();
            let active = self.attachment.active();
            let due = active.and_then(|active| due(self.last, active, now));
            if let Some(active) = active
                && due.is_some_and(|at| at <= now)
            {
                self.last = Some(Told { active, at: now });
                return active;
            }
            self.attachment.news(due).await;
        }
    }
}

/// What was told last, and when.
#[derive(Debug, Clone, Copy)]
struct Told {
    active: bool,
    at: Instant,
}

/// When the next message is due; `None` while there is nothing to say.
fn due(last: Option<Told>, active: bool, now: Instant) -> Option<Instant> {
    match (last, active) {
        (None, active) => active.then_some(now),
        (Some(Told { active: true, at }), true) => Some(at + REPEAT),
        (Some(Told { active: false, .. }), false) => None,
        (Some(Told { at, .. }), _) => Some(at + SPACING),
    }
}

struct Specs {
    attachment: Attachment,
    last: Option<MetricSpec>,
}

impl Specs {
    async fn next(&mut self) -> MetricSpec {
        loop {
            if let Some(spec) = self.attachment.spec()
                && self.last.as_ref() != Some(&spec)
            {
                self.last = Some(spec.clone());
                return spec;
            }
            self.attachment.news(None).await;
        }
    }
}

/// A stream's hold on its workload: a sign of life while the stream is open, taken anew if the
/// workload was evicted.
struct Attachment {
    registry: Arc<Registry>,
    reference: ScaledObjectRef,
    peer: Option<IpAddr>,
    attached: Option<Attached>,
    renewed: Instant,
}

struct Attached {
    workload: Arc<Workload>,
    registrations: watch::Receiver<Arc<Registration>>,
    recommendations: watch::Receiver<Option<Arc<Recommendation>>>,
}

impl Attachment {
    fn new(registry: Arc<Registry>, reference: ScaledObjectRef, peer: Option<IpAddr>) -> Self {
        let renewed = Instant::now();
        let mut attachment = Self { registry, reference, peer, attached: None, renewed };
        attachment.renew();
        attachment
    }

    /// Whether the workload should have a replica; `None` while that is unknown.
    fn active(&self) -> Option<bool> {
        let workload = &self.attached.as_ref()?.workload;
        workload.registration().trigger.as_ref().ok()?;
        let recommendation = workload.recommendation()?;
        convert::vouched(&recommendation, self.registry.clock().now(), None)
            .ok()
            .map(|vouched| vouched.active)
    }

    /// What `GetMetricSpec` says; `None` where that is an error.
    fn spec(&self) -> Option<MetricSpec> {
        match &self.attached {
            Some(attached) => Some(attached.workload.registration().spec.clone()),
            None => self.registry.parse(self.reference()).spec.ok(),
        }
    }

    /// Waits for something to look at again: a recommendation, an edit, or `due`.
    async fn news(&mut self, due: Option<Instant>) {
        let due = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let changed = async {
            match &mut self.attached {
                // An error would mean that the workload is gone, but we hold it.
                Some(attached) => tokio::select! {
                    _ = attached.recommendations.changed() => {}
                    _ = attached.registrations.changed() => {}
                },
                None => pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = changed => {}
            () = sleep_until(self.renewed + SIGN_OF_LIFE) => self.renew(),
        }
    }

    /// Only an absent workload is looked up by our metadata: an outlived stream must not undo an
    /// edit.
    fn renew(&mut self) {
        self.renewed = Instant::now();
        if let Some(Attached { workload, .. }) = &self.attached {
            let key = workload.key();
            if self
                .registry
                .triggers(&key.namespace, &key.name)
                .iter()
                .any(|known| Arc::ptr_eq(known, workload))
            {
                workload.touch(self.registry.clock().now());
                return;
            }
        }
        self.attached = match self.registry.find(self.reference()) {
            Found::Workload(workload) => Some(Attached {
                registrations: workload.registrations(),
                recommendations: workload.recommendations(),
                workload,
            }),
            Found::Refused(_) | Found::Full { .. } => None,
        };
    }

    fn reference(&self) -> Reference<'_> {
        let ScaledObjectRef { name, namespace, scaler_metadata: metadata } = &self.reference;
        Reference { namespace, name, metadata, peer: self.peer }
    }
}

/// While active, `true` is repeated: KEDA drops it until the ScaledObject's status names our
/// metric. Each costs KEDA a read and a status patch, and `true` every 200 ms kept other people's
/// workloads from zero: hence slowly, yet within KEDA's default poll of 30 s.
const REPEAT: Duration = Duration::from_secs(20);

/// A flapping workload is told at most this often: the latest state wins.
const SPACING: Duration = Duration::from_secs(5);

/// An open stream is a sign of life this often; far below any time after which a workload is
/// forgotten.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
