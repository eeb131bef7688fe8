//! What the demo shows: a row every few simulated minutes, and the balance at the end.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fleet::{Fleet, PATIENCE, Tally};

/// Width of the bars, in replicas' worth of demand.
const BAR: usize = 26;

/// The head of the table.
pub(crate) fn head() -> String {
    format!(
        "{:<5} {:>7} {:<BAR$}  {:>5} {:>5} {:>5} {:>4}  {:<11} {:>5} {:>5} {:>4}",
        "time", "demand", "", "ready", "start", "want", "wait", "why", "ready", "start", "wait"
    )
}

/// The line above the head that says whose columns are whose.
pub(crate) fn arms() -> String {
    format!("{:<5} {:>7} {:<BAR$}  {:<36} {}", "", "", "", "── Prewarm ──────────────────────────", "── KEDA alone ──")
}

/// One row. `wanted` and `why` are Prewarm's last answer.
pub(crate) fn row(now: Timestamp, offered: f64, per_replica: f64, prewarm: &Arm<'_>, alone: &Arm<'_>) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "{} {:>7.1} {}  {:>5} {:>5} {:>5} {:>4}  {:<11} {:>5} {:>5} {:>4}",
        now.to_zoned(TimeZone::UTC).strftime("%H:%M"),
        offered,
        bar((offered / per_replica).ceil() as usize, prewarm.fleet.ready()),
        prewarm.fleet.ready(),
        prewarm.fleet.current() - prewarm.fleet.ready(),
        prewarm.wanted.map_or_else(|| "?".to_owned(), |wanted| wanted.to_string()),
        prewarm.fleet.waiting(),
        prewarm.why,
        alone.fleet.ready(),
        alone.fleet.current() - alone.fleet.ready(),
        alone.fleet.waiting(),
    );
    text
}

/// One side of the comparison, as it stands.
#[derive(Debug)]
pub(crate) struct Arm<'a> {
    /// Its fleet.
    pub(crate) fleet: &'a Fleet,
    /// Replicas that it asks for; `None` while it does not know.
    pub(crate) wanted: Option<u32>,
    /// Why.
    pub(crate) why: &'a str,
}

/// Demand in replicas: `█` served by a Ready one, `░` not.
fn bar(needed: usize, ready: usize) -> String {
    let needed = needed.min(BAR);
    let served = needed.min(ready);
    let mut text = "█".repeat(served);
    text.extend(std::iter::repeat_n('░', needed - served));
    text.extend(std::iter::repeat_n(' ', BAR - needed));
    text
}

/// The balance.
pub(crate) fn balance(prewarm: Tally, alone: Tally) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:<28} {:>12} {:>12}", "", "Prewarm", "KEDA alone");
    let late = format!("waited over {} s", PATIENCE.as_secs());
    for (name, of) in [
        ("requests", (|t: Tally| t.arrived.to_string()) as fn(Tally) -> String),
        (late.as_str(), |t| t.late.to_string()),
        ("", |t| format!("{:.2} %", 100.0 * t.late as f64 / t.arrived.max(1) as f64)),
        ("GPU-hours", |t| format!("{:.1}", t.gpu_seconds as f64 / 3600.0)),
        ("cold starts", |t| t.starts.to_string()),
    ] {
        let _ = writeln!(text, "{name:<28} {:>12} {:>12}", of(prewarm), of(alone));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_what_is_served_and_what_is_not() {
        assert_eq!(bar(4, 3), format!("███░{}", " ".repeat(BAR - 4)));
        assert_eq!(bar(0, 3), " ".repeat(BAR));
        assert_eq!(bar(BAR + 9, 1).chars().count(), BAR);
    }
}
