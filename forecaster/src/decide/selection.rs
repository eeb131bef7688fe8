//! The policy that may act, and what speaks for it. The tuner chooses, the planner follows.

use jiff::SignedDuration;

/// Utilization and scale-down window of the HPA when nobody tuned anything.
pub const UNTUNED: ShadowPolicy =
    ShadowPolicy::Reactive { utilization: 0.8, scale_down_window: SignedDuration::from_secs(300) };

/// Models smear a little of the day over the night: what is less than this share of a replica is no
/// arrival, and wakes nothing. One request of ten seconds in a minute, where a replica carries four
/// at once, is more.
pub(crate) const NOISE_FLOOR: f64 = 0.04;

/// A way to scale that is tried out in the shadow, and that the planner follows when it is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShadowPolicy {
    /// Live demand alone.
    Reactive {
        /// Demand per replica as a share of the threshold, > 0: below 1 is headroom.
        utilization: f64,
        /// Scale down to the most that was wanted within so long.
        scale_down_window: SignedDuration,
    },
    /// Live demand and the forecast, whichever wants more.
    Forecast {
        /// Quantile of demand to be ready for, within (0, 1).
        quantile: f64,
        /// Forecast demand per replica as a share of the threshold, > 0.
        forecast_utilization: f64,
        /// Live demand per replica as a share of the threshold, > 0.
        utilization: f64,
        /// How far beyond the lead the forecast keeps what runs.
        hold: SignedDuration,
        /// Scale down to the most that was wanted within so long.
        stabilization: SignedDuration,
        /// A queue counts as the demand that empties it within so long, > 0.
        drain: SignedDuration,
    },
    /// As the others, but whether one replica runs or none is decided by how likely somebody is to
    /// come ([`crate::arrival`]).
    Arrival {
        /// Live demand per replica as a share of the threshold, > 0.
        utilization: f64,
        /// Scale down to the most that was wanted within so long.
        scale_down_window: SignedDuration,
        /// One replica stays or starts from so many times the break-even on, > 0: below 1 is
        /// caution.
        from: f64,
        /// How the forecast is asked for more than one replica; `None`: it is not.
        ahead: Option<AskedAhead>,
    },
}

/// How a forecast is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AskedAhead {
    /// Quantile of demand to be ready for, within (0, 1).
    pub quantile: f64,
    /// Forecast demand per replica as a share of the threshold, > 0.
    pub utilization: f64,
    /// How far beyond the lead the forecast keeps what runs.
    pub hold: SignedDuration,
}

impl ShadowPolicy {
    /// How the forecast of demand is asked; `None` where it is not.
    pub fn ahead(&self) -> Option<AskedAhead> {
        match *self {
            Self::Forecast { quantile, forecast_utilization: utilization, hold, .. } => {
                Some(AskedAhead { quantile, utilization, hold })
            }
            Self::Arrival { ahead, .. } => ahead,
            Self::Reactive { .. } => None,
        }
    }

    /// Looks ahead: by the forecast of demand, or by the probability of an arrival.
    pub fn forecasts(&self) -> bool {
        !matches!(self, Self::Reactive { .. })
    }

    /// From how many times the break-even on one replica stays; `None`: the policy does not ask
    /// whether somebody will come.
    pub fn stays_from(&self) -> Option<f64> {
        match *self {
            Self::Arrival { from, .. } => Some(from),
            Self::Reactive { .. } | Self::Forecast { .. } => None,
        }
    }

    /// Live demand per replica as a share of the threshold.
    pub fn utilization(&self) -> f64 {
        match *self {
            Self::Reactive { utilization, .. }
            | Self::Forecast { utilization, .. }
            | Self::Arrival { utilization, .. } => utilization,
        }
    }

    /// Scale down to the most that was wanted within so long.
    pub fn scale_down_window(&self) -> SignedDuration {
        match *self {
            Self::Reactive { scale_down_window: window, .. }
            | Self::Arrival { scale_down_window: window, .. }
            | Self::Forecast { stabilization: window, .. } => window,
        }
    }
}

/// What a policy cost and missed over some time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Costs {
    /// Hours of replicas ready or starting.
    pub gpu_hours: f64,
    /// Work that waited longer than the limit, in replica-hours.
    pub missed: f64,
    /// Queue × time over 60 s, in replica-hours.
    pub queued: f64,
}

impl Costs {
    /// GPU-hours + ρ × missed replica-hours.
    pub fn total_cost(&self, cost_ratio: f64) -> f64 {
        self.gpu_hours + cost_ratio * self.missed
    }
}

impl std::ops::AddAssign for Costs {
    fn add_assign(&mut self, more: Self) {
        self.gpu_hours += more.gpu_hours;
        self.missed += more.missed;
        self.queued += more.queued;
    }
}

/// Why a policy was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectionReason {
    /// No complete day yet: what was best for others with such a lead and cost ratio.
    Prior,
    /// No complete day and no forecast yet: 80 % and 300 s.
    Untuned,
    /// One or two days: the cheapest of them.
    FewDays,
    /// The forecast's gain over the best reactive policy is more than chance.
    Earned,
    /// A forecast would have been cheaper, by no more than chance may have it.
    NotProven,
    /// No forecast would have been cheaper than the best reactive policy.
    ReactiveBest,
}

/// The policy that may act, and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The policy that acts.
    pub policy: ShadowPolicy,
    /// The best of the reactive ones: what acts where the forecast cannot.
    pub best_reactive: ShadowPolicy,
    /// Why.
    pub why: SelectionReason,
    /// Complete days that it rests on.
    pub days: u32,
    /// Days on which the policy cost less than the best reactive one.
    pub days_won: u32,
    /// Mean gain a day over the best reactive one, in total cost (GPU-hours).
    pub gain: f64,
    /// 60 % confidence interval of the mean gain: with 80 % certainty it is more than the lower
    /// end.
    pub gain_interval: (f64, f64),
    /// Mean day of the policy.
    pub expected: Costs,
    /// Mean day of the best reactive one.
    pub expected_reactive: Costs,
    /// The cost ratio that it was chosen for: the user's, or the one that meets the target.
    pub cost_ratio: f64,
}

impl Selection {
    /// A choice that no day speaks for or against.
    pub fn untried(
        policy: ShadowPolicy,
        best_reactive: ShadowPolicy,
        why: SelectionReason,
        cost_ratio: f64,
    ) -> Self {
        Self {
            policy,
            best_reactive,
            why,
            days: 0,
            days_won: 0,
            gain: 0.0,
            gain_interval: (0.0, 0.0),
            expected: Costs::default(),
            expected_reactive: Costs::default(),
            cost_ratio,
        }
    }
}
