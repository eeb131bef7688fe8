//! What policies would have missed and cost, in simulated time.

pub mod bank;
pub mod learnt;
pub mod portfolio;
mod shadow;
mod student;
pub mod tuner;
