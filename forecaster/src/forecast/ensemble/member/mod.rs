//! The members: each predicts quantiles at one lead, in log space, from moments of the past that
//! looked like now or from past errors.
//!
//! To add one, write a file beside this one, declare it here and give it a line in [`table`].
//! Nothing else knows how many there are or in which order they stand.

mod forecast_knn;
mod level_knn;
mod long_level_knn;
mod residuals;
mod same_hour_knn;
mod shape_knn;

use std::fmt::Debug;

use super::knn::{Fading, Limit};
use super::past::{ENOUGH, Past, Scratch, View, searched};
use super::predictions::{Label, Predictions};

/// The members. Reports name their predictions in this order.
fn table() -> Vec<Box<dyn Member>> {
    vec![
        Box::new(level_knn::LevelKnn::default()),
        Box::new(forecast_knn::ForecastKnn),
        Box::new(same_hour_knn::SameHourKnn::default()),
        Box::new(shape_knn::ShapeKnn::default()),
        Box::new(long_level_knn::LongLevelKnn::default()),
        Box::new(residuals::Residuals::default()),
    ]
}

/// One way to forecast a bucket, with what it keeps between buckets.
trait Member: CloneMember + Debug + Send + Sync {
    /// Its predictions, in the order in which it makes them.
    fn labels(&self) -> &'static [Label];

    /// Predicts from the newest bucket; all that it writes is finite. `None` where a column does
    /// not hold what it looks at.
    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()>;
}

/// Lets boxed members be cloned.
trait CloneMember {
    fn boxed(&self) -> Box<dyn Member>;
}

impl<M: Member + Clone + 'static> CloneMember for M {
    fn boxed(&self) -> Box<dyn Member> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Member> {
    fn clone(&self) -> Self {
        // Not the box's own, which would call itself.
        (**self).boxed()
    }
}

/// Half-life of a neighbor, in days.
const HALF_LIFE_DAYS: f32 = 14.0;

/// A lead's members and what they share.
#[derive(Debug, Clone)]
pub(super) struct Members {
    members: Vec<Box<dyn Member>>,
    /// How far the nearest by forecast are expected.
    by_forecast: Limit,
    fading: Fading,
}

impl Members {
    /// Members that look back `window` buckets.
    pub(super) fn new(window: usize, per_day: usize) -> Self {
        Self {
            members: table(),
            by_forecast: Limit::default(),
            fading: Fading::new(HALF_LIFE_DAYS * per_day as f32, window),
        }
    }

    /// All predictions, in the order in which they are made.
    pub(super) fn labels(&self) -> Vec<Label> {
        self.members.iter().flat_map(|member| member.labels()).copied().collect()
    }

    /// All predictions after the newest bucket; what is written is finite. `None` until there are
    /// [`ENOUGH`] pairs of observed buckets a lead apart to look at.
    pub(super) fn predict(
        &mut self,
        view: &View<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        let features = view.features;
        let t = features.len().checked_sub(1)?;
        let rows = searched(features, view.window, view.lead);
        if features.pairs(rows.clone(), view.lead, ENOUGH) < ENOUGH {
            return None;
        }
        scratch.spaces.resize_with(self.members.len() + 1, Default::default);
        let mut past = Past { view, t, rows, fading: &self.fading, space: 0 };
        // A member's own neighbors, and those of members that find too few.
        forecast_knn::search(&past, &mut self.by_forecast, scratch)?;
        for member in &mut self.members {
            past.space += 1;
            member.predict(&past, scratch, out)?;
        }
        Some(())
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.fading.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prediction_has_its_own_name_and_one_is_trusted_while_all_are_young() {
        let labels = Members::new(100, 48).labels();
        let mut names: Vec<_> = labels.iter().map(|label| label.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), labels.len());
        let trusted: Vec<_> = labels.iter().filter(|label| label.trusted).collect();
        assert_eq!(trusted, [&Label::trusted("changes")], "the last value with its past changes");
    }
}
