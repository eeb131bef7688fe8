//! A growing column that forgets its oldest rows.

use std::ops::Range;

/// Rows by absolute index; what lies before `first` is forgotten.
#[derive(Debug, Clone)]
pub(super) struct Column<T> {
    first: usize,
    rows: Vec<T>,
}

impl<T: Copy> Column<T> {
    pub(super) fn new() -> Self {
        Self { first: 0, rows: Vec::new() }
    }

    /// Starts at row `first`.
    pub(super) fn from(first: usize) -> Self {
        Self { first, rows: Vec::new() }
    }

    /// First row kept.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The first row that is not there yet.
    pub(super) fn end(&self) -> usize {
        self.first + self.rows.len()
    }

    pub(super) fn push(&mut self, row: T) {
        self.rows.push(row);
    }

    pub(super) fn get(&self, i: usize) -> Option<T> {
        self.rows.get(i.checked_sub(self.first)?).copied()
    }

    /// Rows of a range that is kept; the part that is kept otherwise.
    pub(super) fn rows(&self, range: Range<usize>) -> &[T] {
        let from = range.start.saturating_sub(self.first).min(self.rows.len());
        let to = range.end.saturating_sub(self.first).clamp(from, self.rows.len());
        self.rows.get(from..to).unwrap_or_default()
    }

    /// Forgets all but the last `keep` rows, a tenth of them at a time.
    pub(super) fn trim(&mut self, keep: usize) {
        let slack = keep / 10 + 16;
        if self.rows.len() >= keep + slack {
            let old = self.rows.len() - keep;
            self.rows.drain(..old);
            self.first += old;
        } else if self.rows.capacity() < keep + slack && self.rows.len() > keep / 2 {
            self.rows.reserve_exact(keep + slack - self.rows.len());
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<T>()
    }
}
