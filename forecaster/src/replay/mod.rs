//! What policies would have missed and cost, in simulated time.

pub mod bank;
pub mod shadow;
pub mod tuner;
