//! How far the clocks of sources are from ours, and how that is bridged. A source is asked for a
//! slot by its own clock: what it has scraped bears its times.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::source::MetricSource;
use crate::status::Notices;

/// The sources whose clocks differ, by name.
#[derive(Debug, Default)]
pub struct Skews(Mutex<BTreeMap<String, SignedDuration>>);

impl Skews {
    /// By how much later than a slot a source is to be asked for it; negative where its clock is
    /// behind. Zero while it is not known, on clocks that are no wall clock, and beyond what is
    /// bridged.
    pub(super) fn of(
        &self,
        name: &str,
        source: &dyn MetricSource,
        clock: &dyn Clock,
        metrics: &Metrics,
        notices: &Notices,
    ) -> SignedDuration {
        let Some((theirs, age)) = source.server_time().filter(|_| clock.is_wall()) else {
            return SignedDuration::ZERO;
        };
        let age = SignedDuration::try_from(age).unwrap_or_default();
        let mut skews = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = skews.get(name).copied().unwrap_or_default();
        if age > FRESH {
            return bridged(known);
        }
        let measured = measured(theirs, clock.now() - age);
        metrics.source_clock(name, measured);
        if let Some(changed) = changed(known, measured) {
            skews.insert(name.to_owned(), changed);
            skews.retain(|_, skew| !skew.is_zero());
            let text = text(&skews);
            match &text {
                Some(text) => tracing::warn!("{text}"),
                None => tracing::info!("the clocks of all sources agree with ours"),
            }
            notices.set("clock", text);
            return bridged(changed);
        }
        bridged(known)
    }
}

/// `Date` has whole seconds: on average it is half a second old.
fn measured(theirs: Timestamp, ours: Timestamp) -> SignedDuration {
    theirs.duration_since(ours) + SignedDuration::from_millis(500)
}

/// Another skew, if it is another one: whole seconds, and none for what a slow answer may explain.
fn changed(known: SignedDuration, measured: SignedDuration) -> Option<SignedDuration> {
    if (measured - known).abs() <= TOLERANCE {
        return None;
    }
    let whole = SignedDuration::from_secs(measured.as_secs_f64().round() as i64);
    Some(if measured.abs() <= TOLERANCE { SignedDuration::ZERO } else { whole })
        .filter(|new| *new != known)
}

fn bridged(skew: SignedDuration) -> SignedDuration {
    if skew.abs() <= LIMIT { skew } else { SignedDuration::ZERO }
}

fn text(skews: &BTreeMap<String, SignedDuration>) -> Option<String> {
    let one = |(name, skew): (&String, &SignedDuration)| {
        let way = if skew.is_negative() { "behind" } else { "ahead of" };
        let seconds = skew.abs().as_secs();
        let bridged = if skew.abs() <= LIMIT {
            "bridged: it is asked by its own time".to_owned()
        } else {
            format!("not bridged beyond {} min: demand may be missing", LIMIT.as_mins())
        };
        format!("the clock of source {name} is {seconds} s {way} ours ({bridged}); set the clocks")
    };
    let all: Vec<String> = skews.iter().map(one).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What the resolution of `Date` and the way of an answer may come to.
const TOLERANCE: SignedDuration = SignedDuration::from_millis(2_500);
/// A clock that is further off is not one to be guessed at.
const LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// An older word of a source's clock changes nothing.
const FRESH: SignedDuration = SignedDuration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> SignedDuration {
        SignedDuration::from_secs_f64(seconds)
    }

    #[test]
    fn a_skew_is_taken_in_whole_seconds_and_stays_until_it_is_another_one() {
        for (known, measured, new) in [
            (0.0, 0.5, None),
            (0.0, -2.4, None),
            (0.0, 240.4, Some(240.0)),
            (240.0, 241.9, None),
            (240.0, 238.0, None),
            (240.0, 1.0, Some(0.0)),
            (0.0, -240.6, Some(-241.0)),
            (-241.0, -239.0, None),
        ] {
            assert_eq!(changed(s(known), s(measured)), new.map(s), "{known} {measured}");
        }
    }

    #[test]
    fn only_so_much_is_bridged_and_either_is_said() {
        assert_eq!(bridged(s(-240.0)), s(-240.0));
        assert_eq!(bridged(s(3600.0)), s(0.0));
        let skews = BTreeMap::from([("a".to_owned(), s(-240.0)), ("b".to_owned(), s(3600.0))]);
        let text = text(&skews).unwrap();
        assert!(text.contains("source a is 240 s behind ours (bridged"), "{text}");
        assert!(text.contains("source b is 3600 s ahead of ours (not bridged"), "{text}");
    }
}
