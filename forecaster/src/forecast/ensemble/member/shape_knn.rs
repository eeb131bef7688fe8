//! Neighbors by the shape of their last buckets, whatever their level.

use super::super::knn::{Key, Limit};
use super::super::past::{ENOUGH, Past, Scratch};
use super::{Label, Member, Predictions};

/// Neighbors.
const NEAREST: usize = 100;
/// Buckets back that make the shape.
const LAGS: [usize; 7] = [1, 2, 3, 4, 6, 8, 12];

const BY_CHANGE: Label = Label::new("same shape");

#[derive(Debug, Clone, Default)]
pub(super) struct ShapeKnn {
    limit: Limit,
}

impl Member for ShapeKnn {
    fn labels(&self) -> &'static [Label] {
        &[BY_CHANGE]
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        let z = &past.view.features.z;
        let longest = LAGS[LAGS.len() - 1];
        let start = past.rows.start.max(z.first() + longest);
        let past = Past { rows: start..past.rows.end.max(start), ..*past };
        scratch.found.clear();
        if past.rows.len() >= ENOUGH {
            self.search(&past, scratch)?;
        }
        if scratch.found.len() < ENOUGH {
            // Too young for shapes, or too many gaps.
            past.stand_in(NEAREST, scratch);
        }
        past.read(NEAREST, Some(z), scratch, out.next(BY_CHANGE));
        Some(())
    }
}

impl ShapeKnn {
    fn search(&mut self, past: &Past<'_>, scratch: &mut Scratch) -> Option<()> {
        let (z, mixed) = (&past.view.features.z, &past.view.base.mixed);
        let all = past.with_present();
        let now = z.get(past.t)?;
        let mut common = [all.key(z, 1.0)?; LAGS.len()];
        for (key, lag) in common.iter_mut().zip(LAGS) {
            let rows = z.rows(all.rows.start - lag..all.rows.end - lag);
            *key = Key { rows, now: z.get(past.t.checked_sub(lag)?)? - now, scale: 1.0 };
        }
        past.measure(0, common, Some(z.rows(all.rows.clone())), (0.0, 0.5), scratch)?;
        let ahead = Key { now: mixed.get(past.t)? - now, ..past.key(mixed, 0.7)? };
        past.search([ahead], Some(z.rows(past.rows.clone())), NEAREST, &mut self.limit, scratch);
        Some(())
    }
}
