//! Predictions and where they lie in a row: quantiles by prediction, then the combined ones.

/// A prediction's name, as reports and evaluations have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    pub name: &'static str,
    /// It counts most until forecasts were scored.
    pub trusted: bool,
}

impl Label {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, trusted: false }
    }

    pub(super) const fn trusted(name: &'static str) -> Self {
        Self { name, trusted: true }
    }
}

/// How a lead's rows are laid out.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    labels: Vec<Label>,
    quantiles: usize,
}

impl Layout {
    /// `quantiles` ≥ 1 of each prediction.
    pub(super) fn new(labels: Vec<Label>, quantiles: usize) -> Self {
        Self { labels, quantiles }
    }

    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Values of a row.
    pub(super) fn width(&self) -> usize {
        (self.labels.len() + 1) * self.quantiles
    }

    /// Starts a row: predictions are appended to `values`, which is empty.
    pub(super) fn start<'a>(&'a self, values: &'a mut Vec<f32>) -> Predictions<'a> {
        Predictions { layout: self, values }
    }

    /// What every prediction of a row says for its quantile `i`, by [`Self::labels`].
    pub(super) fn quantile<'a>(
        &self,
        row: &'a [f32],
        i: usize,
    ) -> impl Iterator<Item = f64> + use<'a> {
        let predictions = row.get(..self.labels.len() * self.quantiles).unwrap_or_default();
        predictions.iter().skip(i).step_by(self.quantiles).map(|value| f64::from(*value))
    }

    /// The combined quantiles of a row.
    pub(super) fn combined<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        row.get(self.labels.len() * self.quantiles..).unwrap_or_default()
    }

    /// Each prediction of a row with its name.
    pub(super) fn named<'a>(
        &'a self,
        row: &'a [f32],
    ) -> impl Iterator<Item = (&'static str, &'a [f32])> {
        self.labels.iter().map(|label| label.name).zip(row.chunks_exact(self.quantiles))
    }
}

/// A row in the making.
#[derive(Debug)]
pub(super) struct Predictions<'a> {
    layout: &'a Layout,
    values: &'a mut Vec<f32>,
}

impl Predictions<'_> {
    /// Where the quantiles of the next prediction are appended. In debug builds `label` is held
    /// against the layout, so that no prediction can be taken for another.
    pub(super) fn next(&mut self, label: Label) -> &mut Vec<f32> {
        let place = self.values.len() / self.layout.quantiles;
        debug_assert_eq!(self.layout.labels.get(place), Some(&label), "prediction {place}");
        self.values
    }
}
