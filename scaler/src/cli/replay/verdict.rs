//! The conclusion in plain words.

use jiff::SignedDuration;
use prewarm_forecaster::replay::{self, Advice, Conclusion};

use super::summary::{Arm, Assumptions, Verdict};
use crate::cli::history::written;

/// What a person should take away. `arms` hold `hpa`, `reactive-tuned` and `prewarm`.
pub(crate) fn verdict(conclusion: &Conclusion, arms: &[Arm], assumed: &Assumptions) -> Verdict {
    let of = |way| arms.iter().find(|arm| arm.name == way);
    let (hpa, tuned) = (of(replay::Arm::Hpa), of(replay::Arm::ReactiveTuned));
    let prewarm = of(replay::Arm::Prewarm);
    let settings = format!(
        "{:.0} % utilization and a scale-down window of {}{}",
        conclusion.settings.utilization * 100.0,
        written(conclusion.settings.scale_down_window),
        if conclusion.settings.panics { ", on a query that sees jumps at once" } else { "" }
    );
    let limit = written(SignedDuration::from_secs_f64(assumed.wait_limit_seconds));
    let less = |ours: f64, theirs: f64| percent(1.0 - ours / theirs);
    let waits = |arm: Option<&Arm>| {
        arm.map_or_else(|| "?".to_owned(), |arm| format!("{:.2} %", arm.missed_share * 100.0))
    };
    let compared = |name: &str, arm: Option<&Arm>| {
        let hours = arm.zip(hpa).map_or(f64::NAN, |(arm, hpa)| arm.gpu_hours / hpa.gpu_hours - 1.0);
        format!(
            "With {name}, {} of the demand waits over {limit} instead of {}, for {} the plain HPA.",
            waits(arm),
            waits(hpa),
            gpu_hours(hours)
        )
    };
    let days = format!(
        "Prewarm was cheaper than the tuned HPA on {} of {} days; its total cost is {}.",
        conclusion.days_won,
        conclusion.days,
        cost(conclusion.gain)
    );
    let (headline, mut sentences) = match conclusion.advice {
        Advice::UsePrewarm => (
            format!(
                "Prewarm would have cost {} less than the plain HPA, and {} less than the best settings that only react.",
                less(conclusion.prewarm, conclusion.hpa),
                percent(conclusion.gain)
            ),
            vec![compared("Prewarm", prewarm), days],
        ),
        Advice::TuneHpa => (
            format!(
                "Keep the plain HPA, with other settings: {settings} would have cost {} less. A forecast adds nothing worth \
                 having here.",
                less(conclusion.tuned, conclusion.hpa)
            ),
            vec![compared("these settings", tuned), days],
        ),
        Advice::KeepHpa => (
            "Keep the plain HPA as it is: neither other settings nor a forecast would have cost noticeably less."
                .to_owned(),
            vec![compared("Prewarm", prewarm), days],
        ),
    };
    sentences.extend(prewarm.and_then(|prewarm| cheaper_still(arms, prewarm)));
    Verdict { advice: conclusion.advice, headline, sentences }
}

/// Says so where another way that people can have was noticeably cheaper than Prewarm.
fn cheaper_still(arms: &[Arm], prewarm: &Arm) -> Option<String> {
    const OTHERS: [(replay::Arm, &str); 4] = [
        (replay::Arm::Yesterday, "an HPA that also asks for what yesterday needed"),
        (replay::Arm::Cron, "a KEDA cron schedule made from it"),
        (replay::Arm::Knative, "Knative's windows"),
        (replay::Arm::Aws, "an hourly schedule as AWS predicts one"),
    ];
    const NOTICEABLE: f64 = 0.98;
    let of = |(way, words)| Some((arms.iter().find(|arm| arm.name == way)?.total_cost, words));
    let (cost, words) = OTHERS.into_iter().filter_map(of).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let share = 1.0 - cost / prewarm.total_cost;
    (cost < NOTICEABLE * prewarm.total_cost).then(|| {
        format!("On this history {words} was cheaper still: {} less than Prewarm.", percent(share))
    })
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn gpu_hours(more: f64) -> String {
    match more {
        _ if more.abs() < 0.005 => "as many GPU-hours as".to_owned(),
        _ if more > 0.0 => format!("{} more GPU-hours than", percent(more)),
        _ => format!("{} fewer GPU-hours than", percent(-more)),
    }
}

fn cost(gain: f64) -> String {
    match gain {
        _ if gain.abs() < 0.005 => "the same".to_owned(),
        _ if gain > 0.0 => format!("{} lower", percent(gain)),
        _ => format!("{} higher", percent(-gain)),
    }
}

#[cfg(test)]
mod tests {
    use prewarm_forecaster::replay::Settings;

    use super::super::example::summary;
    use super::*;

    fn told(advice: Advice, gain: f64) -> String {
        let settings = Settings {
            utilization: 0.6,
            scale_down_window: SignedDuration::from_mins(15),
            panics: false,
        };
        let conclusion = Conclusion {
            advice,
            settings,
            hpa: 3930.0,
            tuned: 3280.0,
            prewarm: 3280.0 * (1.0 - gain),
            gain,
            days_won: 17,
            days: 21,
        };
        let summary = summary();
        let verdict = verdict(&conclusion, &summary.arms, &summary.assumptions);
        format!(
            "{}: {}\n{}\n",
            verdict.advice.as_str(),
            verdict.headline,
            verdict.sentences.join("\n")
        )
    }

    #[test]
    fn who_was_cheaper_is_named() {
        let mut summary = summary();
        let prewarm =
            summary.arms.iter().find(|arm| arm.name == replay::Arm::Prewarm).unwrap().clone();
        summary.arms.retain(|arm| [replay::Arm::Hpa, replay::Arm::Prewarm].contains(&arm.name));
        assert_eq!(cheaper_still(&summary.arms, &prewarm), None);
        let cron = Arm {
            name: replay::Arm::Cron,
            total_cost: prewarm.total_cost * 0.9,
            ..prewarm.clone()
        };
        summary.arms.push(cron);
        let said = cheaper_still(&summary.arms, &prewarm).unwrap();
        assert!(said.contains("cron schedule") && said.contains("10 % less"), "{said}");
    }

    #[test]
    fn each_advice_is_a_sentence_with_its_figures() {
        let told = [
            told(Advice::UsePrewarm, 0.18),
            told(Advice::TuneHpa, 0.001),
            told(Advice::KeepHpa, -0.03),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }
}
