//! Neighbors by their levels from now to a day back and the time since there was any demand: tells
//! bursts and lulls apart that look alike for hours.

use super::super::knn::Limit;
use super::super::past::{Past, Scratch};
use super::{Label, Member, Predictions};

/// Neighbors.
const NEAREST: usize = 120;

const BY_LEVEL: Label = Label::new("long past level");

#[derive(Debug, Clone, Default)]
pub(super) struct LongLevelKnn {
    limit: Limit,
}

impl Member for LongLevelKnn {
    fn labels(&self) -> &'static [Label] {
        &[BY_LEVEL]
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        let features = past.view.features;
        let all = past.with_present();
        let common = [
            all.key(&features.mean3, 0.7)?,
            all.key(&features.mean_hour, 1.0)?,
            all.key(&features.mean_6h, 1.0)?,
            all.key(&features.mean_day, 0.7)?,
            all.key(&features.max_6h, 0.5)?,
            all.key(&features.idle, 0.3)?,
        ];
        past.measure(0, common, None, (0.2, 0.7), scratch)?;
        let own = [past.key(&past.view.base.mixed, 1.0)?];
        past.search(own, None, NEAREST, &mut self.limit, scratch);
        past.read(NEAREST, None, scratch, out.next(BY_LEVEL));
        Some(())
    }
}
