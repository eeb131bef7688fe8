//! Neighbors by their levels over the last hours and the season around the target.

use super::super::knn::Limit;
use super::super::past::{ENOUGH, Past, Scratch};
use super::{Label, Member, Predictions};

/// Neighbors whose quantiles are read.
const NEAREST: usize = 100;
/// Neighbors in the regression.
const REGRESSED: usize = 250;

const BY_LEVEL: Label = Label::new("past level");
const BY_CHANGE: Label = Label::new("past change");
const BY_REGRESSION: Label = Label::new("past regressed");

#[derive(Debug, Clone, Default)]
pub(super) struct LevelKnn {
    limit: Limit,
}

impl Member for LevelKnn {
    fn labels(&self) -> &'static [Label] {
        &[BY_LEVEL, BY_CHANGE, BY_REGRESSION]
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        self.search(past, true, scratch)?;
        if scratch.found.len() < ENOUGH {
            // The season is known of now, but of too few of the moments before: levels alone count.
            self.limit = Limit::default();
            self.search(past, false, scratch)?;
        }
        past.read(NEAREST, None, scratch, out.next(BY_LEVEL));
        past.read(NEAREST, Some(&past.view.features.z), scratch, out.next(BY_CHANGE));
        past.regress(REGRESSED, scratch, out.next(BY_REGRESSION))
    }
}

impl LevelKnn {
    /// Finds the nearest by levels, and by the season where it is known and `seasonal`.
    fn search(&mut self, past: &Past<'_>, seasonal: bool, scratch: &mut Scratch) -> Option<()> {
        let (features, profile, h) = (past.view.features, past.view.profile, past.view.lead);
        let all = past.with_present();
        let here = if seasonal { all.shifted(&profile.both, 0, 0.7) } else { None };
        let kind = if seasonal { profile.reach } else { usize::MAX };
        let common = [
            all.key(&features.mean3, 1.0)?,
            all.key(&features.mean_hour, 1.0)?,
            all.key(&features.mean_3h, 0.7)?,
            all.key(&features.max_hour, 0.5)?,
            here.or(all.nothing())?,
        ];
        past.measure(kind, common, None, (0.3, 1.0), scratch)?;
        let mut own = [past.nothing()?; 2];
        if seasonal {
            let targets =
                [past.shifted(&profile.both, h, 1.5), past.shifted(&profile.week, h, 1.0)];
            for (key, target) in own.iter_mut().zip(targets) {
                *key = target.unwrap_or(*key);
            }
        }
        past.search(own, None, REGRESSED, &mut self.limit, scratch);
        Some(())
    }
}
