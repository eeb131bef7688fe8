//! Neighbors by what was forecast of them.

use super::super::knn::Limit;
use super::super::past::{Past, Scratch};
use super::{Label, Member, Predictions};

/// Neighbors in the regression, whose errors of the mixture are read, and whose levels are.
const REGRESSED: usize = 600;
const WIDE: usize = 250;
const NESTED: [(usize, Label); 3] = [
    (120, Label::new("alike 120 level")),
    (30, Label::new("alike 30 level")),
    (15, Label::new("alike 15 level")),
];

const BY_ERROR: Label = Label::new("alike 250");
const BY_REGRESSION: Label = Label::new("alike regressed");

#[derive(Debug, Clone)]
pub(super) struct ForecastKnn;

/// Finds the nearest by forecast. It is done before any member predicts: others that find too few
/// neighbors of their own take these.
pub(super) fn search(past: &Past<'_>, limit: &mut Limit, scratch: &mut Scratch) -> Option<()> {
    let (features, base) = (past.view.features, past.view.base);
    let all = past.with_present();
    let common = [all.key(&features.mean3, 0.5)?, all.key(&features.max_hour, 0.3)?];
    past.measure(0, common, None, (0.2, 0.5), scratch)?;
    let own = [
        past.key(&base.smoothers, 1.0)?,
        past.key(&base.ridge, 1.0)?,
        past.key(&base.season, 1.0)?,
        past.key(&base.size, 0.45)?,
    ];
    past.search(own, None, REGRESSED, limit, scratch);
    scratch.by_forecast.copy(&scratch.nearest.all);
    Some(())
}

impl Member for ForecastKnn {
    fn labels(&self) -> &'static [Label] {
        const LABELS: [Label; 5] = [BY_ERROR, BY_REGRESSION, NESTED[0].1, NESTED[1].1, NESTED[2].1];
        &LABELS
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        past.stand_in(REGRESSED, scratch);
        past.read(WIDE, Some(&past.view.base.mixed), scratch, out.next(BY_ERROR));
        past.regress(REGRESSED, scratch, out.next(BY_REGRESSION))?;
        for (k, label) in NESTED {
            past.read(k, None, scratch, out.next(label));
        }
        Some(())
    }
}
