//! What goes into the store of selections and days, as JSON: a person with SQL reads it too.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::selection::{
    AskedAhead, Costs, Selection, SelectionReason, ShadowPolicy,
};
use serde::{Deserialize, Serialize};

use crate::status::{DayCost, SelectionRecord, why_name};
use crate::store::document::{Document, Kind};

const CODEC: i32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum PolicyRecord {
    #[serde(rename_all = "camelCase")]
    Reactive {
        #[serde(rename = "utilisation")]
        utilization: f64,
        scale_down_window_seconds: i64,
    },
    #[serde(rename_all = "camelCase")]
    Forecast {
        quantile: f64,
        #[serde(rename = "forecastUtilisation")]
        forecast_utilization: f64,
        #[serde(rename = "utilisation")]
        utilization: f64,
        hold_seconds: i64,
        #[serde(rename = "stabilisationSeconds")]
        stabilization_seconds: i64,
        drain_seconds: i64,
    },
    #[serde(rename_all = "camelCase")]
    Arrival {
        utilization: f64,
        scale_down_window_seconds: i64,
        from: f64,
        /// Null: the forecast is not asked for more than one replica.
        ahead: Option<AheadRecord>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AheadRecord {
    quantile: f64,
    forecast_utilization: f64,
    hold_seconds: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SumsRecord {
    gpu_hours: f64,
    missed: f64,
    queued: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChoiceRecord {
    as_of: Timestamp,
    policy: PolicyRecord,
    best_reactive: PolicyRecord,
    why: String,
    days: u32,
    days_won: u32,
    gain: f64,
    /// Null: no bound is known (JSON has no infinity).
    gain_low: Option<f64>,
    gain_high: Option<f64>,
    expected: SumsRecord,
    expected_reactive: SumsRecord,
    cost_ratio: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DayRecord {
    demand: f64,
    policy: Option<PolicyRecord>,
    prewarm: SumsRecord,
    hpa: SumsRecord,
    reactive_tuned: SumsRecord,
    static_peak_gpu_hours: f64,
}

/// A selection as a document; `None` if it cannot be written, which its types do not allow.
pub(super) fn choice_note(chosen: &SelectionRecord) -> Option<Document> {
    let Selection { policy, best_reactive, why, days, days_won, gain, gain_interval, .. } =
        *chosen.selection;
    let record = ChoiceRecord {
        as_of: chosen.as_of,
        policy: policy.into(),
        best_reactive: best_reactive.into(),
        why: why_name(why).to_owned(),
        days,
        days_won,
        gain,
        gain_low: Some(gain_interval.0).filter(|bound| bound.is_finite()),
        gain_high: Some(gain_interval.1).filter(|bound| bound.is_finite()),
        expected: chosen.selection.expected.into(),
        expected_reactive: chosen.selection.expected_reactive.into(),
        cost_ratio: chosen.selection.cost_ratio,
    };
    let data = serde_json::to_vec(&record).ok()?;
    Some(Document { kind: Kind::Selection, at: chosen.since, codec: CODEC, data })
}

/// The selection that a document holds; `None` if a newer version wrote it, or something broke it.
pub(super) fn selection(document: &Document) -> Option<SelectionRecord> {
    let record: ChoiceRecord =
        serde_json::from_slice(&document.data).ok().filter(|_| document.codec == CODEC)?;
    let selection = Selection {
        policy: record.policy.into(),
        best_reactive: record.best_reactive.into(),
        why: WHYS.into_iter().find(|why| why_name(*why) == record.why)?,
        days: record.days,
        days_won: record.days_won,
        gain: record.gain,
        gain_interval: (
            record.gain_low.unwrap_or(f64::NEG_INFINITY),
            record.gain_high.unwrap_or(f64::INFINITY),
        ),
        expected: record.expected.into(),
        expected_reactive: record.expected_reactive.into(),
        cost_ratio: record.cost_ratio,
    };
    Some(SelectionRecord {
        since: document.at,
        as_of: record.as_of,
        selection: Arc::new(selection),
    })
}

/// A day as a document.
pub(super) fn day_note(day: &DayCost) -> Option<Document> {
    let record = DayRecord {
        demand: day.demand,
        policy: day.policy.map(Into::into),
        prewarm: day.prewarm.into(),
        hpa: day.hpa.into(),
        reactive_tuned: day.reactive.into(),
        static_peak_gpu_hours: day.peak_gpu_hours,
    };
    let data = serde_json::to_vec(&record).ok()?;
    Some(Document { kind: Kind::Day, at: day.day, codec: CODEC, data })
}

/// The day that a document holds.
pub(super) fn day(document: &Document) -> Option<DayCost> {
    let record: DayRecord =
        serde_json::from_slice(&document.data).ok().filter(|_| document.codec == CODEC)?;
    Some(DayCost {
        day: document.at,
        demand: record.demand,
        policy: record.policy.map(Into::into),
        prewarm: record.prewarm.into(),
        hpa: record.hpa.into(),
        reactive: record.reactive_tuned.into(),
        peak_gpu_hours: record.static_peak_gpu_hours,
    })
}

const WHYS: [SelectionReason; 6] = [
    SelectionReason::Prior,
    SelectionReason::Untuned,
    SelectionReason::FewDays,
    SelectionReason::Earned,
    SelectionReason::NotProven,
    SelectionReason::ReactiveBest,
];

impl From<ShadowPolicy> for PolicyRecord {
    fn from(policy: ShadowPolicy) -> Self {
        match policy {
            ShadowPolicy::Reactive { utilization, scale_down_window } => Self::Reactive {
                utilization,
                scale_down_window_seconds: scale_down_window.as_secs(),
            },
            ShadowPolicy::Forecast {
                quantile,
                forecast_utilization,
                utilization,
                hold,
                stabilization,
                drain,
            } => Self::Forecast {
                quantile,
                forecast_utilization,
                utilization,
                hold_seconds: hold.as_secs(),
                stabilization_seconds: stabilization.as_secs(),
                drain_seconds: drain.as_secs(),
            },
            ShadowPolicy::Arrival { utilization, scale_down_window, from, ahead } => {
                Self::Arrival {
                    utilization,
                    scale_down_window_seconds: scale_down_window.as_secs(),
                    from,
                    ahead: ahead.map(|ahead| AheadRecord {
                        quantile: ahead.quantile,
                        forecast_utilization: ahead.utilization,
                        hold_seconds: ahead.hold.as_secs(),
                    }),
                }
            }
        }
    }
}

impl From<PolicyRecord> for ShadowPolicy {
    fn from(record: PolicyRecord) -> Self {
        let seconds = SignedDuration::from_secs;
        match record {
            PolicyRecord::Reactive { utilization, scale_down_window_seconds } => Self::Reactive {
                utilization,
                scale_down_window: seconds(scale_down_window_seconds),
            },
            PolicyRecord::Forecast {
                quantile,
                forecast_utilization,
                utilization,
                hold_seconds,
                stabilization_seconds,
                drain_seconds,
            } => Self::Forecast {
                quantile,
                forecast_utilization,
                utilization,
                hold: seconds(hold_seconds),
                stabilization: seconds(stabilization_seconds),
                drain: seconds(drain_seconds),
            },
            PolicyRecord::Arrival { utilization, scale_down_window_seconds, from, ahead } => {
                Self::Arrival {
                    utilization,
                    scale_down_window: seconds(scale_down_window_seconds),
                    from,
                    ahead: ahead.map(|ahead| AskedAhead {
                        quantile: ahead.quantile,
                        utilization: ahead.forecast_utilization,
                        hold: seconds(ahead.hold_seconds),
                    }),
                }
            }
        }
    }
}

impl From<Costs> for SumsRecord {
    fn from(Costs { gpu_hours, missed, queued }: Costs) -> Self {
        Self { gpu_hours, missed, queued }
    }
}

impl From<SumsRecord> for Costs {
    fn from(SumsRecord { gpu_hours, missed, queued }: SumsRecord) -> Self {
        Self { gpu_hours, missed, queued }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prewarm_forecaster::tuning::portfolio;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn choices_come_back() {
        let policies = portfolio::reactive()
            .into_iter()
            .chain(portfolio::forecasting())
            .chain(portfolio::awaiting());
        for (policy, why) in policies.zip(WHYS.into_iter().cycle()) {
            let sums = Costs { gpu_hours: 12.5, missed: 0.1, queued: 1e-9 };
            let selection = Selection {
                policy,
                best_reactive: portfolio::reactive()[7],
                why,
                days: 9,
                days_won: 7,
                gain: -1.25,
                gain_interval: if why == SelectionReason::FewDays {
                    (f64::NEG_INFINITY, f64::INFINITY)
                } else {
                    (-2.0, -0.5)
                },
                expected: sums,
                expected_reactive: Costs::default(),
                cost_ratio: 30.0,
            };
            let chosen = SelectionRecord {
                since: at(1_800_000_000),
                as_of: at(1_800_021_600),
                selection: Arc::new(selection),
            };
            assert_eq!(super::selection(&choice_note(&chosen).unwrap()), Some(chosen));
        }
    }

    #[test]
    fn days_come_back_and_what_is_no_record_is_none() {
        let sums = Costs { gpu_hours: 1.0 / 3.0, missed: 2.0, queued: 0.0 };
        let cost = DayCost {
            day: at(86_400),
            demand: 8.0,
            policy: Some(portfolio::reactive()[3]),
            prewarm: sums,
            hpa: sums,
            reactive: sums,
            peak_gpu_hours: 48.0,
        };
        let document = day_note(&cost).unwrap();
        assert_eq!(super::day(&document), Some(cost));
        assert_eq!(super::day(&Document { codec: 2, ..document.clone() }), None);
        assert_eq!(super::selection(&document), None);
    }
}
