//! What the plots show, out of the steps of the simulation.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use prewarm_forecaster::replay::{Arm, Moment, Outcome};

use super::report::PlotData;
use super::report::capacity::Track;

/// Demand in replicas (the largest of each bucket) and what `arms` had Ready (the fewest) from
/// `from` on, in buckets that plots can show. `None` without a timeline.
pub(crate) fn plot_data(
    outcomes: &[(Arm, Outcome)],
    arms: &[Arm],
    threshold: f64,
    from: Timestamp,
    zone: &TimeZone,
) -> Option<PlotData> {
    let timeline = |wanted: Arm| {
        let of = outcomes
            .iter()
            .find(|(arm, _)| *arm == wanted)
            .map(|(_, outcome)| outcome.timeline.as_slice());
        of.and_then(|timeline| {
            timeline.get(timeline.partition_point(|moment| moment.time < from)..)
        })
    };
    let first = timeline(*arms.first()?)?;
    let demand = bucketed(
        first,
        |moment| moment.demand.map_or(f64::NAN, |demand| demand / threshold),
        f64::max,
    )?;
    let ready = |moment: &Moment| f64::from(moment.ready);
    let track =
        |arm: &Arm| Some(Track { name: *arm, ready: bucketed(timeline(*arm)?, ready, f64::min)? });
    Some(PlotData { demand, tracks: arms.iter().filter_map(track).collect(), zone: zone.clone() })
}

/// One figure for each bucket; buckets are aligned to the epoch.
fn bucketed(
    timeline: &[Moment],
    figure: impl Fn(&Moment) -> f64,
    of_two: impl Fn(f64, f64) -> f64,
) -> Option<Series> {
    let bucket = |at: Timestamp| at.as_second().div_euclid(BUCKET.as_secs());
    let (first, last) = (bucket(timeline.first()?.time), bucket(timeline.last()?.time));
    let mut values = vec![f64::NAN; usize::try_from(last - first).ok()? + 1];
    for moment in timeline {
        let place =
            usize::try_from(bucket(moment.time) - first).ok().and_then(|i| values.get_mut(i));
        if let Some(value) = place {
            // NaN gives way to what is known.
            *value = of_two(*value, figure(moment));
        }
    }
    Some(Series::new(Timestamp::from_second(first * BUCKET.as_secs()).ok()?, BUCKET, values))
}

/// A week of these is two to a pixel.
const BUCKET: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: i64, demand: Option<f64>, ready: u32) -> Moment {
        let time = Timestamp::from_second(second).unwrap();
        Moment {
            time,
            demand,
            ready,
            desired: ready,
            metric_value: demand,
            forecast: None,
            active: true,
            reason: "live",
        }
    }

    #[test]
    fn a_bucket_shows_the_most_demand_and_the_fewest_replicas() {
        let timeline = vec![
            moment(600, Some(4.0), 2),
            moment(615, Some(10.0), 1),
            moment(630, None, 3),
            moment(900, None, 3),
        ];
        let outcomes = [
            (Arm::Hpa, Outcome { timeline, ..Outcome::default() }),
            (Arm::Cron, Outcome::default()),
        ];
        let from = Timestamp::from_second(600).unwrap();
        let shown =
            plot_data(&outcomes, &[Arm::Hpa, Arm::Cron], 2.0, from, &TimeZone::UTC).unwrap();
        assert_eq!((shown.demand.start().as_second(), shown.demand.values()[0]), (600, 5.0));
        assert!(shown.demand.values()[1].is_nan(), "a gap is no demand of zero");
        assert_eq!(shown.tracks.len(), 1, "an arm without a timeline is not drawn");
        assert_eq!(shown.tracks[0].ready.values(), [1.0, 3.0]);
        assert!(plot_data(&outcomes, &[Arm::Cron], 2.0, from, &TimeZone::UTC).is_none());
    }
}
