//! The regression itself: linfa's, on a standardized design matrix.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, Axis};

use super::features::FEATURES;

/// Shrinks coefficients of standardized features: as much as this many rows of one unit would tell.
const PENALTY: f64 = 2.0;

/// Steps of L-BFGS; some thirty do.
const STEPS: u64 = 60;

/// The solver's tolerance on the gradient's norm, a row.
const TOLERANCE: f64 = 1e-5;

/// Intercept and coefficients for raw features, and the Brier scores of the fit and of the mean.
pub(super) struct Fitted {
    pub(super) coefficients: [f64; FEATURES + 1],
    pub(super) brier: (f64, f64),
}

/// Fits P(came) to rows of features. `None` where all came or none did, or where the solver fails.
pub(super) fn fit(rows: &[[f64; FEATURES]], came: &[bool]) -> Option<Fitted> {
    let flat = rows.iter().flatten().copied().collect();
    let mut design = Array2::from_shape_vec((rows.len(), FEATURES), flat).ok()?;
    let mean = design.mean_axis(Axis(0))?;
    // What never changes tells nothing: its coefficient is zero.
    let spread = design.std_axis(Axis(0), 0.0).mapv(|spread| spread.max(1e-9));
    design -= &mean;
    design /= &spread;

    let data = DatasetBase::new(design, Array1::from_vec(came.to_vec()));
    let fitted = LogisticRegression::default()
        .alpha(PENALTY)
        .gradient_tolerance(TOLERANCE * rows.len() as f64)
        .max_iterations(STEPS)
        .fit(&data)
        .ok()?;

    // The label that linfa counts as positive is the one that it met first.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    // Back to raw features. Single precision: what stores keep, so that all replicas say the same.
    let slopes = fitted.params() * sign / &spread;
    let intercept = sign * fitted.intercept() - slopes.dot(&mean);
    let mut coefficients = [0.0; FEATURES + 1];
    let raw = std::iter::once(intercept).chain(slopes.iter().copied());
    for (kept, raw) in coefficients.iter_mut().zip(raw) {
        *kept = f64::from(raw as f32);
    }
    let finite = coefficients.iter().all(|coefficient| coefficient.is_finite());
    finite.then(|| Fitted { coefficients, brier: brier(&fitted, data.records(), came) })
}

/// Mean squared errors of the fitted probabilities and of the mean.
fn brier(
    fitted: &linfa_logistic::FittedLogisticRegression<f64, bool>,
    design: &Array2<f64>,
    came: &[bool],
) -> (f64, f64) {
    let positive = fitted.labels().pos.class;
    let of_positive = fitted.predict_probabilities(design);
    let said = of_positive.iter().map(|p: &f64| if positive { *p } else { 1.0 - *p });
    let share = came.iter().filter(|came| **came).count() as f64 / came.len().max(1) as f64;
    let truth = || came.iter().map(|came| if *came { 1.0 } else { 0.0 });
    let mean = |errors: f64| errors / came.len().max(1) as f64;
    let errors: f64 = said.zip(truth()).map(|(said, came): (f64, f64)| (said - came).powi(2)).sum();
    let by_share: f64 = truth().map(|came: f64| (share - came).powi(2)).sum();
    (mean(errors), mean(by_share))
}
