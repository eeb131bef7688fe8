//! After which buckets members predict, to be scored by what comes.

/// After which buckets members predict and are scored.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoringSchedule {
    /// After none before this one. Like `until`, it counts from the first bucket pushed.
    pub from: usize,
    /// Before this one, after one in `every` (≥ 1).
    pub until: usize,
    pub every: usize,
    /// The bucket that is row 0 of the state. A state that began anew holds no bucket before it.
    pub first: usize,
}

impl Default for ScoringSchedule {
    fn default() -> Self {
        Self { from: 0, until: 0, every: 1, first: 0 }
    }
}

impl ScoringSchedule {
    /// Whether members predict after a row of the state.
    pub(super) fn is_scored(&self, row: usize) -> bool {
        let bucket = self.first + row;
        bucket >= self.from && (bucket >= self.until || bucket.is_multiple_of(self.every))
    }

    /// For how many buckets counts what was forecast after a row of the state.
    pub(super) fn weight(&self, row: usize) -> i32 {
        let bucket = self.first + row;
        if bucket >= self.until { 1 } else { i32::try_from(self.every).unwrap_or(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, Kind, bits, fed, sparse, stairs, wave};
    use super::super::{Ensemble, NoForecast};
    use crate::forecast::accuracy::pinball;

    const UNTIL: usize = 17 * DAY;

    #[test]
    fn members_that_spoke_after_one_bucket_in_five_are_worth_what_they_are_worth_after_all() {
        let kinds: [Kind; 3] = [wave, sparse, stairs];
        for (kind, value) in kinds.into_iter().enumerate() {
            let (mut all, mut some) = (fed([]), fed([]).scoring_every(5, UNTIL));
            let mut losses = [0.0, 0.0];
            for i in 0..26 * DAY {
                let came = value(i + 1);
                for (ensemble, loss) in [&mut all, &mut some].into_iter().zip(&mut losses) {
                    ensemble.push(value(i));
                    if i >= UNTIL {
                        let said = ensemble.forecast().unwrap().values()[0].clone();
                        let of = |(q, f): (&f64, f64)| pinball(*q, came, f);
                        *loss += [0.5, 0.9, 0.95, 0.99].iter().zip(said).map(of).sum::<f64>();
                    }
                }
                assert!(
                    !(2 * DAY..UNTIL).contains(&i)
                        || some.forecast().is_ok() == i.is_multiple_of(5),
                    "{i}"
                );
            }
            assert!((losses[1] / losses[0] - 1.0).abs() < 0.02, "kind {kind}: {losses:?}");
            // They were scored as often as they spoke.
            let scored = |ensemble: &Ensemble| ensemble.report().leads[0].scored;
            let silent = (UNTIL - 2 * DAY) * 4 / 5;
            assert!(
                scored(&all) - scored(&some) >= silent && scored(&some) > 9 * DAY,
                "{}",
                scored(&some)
            );
        }
    }

    #[test]
    fn one_bucket_in_one_is_every_bucket_and_none_is_spoken_after_before_the_first() {
        let of = |ensemble: Ensemble| {
            (0..6 * DAY).map(wave).fold(ensemble, |mut ensemble, y| {
                ensemble.push(y);
                ensemble
            })
        };
        let plain = of(fed([]));
        let every = of(fed([]).scoring_every(1, 5 * DAY));
        assert_eq!(bits(&every.forecast().unwrap()), bits(&plain.forecast().unwrap()));
        let late = of(fed([]).scoring_from(6 * DAY).scoring_every(5, 3 * DAY));
        assert_eq!(late.forecast(), Err(NoForecast::NotIssued));
    }
}
