//! What a forecast must beat to be worth anything: the last value, the same time yesterday, the
//! same time last week.

/// A row stays as one before it was; the quantiles are those of its own errors of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baseline {
    LastValue,
    Yesterday,
    LastWeek,
}

impl Baseline {
    pub(crate) const ALL: [Self; 3] = [Self::LastValue, Self::Yesterday, Self::LastWeek];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LastValue => "last value",
            Self::Yesterday => "yesterday",
            Self::LastWeek => "last week",
        }
    }

    /// How many rows before the target the row lies that it repeats; at or before the origin.
    fn back(self, lead: usize, per_day: usize) -> usize {
        let period = match self {
            Self::LastValue => return lead,
            Self::Yesterday => per_day,
            Self::LastWeek => 7 * per_day,
        };
        lead.div_ceil(period.max(1)) * period.max(1)
    }

    /// Forecast at row `origin` for the row `lead` after it, one value a quantile (ascending);
    /// nothing after the origin is looked at. `None` where the repeated row is unknown or fewer
    /// than 30 of its past errors are known.
    pub(crate) fn forecast(
        self,
        values: &[f64],
        origin: usize,
        lead: usize,
        per_day: usize,
        quantiles: &[f64],
    ) -> Option<Vec<f64>> {
        let back = self.back(lead, per_day);
        let repeated = known(values, (origin + lead).checked_sub(back)?)?;
        let window = (origin + 1).saturating_sub(LEARNED_DAYS * per_day.max(1))..=origin;
        let error = |row: usize| Some(known(values, row)? - known(values, row.checked_sub(back)?)?);
        let mut errors: Vec<f64> = window.filter_map(error).collect();
        if errors.len() < ENOUGH {
            return None;
        }
        errors.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let place = q * (errors.len() - 1) as f64;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            let (low, high) = (errors.get(low)?, errors.get(high)?);
            Some((repeated + low + (high - low) * place.fract()).max(0.0))
        };
        quantiles.iter().map(|q| at(*q)).collect()
    }
}

fn known(values: &[f64], row: usize) -> Option<f64> {
    values.get(row).copied().filter(|value| value.is_finite())
}

/// Errors are learned from so many days.
const LEARNED_DAYS: usize = 7;

/// Fewer errors say nothing of their quantiles.
const ENOUGH: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repeats_its_row_with_its_own_errors() {
        // Four rows a day: a rising day, the same each day, one more each week.
        let values: Vec<f64> = (0..280).map(|i| (i % 4) as f64 * 10.0 + (i / 28) as f64).collect();
        let at = |baseline: Baseline, lead| baseline.forecast(&values, 270, lead, 4, &[0.5]);
        assert_eq!(values[270], 29.0);
        // Row 271 is 39: yesterday was 39, last week 38 with errors of 1.
        assert_eq!(at(Baseline::LastWeek, 1), None, "a week of four rows a day has too few errors");
        let fine: Vec<f64> = values.iter().flat_map(|value| [*value; 2]).collect();
        let at =
            |baseline: Baseline, lead| baseline.forecast(&fine, 541, lead, 8, &[0.5]).unwrap()[0];
        assert_eq!((fine[541], fine[543], fine[543 - 56]), (29.0, 39.0, 38.0));
        assert_eq!(at(Baseline::Yesterday, 2), 39.0);
        assert_eq!(at(Baseline::LastWeek, 2), 39.0);
        assert_eq!(at(Baseline::LastValue, 8), 29.0);
    }

    #[test]
    fn nothing_after_the_origin_is_looked_at() {
        let past: Vec<f64> = (0..100).map(|i| f64::from(i % 7)).collect();
        let spoilt: Vec<f64> = past.iter().take(81).copied().chain([1e9; 19]).collect();
        for baseline in Baseline::ALL {
            for lead in [1, 5, 15] {
                let of = |values: &[f64]| baseline.forecast(values, 80, lead, 10, &[0.1, 0.9]);
                assert_eq!(of(&past), of(&spoilt), "{baseline:?} {lead}");
            }
        }
    }
}
