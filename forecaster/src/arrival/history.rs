//! What came when, as far as a fit needs it.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ArrivalModel;
use super::features::{FEATURES, Situation, features, local_seconds};
use super::fit::fit;
use super::profile::{CELL_S, Profile};

/// Rows of a fit at most, the newest: 28 days of five minutes.
const MOST: usize = 8_064;

/// Arrivals after a pause, and rows without one, from which on a fit is worth its name.
const LEAST: usize = 8;

/// Why there is no probability of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{seen} arrivals after a pause of a lead or more were seen, {LEAST} are needed")]
pub struct TooFewArrivals {
    /// Arrivals after a pause so far.
    pub seen: usize,
}

/// One bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// How things stood at its end, if nobody came in it: who comes while a replica runs anyway
    /// teaches nothing.
    quiet: Option<Quiet>,
    /// Somebody came in it; `None` in a gap.
    came: Option<bool>,
    /// Work of one replica that came in it, in replica-hours.
    work: f32,
    /// Somebody came after a pause of a lead or more.
    woke: bool,
}

/// [`Situation`], in half the room.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    local_s: i64,
    recency: f32,
    came: (f32, f32),
}

impl Quiet {
    fn row(self) -> [f64; FEATURES] {
        let came = (f64::from(self.came.0), f64::from(self.came.1));
        features(&Situation { local_s: self.local_s, recency: f64::from(self.recency), came })
    }
}

impl From<Situation> for Quiet {
    fn from(of: Situation) -> Self {
        let came = (of.came.0 as f32, of.came.1 as f32);
        Self { local_s: of.local_s, recency: of.recency as f32, came }
    }
}

/// Follows arrivals bucket by bucket.
#[derive(Debug, Clone)]
pub struct ArrivalHistory {
    bucket: SignedDuration,
    /// Buckets of a lead, ≥ 1.
    ahead: usize,
    zone: TimeZone,
    last: Option<Timestamp>,
    /// The cell of the profile that is under way: its local start, and whether anybody came.
    cell: Option<(i64, bool)>,
    profile: Profile,
    buckets: VecDeque<Bucket>,
}

impl ArrivalHistory {
    /// Nothing yet. `lead`: the probability is of an arrival within so long, rounded up to whole
    /// buckets.
    pub fn new(bucket: SignedDuration, lead: SignedDuration, zone: TimeZone) -> Self {
        let bucket = bucket.max(SignedDuration::from_secs(1));
        let ahead = (lead.as_secs() + bucket.as_secs() - 1) / bucket.as_secs();
        Self {
            bucket,
            ahead: usize::try_from(ahead).unwrap_or(1).max(1),
            zone,
            last: None,
            cell: None,
            profile: Profile::default(),
            buckets: VecDeque::new(),
        }
    }

    /// When somebody was last seen.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The probability is of an arrival within so long.
    pub fn within(&self) -> SignedDuration {
        self.bucket * i32::try_from(self.ahead).unwrap_or(i32::MAX)
    }

    /// Takes in the bucket that starts at `start`, later than the one before. `minutes`: start and
    /// demand in replicas of each minute that was seen in it, ascending; `quiet_up_to`: demand up to that
    /// is no arrival.
    pub fn push(&mut self, start: Timestamp, minutes: &[(Timestamp, f64)], quiet_up_to: f64) {
        let pause = self.last.map_or(SignedDuration::MAX, |last| start.duration_since(last));
        let arrivals = || minutes.iter().filter(|(_, demand)| *demand > quiet_up_to);
        let came = (!minutes.is_empty()).then(|| arrivals().next().is_some());
        if let Some((minute, _)) = arrivals().next_back() {
            self.last = Some(*minute + SignedDuration::from_mins(1));
        }
        self.follow_profile(start, came);

        let end = start + self.bucket;
        let quiet = (came == Some(false)).then(|| {
            Situation::new(end, self.last, self.within(), &self.profile, &self.zone).into()
        });
        // One replica serves no more; more of them would have to start anyway.
        let served: f64 = minutes.iter().map(|(_, demand)| demand.min(1.0)).sum();
        let hours = self.bucket.as_secs_f64() / 3600.0;
        self.buckets.push_back(Bucket {
            quiet,
            came,
            work: (served / minutes.len().max(1) as f64 * hours) as f32,
            woke: came == Some(true) && pause >= self.within(),
        });
        while self.buckets.len() > MOST {
            self.buckets.pop_front();
        }
    }

    /// A cell counts when it has passed.
    fn follow_profile(&mut self, start: Timestamp, came: Option<bool>) {
        let local_s = local_seconds(start, &self.zone);
        let first = local_s.div_euclid(CELL_S) * CELL_S;
        if let Some((cell, before)) = self.cell.take() {
            if cell == first {
                self.cell = Some((cell, before || came == Some(true)));
                return;
            }
            self.profile.visit(cell, before);
        }
        // A bucket may span several cells: what came in it may have come in each.
        let last = (local_s + self.bucket.as_secs() - 1).div_euclid(CELL_S) * CELL_S;
        let Some(came) = came else { return };
        for passed in (0..(last - first) / CELL_S).map(|n| first + n * CELL_S) {
            self.profile.visit(passed, came);
        }
        self.cell = Some((last, came));
    }

    /// A fit on all that was taken in, up to `end`.
    pub fn fit(&self, end: Timestamp) -> Result<ArrivalModel, TooFewArrivals> {
        let woke: Vec<usize> = (0..self.buckets.len())
            .filter(|i| self.buckets.get(*i).is_some_and(|bucket| bucket.woke))
            .collect();
        let too_few = TooFewArrivals { seen: woke.len() };
        if woke.len() < LEAST {
            return Err(too_few);
        }
        let (mut rows, mut came) = (Vec::new(), Vec::new());
        for i in 0..self.buckets.len() {
            if let Some((row, within)) = self.example(i) {
                rows.push(row);
                came.push(within);
            }
        }
        let fitted = fit(&rows, &came).ok_or(too_few)?;
        let work: f64 = woke.iter().map(|i| self.work_after(*i)).sum();
        Ok(ArrivalModel {
            fitted: end,
            within: self.within(),
            work: f64::from((work / woke.len() as f64) as f32),
            coefficients: fitted.coefficients,
            profile: self.profile.clone(),
            brier: fitted.brier,
        })
    }

    /// Features of a quiet bucket's end, and whether somebody came within the lead; `None` where that
    /// is not known.
    fn example(&self, i: usize) -> Option<([f64; FEATURES], bool)> {
        let quiet = self.buckets.get(i)?.quiet?;
        let mut came = false;
        for next in i + 1..=i + self.ahead {
            came |= self.buckets.get(next)?.came?;
        }
        Some((quiet.row(), came))
    }

    /// Work of one replica within a lead from bucket `i` on, in replica-hours.
    fn work_after(&self, i: usize) -> f64 {
        self.buckets
            .range(i..(i + self.ahead).min(self.buckets.len()))
            .map(|bucket| f64::from(bucket.work))
            .sum()
    }
}
