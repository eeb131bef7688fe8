//! How often somebody came at which time of day, and of the week.

/// Seconds of a cell.
pub(super) const CELL_S: i64 = 900;

/// Cells of a day and of a week.
const DAY: usize = 96;
const WEEK: usize = 7 * DAY;

/// Cells of both: as many numbers as a profile has.
pub const CELLS: usize = DAY + WEEK;

/// A visit's weight in the share of a cell, once it has been visited often.
const LATEST: f64 = 0.3;

/// Decaying shares of visits on which somebody came, by cell of 15 minutes of local time: 96 of the
/// day, then 672 of the week from Thursday (the epoch's weekday) on; NaN = never visited.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    shares: Vec<f32>,
}

impl Default for Profile {
    fn default() -> Self {
        Self { shares: vec![f32::NAN; CELLS] }
    }
}

impl Profile {
    /// As [`shares`](Self::shares) gave it; `None` where it has not as many numbers, or others than
    /// shares.
    pub fn from_shares(shares: Vec<f32>) -> Option<Self> {
        let valid = |share: &f32| share.is_nan() || (0.0..=1.0).contains(share);
        (shares.len() == CELLS && shares.iter().all(valid)).then_some(Self { shares })
    }

    /// All shares, day first; NaN = never visited.
    pub fn shares(&self) -> &[f32] {
        &self.shares
    }

    /// A cell has passed. `local_s`: local seconds since the epoch at its start.
    pub(super) fn visit(&mut self, local_s: i64, came: bool) {
        let came = if came { 1.0 } else { 0.0 };
        for cell in cells(local_s) {
            let Some(share) = self.shares.get_mut(cell) else { continue };
            let before = f64::from(*share);
            let after = if before.is_nan() { came } else { before + LATEST * (came - before) };
            *share = after as f32;
        }
    }

    /// The largest shares of the day and of the week among the cells between two local instants; 0.5
    /// where none of them was ever visited.
    pub(super) fn most(&self, from_s: i64, to_s: i64) -> (f64, f64) {
        let (first, last) = (from_s.div_euclid(CELL_S), (to_s - 1).div_euclid(CELL_S));
        let mut most = [f64::NAN; 2];
        for cell in first..=last.max(first).min(first + WEEK as i64) {
            for (most, index) in most.iter_mut().zip(cells(cell * CELL_S)) {
                let share = self.shares.get(index).map_or(f64::NAN, |share| f64::from(*share));
                // The larger one; NaN gives way.
                *most = most.max(share);
            }
        }
        let [day, week] = most;
        let day = if day.is_nan() { 0.5 } else { day };
        (day, if week.is_nan() { day } else { week })
    }
}

/// The cell of the day and the one of the week that a local instant lies in.
fn cells(local_s: i64) -> [usize; 2] {
    let cell = local_s.div_euclid(CELL_S);
    [cell.rem_euclid(DAY as i64) as usize, DAY + cell.rem_euclid(WEEK as i64) as usize]
}
