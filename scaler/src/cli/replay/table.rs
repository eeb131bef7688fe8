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
        assumed.cold_start(),
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
            arm.name.to_string(),
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
    if let Some(equal) = &summary.equal_cost {
        let mut line = vec![String::new(); 9];
        let cells = [
            (0, "hpa, equal cost".to_owned()),
            (4, figure(equal.gpu_hours)),
            (5, figure(equal.gpu_hours * assumed.gpu_price)),
            (6, format!("{:.2} %", equal.missed_share * 100.0)),
        ];
        for (column, text) in cells {
            if let Some(cell) = line.get_mut(column) {
                *cell = text;
            }
        }
        lines.push(line);
    }
    text += &aligned(&lines, &[[Align::Left].as_slice(), &[Align::Right; 8]].concat());
    if let Some(equal) = &summary.equal_cost {
        let _ = writeln!(
            text,
            "\nequal cost: the plain HPA at {:.0} % utilization takes as many GPU-hours as Prewarm",
            equal.utilization * 100.0
        );
    }
    let _ = writeln!(
        text,
        "total cost = GPU-hours + {} × missed replica-hours; money at {} a GPU-hour",
        figure(assumed.cost_ratio),
        figure(assumed.gpu_price)
    );
    if !assumed.shows_queue {
        text += "what waits does not show in the metric: no arm but knative scales by it (else: --queue seen)\n";
    }
    text
}

/// A line for each arm, for programs: the fields of the JSON's arms but their days.
pub(crate) fn csv(summary: &Summary) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "arm",
        "total_cost",
        "gpu_hours",
        "missed_replica_hours",
        "missed_share",
        "minutes_under_capacity",
        "starts",
        "cost_to_oracle",
        "cost_to_hpa",
        "money",
    ])?;
    for arm in &summary.arms {
        writer.write_record([
            arm.name.to_string(),
            arm.total_cost.to_string(),
            arm.gpu_hours.to_string(),
            arm.missed_replica_hours.to_string(),
            arm.missed_share.to_string(),
            arm.minutes_under_capacity.to_string(),
            arm.starts.to_string(),
            arm.cost_to_oracle.to_string(),
            arm.cost_to_hpa.to_string(),
            arm.money.to_string(),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use super::super::example::summary;

    #[test]
    fn the_table_begins_with_the_conclusion() {
        insta::assert_snapshot!(super::table(&summary()));
    }

    #[test]
    fn rows_for_programs_hold_the_figures_as_they_are() {
        let text = super::csv(&summary()).unwrap();
        assert_eq!(text.lines().count(), 9);
        let prewarm = text.lines().find(|line| line.starts_with("prewarm,")).unwrap();
        assert!(prewarm.contains(",2510,6,0.003,"), "{prewarm}");
    }
}
