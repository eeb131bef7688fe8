//! Forecasts as they would have been issued, bucket by bucket, their leads shared out among the
//! cores.

use std::sync::atomic::{AtomicUsize, Ordering};

use prewarm_forecaster::forecast::{Ensemble, LeadForecasts, NoForecast, Report, Spec};
use prewarm_forecaster::tuning::model::RefitSchedule;
use prewarm_forecaster::{Forecast, Series};

/// A walk over a history; each forecast knows what its origin knows.
#[derive(Debug)]
pub(crate) struct Rolling<'a> {
    history: &'a Series,
    spec: Spec,
    /// `None`: whenever the ensemble itself thinks it due.
    schedule: Option<RefitSchedule>,
    /// Buckets after which a forecast is wanted, ascending.
    origins: Vec<usize>,
    shares: usize,
    /// Buckets that leads have taken in, each its own.
    taken: AtomicUsize,
}

/// What a share of the leads has said at all origins, and how it has done.
#[derive(Debug)]
pub(crate) struct Walked {
    said: Vec<LeadForecasts>,
    report: Report,
}

impl<'a> Rolling<'a> {
    /// Forecasts as specified after the buckets `origins`, ascending. Leads in one share spare each
    /// other what is done once for all, so that there are no more shares than `most`.
    pub(crate) fn new(history: &'a Series, spec: Spec, origins: Vec<usize>, most: usize) -> Self {
        let shares = most.min(spec.leads.len()).max(1);
        Self { history, spec, schedule: None, origins, shares, taken: AtomicUsize::new(0) }
    }

    /// Refitted as the models of a service are.
    pub(crate) fn refitted(self, schedule: RefitSchedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// How many shares there are to walk with.
    pub(crate) fn shares(&self) -> usize {
        self.shares
    }

    /// What [`Self::taken`] comes to when all shares have walked.
    pub(crate) fn work(&self) -> usize {
        self.spec.leads.len() * self.rows()
    }

    /// Buckets that all leads have taken in.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Walks with the `n`th share of the leads.
    pub(crate) fn walk(&self, n: usize) -> Walked {
        let mut said = Vec::with_capacity(self.origins.len());
        let ensemble = self.issue(n, self.shares, |ensemble| said.push(ensemble.exact()));
        Walked { said, report: ensemble.report() }
    }

    /// What `at_origin` makes of the forecast at each origin, from what all shares (in their order)
    /// have said, and how they have done. The ensemble that it is given has no leads of its own,
    /// but can say why a lead is missing.
    pub(crate) fn join<T>(
        &self,
        walked: &[Walked],
        mut at_origin: impl FnMut(&Ensemble, Result<Forecast, NoForecast>) -> T,
    ) -> (Vec<T>, Report) {
        let mut forecasts = Vec::with_capacity(self.origins.len());
        // Without a lead of its own, and cheap: nobody need keep for every origin what leads have
        // in common.
        let all = self.spec.leads.len();
        self.issue(all, all + 1, |ensemble| {
            let said = walked.iter().filter_map(|share| share.said.get(forecasts.len()));
            let forecast = ensemble.forecast_with(said);
            forecasts.push(at_origin(ensemble, forecast));
        });
        let lead =
            |i: usize| walked.get(i % self.shares)?.report.leads.get(i / self.shares).cloned();
        (forecasts, Report { leads: (0..all).filter_map(lead).collect() })
    }

    fn issue(&self, n: usize, of: usize, mut at_origin: impl FnMut(&Ensemble)) -> Ensemble {
        let leads = self.spec.leads.iter().skip(n).step_by(of).count();
        let mut ensemble =
            Ensemble::new(self.history.start(), self.history.step(), self.spec.clone())
                .share(n, of);
        if self.schedule.is_some() {
            ensemble = ensemble.refit_by_caller();
        }
        let mut origins = self.origins.iter().copied().peekable();
        for (row, value) in self.history.values().iter().enumerate().take(self.rows()) {
            ensemble.push(*value);
            if let Some(schedule) = self.schedule {
                schedule.refit_if_due(&mut ensemble, row + 1, self.history.instant(row + 1));
            }
            if origins.next_if_eq(&row).is_some() {
                at_origin(&ensemble);
            }
            self.taken.fetch_add(leads, Ordering::Relaxed);
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
    fn shares_that_walk_apart_forecast_what_leads_forecast_together() {
        let step = SignedDuration::from_mins(30);
        let demand = |i: i32| {
            20.0 + 15.0 * (f64::from(i) / 48.0 * std::f64::consts::TAU).sin() + f64::from(i * 7 % 5)
        };
        let history = Series::new(Timestamp::UNIX_EPOCH, step, (0..300).map(demand).collect());
        let leads = [30, 90, 240].map(SignedDuration::from_mins).to_vec();
        let spec =
            Spec { leads, quantiles: vec![0.5, 0.9], calendar: Calendar::empty(TimeZone::UTC) };
        let mut ensemble = Ensemble::new(history.start(), step, spec.clone());
        let mut whole = Vec::new();
        for (row, value) in history.values().iter().enumerate().take(291) {
            ensemble.push(*value);
            whole.extend([5, 200, 290].contains(&row).then(|| ensemble.forecast()));
        }
        assert!(whole[0].is_err() && whole[2].is_ok());
        for (most, shares) in [(1, 1), (2, 2), (9, 3)] {
            let rolling = Rolling::new(&history, spec.clone(), vec![5, 200, 290], most);
            let walked: Vec<Walked> = (0..rolling.shares()).map(|n| rolling.walk(n)).collect();
            assert_eq!(walked.len(), shares);
            assert_eq!(
                rolling.join(&walked, |_, forecast| forecast),
                (whole.clone(), ensemble.report())
            );
            assert_eq!(rolling.taken(), rolling.work());
        }
    }
}
