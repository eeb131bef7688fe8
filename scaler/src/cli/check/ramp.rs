//! How fast an HPA adds replicas.
//!
//! Source: Kubernetes v1.35 pkg/controller/podautoscaler/horizontal.go `calculateScaleUpLimitWithScalingRules`.

use jiff::SignedDuration;
use prewarm_forecaster::decide::hpa;

use super::tree::Tree;

/// `--horizontal-pod-autoscaler-sync-period`.
pub(super) const SYNC: SignedDuration = SignedDuration::from_secs(15);

/// Longer than anybody waits: a behaviour that takes more is as good as none.
const MOST_STEPS: u32 = 4 * 60 * 24;

/// What an HPA may add.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ScaleUp {
    /// No `behavior`: max(2 × current, 4) a sync.
    Plain,
    /// Policies, of which the largest or the smallest holds.
    Policies {
        /// Which.
        policies: Vec<Policy>,
        /// `selectPolicy: Min`.
        smallest: bool,
        /// A rise is believed after so long.
        stabilisation: SignedDuration,
    },
    /// `selectPolicy: Disabled`.
    Disabled,
}

/// At most so many more within a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Policy {
    amount: Amount,
    period: SignedDuration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    Pods(u32),
    Percent(u32),
}

impl ScaleUp {
    /// Reads `advanced.horizontalPodAutoscalerConfig.behavior`. Kubernetes fills in what is left out: 4 pods or 100 %
    /// in 15 s, whichever is more.
    pub(super) fn read(behavior: Option<&Tree>) -> Self {
        let Some(behavior) = behavior else { return Self::Plain };
        let select = behavior.text("scaleUp.selectPolicy");
        if select == Some("Disabled") {
            return Self::Disabled;
        }
        let number = |tree: &Tree, key: &str| tree.whole(key).and_then(|number| u32::try_from(number).ok());
        let policy = |tree: &Tree| {
            let value = number(tree, "value")?;
            let amount = if tree.text("type")? == "Pods" { Amount::Pods(value) } else { Amount::Percent(value) };
            Some(Policy { amount, period: SignedDuration::from_secs(number(tree, "periodSeconds")?.into()) })
        };
        let listed = behavior.at("scaleUp.policies").map_or(&[][..], Tree::list);
        let mut policies: Vec<Policy> = listed.iter().filter_map(policy).collect();
        if policies.is_empty() {
            policies = vec![
                Policy { amount: Amount::Pods(4), period: SYNC },
                Policy { amount: Amount::Percent(100), period: SYNC },
            ];
        }
        let stabilisation = number(behavior, "scaleUp.stabilizationWindowSeconds").unwrap_or_default();
        Self::Policies {
            policies,
            smallest: select == Some("Min"),
            stabilisation: SignedDuration::from_secs(stabilisation.into()),
        }
    }

    /// Time from the first sync to the one that asks for the last replica; `None` if that never comes.
    pub(super) fn ramp(&self, from: u32, to: u32) -> Option<SignedDuration> {
        let (policies, smallest, stabilisation) = match self {
            Self::Disabled => return (to <= from).then_some(SignedDuration::ZERO),
            // The first sync raises at once; only the further ones cost time.
            Self::Plain => return Some(SYNC * hpa::ramp_steps(from, to).saturating_sub(1) as i32),
            Self::Policies { policies, smallest, stabilisation } => (policies, *smallest, *stabilisation),
        };
        // What was added when, counted in syncs.
        let mut added: Vec<(u32, u32)> = Vec::new();
        let mut replicas = from.max(1);
        for step in 0..MOST_STEPS {
            let limits = policies.iter().map(|policy| {
                let within = |at: u32| policy.period > SYNC * (step - at) as i32;
                let recent: u32 = added.iter().filter(|(at, _)| within(*at)).map(|(_, count)| count).sum();
                let before = replicas - recent;
                match policy.amount {
                    Amount::Pods(pods) => before.saturating_add(pods),
                    Amount::Percent(percent) => {
                        let limit = (u64::from(before) * (100 + u64::from(percent))).div_ceil(100);
                        u32::try_from(limit).unwrap_or(u32::MAX)
                    }
                }
            });
            let limit = if smallest { limits.min() } else { limits.max() };
            let next = limit.unwrap_or(replicas).clamp(replicas, to.max(replicas));
            if next >= to {
                return Some(stabilisation + SYNC * step as i32);
            }
            added.push((step, next - replicas));
            replicas = next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::tree::documents;

    fn ramp(behavior: &str, from: u32, to: u32) -> Option<i64> {
        let tree = documents(behavior).unwrap();
        ScaleUp::read(tree.first()).ramp(from, to).map(|ramp| ramp.as_secs())
    }

    #[test]
    fn without_behaviour_replicas_double() {
        // 1, 4, 8, 16, 32, 64 at 0, 15, 30, 45, 60 s.
        assert_eq!([1, 4, 8, 32, 64].map(|to| ramp("", 1, to)), [Some(0), Some(0), Some(15), Some(45), Some(60)]);
    }

    #[test]
    fn behaviour_that_says_nothing_of_scale_up_gets_the_defaults() {
        // 1, 5, 10, 20, 40.
        let only_down = "scaleDown: {stabilizationWindowSeconds: 60}";
        assert_eq!([5, 10, 40].map(|to| ramp(only_down, 1, to)), [Some(0), Some(15), Some(45)]);
    }

    #[test]
    fn policies_count_what_was_added_within_their_period() {
        let two_a_minute = "scaleUp: {policies: [{type: Pods, value: 2, periodSeconds: 60}]}";
        assert_eq!(ramp(two_a_minute, 1, 3), Some(0));
        assert_eq!(ramp(two_a_minute, 1, 7), Some(120));
        let both = |select: &str| {
            format!(
                "scaleUp: {{selectPolicy: {select}, policies: [{{type: Pods, value: 1, periodSeconds: 15}}, {{type: Percent, value: 100, periodSeconds: 15}}]}}"
            )
        };
        // 1, 2, 4, 8 against 1, 2, 3, … 8.
        assert_eq!(ramp(&both("Max"), 1, 8), Some(30));
        assert_eq!(ramp(&both("Min"), 1, 8), Some(90));
        let waits = "scaleUp: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 50, periodSeconds: 15}]}";
        assert_eq!(ramp(waits, 1, 20), Some(60));
    }

    #[test]
    fn some_never_get_there() {
        assert_eq!(ramp("scaleUp: {selectPolicy: Disabled}", 1, 2), None);
        assert_eq!(ramp("scaleUp: {policies: [{type: Percent, value: 0, periodSeconds: 15}]}", 1, 2), None);
        assert_eq!(ramp("scaleUp: {selectPolicy: Disabled}", 3, 2), Some(0));
    }
}
