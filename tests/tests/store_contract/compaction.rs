//! Packing, thinning, dropping: nothing may be lost, whatever comes late and whenever the work is
//! cut short.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use prewarm::store::{Compacted, Resolution};
use prewarm_forecaster::Minute;

use crate::place::Place;
use crate::{all, at, compact, history, key, minute, rows};

over_both! {
    packing_changes_nothing,
    rows_that_come_late_join_their_day,
    old_days_are_thinned,
    rows_that_come_late_for_a_thinned_day,
    very_old_days_are_dropped,
    a_day_that_cannot_be_read_is_a_gap,
    cut_short_at_every_step_nothing_is_lost,
}

async fn packing_changes_nothing(place: &Place) {
    let llama = key("llama");
    let written = history(at("2026-11-20T07:00:00Z"), 4_000);
    let store = place.open().await;
    store.append(&rows(&llama, &written)).await.unwrap();
    let coarse = all(&*store, &llama, Resolution::FiveMinutes).await;
    let samples = |records: &[Minute]| records.iter().map(|m| u32::from(m.samples)).sum::<u32>();
    assert_eq!(samples(&coarse), samples(&written));

    // The 20th and the 21st are finished, the 22nd is over for an hour only.
    let done = compact(&*store, at("2026-11-23T01:00:00Z")).await;
    let finished = written.iter().filter(|m| m.start < at("2026-11-22T00:00:00Z")).count();
    assert_eq!(
        done,
        Compacted { days_packed: 2, rows_packed: finished as u64, ..Compacted::default() }
    );
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, written);
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, coarse);
    let (from, to) = (at("2026-11-21T23:58:00Z"), at("2026-11-22T00:02:00Z"));
    let across: Vec<Minute> =
        written.iter().copied().filter(|m| (from..to).contains(&m.start)).collect();
    assert_eq!(store.load(&llama, from, to, Resolution::Minute).await.unwrap(), across);

    let left = (written.len() - finished) as u64;
    assert_eq!(place.sql("DELETE FROM minutes").await, left, "packed rows have left the hot table");
}

async fn rows_that_come_late_join_their_day(place: &Place) {
    let llama = key("llama");
    let written = history(at("2026-11-20T00:00:00Z"), 1_440);
    let (late, early): (Vec<Minute>, Vec<Minute>) =
        written.iter().partition(|m| m.start.as_second() / 60 % 11 == 3);
    let store = place.open().await;
    store.append(&rows(&llama, &early)).await.unwrap();
    compact(&*store, at("2026-11-22T00:00:00Z")).await;
    for part in late.chunks(40) {
        store.append(&rows(&llama, part)).await.unwrap();
        let before = all(&*store, &llama, Resolution::Minute).await;
        let done = compact(&*store, at("2026-11-22T00:00:00Z")).await;
        assert_eq!((done.days_packed, done.rows_packed), (1, part.len() as u64));
        assert_eq!(all(&*store, &llama, Resolution::Minute).await, before);
    }
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, written);
}

async fn old_days_are_thinned(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-10-20T12:00:00Z"));
    let record = |i: i64, mean, max, backlog, samples| Minute {
        start: noon + i.minutes(),
        mean,
        max,
        backlog,
        samples,
    };
    let store = place.open().await;
    let written = [
        record(0, 1.0, 1.0, None, 4),
        record(1, 2.0, 9.0, Some(3.0), 4),
        record(3, 4.0, 5.0, Some(6.0), 2),
        // Nothing from 12:05 to 12:09.
        record(14, 7.0, 8.0, None, 1),
    ];
    store.append(&rows(&llama, &written)).await.unwrap();
    let thinned = [record(0, 2.0, 9.0, Some(4.0), 10), record(10, 7.0, 8.0, None, 1)];

    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, thinned);
    compact(&*store, at("2026-11-24T23:59:00Z")).await;
    assert_eq!(
        all(&*store, &llama, Resolution::Minute).await,
        written,
        "35 days after its own it is whole"
    );
    let done = compact(&*store, at("2026-11-25T00:00:00Z")).await;
    assert_eq!(done, Compacted { days_thinned: 1, ..Compacted::default() });
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, []);
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, thinned);

    // The same without a packed day in between.
    let slow = key("slow");
    store.append(&rows(&slow, &written)).await.unwrap();
    compact(&*store, at("2026-11-25T00:00:00Z")).await;
    assert_eq!(all(&*store, &slow, Resolution::FiveMinutes).await, thinned);
}

async fn rows_that_come_late_for_a_thinned_day(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-10-20T12:00:00Z"));
    let now = at("2026-11-25T00:00:00Z");
    let store = place.open().await;
    let five: Vec<Minute> = (0..5).map(|i| minute(noon + i.minutes(), 1.0)).collect();
    store.append(&rows(&llama, &five)).await.unwrap();
    compact(&*store, now).await;

    // A bucket that is there already is fuller than what comes late; one that is not is added.
    let late = [minute(noon + 1.minute(), 5.0), minute(noon + 20.minutes(), 6.0)];
    store.append(&rows(&llama, &late)).await.unwrap();
    let expected = [Minute { samples: 20, ..minute(noon, 1.0) }, late[1]];
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, expected);
    compact(&*store, now).await;
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, expected);
}

async fn very_old_days_are_dropped(place: &Place) {
    let llama = key("llama");
    let store = place.open().await;
    let days = ["2026-01-01T23:59:00Z", "2026-01-02T00:00:00Z", "2026-10-01T00:00:00Z"]
        .map(|day| minute(at(day), 1.0));
    store.append(&rows(&llama, &days)).await.unwrap();
    compact(&*store, at("2026-11-01T00:00:00Z")).await;
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await.len(), 3);

    let now = at("2027-02-06T12:00:00Z");
    assert_eq!(compact(&*store, now).await.days_dropped, 1, "400 days are kept");
    let kept = all(&*store, &llama, Resolution::FiveMinutes).await;
    assert_eq!(kept.iter().map(|m| m.start).collect::<Vec<_>>(), [days[1].start, days[2].start]);

    // What comes too late to be kept goes as it came.
    store.append(&rows(&llama, &days[..1])).await.unwrap();
    assert_eq!(compact(&*store, now).await, Compacted { days_dropped: 1, ..Compacted::default() });
    assert_eq!(all(&*store, &llama, Resolution::FiveMinutes).await, kept);
}

async fn a_day_that_cannot_be_read_is_a_gap(place: &Place) {
    let (llama, qwen) = (key("llama"), key("qwen"));
    let now = at("2026-11-24T12:00:00Z");
    let written = history(at("2026-11-20T00:00:00Z"), 5 * 1_440);
    let store = place.open().await;
    store.append(&rows(&llama, &written)).await.unwrap();
    store.append(&rows(&qwen, &written)).await.unwrap();
    compact(&*store, at("2026-11-25T12:00:00Z")).await;

    let day = |n: i64| at("2026-11-20T00:00:00Z").as_second() + n * 86_400;
    let broken = "UPDATE days SET {} WHERE series_id = (SELECT min(id) FROM series) AND day = ";
    for (n, how) in ["data = substr(data, 1, 50)", "codec = 99", "n = n - 1"].iter().enumerate() {
        assert_eq!(place.sql(&(broken.replace("{}", how) + &day(n as i64).to_string())).await, 1);
    }
    let good: Vec<Minute> =
        written.iter().copied().filter(|m| m.start.as_second() >= day(3)).collect();
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, good);
    assert_eq!(all(&*store, &qwen, Resolution::Minute).await, written);

    // Rows that come late for it are kept beside it, and nobody else waits for it: neither packing
    // nor thinning.
    store.append(&rows(&llama, &written[..1])).await.unwrap();
    store.append(&rows(&qwen, &[minute(at("2026-11-19T12:00:00Z"), 1.0)])).await.unwrap();
    let late: Vec<Minute> = written[..1].iter().chain(&good).copied().collect();
    assert_eq!(store.compact(now).await.unwrap().days_packed, 1);
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, late);
    let done = store.compact(now + SignedDuration::from_hours(24 * 60)).await.unwrap();
    assert_eq!(done.days_thinned, 2 + 6);
}

async fn cut_short_at_every_step_nothing_is_lost(place: &Place) {
    let store = place.open().await;
    let now = at("2026-11-24T12:00:00Z");
    let packed: Vec<Minute> = history(at("2026-11-20T12:00:00Z"), 60);
    let thinned: Vec<Minute> = history(at("2026-10-18T12:00:00Z"), 60);
    let hot: Vec<Minute> = history(at("2026-11-21T23:30:00Z"), 60);
    let late = minute(at("2026-11-20T23:00:00Z"), 3.0);
    let mut steps = 0;
    loop {
        // A day to thin, a packed day with a late row, two days to pack.
        let series = key(&format!("cut-{steps}"));
        store.append(&rows(&series, &packed)).await.unwrap();
        store.append(&rows(&series, &thinned)).await.unwrap();
        compact(&*store, at("2026-11-22T00:00:00Z")).await;
        store.append(&rows(&series, &[late])).await.unwrap();
        store.append(&rows(&series, &hot)).await.unwrap();
        let before = all(&*store, &series, Resolution::FiveMinutes).await;
        let recent = at("2026-11-01T00:00:00Z");
        let minutes = store.load(&series, recent, now, Resolution::Minute).await.unwrap();
        assert_eq!(minutes.len(), packed.len() + hot.len() + 1);

        let whole = cut_short(steps, store.compact(now)).await;
        assert_eq!(
            all(&*store, &series, Resolution::FiveMinutes).await,
            before,
            "after {steps} steps"
        );
        assert_eq!(
            store.load(&series, recent, now, Resolution::Minute).await.unwrap(),
            minutes,
            "after {steps} steps"
        );
        if let Some(done) = whole {
            assert_eq!(done.unwrap().days_packed, 3);
            // On a busy machine several answers are there at once, which makes fewer steps.
            assert!(steps > 1, "only {steps} steps");
            break;
        }
        // PostgreSQL sees only after a moment that who held a lock has gone, and what is locked is
        // passed over.
        let finished = async {
            while store.compact(now).await.unwrap() != Compacted::default()
                || place.sql("UPDATE minutes SET samples = samples").await > 0
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), finished)
            .await
            .expect("the next runs do the rest");
        assert_eq!(all(&*store, &series, Resolution::FiveMinutes).await, before);
        assert_eq!(store.load(&series, recent, now, Resolution::Minute).await.unwrap(), minutes);
        steps += 1;
    }
}

/// Drives a future for so many steps, then drops it.
async fn cut_short<T>(mut steps: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if steps == 0 {
            return Poll::Ready(None);
        }
        steps -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
