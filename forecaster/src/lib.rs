//! The brain of Prewarm. Pure: no I/O, no clock, no environment, no logging, no async.
//!
//! Data goes one way: *observation → history → fitted model → decision → recommendation*.
//! Every call that depends on time takes `now`.

pub mod calendar;
pub mod decide;
pub mod forecast;
pub mod series;

pub use calendar::{Bounds, Calendar, Window};
pub use decide::planner::{Observation, Planner, Replicas};
pub use decide::policy::Policy;
pub use decide::{Answer, Decision, Parts, Reason, Recommendation, State};
pub use forecast::Forecast;
pub use forecast::model::{Fitted, Model};
pub use series::{Minute, Series};
