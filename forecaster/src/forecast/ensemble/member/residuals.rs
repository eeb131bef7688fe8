//! Past errors of the point forecasts relative to their expected size, and past changes.

use super::super::knn::Fading;
use super::super::past::{ENOUGH, Past, Scratch};
use super::{Label, Member, Predictions};
use crate::forecast::season::Season;

const OF_MIXTURE: Label = Label::new("errors by size");
/// The last value with its past changes: what counts most while all are young.
const OF_LAST_VALUE: Label = Label::trusted("changes");
const OF_SMOOTHERS: Label = Label::new("errors of smoothers");
const OF_RIDGE: Label = Label::new("errors of ridge");
const OF_SEASON: Label = Label::new("errors of season");
/// In the order of the sources of [`Residuals::predict`].
const LABELS: [Label; 5] = [OF_MIXTURE, OF_LAST_VALUE, OF_SMOOTHERS, OF_RIDGE, OF_SEASON];

/// Hours between two readings once there is as much history as they look at: nothing is learned
/// from one hour in a week, and reading every hour is a twentieth of all work.
const HOURS: usize = 4;

/// Quantiles of errors, read now and then.
#[derive(Debug, Clone, Default)]
pub(super) struct Residuals {
    /// By [`LABELS`].
    quantiles: [Vec<f32>; LABELS.len()],
    read_at: Option<usize>,
}

impl Member for Residuals {
    fn labels(&self) -> &'static [Label] {
        &LABELS
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        let (view, t) = (past.view, past.t);
        let hours = if t < span(view.season) { 1 } else { HOURS };
        let pause = hours * view.season.buckets(3600);
        if self.read_at.is_none_or(|at| t >= at + pause)
            || self.quantiles[0].len() != view.quantiles.len()
        {
            self.read(past, scratch);
            self.read_at = Some(t);
        }
        let base = view.base;
        let (size, z) = (base.size.get(t)?.exp(), view.features.z.get(t)?);
        let sources = [
            (base.mixed.get(t)?, size),
            (z, 1.0),
            (base.smoothers.get(t)?, size),
            (base.ridge.get(t)?, size),
            (base.season.get(t)?, size),
        ];
        for (((middle, size), errors), label) in
            sources.into_iter().zip(&self.quantiles).zip(LABELS)
        {
            out.next(label).extend(errors.iter().map(|error| middle + size * error));
        }
        Some(())
    }
}

impl Residuals {
    fn read(&mut self, past: &Past<'_>, scratch: &mut Scratch) {
        let (view, t) = (past.view, past.t);
        let (features, base, h) = (view.features, view.base, view.lead);
        let span = span(view.season);
        let mut since = (t + 1).saturating_sub(span + h).max(past.rows.start);
        if features.pairs(since..past.rows.end, h, ENOUGH) < ENOUGH {
            // After a long gap older errors are better than none.
            since = past.rows.start;
        }
        let fading = Fading::new(0.5 * span as f32, t - since);
        let mut kinds: [Vec<f32>; LABELS.len()] =
            std::array::from_fn(|_| Vec::with_capacity(past.rows.end - since));
        let Scratch { processor, weights, reader, .. } = scratch;
        weights.clear();
        let rows = since..past.rows.end;
        let ahead = since + h..past.rows.end + h;
        let gaps = features.gap.rows(rows.clone()).iter().zip(features.gap.rows(ahead.clone()));
        let [mixed, smoothers, ridge, season, sizes] =
            [&base.mixed, &base.smoothers, &base.ridge, &base.season, &base.size]
                .map(|column| column.rows(rows.clone()));
        let came = features.z.rows(rows.clone()).iter().zip(features.z.rows(ahead));
        let forecasts = mixed.iter().zip(smoothers).zip(ridge).zip(season).zip(sizes);
        for (s, ((gap, (z, y)), ((((mixed, smoothers), ridge), season), size))) in
            rows.zip(gaps.zip(came).zip(forecasts))
        {
            if gap != (&0.0, &0.0) {
                continue;
            }
            let size = size.exp();
            let relative = |forecast: f32| (y - forecast) / size;
            let errors = [
                relative(*mixed),
                y - z,
                relative(*smoothers),
                relative(*ridge),
                relative(*season),
            ];
            kinds.iter_mut().zip(errors).for_each(|(kind, error)| kind.push(error));
            weights.push(fading.after(t - s));
        }
        for ((label, errors), quantiles) in LABELS.into_iter().zip(&kinds).zip(&mut self.quantiles)
        {
            quantiles.clear();
            if label == OF_LAST_VALUE && t < 2 * view.season.per_day {
                // Morning has been rising so far; that says nothing of noon.
                let falls: Vec<f32> = errors.iter().map(|change| -change).collect();
                let (errors, weights) =
                    ([&errors[..], &falls].concat(), [&weights[..], weights].concat());
                reader.read(*processor, &errors, &weights, view.quantiles, quantiles);
            } else {
                reader.read(*processor, errors, weights, view.quantiles, quantiles);
            }
        }
    }
}

/// Buckets that are looked at.
fn span(season: &Season) -> usize {
    let days = if season.step_s() < 1800 { 7 } else { 28 };
    days * season.per_day
}
