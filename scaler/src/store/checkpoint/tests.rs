use jiff::SignedDuration;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        at: at(60),
        samples: vec![(at(15), 0.1), (at(30), 1e13), (at(45), 0.0), (at(60), 1.0 / 3.0)],
        panic: Some((at(105), 40.0)),
        level: Some(LiveLevel { at: at(60), value: 12.345, panic: true }),
        wanted: vec![(at(0), 64.0), (at(45), 12.0)],
        backlog: Some((at(45), 7.0)),
        latency: None,
        needed: Some(52.5),
        slowest: 1.25,
        held: [Some(Held { at: at(60), value: 1e9, witness: false }), None, None],
        activity: ActivityTimes {
            active: true,
            active_since: Some(at(-900)),
            last_arrival: Some(at(60)),
            ..ActivityTimes::default()
        },
        last_good: Some(LastGood {
            at: at(60),
            live: 12.0,
            backlog: 3.5,
            value: 64.0,
            active: true,
        }),
        desired: 16,
    }
}

#[test]
fn it_comes_back_bit_by_bit_and_is_small() {
    for checkpoint in [checkpoint(), Checkpoint { at: at(0), ..Checkpoint::default() }] {
        let packed = PackedCheckpoint::pack(&checkpoint);
        assert_eq!(packed.unpack().unwrap(), checkpoint);
        assert!(packed.data.len() < 300, "{} bytes", packed.data.len());
    }
}

#[test]
fn what_is_broken_is_an_error() {
    let whole = PackedCheckpoint::pack(&checkpoint());
    for at in 0..whole.data.len() {
        let mut broken = whole.clone();
        broken.data[at] ^= 0x10;
        assert!(broken.unpack().is_err(), "byte {at}");
        broken.data.truncate(at);
        assert!(broken.unpack().is_err(), "{at} bytes");
    }
    assert!(PackedCheckpoint { codec: 2, ..whole.clone() }.unpack().is_err(), "a newer version's");
    // With the right checksum, too.
    let mut longer = whole;
    longer.data.push(0);
    longer.data = sealed(longer.data);
    assert!(longer.unpack().is_err());
    for number in [f64::NAN, f64::INFINITY, -1.0] {
        let wrong = Checkpoint { backlog: Some((at(0), number)), ..checkpoint() };
        assert!(PackedCheckpoint::pack(&wrong).unpack().is_err(), "{number}");
    }
    let unordered = Checkpoint { wanted: vec![(at(45), 12.0), (at(0), 64.0)], ..checkpoint() };
    assert!(PackedCheckpoint::pack(&unordered).unpack().is_err());
}

#[test]
fn a_long_sliding_maximum_is_thinned_upwards() {
    let falling: Vec<_> = (0..3_600).map(|second| (at(second), 5_000.0 - second as f64)).collect();
    let packed = PackedCheckpoint::pack(&Checkpoint { wanted: falling.clone(), ..checkpoint() });
    assert!(packed.data.len() < 4_200, "{} bytes", packed.data.len());
    let kept = packed.unpack().unwrap().wanted;
    let most = |list: &[(Timestamp, f64)], since| {
        list.iter().find(|(at, _)| *at >= since).map_or(0.0, |last| last.1)
    };
    for second in 0..3_600 {
        let (was, is) = (most(&falling, at(second)), most(&kept, at(second)));
        assert!((was..=was + 15.0).contains(&is), "{is} for {was}");
    }
    assert_eq!(kept.last().map(|last| last.0), Some(at(3_599)));
    assert!(kept.is_sorted_by(|a, b| a.0 + SignedDuration::from_secs(14) < b.0));
}
