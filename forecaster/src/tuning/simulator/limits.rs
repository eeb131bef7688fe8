//! What else a policy says that simulated policies live by: windows, zero, activation, caps and a
//! fixed quantile.
//!
//! The SLO guard is not among it: history keeps no latency.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, HolidayRule, Window, ZeroRule};
use crate::control::sliding_max::SlidingMax;
use crate::decide::policy::{Policy, Quantile, ScaleToZero};
use crate::decide::window_limits::{WindowLimits, WindowWatch};
use crate::tuning::policy_state::Limits;

/// What a policy says beside threshold, lead and replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyLimits {
    /// Windows with floors and ceilings in local time, and holidays.
    pub calendar: Calendar,
    /// Whether zero is allowed.
    pub scale_to_zero: ScaleToZero,
    /// Live demand at or below this does not wake a workload from zero; in its own unit.
    pub activation: f64,
    /// The quantile that a user fixed.
    pub quantile: Quantile,
    /// The forecast never asks for more than this many replicas beyond live demand.
    pub max_prewarm_replicas: Option<u32>,
}

impl Default for PolicyLimits {
    /// No limits.
    fn default() -> Self {
        Self {
            calendar: Calendar::empty(TimeZone::UTC),
            scale_to_zero: ScaleToZero::Auto,
            activation: 0.0,
            quantile: Quantile::Auto,
            max_prewarm_replicas: None,
        }
    }
}

impl PolicyLimits {
    /// Of a policy.
    pub fn of(policy: &Policy) -> Self {
        Self {
            calendar: policy.calendar.clone(),
            scale_to_zero: policy.scale_to_zero,
            activation: policy.activation,
            quantile: policy.quantile,
            max_prewarm_replicas: policy.max_prewarm_replicas,
        }
    }

    /// What sums depend on, as text that no refactoring changes; empty without limits. A window's
    /// name changes nothing, nor does the zone without windows, nor holidays that no window heeds.
    pub(super) fn identity(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if self.scale_to_zero == ScaleToZero::Windows {
            text += " zero: windows";
        }
        if self.activation != 0.0 {
            let _ = write!(text, " activation: {:?}", self.activation);
        }
        if let Quantile::Fixed(quantile) = self.quantile {
            let _ = write!(text, " quantile: {quantile:?}");
        }
        if let Some(beyond) = self.max_prewarm_replicas {
            let _ = write!(text, " prewarm: {beyond}");
        }
        let windows = self.calendar.windows();
        if windows.is_empty() {
            return text;
        }
        let zone = self.calendar.zone();
        let _ = write!(text, " zone: {}", zone.iana_name().unwrap_or("fixed"));
        if zone.iana_name().is_none() {
            let _ = write!(text, " {}", zone.to_offset(Timestamp::UNIX_EPOCH));
        }
        for window in windows {
            text += &window_text(window);
        }
        if windows.iter().any(|window| window.days.holidays != HolidayRule::Ignore) {
            for day in self.calendar.holidays() {
                let _ = write!(text, " {day}");
            }
        }
        text
    }
}

fn window_text(window: &Window) -> String {
    let days = window.days.weekdays.map(|starts| if starts { '1' } else { '0' });
    let days: String = days.into_iter().collect();
    let holidays = match window.days.holidays {
        HolidayRule::Skip => "skip",
        HolidayRule::Ignore => "ignore",
        HolidayRule::Only => "only",
        HolidayRule::Also => "also",
    };
    let zero = match window.scale_to_zero {
        None => "-",
        Some(ZeroRule::Allowed) => "allowed",
        Some(ZeroRule::Never) => "never",
    };
    let count = |replicas: Option<u32>| replicas.map_or("-".to_owned(), |n| n.to_string());
    let dates: String = window.days.dates.iter().map(|date| format!("+{date}")).collect();
    format!(
        " [{days}{dates} {holidays} {}..{} {} {} {zero}]",
        window.from,
        window.to,
        count(window.min_replicas),
        count(window.max_replicas),
    )
}

/// What the windows ask of slot after slot.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitWatch {
    watch: WindowWatch,
    /// Slots so far.
    index: u32,
    /// Floors, and ceilings, of the HPA's own scale-down window.
    floors: SlidingMax<u32, u32>,
    mosts: SlidingMax<u32, u32>,
}

/// The limits of a slot as everybody meets them.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::tuning) struct SlotLimits {
    /// What the slot's own answer holds.
    pub(in crate::tuning) newest: Limits,
    /// What the HPA still holds of the answers within its window.
    pub(in crate::tuning) held: Limits,
}

impl LimitWatch {
    /// Of the slot that starts at `now`, ascending; `window`: the HPA's own scale-down window in
    /// slots.
    pub(super) fn at(
        &mut self,
        limits: &PolicyLimits,
        now: Timestamp,
        lead: SignedDuration,
        window: u32,
    ) -> SlotLimits {
        if limits.calendar.windows().is_empty() && limits.scale_to_zero != ScaleToZero::Windows {
            return SlotLimits::default();
        }
        let found = self.watch.at(&limits.calendar, limits.scale_to_zero, now, lead);
        let newest = of(&found);
        self.index = self.index.wrapping_add(1);
        self.floors.push(self.index, newest.floor);
        self.mosts.push(self.index, newest.most);
        for kept in [&mut self.floors, &mut self.mosts] {
            kept.forget_before(self.index.saturating_sub(window));
        }
        let held = Limits {
            floor: self.floors.max().unwrap_or(newest.floor),
            most: self.mosts.max().unwrap_or(newest.most),
            never_zero: newest.never_zero,
        };
        SlotLimits { newest, held }
    }
}

fn of(limits: &WindowLimits) -> Limits {
    Limits {
        floor: limits.floor,
        most: limits.most().unwrap_or(u32::MAX),
        never_zero: limits.never_zero,
    }
}
