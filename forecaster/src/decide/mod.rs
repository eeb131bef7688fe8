//! From observation and forecast to a decision. Total: a decision cannot fail.

mod answer;
pub mod lead;
pub(crate) mod live;
pub mod planner;
pub mod plausibility;
pub mod policy;
pub mod selection;
mod target;
pub mod timing;
pub(crate) mod window_limits;

use jiff::{SignedDuration, Timestamp};

/// What leads to an answer; bounded, used as metric label, log field and page text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Live demand over the stable window.
    Live,
    /// Live demand over the panic window, at least twice the stable one.
    Panic,
    /// Items waiting.
    Backlog,
    /// The forecast over the lead.
    Forecast,
    /// A window's floor (in force, or due within the lead).
    Floor,
    /// A window's ceiling cut the value.
    Ceiling,
    /// Demand has gone, replicas are held for a while.
    Hold,
    /// The last arrival is younger than `keepWarm`.
    KeepWarm,
    /// Somebody is likely enough to come within the lead.
    Arrival,
    /// Zero is not allowed here: one replica stays.
    NeverZero,
    /// Nothing to do: no demand.
    Idle,
    /// Sources are down: the last good value is repeated.
    LastGood,
    /// Sources have been down too long to vouch for a value.
    Unavailable,
    /// At zero replicas the metrics are gone, and nothing is expected: zero, until forecast or
    /// window say otherwise.
    ScaledToZero,
    /// No sample has ever been seen.
    NoData,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 15] = [
        Self::Live,
        Self::Panic,
        Self::Backlog,
        Self::Forecast,
        Self::Floor,
        Self::Ceiling,
        Self::Hold,
        Self::KeepWarm,
        Self::Arrival,
        Self::NeverZero,
        Self::Idle,
        Self::LastGood,
        Self::Unavailable,
        Self::ScaledToZero,
        Self::NoData,
    ];

    /// The reason of this name; `None` if a newer version knows another.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Panic => "panic",
            Self::Backlog => "backlog",
            Self::Forecast => "forecast",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::Hold => "hold",
            Self::KeepWarm => "keep_warm",
            Self::Arrival => "arrival",
            Self::NeverZero => "never_zero",
            Self::Idle => "idle",
            Self::LastGood => "last_good",
            Self::Unavailable => "unavailable",
            Self::ScaledToZero => "asleep",
            Self::NoData => "no_data",
        }
    }
}

/// Which row of the answer table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Live demand and forecast are fresh.
    Fresh,
    /// Live demand is fresh, there is no fresh forecast: a plain reactive scaler.
    Reactive,
    /// Live demand is down, the forecast is fresh.
    LiveDown,
    /// Both are down, the last good value is young enough to repeat.
    LastGood,
    /// Both are down for too long.
    NoSignal,
    /// The workload was let go to zero and its metrics went with it; the source itself answers.
    ScaledToZero,
    /// No sample has ever been seen.
    NoData,
}

impl State {
    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reactive => "reactive",
            Self::LiveDown => "live_down",
            Self::LastGood => "last_good",
            Self::NoSignal => "blind",
            Self::ScaledToZero => "asleep",
            Self::NoData => "no_data",
        }
    }
}

/// What a caller is told. `IsActive` and `GetMetrics` read the same one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// We vouch for this.
    Value {
        /// Finite, ≥ 0, three decimals, in the demand's own unit.
        metric_value: f64,
        /// Whether at least one replica should run.
        active: bool,
    },
    /// Unknown for too long: hold (`UNAVAILABLE`).
    Unavailable,
    /// Never any data: hold (`FAILED_PRECONDITION`).
    NoData,
}

/// Whether a sample can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verdict {
    /// It counts, or there is none.
    #[default]
    Plausible,
    /// More than one slot alone may say: it waits for the next one, and counts as the limit until
    /// then.
    Held,
    /// Not a number, infinite or negative: as if there were none.
    Invalid,
}

impl Verdict {
    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plausible => "plausible",
            Self::Held => "held",
            Self::Invalid => "invalid",
        }
    }
}

/// What became of a sample that was held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Earlier {
    /// The next one said as much: both count.
    Confirmed,
    /// It did not, or did not come: it never counts.
    Rejected,
}

impl Earlier {
    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}

/// How a signal's sample was judged in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Check {
    /// Of the slot's own sample.
    pub verdict: Verdict,
    /// Of the one that was held before, if this slot decided it.
    pub earlier: Option<Earlier>,
}

/// The numbers that a decision was made from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts {
    /// The newest sample as observed, in the demand's unit; `None` if the last slot was missing.
    pub observed: Option<f64>,
    /// Live demand (stable or panic mean), in the demand's unit; `None` while unknown.
    pub live: Option<f64>,
    /// Items waiting, as observed.
    pub backlog: Option<f64>,
    /// The backlog's share of the value, in the demand's unit; 0 without backlog.
    pub backlog_demand: f64,
    /// Quantile of demand over `[now, now + lead]`, in the demand's unit; `None` without fresh
    /// forecast.
    pub forecast: Option<f64>,
    /// Which quantile the forecast is asked for, within (0, 1).
    pub forecast_quantile: f64,
    /// Replicas the forecast asks for (after caps); acted upon only if `forecast_acts`.
    pub forecast_replicas: u32,
    /// The tuner's policy that acted; `None` before its first choice, and where the mode lets none
    /// act.
    pub policy: Option<selection::ShadowPolicy>,
    /// Whether mode and gate let the forecast act.
    pub forecast_acts: bool,
    /// Replicas the windows demand at any instant of `[now, now + lead]`.
    pub floor: u32,
    /// Replicas the windows allow now.
    pub ceiling: Option<u32>,
    /// Replicas held although demand has gone.
    pub hold: u32,
    /// How likely somebody is to come; `None` while that is not known, or a replica always runs.
    pub arrival: Option<ArrivalOdds>,
    /// The SLO guard's factor on live demand, ≥ 1.
    pub latency_factor: f64,
    /// The lead in force.
    pub lead: SignedDuration,
    /// Age of the last good live sample; `None` if there never was one.
    pub live_age: Option<SignedDuration>,
    /// What `metric_value` would have been had the forecast acted (shadow mode).
    pub would_value: Option<f64>,
    /// Whether the slot's demand can be; a held one is in `live` as the limit that it counts for.
    pub demand_check: Check,
    /// The same of the backlog.
    pub backlog_check: Check,
    /// The same of the latency.
    pub latency_check: Check,
}

/// How likely somebody is to come, and from when on a replica for that pays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrivalOdds {
    /// Of an arrival within `within`, if nobody comes before; within [0, 1].
    pub probability: f64,
    /// The lead in whole buckets.
    pub within: SignedDuration,
    /// One replica stays or starts from this probability on; above 1: never.
    pub break_even: f64,
    /// Whether it decides between one replica and none: the selected policy asks for it, and mode
    /// and policy let it.
    pub acts: bool,
}

impl ArrivalOdds {
    /// One replica is to be there.
    pub fn stays(&self) -> bool {
        self.probability >= self.break_even
    }
}

impl Parts {
    /// Every signal's name and how its sample was judged.
    pub fn checks(&self) -> [(&'static str, Check); 3] {
        [
            ("demand", self.demand_check),
            ("backlog", self.backlog_check),
            ("latency", self.latency_check),
        ]
    }
}

/// One decision with its reason and its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Replicas the value amounts to: ceil(value / threshold).
    pub desired_replicas: u32,
    /// The value, in the demand's unit (what the HPA divides by the threshold).
    pub metric_value: f64,
    /// Whether at least one replica should run.
    pub active: bool,
    /// The part that prevailed.
    pub reason: Reason,
    /// Row of the answer table.
    pub state: State,
    /// The numbers behind it.
    pub parts: Parts,
}

/// What a planner publishes each slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The slot it was made for.
    pub at: Timestamp,
    /// After this instant nobody may repeat it: the planner itself has stopped ticking.
    pub valid_until: Timestamp,
    /// What callers are told.
    pub answer: Answer,
    /// How it came about.
    pub decision: Decision,
}

/// `now + span`, at the latest the end of time: policies may name spans that no clock reaches.
pub(crate) fn later(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_add(span).unwrap_or(if span.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
