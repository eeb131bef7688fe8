//! The first two days: the last value, with the changes seen so far as its spread.

use super::neighbours::Sample;
use super::track::Track;

/// Changes that must have been seen before their quantiles mean anything.
const LEAST: usize = 12;

/// Observed buckets needed for a forecast `steps` ahead.
pub(super) fn needed(steps: usize) -> usize {
    steps + LEAST
}

/// Quantiles `steps` ahead in the demand's unit; `None` where too little was seen.
pub(super) fn quantiles(track: &Track, steps: usize, quantiles: &[f64]) -> Option<Vec<f64>> {
    let n = track.len();
    let last = f64::from(*track.z.last()?);
    let changes = (0..n.checked_sub(steps)?)
        .filter(|s| track.seen[*s] && track.seen[s + steps])
        .map(|s| (f64::from(track.z[s + steps] - track.z[s]), 1.0));
    let sample = Sample::new(changes.collect());
    if sample.weight() < LEAST as f64 {
        return None;
    }
    let cap = 3.0 * track.most;
    quantiles
        .iter()
        // The median stays where demand is: it is only the spread that is known.
        .map(|q| {
            let change = sample.quantile(*q)? - sample.quantile(0.5)?;
            Some(track.inverse(last + change).min(cap))
        })
        .collect()
}
