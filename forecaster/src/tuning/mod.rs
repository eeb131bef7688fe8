//! What learns: history in, forecast and selection out.
//!
//! [`WorkloadModel`](model::WorkloadModel) follows the minutes of one workload. It forecasts
//! demand, lives some seventy simulated policies through it, and selects the policy that may act. A
//! service, a replay and a test drive the same type.

pub mod cold_start;
pub mod daily_costs;
pub mod horizon;
pub mod inputs;
pub mod model;
mod policy_state;
pub mod portfolio;
pub mod selection;
pub mod simulator;
pub mod update;

use jiff::SignedDuration;

/// Resolution of models.
pub const BUCKET: SignedDuration = SignedDuration::from_mins(5);

/// Resolution of history.
pub const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Resolution of the simulated policies.
pub const SLOT: SignedDuration = SignedDuration::from_secs(15);
