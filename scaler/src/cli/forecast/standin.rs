//! Until the core's own is there.
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Calendar, Forecast, Model, Series};

pub(crate) struct Spec {
    pub(crate) leads: Vec<SignedDuration>,
    pub(crate) quantiles: Vec<f64>,
    pub(crate) calendar: Calendar,
}
pub(crate) struct Ensemble {
    start: Timestamp,
    step: SignedDuration,
    spec: Spec,
    values: Vec<f64>,
}
impl Ensemble {
    pub(crate) fn new(start: Timestamp, step: SignedDuration, spec: Spec) -> Self {
        Self { start, step, spec, values: Vec::new() }
    }
    pub(crate) fn push(&mut self, value: f64) {
        self.values.push(value);
    }
    pub(crate) fn forecast(&self) -> Result<Forecast, prewarm_forecaster::forecast::model::FitError> {
        let series = Series::new(self.start, self.step, self.values.clone()).tail(SignedDuration::from_hours(28 * 24));
        let horizon = self.spec.leads.last().unwrap().as_secs() / self.step.as_secs();
        Ok(Model::SeasonalNaive
            .fit(&series, self.spec.calendar.zone())?
            .forecast(horizon as usize, &self.spec.quantiles))
    }
}
