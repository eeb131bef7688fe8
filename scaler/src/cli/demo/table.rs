//! What the demo shows: a row every few simulated minutes, and the balance at the end.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fleet::{Fleet, PATIENCE, Tally};
use crate::cli::columns::{Align, padded};

/// Width of the bars, in replicas' worth of demand.
const BAR: usize = 26;

/// Widths of the columns: time, demand and its bar, Prewarm's, KEDA's.
const WIDTHS: [usize; 11] = [5, 7, BAR + 1, 5, 5, 5, 5, 12, 5, 5, 4];

const ALIGN: [Align; 11] = {
    use Align::{Left, Right};
    [Left, Right, Left, Right, Right, Right, Right, Left, Right, Right, Right]
};

fn line(cells: [String; 11]) -> String {
    padded(&cells, &WIDTHS, &ALIGN, " ")
}

/// The head of the table.
pub(crate) fn head() -> String {
    let names =
        ["time", "demand", "", "ready", "start", "want", "wait", " why", "ready", "start", "wait"];
    line(names.map(str::to_owned))
}

/// The line above the head that says whose columns are whose.
pub(crate) fn arms() -> String {
    format!(
        "{:<5} {:>7} {:<BAR$}  {:<36} {}",
        "", "", "", "── Prewarm ──────────────────────────", "── KEDA alone ──"
    )
}

/// One row. `wanted` and `why` are Prewarm's last answer.
pub(crate) fn row(
    now: Timestamp,
    offered: f64,
    per_replica: f64,
    prewarm: &Arm<'_>,
    alone: &Arm<'_>,
) -> String {
    let of = |arm: &Arm<'_>| {
        let ready = arm.fleet.ready();
        [
            ready.to_string(),
            (arm.fleet.current() - ready).to_string(),
            arm.fleet.waiting().to_string(),
        ]
    };
    let ([ready, start, wait], [alone_ready, alone_start, alone_wait]) = (of(prewarm), of(alone));
    line([
        now.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string(),
        format!("{offered:.1}"),
        bar((offered / per_replica).ceil() as usize, prewarm.fleet.ready()),
        ready,
        start,
        prewarm.wanted.map_or_else(|| "?".to_owned(), |wanted| wanted.to_string()),
        wait,
        format!(" {}", prewarm.why),
        alone_ready,
        alone_start,
        alone_wait,
    ])
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
    let late = |of: Tally| format!("{:.2} %", 100.0 * of.late as f64 / of.arrived.max(1) as f64);
    let hours = |of: Tally| format!("{:.1}", of.gpu_seconds as f64 / 3600.0);
    let rows = [
        [String::new(), "Prewarm".to_owned(), "KEDA alone".to_owned()],
        ["requests".to_owned(), prewarm.arrived.to_string(), alone.arrived.to_string()],
        [
            format!("waited over {} s", PATIENCE.as_secs()),
            prewarm.late.to_string(),
            alone.late.to_string(),
        ],
        [String::new(), late(prewarm), late(alone)],
        ["GPU-hours".to_owned(), hours(prewarm), hours(alone)],
        ["cold starts".to_owned(), prewarm.starts.to_string(), alone.starts.to_string()],
    ];
    let mut text = String::new();
    for row in &rows {
        text += &padded(row, &[28, 12, 12], &[Align::Left, Align::Right, Align::Right], " ");
        text.push('\n');
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
