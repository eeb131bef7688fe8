//! What the demo shows: a line for each change that matters, and the scoreboard at the end. Fits 80
//! columns.

use std::io::IsTerminal as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fleet::{PATIENCE, Tally};
use super::stage::StageView;
use crate::cli::columns::{Align, padded};

/// Width of the bars: a column a replica, fewer where there are more.
const BAR: usize = 15;

/// Widths of the columns: time, workload, its bar, Prewarm's four, KEDA's three.
const WIDTHS: [usize; 10] = [5, 6, BAR, 5, 5, 5, 11, 5, 5, 6];

const ALIGN: [Align; 10] = {
    use Align::{Left, Right};
    [Left, Left, Left, Right, Right, Right, Left, Right, Right, Right]
};

/// Whether a terminal reads us that may be given colors (<https://no-color.org>).
pub(super) fn colored() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// The head of the table, and the line above it that says whose columns are whose.
pub(super) fn head() -> String {
    let names = ["time", "", "needed", "ready", "start", "wait", " why", "ready", "start", "wait"];
    let arms = format!("{:<29}{:<30}{}", "", "── Prewarm ────────────────", "── KEDA alone ──");
    format!("{arms}\n{}", padded(&names.map(str::to_owned), &WIDTHS, &ALIGN, " "))
}

/// One line.
pub(super) fn row(now: Timestamp, name: &str, scene: &StageView, color: bool) -> String {
    let cells = [
        now.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string(),
        name.to_owned(),
        bar(scene.needed as usize, scene.ready),
        scene.ready.to_string(),
        scene.starting.to_string(),
        scene.waiting.to_string(),
        format!(" {}", scene.why.chars().take(10).collect::<String>()),
        scene.alone_ready.to_string(),
        scene.alone_starting.to_string(),
        scene.alone_waiting.to_string(),
    ];
    let line = padded(&cells, &WIDTHS, &ALIGN, " ");
    // Red where people wait under KEDA alone and not under Prewarm; yellow where under Prewarm.
    let paint = match (scene.waiting > MANY, scene.alone_waiting > MANY) {
        (true, _) => "33",
        (false, true) => "31",
        (false, false) if scene.why == "forecast" => "32",
        (false, false) => return line,
    };
    if color { format!("\u{1b}[{paint}m{line}\u{1b}[0m") } else { line }
}

/// Whether a line says something new: a fleet has grown or shrunk, or people have begun or ceased to
/// wait.
pub(super) fn is_news(before: Option<&StageView>, scene: &StageView) -> bool {
    let Some(before) = before else { return true };
    let moved = |a: usize, b: usize| a.abs_diff(b) * 4 > a.max(b).max(4);
    moved(before.ready, scene.ready)
        || moved(before.alone_ready, scene.alone_ready)
        || (before.waiting > MANY) != (scene.waiting > MANY)
        || (before.alone_waiting > MANY) != (scene.alone_waiting > MANY)
}

/// So many wait for a moment everywhere.
const MANY: usize = 10;

/// Demand in replicas: `█` served by a Ready one, `░` not.
fn bar(needed: usize, ready: usize) -> String {
    let needed = needed.min(BAR);
    let served = needed.min(ready);
    "█".repeat(served) + &"░".repeat(needed - served)
}

/// The scoreboard.
pub(super) fn balance(prewarm: Tally, alone: Tally) -> String {
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

    fn scene() -> StageView {
        StageView {
            needed: 40,
            ready: 38,
            starting: 12,
            waiting: 12_345,
            wanted: Some(40),
            why: "unavailable for a reason".into(),
            alone_ready: 38,
            alone_starting: 12,
            alone_waiting: 12_345,
        }
    }

    #[test]
    fn the_bar_shows_what_is_served_and_what_is_not() {
        assert_eq!(bar(4, 3), "███░");
        assert_eq!(bar(0, 3), "");
        assert_eq!(bar(BAR + 9, 1).chars().count(), BAR);
    }

    #[test]
    fn a_line_fits_a_terminal_of_80_columns() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for line in head().lines().chain([row(now, "images", &scene(), false).as_str()]) {
            assert!(line.chars().count() <= 80, "{}: {line}", line.chars().count());
        }
        assert!(!row(now, "images", &scene(), false).contains('\u{1b}'));
        assert!(row(now, "images", &scene(), true).starts_with("\u{1b}[33m"));
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let same = StageView { alone_waiting: 12_346, ..scene() };
        assert!(!is_news(Some(&scene()), &same));
        assert!(is_news(None, &same));
        assert!(is_news(Some(&scene()), &StageView { alone_waiting: 0, ..scene() }));
        assert!(is_news(Some(&scene()), &StageView { ready: 10, ..scene() }));
    }
}
