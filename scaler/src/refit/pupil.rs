//! One workload between refits: its models, what they have said, what is still to be written down.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::replay::bank::Block;
use prewarm_forecaster::replay::reach::ACTS;
use prewarm_forecaster::{Forecast, Minute, Policy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::learner::{Beginning, Learner};
use super::reach::{Reach, fingerprint};
use super::{BUCKET, LOOKED_FOR, Learned, MINUTE, READ, decisions, hash, ledger};
use crate::clock::floor;
use crate::insight::{Chosen, DayCost, Insight};
use crate::metrics::Metrics;
use crate::registry::Workload;
use crate::start_ups;
use crate::store::note::{Kind, Note, pack_blocks, pack_forecast, unpack_blocks, unpack_forecast};
use crate::store::{HistoryStore, Resolution, SeriesKey, StoreError};

/// A minute that is not there so long after a bucket's end is a gap.
const GIVEN_UP: SignedDuration = SignedDuration::from_mins(10);

/// Models begin anew from the store after so long, so that they do not grow for ever.
const RENEWED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Blocks and days that are looked at.
const DAYS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Changes of the choice that are shown, and how far back they are looked for.
const CHOICES: usize = 20;
const YEAR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Notes that wait for an absent store.
const WAITING: usize = 200;

/// How a refit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    TooShort,
    StoreError,
    Panic,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooShort => "too_short",
            Self::StoreError => "store_error",
            Self::Panic => "panic",
        }
    }

    /// Another try at once gives nothing new.
    pub(super) fn settled(self) -> bool {
        matches!(self, Self::Ok | Self::TooShort)
    }
}

/// One workload.
#[derive(Debug)]
pub(super) struct Pupil<'a> {
    workload: &'a Arc<Workload>,
    policy: Arc<Policy>,
    out: &'a watch::Sender<Learned>,
    /// Another replica refits it.
    pub(super) reads: bool,
    learner: Option<Box<Learner>>,
    /// That the learner may be kept.
    kept: Option<OwnedSemaphorePermit>,
    insight: Insight,
    forecast: Option<Forecast>,
    /// What is to be written.
    waiting: Vec<Note>,
    saved_forecast: Option<Timestamp>,
    saved_blocks: Option<Timestamp>,
    saved_decision: Option<Timestamp>,
}

impl<'a> Pupil<'a> {
    pub(super) fn new(workload: &'a Arc<Workload>, policy: Arc<Policy>, out: &'a watch::Sender<Learned>) -> Self {
        Self {
            workload,
            policy,
            out,
            reads: false,
            learner: None,
            kept: None,
            insight: Insight::default(),
            forecast: None,
            waiting: Vec::new(),
            saved_forecast: None,
            saved_blocks: None,
            saved_decision: None,
        }
    }

    pub(super) fn key(&self) -> &Arc<SeriesKey> {
        self.workload.key()
    }

    /// Whether its models stay in memory until the next refit. Without a fit yet nothing is kept, and nothing costs much.
    pub(super) fn keeps_models(&self) -> bool {
        self.learner.is_some() || self.insight.forecast_origin.is_none()
    }

    /// Whether anything is known of what is to come.
    pub(super) fn has_forecast(&self) -> bool {
        self.forecast.is_some()
    }

    /// Whether the forecast of another replica from the last bucket's end is due, and not here yet.
    pub(super) fn is_behind(&self, now: Timestamp) -> bool {
        let bucket = floor(now - READ, BUCKET);
        let known = self.insight.forecast_origin;
        self.reads && known.is_some_and(|origin| origin < bucket) && now < bucket + READ + LOOKED_FOR
    }

    /// Forgets the models: history has changed, or another replica follows it.
    pub(super) fn begin_anew(&mut self) {
        self.learner = None;
        self.kept = None;
        self.insight.report = None;
    }

    /// Reads forecast, choices and days from the store, and hands them on where they are newer than what is known.
    pub(super) async fn recall(&mut self, store: &dyn HistoryStore, now: Timestamp) -> Result<(), StoreError> {
        let key = self.key().clone();
        let ahead = now + DAYS;
        let forecasts = store.notes(&key, Kind::Forecast, now - DAYS, ahead).await?;
        let choices = store.notes(&key, Kind::Choice, now - YEAR, ahead).await?;
        let days = store.notes(&key, Kind::Day, now - DAYS, ahead).await?;
        match forecasts.last().map(unpack_forecast) {
            Some(Ok(forecast)) if self.insight.forecast_origin.is_none_or(|known| known < forecast.origin()) => {
                self.saved_forecast = Some(forecast.origin());
                self.forecast = Some(forecast);
            }
            Some(Err(error)) => tracing::warn!(workload.namespace = key.namespace, workload.name = key.name,
                error = %error, "the saved forecast cannot be read"),
            _ => {}
        }
        let from = choices.len().saturating_sub(CHOICES);
        self.insight.choices = choices.iter().skip(from).filter_map(ledger::choice).collect();
        self.insight.days = days.iter().filter_map(ledger::day).collect();
        self.publish();
        Ok(())
    }

    /// Takes in what history has gained since the last time.
    pub(super) async fn learn(
        &mut self,
        store: &dyn HistoryStore,
        models: &Arc<Semaphore>,
        rhythm: Rhythm,
        now: Timestamp,
    ) -> Outcome {
        let lead = self.workload.recommendation().map(|latest| latest.decision.parts.lead);
        let key = self.workload.key();
        // From the store and not from what was seen: who refits next goes on with the same bank.
        let book = match start_ups::read(store, key, now).await {
            Ok(book) => book,
            Err(error) => return self.cannot_load(&error),
        };
        let rhythm = book.scaling().map_or(rhythm, |scaling| scaling.rhythm(rhythm));
        let reach = Reach::new(&self.policy, &rhythm, lead, book.assumed(), book.scaling());
        let oldest = floor(now - self.policy.history_window, BUCKET);
        if self.learner.as_ref().is_some_and(|learner| *learner.reach() != reach || learner.start() < oldest - RENEWED)
        {
            self.begin_anew();
        }
        let from = self.learner.as_ref().map_or(oldest, |learner| learner.next());
        let loaded = async {
            let minutes = store.load(self.workload.key(), from, now, Resolution::Minute).await?;
            let blocks = match self.learner {
                Some(_) => Vec::new(),
                None => store.notes(self.workload.key(), Kind::Blocks, now - DAYS, now).await?,
            };
            Ok::<_, StoreError>((minutes, blocks))
        };
        let (minutes, blocks) = match loaded.await {
            Ok(loaded) => loaded,
            Err(error) => return self.cannot_load(&error),
        };
        let until = settled(&minutes, now);
        let learner = match self.learner.take() {
            Some(learner) => learner,
            None => match minutes.first().map(|minute| floor(minute.start, BUCKET)).filter(|first| *first < until) {
                Some(first) => {
                    let bank = reach.bank(&self.policy, &rhythm);
                    let of = fingerprint(&bank);
                    let unpack = |note: &Note| unpack_blocks(note, of).unwrap_or_default();
                    let blocks: Vec<Block> = blocks.iter().flat_map(unpack).collect();
                    self.saved_blocks = blocks.last().map(|block| block.start);
                    Box::new(Learner::new(Beginning {
                        policy: self.policy.clone(),
                        rhythm,
                        reach,
                        hash: hash(self.workload.key()),
                        blocks,
                        chosen: self.insight.choices.last().cloned(),
                        from: first,
                        to: until,
                    }))
                }
                None => return Outcome::TooShort,
            },
        };
        let followed = tokio::task::spawn_blocking(move || follow(learner, &minutes, until));
        match followed.await {
            Ok((learner, said)) => {
                let found = said.forecast.is_some();
                self.take_in(&learner, said);
                if self.kept.is_none() {
                    self.kept = models.clone().try_acquire_owned().ok();
                }
                self.learner = self.kept.is_some().then_some(learner);
                if found { Outcome::Ok } else { Outcome::TooShort }
            }
            Err(panic) => {
                let key = self.key();
                tracing::error!(workload.namespace = key.namespace, workload.name = key.name, error = %panic,
                    "the fit failed: the forecast stays as it is");
                Outcome::Panic
            }
        }
    }

    fn cannot_load(&self, error: &StoreError) -> Outcome {
        let key = self.workload.key();
        tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
            "cannot load history: the forecast stays as it is");
        Outcome::StoreError
    }

    /// Notes down what was said, and hands it on.
    fn take_in(&mut self, learner: &Learner, said: Said) {
        let key = self.workload.key();
        self.insight.report = Some(learner.report());
        let before = self.insight.choices.last().cloned();
        for chosen in said.choices {
            self.waiting.extend(ledger::choice_note(&chosen));
            self.insight.choices.retain(|earlier| earlier.since != chosen.since);
            self.insight.choices.push(chosen);
        }
        if let Some(chosen) = self.insight.choices.last()
            && before.is_none_or(|before| before.differs(&chosen.choice))
        {
            let choice = &chosen.choice;
            tracing::info!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                choice.why = crate::insight::why_name(choice.why),
                choice.forecasts = choice.policy.forecasts(),
                choice.days = choice.days,
                choice.days_won = choice.days_won,
                choice.gain = choice.gain,
                "another policy acts"
            );
        }
        let surplus = self.insight.choices.len().saturating_sub(CHOICES);
        self.insight.choices.drain(..surplus);
        for day in said.days {
            self.waiting.extend(ledger::day_note(&day));
            self.insight.days.retain(|earlier| earlier.day != day.day);
            self.insight.days.push(day);
        }
        let surplus = self.insight.days.len().saturating_sub(DAYS.as_hours() as usize / 24);
        self.insight.days.drain(..surplus);

        // From the start of the day that was not whole the last time.
        let day = SignedDuration::from_hours(24);
        let unsaved = self.saved_blocks.map_or(Timestamp::UNIX_EPOCH, |saved| floor(saved, day));
        let (blocks, of) = learner.blocks_from(unsaved);
        if let Some(last) = blocks.last().map(|block| block.start).filter(|last| self.saved_blocks < Some(*last)) {
            self.waiting.extend(pack_blocks(blocks, of).unwrap_or_default());
            self.saved_blocks = Some(last);
        }
        if let Some(forecast) = said.forecast {
            let origin = forecast.origin();
            if self.saved_forecast != Some(origin) {
                self.waiting.retain(|note| note.kind != Kind::Forecast);
                self.waiting.extend(pack_forecast(&forecast));
                self.saved_forecast = Some(origin);
            }
            self.forecast = Some(forecast);
        }
        self.publish();
    }

    /// Writes what waits; what cannot be written waits on, the newest of it.
    pub(super) async fn save(&mut self, store: &dyn HistoryStore, metrics: &Metrics) -> bool {
        // A bucket has as many slots as a trail has places: none is missed.
        let trail = self.workload.trail();
        self.waiting.extend(decisions::note(&trail, self.saved_decision));
        self.saved_decision = trail.last().map(|last| last.at).max(self.saved_decision);
        if self.waiting.is_empty() {
            return true;
        }
        match store.note(self.workload.key(), &self.waiting).await {
            Ok(()) => {
                self.waiting.clear();
                true
            }
            Err(error) => {
                metrics.store_error("note");
                let key = self.workload.key();
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "cannot save forecast and choice: they act, and are written later");
                let surplus = self.waiting.len().saturating_sub(WAITING);
                self.waiting.drain(..surplus);
                false
            }
        }
    }

    fn publish(&mut self) {
        self.insight.forecast_origin = self.forecast.as_ref().map(Forecast::origin);
        let choice = self.insight.choices.last().map(|chosen| chosen.choice.clone());
        let from = self.forecast.as_ref().map(|forecast| forecast.origin() + ACTS);
        self.out.send_replace(Learned { forecast: self.forecast.clone(), choice, from });
        self.workload.learn(self.insight.clone());
    }
}

/// What a learner says after it has taken in some history.
struct Said {
    forecast: Option<Forecast>,
    choices: Vec<Chosen>,
    days: Vec<DayCost>,
}

fn follow(mut learner: Box<Learner>, minutes: &[Minute], until: Timestamp) -> (Box<Learner>, Said) {
    learner.follow(minutes, until);
    let said = Said { forecast: learner.forecast(), choices: learner.take_changes(), days: learner.take_days() };
    (learner, said)
}

/// Up to where history is as full as it will get: minutes of the last bucket may still be on their way.
fn settled(minutes: &[Minute], now: Timestamp) -> Timestamp {
    let newest = minutes.last().map_or(Timestamp::UNIX_EPOCH, |minute| minute.start + MINUTE);
    floor(newest.max(now - GIVEN_UP).min(now), BUCKET)
}
