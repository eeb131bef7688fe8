//! How fast an HPA adds replicas: `behavior` as written, followed by the rules of the forecaster's
//! `control`.

use jiff::SignedDuration;
use prewarm_forecaster::control::hpa::{
    Behavior, Controller, Hpa, SYNC, ScalingPolicy, ScalingRules, SelectPolicy,
};

use super::tree::Tree;

/// Longer than anybody waits: a behavior that takes more is as good as none.
const MOST_SYNCS: i64 = 4 * 60 * 24;

/// What an HPA may add.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScaleUp {
    hpa: Hpa,
}

impl ScaleUp {
    /// Reads `advanced.horizontalPodAutoscalerConfig.behavior`. Where there is one, Kubernetes
    /// fills in what it leaves out.
    pub(super) fn read(behavior: Option<&Tree>) -> Self {
        let behavior = behavior.map(|behavior| {
            let filled_in = Behavior::default();
            Behavior { up: scale_up(behavior, filled_in.up), ..filled_in }
        });
        Self { hpa: Hpa { behavior, ..Hpa::default() } }
    }

    /// No `behavior`: the controller's own limit.
    pub(super) fn plain() -> Self {
        Self::read(None)
    }

    /// Whether there is no `behavior`.
    pub(super) fn is_plain(&self) -> bool {
        self.hpa.behavior.is_none()
    }

    /// Time from the first sync to the one that asks for the last replica; `None` if that never
    /// comes.
    pub(super) fn ramp(&self, from: u32, to: u32) -> Option<SignedDuration> {
        let mut hpa = Controller::new(&self.hpa, 1, to);
        let mut replicas = from.max(1);
        if to <= replicas {
            return Some(SignedDuration::ZERO);
        }
        // The first sync raises at once; only the further ones cost time.
        for sync in 0..MOST_SYNCS {
            let now = sync * SYNC.as_secs();
            replicas = hpa.sync(now, replicas, Some(to));
            if replicas >= to {
                return Some(SignedDuration::from_secs(now));
            }
        }
        None
    }
}

/// `behavior.scaleUp`, on top of what is filled in.
fn scale_up(behavior: &Tree, filled_in: ScalingRules) -> ScalingRules {
    let select = match behavior.text("scaleUp.selectPolicy") {
        Some("Disabled") => SelectPolicy::Disabled,
        Some("Min") => SelectPolicy::Min,
        _ => SelectPolicy::Max,
    };
    let listed = behavior.at("scaleUp.policies").map_or(&[][..], Tree::list);
    let mut policies: Vec<ScalingPolicy> = listed.iter().filter_map(policy).collect();
    if policies.is_empty() {
        policies = filled_in.policies;
    }
    let stabilization = number(behavior, "scaleUp.stabilizationWindowSeconds")
        .map(seconds)
        .or(filled_in.stabilization);
    ScalingRules { select, policies, stabilization, ..filled_in }
}

fn policy(tree: &Tree) -> Option<ScalingPolicy> {
    let value = number(tree, "value")?;
    let period = seconds(number(tree, "periodSeconds")?);
    let pods = tree.text("type")? == "Pods";
    Some(if pods {
        ScalingPolicy::Pods(value, period)
    } else {
        ScalingPolicy::Percent(value, period)
    })
}

fn number(tree: &Tree, key: &str) -> Option<u32> {
    tree.whole(key).and_then(|number| u32::try_from(number).ok())
}

fn seconds(number: u32) -> SignedDuration {
    SignedDuration::from_secs(number.into())
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
    fn without_behavior_replicas_double() {
        // 1, 4, 8, 16, 32, 64 at 0, 15, 30, 45, 60 s.
        assert_eq!(
            [1, 4, 8, 32, 64].map(|to| ramp("", 1, to)),
            [Some(0), Some(0), Some(15), Some(45), Some(60)]
        );
    }

    #[test]
    fn behavior_that_says_nothing_of_scale_up_gets_the_defaults() {
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
        assert_eq!(
            ramp("scaleUp: {policies: [{type: Percent, value: 0, periodSeconds: 15}]}", 1, 2),
            None
        );
        assert_eq!(ramp("scaleUp: {selectPolicy: Disabled}", 3, 2), Some(0));
        assert_eq!(ramp("scaleUp: {selectPolicy: Disabled}", 2, 2), Some(0));
    }
}
