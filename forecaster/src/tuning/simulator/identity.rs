//! What sums were simulated with, as bytes that no refactoring changes.
//!
//! A store keys 28 days of sums by a checksum over this text. Every name in it is a literal:
//! renaming a field, a variant or a type changes nothing. A new field is appended only where it
//! differs from the value that older sums were simulated with.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::SimulatorSpec;
use crate::decide::selection::ShadowPolicy;

/// The text of a specification and of its policies, in the order of every block's sums.
pub(super) fn identity(spec: &SimulatorSpec, portfolio: &[ShadowPolicy]) -> String {
    let policies: Vec<String> = portfolio.iter().map(policy_text).collect();
    format!("{} [{}]", spec_text(spec), policies.join(", "))
}

fn spec_text(spec: &SimulatorSpec) -> String {
    let shares = spec.cold_start.shares().iter();
    let shares: Vec<String> =
        shares.map(|(took, share)| format!("({}, {share:?})", span(*took))).collect();
    // Older sums were simulated without it.
    let fixed = if spec.keep_warm_fixed { ", keep_warm_fixed: true" } else { "" };
    format!(
        "BankSpec {{ threshold: {:?}, lead: {}, cold_start: ColdStart {{ shares: [{}] }}, min: {}, idle: {}, max: {}, \
         keep_warm: {}, cooldown: {}, slot: {}, wait_limit: {}, hpa_window: {}, sees_queue: {}, plainly: {}{fixed} }}",
        spec.threshold,
        span(spec.lead),
        shares.join(", "),
        spec.min,
        spec.idle,
        spec.max,
        span(spec.keep_warm),
        span(spec.cooldown),
        span(spec.slot),
        span(spec.wait_limit),
        span(spec.hpa_window),
        spec.sees_queue,
        spec.plainly,
    ) + &later_fields(spec)
}

/// What older sums were all simulated without is named only where it differs from that.
fn later_fields(spec: &SimulatorSpec) -> String {
    let mut fields = String::new();
    if !spec.answer_age.is_zero() {
        fields += &format!(" answer_age: {}", span(spec.answer_age));
    }
    fields + &spec.limits.identity()
}

fn policy_text(policy: &ShadowPolicy) -> String {
    match *policy {
        ShadowPolicy::Reactive { utilization, scale_down_window } => {
            format!(
                "Reactive {{ utilisation: {utilization:?}, scale_down_window: {} }}",
                span(scale_down_window)
            )
        }
        ShadowPolicy::Forecast {
            quantile,
            forecast_utilization,
            utilization,
            hold,
            stabilization,
            drain,
        } => format!(
            "Forecast {{ quantile: {quantile:?}, forecast_utilisation: {forecast_utilization:?}, \
             utilisation: {utilization:?}, hold: {}, stabilisation: {}, drain: {} }}",
            span(hold),
            span(stabilization),
            span(drain),
        ),
        ShadowPolicy::Arrival { utilization, scale_down_window, from, ahead } => {
            let ahead = ahead.map_or_else(String::new, |ahead| {
                format!(
                    ", quantile: {:?}, forecast_utilization: {:?}, hold: {}",
                    ahead.quantile,
                    ahead.utilization,
                    span(ahead.hold)
                )
            });
            format!(
                "Arrival {{ utilization: {utilization:?}, scale_down_window: {}, from: {from:?}{ahead} }}",
                span(scale_down_window)
            )
        }
    }
}

/// Hours, minutes, seconds and their parts, those that are not zero: `1h 30m`, `0s`, `1s 500ms`.
fn span(span: SignedDuration) -> String {
    let (seconds, nanos) = (span.as_secs().unsigned_abs(), span.subsec_nanos().unsigned_abs());
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(nanos) / 1_000_000, "ms"),
        (u64::from(nanos) / 1_000 % 1_000, "µs"),
        (u64::from(nanos) % 1_000, "ns"),
    ];
    let mut text = String::new();
    for (count, unit) in parts.iter().filter(|(count, _)| *count > 0) {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{space}{count}{unit}");
    }
    if text.is_empty() {
        return "0s".to_owned();
    }
    if span.is_negative() {
        text.push_str(" ago");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::cold_start::ColdStart;

    /// Written down as stores have it. Sums of running services are lost where this changes.
    #[test]
    fn the_text_is_what_stores_were_written_with() {
        let minutes = SignedDuration::from_mins;
        let drawn = [(minutes(2), 3.0), (minutes(11), 1.0)];
        let spec = SimulatorSpec {
            cold_start: ColdStart::weighted(drawn).unwrap(),
            min: 2,
            idle: true,
            max: 12,
            keep_warm: SignedDuration::from_secs(5400),
            hpa_window: SignedDuration::ZERO,
            plainly: true,
            answer_age: SignedDuration::ZERO,
            ..SimulatorSpec::new(4.0, SignedDuration::from_millis(61_500))
        };
        let policies = [
            ShadowPolicy::Reactive { utilization: 0.3, scale_down_window: minutes(60) },
            ShadowPolicy::Forecast {
                quantile: 0.95,
                forecast_utilization: 1.0,
                utilization: 1.05,
                hold: SignedDuration::ZERO,
                stabilization: SignedDuration::from_secs(15),
                drain: minutes(1),
            },
        ];
        let expected = "BankSpec { threshold: 4.0, lead: 1m 1s 500ms, \
            cold_start: ColdStart { shares: [(2m, 0.75), (11m, 1.0)] }, min: 2, idle: true, max: 12, keep_warm: 1h 30m, \
            cooldown: 5m, slot: 15s, wait_limit: 15s, hpa_window: 0s, sees_queue: true, plainly: true } \
            [Reactive { utilisation: 0.3, scale_down_window: 1h }, \
            Forecast { quantile: 0.95, forecast_utilisation: 1.0, utilisation: 1.05, hold: 0s, stabilisation: 15s, drain: 1m }]";
        assert_eq!(identity(&spec, &policies), expected);
    }
}
