//! What policies would have missed and cost, in simulated time.

pub mod bank;
pub mod portfolio;
mod shadow;
pub mod tuner;
