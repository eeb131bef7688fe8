//! From a few leads to every bucket on the way.

use super::features::Features;

/// Rows for 1 to `longest` buckets ahead: `known` (ascending) as it is, between two of them the
/// distance from the season changes steadily; before the first it grows out of the newest bucket
/// `z`; after the last all is NaN.
pub(super) fn between(
    known: &[(usize, &[f32])],
    z: f32,
    longest: usize,
    cap: f64,
    features: &Features,
    season: impl Fn(usize) -> Option<f32>,
) -> Vec<Vec<f64>> {
    let n = known.first().map_or(0, |(_, row)| row.len());
    let row = |h: usize| {
        let next = known.partition_point(|(steps, _)| *steps < h);
        let Some((after, later)) = known.get(next) else { return vec![f64::NAN; n] };
        if *after == h {
            return later.iter().map(|y| f64::from(*y)).collect();
        }
        let before = next.checked_sub(1).and_then(|i| known.get(i));
        let since = before.map_or(0, |(steps, _)| *steps);
        let share = (h - since) as f32 / (after - since) as f32;
        let shape = [since, h, *after].map(&season);
        let [start, here, end] =
            shape.map(|z| if shape.contains(&None) { 0.0 } else { z.unwrap_or(0.0) });
        let value = |i: usize| {
            let early =
                before.and_then(|(_, row)| row.get(i)).map_or(z, |y| features.log(f64::from(*y)));
            let late = later.get(i).map_or(z, |y| features.log(f64::from(*y)));
            let from_season = (1.0 - share) * (early - start) + share * (late - end);
            features.level(from_season + here).clamp(0.0, cap)
        };
        let mut values: Vec<f64> = (0..n).map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    (1..=longest).map(row).collect()
}
