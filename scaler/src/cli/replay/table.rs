//! What a replay found, for a terminal.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::summary::Summary;
use crate::cli::columns::{Align, aligned};
use crate::cli::history::written;
use crate::cli::plot::figure;

/// The conclusion, a line for each arm, and what the columns mean.
pub(crate) fn table(summary: &Summary) -> String {
    let assumed = &summary.assumptions;
    let limit = written(SignedDuration::from_secs(assumed.wait_limit_seconds as i64));
    let mut text = format!("{}\n", summary.conclusion.headline);
    for sentence in &summary.conclusion.sentences {
        let _ = writeln!(text, "{sentence}");
    }
    let _ = writeln!(
        text,
        "\n{}, {} to {}; a replica carries {} and takes {} to start\n",
        summary.title,
        summary.from,
        summary.to,
        figure(assumed.threshold),
        written(SignedDuration::from_secs(assumed.cold_start_seconds as i64)),
    );
    let mut lines = vec![
        [
            "arm",
            "total cost",
            "to hpa",
            "to oracle",
            "GPU-hours",
            "money",
            &format!("waits over {limit}"),
            "min under",
            "starts",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for arm in &summary.arms {
        lines.push(vec![
            arm.name.to_owned(),
            figure(arm.total_cost),
            format!("{:.2} ×", arm.cost_to_hpa),
            format!("{:.2} ×", arm.cost_to_oracle),
            figure(arm.gpu_hours),
            figure(arm.money),
            format!("{:.2} %", arm.missed_share * 100.0),
            figure(arm.minutes_under_capacity),
            arm.starts.to_string(),
        ]);
    }
    text += &aligned(&lines, &[[Align::Left].as_slice(), &[Align::Right; 8]].concat());
    let _ = writeln!(
        text,
        "\ntotal cost = GPU-hours + {} × missed replica-hours; money at {} a GPU-hour",
        figure(assumed.cost_ratio),
        figure(assumed.gpu_price)
    );
    text
}
