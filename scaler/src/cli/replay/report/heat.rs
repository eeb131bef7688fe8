//! When, in the week, demand waits: a square for each hour.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use prewarm_forecaster::Series;

use super::Width;
use super::capacity::Track;
use crate::cli::replay::summary::label;

/// Hours of a week.
const HOURS: usize = 7 * 24;

/// Mean replicas short by hour of the local week, Monday 00:00 first.
fn shortfall(demand: &Series, track: &Track, zone: &TimeZone) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; HOURS], vec![0u32; HOURS]);
    for (i, demand_now) in demand.values().iter().enumerate() {
        let at = demand.instant(i);
        let Some(ready) = track.ready.at(at).filter(|_| demand_now.is_finite()) else { continue };
        let local = at.to_zoned(zone.clone());
        let hour = local.weekday().to_monday_zero_offset() as usize * 24 + local.hour() as usize;
        if let (Some(sum), Some(count)) = (sums.get_mut(hour), counts.get_mut(hour)) {
            *sum += (demand_now - ready).max(0.0);
            *count += 1;
        }
    }
    sums.iter().zip(&counts).map(|(sum, count)| sum / f64::from((*count).max(1))).collect()
}

/// A map for each track, all on one scale of color.
pub(crate) fn maps(
    demand: &Series,
    tracks: &[&Track],
    zone: &TimeZone,
    width: Width,
) -> (f64, Markup) {
    let all: Vec<_> =
        tracks.iter().map(|track| (track.name, shortfall(demand, track, zone))).collect();
    let most = all.iter().flat_map(|(_, hours)| hours).copied().fold(0.0, f64::max);
    let left = 40.0;
    // As wide as the page, no taller than a line of text needs.
    let across = (width.pixels() - left - 8.0) / 24.0;
    let down = across.min(26.0);
    let map_height = 7.0 * down + 78.0;
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let round = |value: f64| (value * 10.0).round() / 10.0;
    // Rare and small is still to be seen: the root of the share.
    let strength =
        |value: f64| if most > 0.0 { ((value / most).sqrt() * 100.0).round() / 100.0 } else { 0.0 };
    let content = html! {
        @for (i, (name, hours)) in all.iter().enumerate() {
            @let top = i as f64 * map_height + 34.0;
            text.heading x=(left) y=(round(top - 14.0)) { (label(*name)) }
            @for (day, hours) in hours.chunks(24).enumerate() {
                text.small x=(left - 8.0) y=(round(top + (day as f64 + 0.5) * down + 4.0)) text-anchor="end" { (days[day % 7]) }
                @for (hour, value) in hours.iter().enumerate() {
                    rect.cell x=(round(left + hour as f64 * across)) y=(round(top + day as f64 * down)) width=(round(across - 1.5)) height=(round(down - 1.5)) rx="2" {
                        title { (days[day % 7]) " " (format!("{hour:02}:00: {value:.2} replicas short on average")) }
                    }
                    @if strength(*value) > 0.0 {
                        rect.hot x=(round(left + hour as f64 * across)) y=(round(top + day as f64 * down)) width=(round(across - 1.5)) height=(round(down - 1.5)) rx="2" fill-opacity=(strength(*value)) {}
                    }
                }
            }
            @for hour in (0..24).step_by(6) {
                text.small x=(round(left + f64::from(hour) * across)) y=(round(top + 7.0 * down + 16.0)) { (format!("{hour:02}:00")) }
            }
        }
    };
    (map_height * tracks.len() as f64, content)
}
