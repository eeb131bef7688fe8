//! The workloads of the demo: what their days look like, what one replica carries, how long it takes
//! to start.

use jiff::{SignedDuration, Timestamp};

use super::demand;

/// One simulated workload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    /// Its ScaledObject's name, and `model_name` of its metrics.
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) title: &'static str,
    /// Cold start of a replica unless another is asked for.
    pub(super) cold_start: SignedDuration,
    /// GPUs there are for it.
    pub(super) max_replicas: u32,
    /// Requests a second to expect at an instant.
    pub(super) rate: fn(Timestamp) -> f64,
}

/// Which of them are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// All three
    All,
    /// A chat service with a steep morning
    Chat,
    /// An image generator that sleeps at night
    Images,
    /// A queue of batch work, a load of it every half hour
    Batch,
}

impl Scenario {
    /// Its workloads.
    pub(super) fn stories(self) -> Vec<Story> {
        match self {
            Self::All => vec![CHAT, IMAGES, BATCH],
            Self::Chat => vec![CHAT],
            Self::Images => vec![IMAGES],
            Self::Batch => vec![BATCH],
        }
    }
}

const CHAT: Story = Story {
    name: "chat",
    title: "a chat service with a steep morning",
    cold_start: SignedDuration::from_mins(4),
    max_replicas: 40,
    rate: demand::chat,
};

const IMAGES: Story = Story {
    name: "images",
    title: "an image generator, zero overnight",
    cold_start: SignedDuration::from_mins(6),
    max_replicas: 12,
    rate: demand::images,
};

const BATCH: Story = Story {
    name: "batch",
    title: "a queue of batch work, loaded every half hour",
    cold_start: SignedDuration::from_mins(3),
    max_replicas: 16,
    rate: demand::batch,
};

impl Story {
    /// Metric of its trigger.
    pub(super) fn metric(&self) -> String {
        format!("{}-demand", self.name)
    }
}
