//! The rules as the shadow policies can afford them: some seventy of them take a step every slot.
//! Tests below hold these copies to the rules.

use super::TOLERANCE;

/// [`super::Controller::replicas`] with the default tolerance, without a division.
pub(crate) fn replicas(wanted: f64, current: u32) -> u32 {
    let off = wanted - f64::from(current);
    if off.abs() <= TOLERANCE * f64::from(current) { current } else { super::whole(wanted) }
}

/// The scale-up limit of the `behavior` that the API server fills in, where syncs are as far apart
/// as its period or more: 100 % or four pods more, whichever is more.
pub(crate) fn filled_in_scale_up_limit(current: u32) -> u32 {
    current.saturating_mul(2).max(current.saturating_add(4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::control::hpa::{Controller, Hpa};

    fn controller() -> Controller {
        Controller::new(&Hpa::default(), 1, u32::MAX)
    }

    #[test]
    fn whole_replicas_and_the_edges_of_the_tolerance() {
        let hpa = controller();
        for current in 0..500 {
            for wanted in 0..600 {
                let wanted = f64::from(wanted);
                assert_eq!(
                    super::replicas(wanted, current),
                    hpa.replicas(wanted, current),
                    "{wanted} of {current}"
                );
            }
        }
    }

    #[test]
    fn one_sync_goes_as_far_as_the_filled_in_behavior_lets_it() {
        for current in 1..2_000 {
            let reached = controller().sync(0, current, Some(u32::MAX));
            assert_eq!(super::filled_in_scale_up_limit(current), reached, "{current}");
        }
    }

    proptest! {
        /// Any value, but for those that lie on an edge to the last bits.
        #[test]
        fn any_value(wanted in 0.0f64..2_000.0, current in 0u32..1_000, near in 0.85f64..1.15) {
            let hpa = controller();
            for wanted in [wanted, near * f64::from(current)] {
                let off = (wanted / f64::from(current) - 1.0).abs();
                if (off - super::TOLERANCE).abs() > 1e-12 {
                    prop_assert_eq!(super::replicas(wanted, current), hpa.replicas(wanted, current));
                }
            }
        }
    }
}
