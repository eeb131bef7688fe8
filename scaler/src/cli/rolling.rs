//! Forecasts as they would have been issued, bucket by bucket: each lead is a job of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use prewarm_forecaster::forecast::{Ensemble, Exact, NoForecast, Report, Spec};
use prewarm_forecaster::{Forecast, Series};

/// A walk over a history; each forecast knows what its origin knows.
#[derive(Debug)]
pub(crate) struct Rolling<'a> {
    history: &'a Series,
    spec: Spec,
    /// Buckets after which a forecast is wanted, ascending.
    origins: Vec<usize>,
    /// Buckets that leads have taken in.
    taken: AtomicUsize,
}

/// What one lead has said at all origins, and how it has done.
#[derive(Debug)]
pub(crate) struct OneLead {
    said: Vec<Exact>,
    report: Report,
}

impl<'a> Rolling<'a> {
    /// Forecasts as specified (leads ascending) after the buckets `origins`, ascending.
    pub(crate) fn new(history: &'a Series, spec: Spec, origins: Vec<usize>) -> Self {
        Self { history, spec, origins, taken: AtomicUsize::new(0) }
    }

    /// How many leads there are to walk with.
    pub(crate) fn leads(&self) -> usize {
        self.spec.leads.len()
    }

    /// What [`Self::taken`] comes to when all leads have walked.
    pub(crate) fn work(&self) -> usize {
        self.leads() * self.rows()
    }

    /// How far all leads are, in buckets.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Walks with the `n`th lead.
    pub(crate) fn walk(&self, n: usize) -> OneLead {
        let mut said = Vec::with_capacity(self.origins.len());
        let ensemble = self.issue(
            n,
            |ensemble| said.push(ensemble.exact()),
            || {
                self.taken.fetch_add(1, Ordering::Relaxed);
            },
        );
        OneLead { said, report: ensemble.report() }
    }

    /// The forecasts, one for each origin, of what all leads have said, and how they have done.
    pub(crate) fn join(&self, leads: &[OneLead]) -> (Vec<Result<Forecast, NoForecast>>, Report) {
        let mut forecasts = Vec::with_capacity(self.origins.len());
        // What leads share is cheap, so that nobody need keep it for every origin.
        self.issue(
            self.leads(),
            |ensemble| {
                let said = leads.iter().filter_map(|lead| lead.said.get(forecasts.len()));
                forecasts.push(ensemble.forecast_with(said));
            },
            || {},
        );
        let report = Report { leads: leads.iter().flat_map(|lead| lead.report.leads.iter().cloned()).collect() };
        (forecasts, report)
    }

    fn issue(&self, lead: usize, mut at_origin: impl FnMut(&Ensemble), after_bucket: impl Fn()) -> Ensemble {
        let (start, step) = (self.history.start(), self.history.step());
        let mut ensemble = Ensemble::new(start, step, self.spec.clone()).share(lead, self.leads() + 1);
        let mut origins = self.origins.iter().copied().peekable();
        for (row, value) in self.history.values().iter().enumerate().take(self.rows()) {
            ensemble.push(*value);
            if origins.next_if_eq(&row).is_some() {
                at_origin(&ensemble);
            }
            after_bucket();
        }
        ensemble
    }

    /// Buckets up to the last origin.
    fn rows(&self) -> usize {
        self.origins.last().map_or(0, |last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, Timestamp};
    use prewarm_forecaster::Calendar;

    use super::*;

    #[test]
    fn leads_that_walk_apart_forecast_what_they_forecast_together() {
        let step = SignedDuration::from_mins(30);
        let demand = |i: i32| 20.0 + 15.0 * (f64::from(i) / 48.0 * std::f64::consts::TAU).sin() + f64::from(i * 7 % 5);
        let history = Series::new(Timestamp::UNIX_EPOCH, step, (0..300).map(demand).collect());
        let leads = [30, 90, 240].map(SignedDuration::from_mins).to_vec();
        let spec = Spec { leads, quantiles: vec![0.5, 0.9], calendar: Calendar::empty(TimeZone::UTC) };
        let rolling = Rolling::new(&history, spec.clone(), vec![5, 200, 290]);
        let walked: Vec<OneLead> = (0..rolling.leads()).map(|lead| rolling.walk(lead)).collect();
        let (forecasts, report) = rolling.join(&walked);
        assert_eq!(rolling.taken(), rolling.work());

        let mut ensemble = Ensemble::new(history.start(), step, spec);
        let mut whole = Vec::new();
        for (row, value) in history.values().iter().enumerate().take(291) {
            ensemble.push(*value);
            whole.extend([5, 200, 290].contains(&row).then(|| ensemble.forecast()));
        }
        assert!(forecasts[0].is_err() && forecasts[2].is_ok());
        assert_eq!((forecasts, report), (whole, ensemble.report()));
    }
}
