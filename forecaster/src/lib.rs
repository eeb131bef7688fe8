//! The brain of Prewarm. Pure: no I/O, no clock, no environment, no logging, no async.
//!
//! An autoscaler that reacts at *t* has replicas at *t + cold start*. So the answer at *t* must be the capacity for which
//! demand will be there at *t + lead*: the calibrated upper quantile of demand over the lead, never less than live demand
//! and backlog ask for, within the floors and ceilings of the policy's windows.
//!
//! Data goes one way: *observation → history → fitted model → decision → recommendation*. Missing data is absent, never
//! zero; a decision cannot fail; every call that depends on time takes `now`.
//!
//! ```
//! use std::sync::Arc;
//! use jiff::{SignedDuration, Timestamp, tz::TimeZone};
//! use prewarm_forecaster::decide::{Answer, planner::Rhythm, policy::Threshold};
//! use prewarm_forecaster::{Calendar, Model, Observation, Planner, Policy, Series};
//!
//! // Two days of minutes with a burst at the 600th minute of each.
//! let values = (0..2880).map(|i| if (600..700).contains(&(i % 1440)) { 40.0 } else { 0.0 }).collect();
//! let history = Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), values);
//! let forecast = Model::SeasonalNaive.fit(&history, &TimeZone::UTC)?.forecast(1440, &[0.5, 0.9, 0.99]);
//!
//! // One replica carries 10; a replica takes three minutes to start.
//! let policy = Policy::new(Threshold::new(10.0)?, Calendar::empty(TimeZone::UTC));
//! let mut planner = Planner::new(Arc::new(policy), Rhythm::default());
//! planner.install(forecast);
//!
//! // Nobody is there yet, the burst is three minutes away: four replicas must be starting now.
//! let now = history.end() + SignedDuration::from_mins(597);
//! let recommendation = planner.tick(now, &Observation { demand: Some(0.0), ..Observation::default() });
//! assert_eq!(recommendation.answer, Answer::Value { metric_value: 40.0, active: true });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
