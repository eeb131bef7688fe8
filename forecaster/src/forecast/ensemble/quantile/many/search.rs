//! Where a quantile is looked for, narrowed down bound by bound.

/// Where a quantile is looked for: between two of the values, `low` and `high`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// Weight to be reached.
    pub(super) target: f64,
    /// The range in which it lies.
    pub(super) range: i32,
    /// The first and the last range that are looked at.
    pub(super) parts: (u8, u8),
    /// Blocks of what is near.
    pub(super) blocks: (usize, usize),
    /// Weight of all below what is near.
    pub(super) base: i32,
    pub(super) low: f32,
    /// The next value below `low`; infinite where there is none.
    pub(super) before: f32,
    /// Weight of all below `low`, less than the target.
    pub(super) below: i32,
    pub(super) high: f32,
    /// The next value above `high`; infinite where there is none.
    pub(super) after: f32,
    /// Weight of all up to `high`, at least the target.
    pub(super) upto: i32,
}

/// What lies on both sides of a bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    /// Weight of all below.
    pub(super) below: i32,
    /// The largest below.
    pub(super) before: f32,
    /// The least of the others.
    pub(super) from: f32,
}

impl Search {
    #[inline(always)]
    pub(super) fn learn(&mut self, sides: Sides) {
        if f64::from(sides.below) < self.target {
            if sides.from > self.low {
                (self.low, self.before, self.below) = (sides.from, sides.before, sides.below);
            }
        } else if sides.before < self.high {
            (self.high, self.after, self.upto) = (sides.before, sides.from, sides.below);
        }
    }

    /// The next bound to look at, above `low` and up to `high`.
    pub(super) fn bound(&self, halve: bool) -> f32 {
        let share = (self.target - f64::from(self.below)) / f64::from(self.upto - self.below);
        let share = if halve { 0.5 } else { share as f32 };
        (self.low + share * (self.high - self.low)).max(self.low.next_up()).min(self.high)
    }
}

/// Where to look for a quantile, by the weights below each range and of all.
#[inline(always)]
pub(super) fn search(q: f64, below: &[i32]) -> Search {
    let count = below.len() - 1;
    let target = q * f64::from(below[count]);
    let whole = target.ceil() as i32;
    let mut under = 0;
    for below in &below[..count] {
        under += i32::from(*below < whole);
    }
    let this = (under as usize).saturating_sub(1);
    // The pair to interpolate between lies in the range that a quantile falls into or the next ones
    // that hold anything.
    let first = (0..this).rev().find(|i| below[*i] < below[this]).unwrap_or(this);
    let last = (this + 1..count).find(|i| below[*i + 1] > below[this + 1]).unwrap_or(this);
    Search {
        target,
        range: this as i32,
        parts: (first as u8, last as u8),
        blocks: (0, 0),
        base: below[first],
        low: f32::NEG_INFINITY,
        before: f32::NEG_INFINITY,
        below: below[this],
        high: f32::INFINITY,
        after: f32::INFINITY,
        upto: below[this + 1],
    }
}
