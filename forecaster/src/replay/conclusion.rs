//! What follows from a replay.

use super::arm::Arm;
use super::outcome::{Outcome, Settings};

/// A gain below this share of the tuned HPA's total cost is not worth another moving part.
const WORTHWHILE: f64 = 0.02;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Prewarm costs less than the best settings that only react.
    UsePrewarm,
    /// Keep plain HPA, with these settings: nothing that looks ahead is worth it here.
    TuneHpa,
    /// Keep plain HPA as it is.
    KeepHpa,
}

impl Advice {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsePrewarm => "use-prewarm",
            Self::TuneHpa => "tune-hpa",
            Self::KeepHpa => "keep-hpa",
        }
    }
}

/// What follows, and the figures for a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conclusion {
    /// What to do.
    pub advice: Advice,
    /// The settings that would have been best for an HPA, as of the last day.
    pub settings: Settings,
    /// Total costs, in GPU-hours.
    pub hpa: f64,
    /// Of the tuned HPA.
    pub tuned: f64,
    /// Of Prewarm.
    pub prewarm: f64,
    /// 1 − Prewarm's total cost over the tuned HPA's; negative where it costs more.
    pub gain: f64,
    /// Days on which Prewarm cost less than the tuned HPA, of `days`.
    pub days_won: u32,
    /// Days that count.
    pub days: u32,
}

impl Conclusion {
    /// From the arms `hpa`, `reactive-tuned` and `prewarm`; `None` where one is missing.
    pub fn draw(outcomes: &[(Arm, Outcome)], cost_ratio: f64) -> Option<Self> {
        let of = |arm| outcomes.iter().find(|(other, _)| *other == arm).map(|(_, outcome)| outcome);
        let (hpa, tuned, prewarm) = (of(Arm::Hpa)?, of(Arm::ReactiveTuned)?, of(Arm::Prewarm)?);
        let cost = |outcome: &Outcome| outcome.total_cost(cost_ratio);
        let pairs = || prewarm.days.iter().zip(&tuned.days);
        let won = pairs()
            .filter(|(ours, theirs)| ours.total_cost(cost_ratio) < theirs.total_cost(cost_ratio))
            .count();
        let advice = if cost(prewarm) < (1.0 - WORTHWHILE) * cost(tuned).min(cost(hpa)) {
            Advice::UsePrewarm
        } else if cost(tuned) < (1.0 - WORTHWHILE) * cost(hpa) {
            Advice::TuneHpa
        } else {
            Advice::KeepHpa
        };
        Some(Self {
            advice,
            settings: tuned.settings?,
            hpa: cost(hpa),
            tuned: cost(tuned),
            prewarm: cost(prewarm),
            gain: if cost(tuned) > 0.0 { 1.0 - cost(prewarm) / cost(tuned) } else { 0.0 },
            days_won: won as u32,
            days: pairs().count() as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn outcomes(costs: [f64; 3]) -> Vec<(Arm, Outcome)> {
        let settings = Settings {
            utilization: 0.9,
            scale_down_window: SignedDuration::from_secs(60),
            panics: false,
        };
        let outcome =
            |gpu_hours| Outcome { gpu_hours, settings: Some(settings), ..Outcome::default() };
        [Arm::Hpa, Arm::ReactiveTuned, Arm::Prewarm].into_iter().zip(costs.map(outcome)).collect()
    }

    #[test]
    fn what_gains_little_is_not_recommended() {
        let advice =
            |costs| Conclusion::draw(&outcomes(costs), 30.0).map(|conclusion| conclusion.advice);
        assert_eq!(advice([100.0, 80.0, 60.0]), Some(Advice::UsePrewarm));
        assert_eq!(advice([100.0, 80.0, 79.0]), Some(Advice::TuneHpa));
        assert_eq!(advice([100.0, 99.0, 99.5]), Some(Advice::KeepHpa));
        assert_eq!(advice([100.0, 110.0, 105.0]), Some(Advice::KeepHpa));
        assert_eq!(Conclusion::draw(&outcomes([1.0; 3])[..2], 30.0), None);
    }
}
