//! The brain of Prewarm. Pure: no I/O, no clock, no environment, no logging, no async.
//!
//! **Why look ahead.** An autoscaler that reacts at *t* has replicas at *t + lead*: the metric must
//! rise, KEDA and the HPA must ask, a node may have to come, a model must load. So the answer at
//! *t* is the capacity for which demand will be there at any instant of *[t, t + lead]*, and the
//! lead is learned from start-ups ([`decide::lead`]).
//!
//! **How much.** Being one replica-hour short costs ρ (`costRatio`) times what an idle one costs,
//! so the capacity to have is the ρ / (1 + ρ) quantile of demand, the newsvendor's: ρ = 30 means
//! the 97th. A [`Forecast`] holds quantiles, learned from what the model has missed by so far.
//!
//! **What is answered.** min(ceiling, max(live + backlog, forecast, floor, hold)), in the demand's
//! own unit. Live demand stays raw, so that the HPA's tolerance and behavior stay in charge of it;
//! what is ours is whole replicas × threshold, so that the HPA's ceil gives exactly as many
//! ([`control`]). The forecast only adds. To zero it goes step by step: first one replica, then,
//! when nothing has come and nothing is expected, none.
//!
//! **What is not known** is absent, never zero. An error means "hold", a value means that we vouch
//! for it; which of them where is the answer table ([`State`]). A decision cannot fail.
//!
//! Data goes one way: *observation → history ([`series`]) → fitted model ([`forecast`]) → decision
//! ([`decide`]) → recommendation*. Every call that depends on time takes `now`; windows are read in
//! local time ([`calendar`]). The same [`Planner`] runs live, in replay, in the demo and in the
//! tests.
//!
//! ```
//! use std::sync::Arc;
//! use jiff::{SignedDuration, Timestamp, tz::TimeZone};
//! use prewarm_forecaster::decide::{Answer, policy::Threshold, timing::LoopTiming};
//! use prewarm_forecaster::{Calendar, Observation, Planner, Policy, SeasonalNaive, Series};
//!
//! // Two days of minutes with a burst at the 600th minute of each.
//! let values = (0..2880).map(|i| if (600..700).contains(&(i % 1440)) { 40.0 } else { 0.0 }).collect();
//! let history = Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), values);
//! let forecast = SeasonalNaive::fit(&history, &TimeZone::UTC)?.forecast(1440, &[0.5, 0.9, 0.99]);
//!
//! // One replica carries 10; a replica takes three minutes to start.
//! let policy = Policy::new(Threshold::new(10.0)?, Calendar::empty(TimeZone::UTC));
//! let mut planner = Planner::new(Arc::new(policy), LoopTiming::default());
//! planner.install(forecast);
//!
//! // Nobody is there yet, the burst is three minutes away: four replicas must be starting now.
//! let now = history.end() + SignedDuration::from_mins(597);
//! let recommendation = planner.tick(now, &Observation { demand: Some(0.0), ..Observation::default() });
//! assert_eq!(recommendation.answer, Answer::Value { metric_value: 40.0, active: true });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arrival;
pub mod calendar;
pub mod control;
pub mod decide;
pub mod forecast;
pub mod replay;
pub mod series;
pub mod tuning;

pub use calendar::{Bounds, Calendar, Window};
pub use decide::planner::{Observation, Planner, Replicas};
pub use decide::policy::Policy;
pub use decide::{Answer, Decision, Parts, Reason, Recommendation, State};
pub use forecast::baseline::SeasonalNaive;
pub use forecast::{Ensemble, Forecast, NoForecast, Spec};
pub use series::{Minute, Series};
