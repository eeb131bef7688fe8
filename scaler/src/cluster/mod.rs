//! What the Kubernetes API knows of workloads: how many replicas there are, and how long pods take
//! to start.
//!
//! One watch on the pods of all namespaces, whatever the number of workloads: a watch per workload
//! would be a connection per workload. Of each pod some instants and its labels are kept (about 1
//! kB), of those of Jobs and DaemonSets nothing. What a ScaledObject scales, by which selector and
//! within which limits, is asked for when it is registered and every ten minutes: KEDA writes its
//! status at every poll, so that a watch would bring more than it tells. Nodes are asked for one by
//! one, when a start-up has ended on them.
//!
//! All of it is optional. Without access, while the API is away or where it refuses, nothing is
//! known, and answers are as they were; nothing waits for it.

mod connect;
mod external_metric;
mod labels;
mod lifecycle;
mod pod;
mod pods;
mod target;
mod watch;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::lead::Node;
use prewarm_forecaster::decide::planner::Replicas;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::ClusterAccess;
use crate::metrics::Metrics;
use crate::scaled_object::ScaledObjectLimits;

use external_metric::Connection;
pub use external_metric::{ExternalMetric, NoValue};
pub use lifecycle::StartOutcome;

/// A start-up that was seen to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartUp {
    /// UID of the pod: each has one start-up.
    pub pod: String,
    /// When it ended: Ready, or given up.
    pub at: Timestamp,
    /// Whether its node was there before.
    pub node: Node,
    /// From creation to its end, ≥ 0.
    pub took: SignedDuration,
    /// The pod got Ready; else it was given up.
    pub finished: bool,
    /// How far it had come when, where the pod says so; only of finished ones.
    pub stages: Option<Stages>,
}

/// Stages of a finished start-up, each from the pod's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// Until there was a node for it.
    pub scheduled: SignedDuration,
    /// Until the last of its containers ran: images pulled, init containers done. The rest is
    /// loading and warming up.
    pub started: SignedDuration,
}

/// What is known of one ScaledObject's pods.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetStatus {
    /// Replicas; `None` while that is not known.
    pub replicas: Option<Replicas>,
    /// The latest start-ups, oldest first.
    pub start_ups: Vec<StartUp>,
    /// What the ScaledObject said of limits and beats when it was last asked, and when that was.
    pub scaling: Option<(Timestamp, ScaledObjectLimits)>,
}

/// Start-ups that are kept of a workload: as many as the planner looks at.
pub(crate) const KEPT: usize = 50;

/// Namespace and name of a ScaledObject.
type Name = (String, String);

/// Somebody wants to know of a ScaledObject.
#[derive(Debug)]
struct Follow {
    of: Name,
    out: channel::Sender<Arc<TargetStatus>>,
}

/// The way to the cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    subscriptions: mpsc::UnboundedSender<Follow>,
    connection: channel::Receiver<Connection>,
}

/// The work behind a [`Cluster`]: to be run beside it.
#[derive(Debug)]
pub struct Watching {
    access: ClusterAccess,
    subscriptions: mpsc::UnboundedReceiver<Follow>,
    connection: channel::Sender<Connection>,
}

impl Cluster {
    /// A way to wherever `access` leads, and the work behind it. Nothing is asked of anybody before
    /// that is run.
    pub fn new(access: ClusterAccess) -> (Self, Watching) {
        let (sender, subscriptions) = mpsc::unbounded_channel();
        let (connecting, connection) = channel::channel(Connection::Pending);
        let watching = Watching { access, subscriptions, connection: connecting };
        (Self { subscriptions: sender, connection }, watching)
    }

    /// Another trigger of a ScaledObject, to be read as demand.
    pub fn external_metric(&self, namespace: &str, name: &str, trigger: &str) -> ExternalMetric {
        let of = (namespace.to_owned(), name.to_owned());
        ExternalMetric::new(self.connection.clone(), of, trigger.to_owned())
    }

    /// Follows what is known of a ScaledObject, as long as the receiver lives; without access it
    /// stays at nothing.
    pub fn follow(&self, namespace: &str, name: &str) -> channel::Receiver<Arc<TargetStatus>> {
        let (out, status) = channel::channel(Arc::default());
        // Without access nobody receives it.
        let _ =
            self.subscriptions.send(Follow { of: (namespace.to_owned(), name.to_owned()), out });
        status
    }
}

impl Watching {
    /// Finds out who and where the API is, and watches until `shutdown`. What is missing or broken
    /// is no error: nothing is known then.
    pub async fn run(
        self,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) {
        let watched = async {
            let client = match self.access {
                ClusterAccess::Auto => connect::client().await,
                ClusterAccess::Off => None,
            };
            self.connection.send_replace(match &client {
                Some(client) => Connection::Ready(client.clone()),
                None => Connection::None,
            });
            if let Some(client) = client {
                watch::run(client, self.subscriptions, &metrics, clock.as_ref()).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = watched => {}
        }
    }
}
