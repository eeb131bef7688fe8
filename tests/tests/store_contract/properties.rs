//! Any order of writing, compacting, reading and restarting gives what a map of minutes gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm::store::{HistoryStore, Resolution, SeriesKey};
use prewarm_forecaster::Minute;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::place::Place;
use crate::{at, key, rows};

/// Days of which rows are written; the middle of the range is thinned or dropped as time goes on.
const DAYS: i64 = 4;
const SERIES: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// Series, and records at minutes since the first day.
    Append(usize, Vec<(i64, Value)>),
    /// Days since the first day.
    Compact(i64),
    /// Minutes since the first day.
    Load(usize, i64, i64),
}

/// Mean, growth of the maximum, backlog, samples.
type Value = (f64, f64, Option<f64>, u16);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![
        (0..50_u32).prop_map(f64::from),
        (0..9_999_u32).prop_map(|n| f64::from(n) / 1e3),
        0.0..1e9
    ];
    let value = (number.clone(), 0.0..10.0, proptest::option::of(number), 1..4_u16);
    // Records cluster, so that minutes collide and five minutes have several.
    let minute = (0..DAYS, prop_oneof![0..20_i64, 0..1_440_i64])
        .prop_map(|(day, minute)| day * 1_440 + minute);
    let append = (0..SERIES, prop::collection::vec((minute, value), 1..60))
        .prop_map(|(s, r)| Step::Append(s, r));
    let compact = prop_oneof![0..6_i64, 33..43_i64, 398..406_i64].prop_map(Step::Compact);
    let load = (0..SERIES, 0..DAYS * 1_440, 0..DAYS * 1_440)
        .prop_map(|(s, a, b)| Step::Load(s, a.min(b), a.max(b)));
    prop::collection::vec(prop_oneof![4 => append, 2 => compact, 2 => load], 1..24)
}

/// What a store is to answer, kept in the most obvious way.
#[derive(Debug, Default)]
struct Model {
    minutes: BTreeMap<Timestamp, Minute>,
    fives: BTreeMap<Timestamp, Minute>,
}

impl Model {
    fn append(&mut self, record: Minute) {
        put(&mut self.minutes, record);
    }

    fn compact(&mut self, now: Timestamp) {
        let today = now.as_second().div_euclid(86_400);
        let age = |m: &Minute| today - m.start.as_second().div_euclid(86_400);
        for five in fives(self.minutes.values().filter(|m| age(m) > 35)) {
            put(&mut self.fives, five);
        }
        self.minutes.retain(|_, m| age(m) <= 35);
        self.fives.retain(|_, m| age(m) <= 400);
    }

    fn load(&self, from: Timestamp, to: Timestamp, resolution: Resolution) -> Vec<Minute> {
        if from >= to {
            return Vec::new();
        }
        if resolution == Resolution::Minute {
            return self.minutes.range(from..to).map(|(_, m)| *m).collect();
        }
        let mut all = self.fives.clone();
        fives(self.minutes.values()).into_iter().for_each(|five| put(&mut all, five));
        all.range(from..to).map(|(_, m)| *m).collect()
    }
}

fn put(into: &mut BTreeMap<Timestamp, Minute>, record: Minute) {
    if into.get(&record.start).is_none_or(|old| record.samples >= old.samples) {
        into.insert(record.start, record);
    }
}

fn fives<'a>(minutes: impl Iterator<Item = &'a Minute>) -> Vec<Minute> {
    let mut buckets: BTreeMap<i64, Vec<Minute>> = BTreeMap::new();
    minutes.for_each(|m| buckets.entry(m.start.as_second().div_euclid(300)).or_default().push(*m));
    let mean = |of: Vec<(f64, u16)>| {
        let weight: f64 = of.iter().map(|(_, w)| f64::from(*w)).sum();
        (!of.is_empty()).then(|| of.iter().map(|(v, w)| v * f64::from(*w)).sum::<f64>() / weight)
    };
    let five = |(bucket, minutes): (i64, Vec<Minute>)| Minute {
        start: Timestamp::from_second(bucket * 300).unwrap(),
        mean: mean(minutes.iter().map(|m| (m.mean, m.samples)).collect()).unwrap(),
        max: minutes.iter().map(|m| m.max).fold(f64::MIN, f64::max),
        backlog: mean(minutes.iter().filter_map(|m| Some((m.backlog?, m.samples))).collect()),
        samples: minutes.iter().map(|m| m.samples).sum(),
    };
    buckets.into_iter().map(five).collect()
}

/// Minutes bit by bit; means of means may be rounded in another order.
fn assert_same(found: &[Minute], expected: &[Minute], resolution: Resolution) {
    if resolution == Resolution::Minute {
        let differ = found.iter().zip(expected).find(|(a, b)| a != b);
        assert_eq!((found.len(), differ), (expected.len(), None));
        return;
    }
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        let backlog = a.backlog.zip(b.backlog).map_or(a.backlog == b.backlog, |(a, b)| near(a, b));
        assert!(near(a.mean, b.mean) && backlog, "{a:?}\n{b:?}");
        assert_eq!((a.start, a.max, a.samples), (b.start, b.max, b.samples));
    }
}

async fn play(store: &dyn HistoryStore, keys: &[Arc<SeriesKey>], steps: Vec<Step>) {
    let first = at("2026-01-01T00:00:00Z");
    let instant = |minutes: i64| first + SignedDuration::from_mins(minutes);
    let mut today = 0;
    let mut models: Vec<Model> = keys.iter().map(|_| Model::default()).collect();
    let end = Step::Load(0, -1_440, DAYS * 1_440);
    for step in steps
        .into_iter()
        .chain((0..SERIES).map(|s| Step::Load(s, -1_440, DAYS * 1_440)))
        .chain([end])
    {
        match step {
            Step::Append(series, records) => {
                let record = |&(at, (mean, more, backlog, samples)): &(i64, Value)| Minute {
                    start: instant(at),
                    mean,
                    max: mean + more,
                    backlog,
                    samples,
                };
                let records: Vec<Minute> = records.iter().map(record).collect();
                store.append(&rows(&keys[series], &records)).await.unwrap();
                records.into_iter().for_each(|record| models[series].append(record));
            }
            Step::Compact(day) => {
                // Time only goes on.
                today = today.max(day);
                let now = instant(today * 1_440 + 150);
                store.compact(now).await.unwrap();
                models.iter_mut().for_each(|model| model.compact(now));
            }
            Step::Load(series, from, to) => {
                for resolution in [Resolution::Minute, Resolution::FiveMinutes] {
                    let found = store
                        .load(&keys[series], instant(from), instant(to), resolution)
                        .await
                        .unwrap();
                    assert_same(
                        &found,
                        &models[series].load(instant(from), instant(to), resolution),
                        resolution,
                    );
                }
            }
        }
    }
}

/// Plays `cases` stories, each with series of its own.
fn play_many(cases: u32, place: impl Future<Output = Place>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let place = runtime.block_on(place);
    let store = runtime.block_on(place.open());
    let case = std::cell::Cell::new(0);
    TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) })
        .run(&steps(), |steps| {
            case.set(case.get() + 1);
            let keys: Vec<_> =
                (0..SERIES).map(|s| key(&format!("case-{}-{s}", case.get()))).collect();
            runtime.block_on(play(&*store, &keys, steps));
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop((store, place)) });
}

#[test]
fn memory_is_as_a_map() {
    play_many(400, Place::memory());
}

#[test]
fn postgres_is_as_a_map() {
    play_many(30, Place::postgres());
}
