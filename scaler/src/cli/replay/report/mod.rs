//! The replay as one page to show around: no script, no address, light and dark.

pub(crate) mod capacity;
mod days;
mod frontier;
mod heat;
mod settings;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use prewarm_forecaster::{Series, replay};

use super::summary::{Arm, Summary, label};
use crate::cli::history::written;
use crate::cli::plot::{STYLE, figure, inline};
use capacity::Track;

/// Each plot is drawn twice; the page shows the one that fits the screen, with letters of the same
/// size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// A screen.
    Wide,
    /// A phone.
    Narrow,
}

impl Width {
    fn pixels(self) -> f64 {
        match self {
            Self::Wide => 1040.0,
            Self::Narrow => 380.0,
        }
    }
}

/// What the plots are made of beside the figures.
#[derive(Debug)]
pub(crate) struct PlotData {
    /// Demand in replicas; the largest of each step.
    pub(crate) demand: Series,
    /// What each arm had Ready.
    pub(crate) tracks: Vec<Track>,
    /// Zone of days and hours.
    pub(crate) zone: TimeZone,
}

/// The page.
pub(crate) fn page(summary: &Summary, plot_data: &PlotData) -> String {
    let track = |arm| plot_data.tracks.iter().find(|track| track.name == arm);
    let shown: Vec<&Track> =
        [replay::Arm::Prewarm, replay::Arm::Hpa].into_iter().filter_map(track).collect();
    let body = html! {
        (lead(summary))
        (cards(summary))
        @if let Some(week) = typical_week(plot_data) {
            (section("A typical week", "The gray area is demand. Where it rises above the line, requests wait; red is what the replicas that are Ready cannot serve.",
                |width| capacity::panels(&plot_data.demand, &shown, week, &plot_data.zone, width)))
        }
        @if let Some(day) = worst_day(summary, plot_data) {
            (section("The hardest day", "The day on which the plain HPA missed most.",
                |width| capacity::panels(&plot_data.demand, &shown, day, &plot_data.zone, width)))
        }
        (section("Cost against waiting", "Each dot is a way to scale. Left is cheaper, down is better served; below the dotted line nobody gets with the plain HPA alone.", |width| frontier::plot(summary, width)))
        (section("When it hurts", "Replicas that are missing, by hour of the week: the redder, the more.",
            |width| heat::maps(&plot_data.demand, &shown, &plot_data.zone, width)))
        @if let (Some(ours), Some(theirs)) = (summary.arm(replay::Arm::Prewarm), summary.arm(replay::Arm::ReactiveTuned)) {
            @let (won, all) = days::won(ours, theirs);
            (section("Day by day", &format!("Prewarm was cheaper on {won} of {all} days than the best settings that only react."),
                |width| days::bars(ours, theirs, width)))
        }
        (table(summary))
        section { h2 { "Settings for your cluster" } pre { (settings::yaml(summary)) } }
        (method(summary))
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Prewarm replay: " (summary.title) }
                style { (PreEscaped(STYLE)) (PreEscaped(include_str!("page.css"))) }
            }
            body { main { (body) } }
        }
    };
    page.into_string() + "\n"
}

fn lead(summary: &Summary) -> Markup {
    html! {
        header {
            p.eyebrow { "Prewarm replay · " (summary.title) }
            h1 { (unbroken(&summary.conclusion.headline)) }
            @for sentence in &summary.conclusion.sentences { p { (unbroken(sentence)) } }
        }
    }
}

/// Figures stay with their sign at the end of a line.
fn unbroken(words: &str) -> String {
    words.replace(" %", "\u{a0}%")
}

/// The four figures that count, Prewarm's beside the plain HPA's.
fn cards(summary: &Summary) -> Markup {
    let (Some(ours), Some(hpa)) =
        (summary.arm(replay::Arm::Prewarm), summary.arm(replay::Arm::Hpa))
    else {
        return html! {};
    };
    let cards = [
        ("GPU-hours", figure(ours.gpu_hours), figure(hpa.gpu_hours)),
        ("demand that waited", share(ours.missed_share), share(hpa.missed_share)),
        (
            &*format!("GPU cost at {} an hour", figure(summary.assumptions.gpu_price)),
            money(ours.money),
            money(hpa.money),
        ),
        (
            "minutes under capacity",
            figure(ours.minutes_under_capacity),
            figure(hpa.minutes_under_capacity),
        ),
    ];
    html! {
        section.cards {
            @for (what, ours, theirs) in &cards {
                div.card { p.what { (what) } p.value { (ours) } p.against { "plain HPA: " (theirs) } }
            }
        }
    }
}

fn section(title: &str, words: &str, draw: impl Fn(Width) -> (f64, Markup)) -> Markup {
    let drawn = |width: Width, class: &str| {
        let (height, content) = draw(width);
        inline(class, width.pixels(), height, title, &content)
    };
    html! {
        section {
            h2 { (title) }
            p { (words) }
            (drawn(Width::Wide, "wide"))
            (drawn(Width::Narrow, "narrow"))
        }
    }
}

fn table(summary: &Summary) -> Markup {
    let limit = written(SignedDuration::from_secs(summary.assumptions.wait_limit_seconds as i64));
    let row = |arm: &Arm| {
        html! {
            tr.ours[arm.name == replay::Arm::Prewarm] {
                th scope="row" { (label(arm.name)) }
                td { (figure(arm.total_cost)) }
                td { (format!("{:.2} ×", arm.cost_to_hpa)) }
                td { (format!("{:.2} ×", arm.cost_to_oracle)) }
                td { (figure(arm.gpu_hours)) }
                td { (money(arm.money)) }
                td { (share(arm.missed_share)) }
                td { (figure(arm.minutes_under_capacity)) }
                td { (arm.starts) }
            }
        }
    };
    html! {
        section {
            h2 { "All arms" }
            div.scroll {
                table {
                    thead { tr {
                        th { "" } th { "total cost" } th { "to plain HPA" } th { "to foresight" } th { "GPU-hours" }
                        th { "GPU cost" } th { "waits over " (limit) } th { "min under capacity" } th { "starts" }
                    } }
                    tbody { @for arm in &summary.arms { (row(arm)) } }
                }
            }
        }
    }
}

fn method(summary: &Summary) -> Markup {
    let Summary { from, to, timezone, assumptions: assumed, .. } = summary;
    html! {
        section.method {
            h2 { "How this was computed" }
            p {
                "Demand from " (from) " to " (to) " (days and hours in " (timezone) ") was played again in simulated time, through a "
                "queue, KEDA's polling and the HPA's formula, tolerance and behavior, once for each way to scale. A replica carries "
                (figure(assumed.threshold)) " of demand and is Ready " (assumed.cold_start())
                " after it was asked for; it costs from the moment it is scheduled, at " (money(assumed.gpu_price)) " a GPU-hour."
            }
            p {
                "Total cost = GPU-hours + " (figure(assumed.cost_ratio)) " × missed replica-hours; missed is what waits longer than "
                (written(SignedDuration::from_secs(assumed.wait_limit_seconds as i64))) ". Forecasts are those that would have been issued at "
                "the time; settings are chosen from earlier days only, for every arm alike. Perfect foresight is the cheapest of "
                "several plans that know the demand to come, or of the other arms where one of those is cheaper."
                @if !assumed.shows_queue {
                    " What waits does not show in this metric: no way but Knative's scales by it."
                }
            }
        }
    }
}

/// The week (from local Monday) whose demand is the median of all whole ones; all there is where
/// there is none.
fn typical_week(plot_data: &PlotData) -> Option<(Timestamp, Timestamp)> {
    let demand = &plot_data.demand;
    let day = demand.start().to_zoned(plot_data.zone.clone()).date();
    let to_monday = (7 - i64::from(day.weekday().to_monday_zero_offset())) % 7;
    let mut weeks = Vec::new();
    let mut monday = day.checked_add(jiff::Span::new().try_days(to_monday).ok()?).ok()?;
    loop {
        let next = monday.checked_add(jiff::Span::new().days(7)).ok()?;
        let at =
            |day: jiff::civil::Date| Some(day.to_zoned(plot_data.zone.clone()).ok()?.timestamp());
        let (from, to) = (at(monday)?, at(next)?);
        if to > demand.end() {
            break;
        }
        if from >= demand.start() {
            weeks.push((total(demand, from, to), from, to));
        }
        monday = next;
    }
    weeks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = weeks.get(weeks.len() / 2).map(|(_, from, to)| (*from, *to));
    middle.or(Some((demand.start(), demand.end())))
}

fn total(demand: &Series, from: Timestamp, to: Timestamp) -> f64 {
    let values = (0..demand.values().len()).map(|i| demand.instant(i)).zip(demand.values());
    values
        .filter(|(at, value)| *at >= from && *at < to && value.is_finite())
        .map(|(_, value)| value)
        .sum()
}

/// The local day on which the plain HPA missed most; `None` if it never missed.
fn worst_day(summary: &Summary, plot_data: &PlotData) -> Option<(Timestamp, Timestamp)> {
    let days = &summary.arm(replay::Arm::Hpa)?.days;
    let worst =
        days.iter().max_by(|a, b| a.missed_replica_hours.total_cmp(&b.missed_replica_hours))?;
    let at = |day: jiff::civil::Date| Some(day.to_zoned(plot_data.zone.clone()).ok()?.timestamp());
    (worst.missed_replica_hours > 0.0)
        .then_some((at(worst.date)?, at(worst.date.tomorrow().ok()?)?))
}

fn share(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// In whatever currency the price was.
fn money(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests;
