//! What policies would have missed and cost, in simulated time.

pub mod arm;
pub mod bank;
pub mod conclusion;
pub mod outcome;
pub mod portfolio;
pub mod scene;
mod shadow;
pub mod tuner;

pub use arm::Arm;
pub use conclusion::{Advice, Conclusion};
pub use outcome::{DaySum, Moment, Outcome, Settings};
pub use scene::Scene;
