//! A fluid queue, first in first out: how much of it waits too long.

/// Less than this is nothing: differences of running sums leave crumbs of 1e-12.
const CRUMB: f64 = 1e-9;

/// Work that becomes late during a step, because its wait limit ends unserved.
///
/// `due` is the work whose limit ends during the step; it arrived evenly over an earlier step.
/// `ahead` is the work in front of it when the step begins: what waits and arrived before it.
/// `capacity` is what the step serves. What arrived at a fraction of its step is late if, by the
/// same fraction of this one, the work ahead of it and its own exceed what was served. Both ends
/// are linear. All three are in one unit of work.
pub(crate) fn late(ahead: f64, due: f64, capacity: f64) -> f64 {
    let (first, last) = (ahead, ahead + due - capacity);
    match (first > CRUMB, last > CRUMB) {
        (true, true) => due,
        (false, false) => 0.0,
        (true, false) => due * first / (first - last),
        (false, true) => (due * last / (last - first)).min(due),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_the_part_of_the_step_in_which_more_waits_than_was_served() {
        assert_eq!(late(0.0, 4.0, 4.0), 0.0, "served as it comes");
        assert_eq!(late(2.0, 4.0, 4.0), 4.0, "behind all along");
        assert_eq!(late(2.0, 4.0, 8.0), 4.0 * 0.5, "caught up with half way");
        assert_eq!(late(0.0, 4.0, 2.0), 4.0, "behind from the start");
        assert_eq!(late(-2.0, 8.0, 4.0), 8.0 * 0.5, "falls behind half way");
    }

    #[test]
    fn crumbs_of_running_sums_are_not_late() {
        assert_eq!(late(1e-12, 1.0, 1.0), 0.0);
        assert_eq!(late(1e-12, 1.0, 2.0), 0.0);
        assert_eq!(late(1e-12, 4.0, 2.0), 4.0, "never more than is due");
    }
}
