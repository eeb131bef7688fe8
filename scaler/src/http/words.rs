//! Numbers and spans as people read them.

use jiff::Timestamp;

/// At most three decimals, the HPA's own resolution.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn percentile(quantile: f64) -> String {
    let percent = format!("{:.1}", quantile * 100.0);
    format!("P{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    span(now.duration_since(then).as_secs_f64())
}

/// The two largest units: `45 s`, `4 min 45 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, seconds) =
        (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    let (large, small) = match total {
        86_400.. => ((days, "d"), (hours, "h")),
        3600.. => ((hours, "h"), (minutes, "min")),
        60.. => ((minutes, "min"), (seconds, "s")),
        _ => return format!("{seconds} s"),
    };
    match small.0 {
        0 => format!("{} {}", large.0, large.1),
        _ => format!("{} {} {} {}", large.0, large.1, small.0, small.1),
    }
}
