//! What KEDA may rely on in every answer.

use std::sync::Arc;

use jiff::SignedDuration;
use prewarm::clock::ManualClock;
use prewarm_forecaster::Answer;
use tonic::Code;

use crate::served::{Served, Setting, active, metric, noon, scaled_object, spec, value, with};

#[tokio::test]
async fn c02_unknown_keys_and_kedas_own_are_accepted() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let plain = scaled_object("llama");
    let expected = spec(&mut client, &plain).await.unwrap();
    let mut full = scaled_object("llama");
    for (key, value) in [
        ("enableTLS", "true"),
        ("unsafeSsl", "false"),
        ("caCert", "pem"),
        ("somethingFromEnv", "x"),
    ] {
        full = with(full, key, value);
    }
    assert_eq!(spec(&mut client, &full).await.unwrap(), expected);
    served.publish(&full, value(8.0));
    assert_eq!(
        metric(&mut client, &full, &expected.metric_name).await.unwrap().metric_value_float,
        8.0
    );
}

#[tokio::test]
async fn c04_spec_is_the_same_on_every_replica_and_at_every_time() {
    let mut specs = Vec::new();
    for _ in 0..2 {
        let served = Served::start().await;
        let mut client = served.client().await;
        let reference = scaled_object("llama");
        specs.push(spec(&mut client, &reference).await.unwrap());
        served.publish(&reference, Answer::Unavailable);
        specs.push(spec(&mut client, &reference).await.unwrap());
        served.publish(&reference, value(7.0));
        specs.push(spec(&mut client, &reference).await.unwrap());
    }
    assert!(specs.iter().all(|spec| *spec == specs[0]), "{specs:?}");
}

#[tokio::test]
async fn c04_a_full_registry_still_says_the_spec() {
    let served = Served::with(Setting { limit: 1, ..Setting::default() }).await;
    let mut client = served.client().await;
    let first = spec(&mut client, &scaled_object("first")).await.unwrap();
    let second = scaled_object("second");
    assert_eq!(spec(&mut client, &second).await.unwrap(), first);
    let status = metric(&mut client, &second, &first.metric_name).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("1 workloads"), "{}", status.message());
    assert_eq!(active(&mut client, &second).await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn c05_one_spec_whose_name_is_a_path_segment_and_stays() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let name = spec(&mut client, &scaled_object("llama")).await.unwrap().metric_name;
    assert!((1..=63).contains(&name.len()), "{name}");
    assert!(
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "{name}"
    );
    let other = with(with(scaled_object("llama"), "threshold", "7.5"), "leadTime", "6m");
    assert_eq!(spec(&mut client, &other).await.unwrap().metric_name, name);
}

#[tokio::test]
async fn c06_target_is_a_positive_float_and_its_ceiling() {
    let served = Served::start().await;
    let mut client = served.client().await;
    for (threshold, float, int) in
        [("4", 4.0, 4), ("0.001", 0.001, 1), ("22.2222", 22.222, 23), ("1e9", 1e9, 1_000_000_000)]
    {
        let spec =
            spec(&mut client, &with(scaled_object("llama"), "threshold", threshold)).await.unwrap();
        assert_eq!(
            (spec.target_size_float, spec.target_size),
            (float, int),
            "threshold {threshold}"
        );
    }
}

#[tokio::test]
async fn c07_a_bad_target_is_refused_by_name() {
    let served = Served::start().await;
    let mut client = served.client().await;
    for threshold in ["", "0", "-1", "four", "NaN", "inf"] {
        let reference = with(scaled_object("llama"), "threshold", threshold);
        let status = spec(&mut client, &reference).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{threshold}");
        assert!(status.message().contains("\nthreshold: "), "{}", status.message());
        assert_eq!(
            metric(&mut client, &reference, "any").await.unwrap_err().code(),
            Code::InvalidArgument
        );
        assert_eq!(
            active(&mut client, &reference).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    assert!(served.registry.is_empty(), "nothing is registered for a trigger without a target");
}

#[tokio::test]
async fn c07_bad_metadata_beside_a_good_target_holds_and_names_every_key() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let good = scaled_object("llama");
    let expected = spec(&mut client, &good).await.unwrap();
    served.publish(&good, value(8.0));

    let bad = with(with(good.clone(), "quantile", "2"), "keepWarm", "soon");
    assert_eq!(spec(&mut client, &bad).await.unwrap(), expected, "the HPA keeps our metric");
    for status in [
        metric(&mut client, &bad, &expected.metric_name).await.unwrap_err(),
        active(&mut client, &bad).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::InvalidArgument);
        let keys: Vec<_> =
            status.message().lines().skip(1).filter_map(|line| line.split(':').next()).collect();
        assert!(keys.contains(&"quantile") && keys.contains(&"keepWarm"), "{}", status.message());
    }
    // The edit undone: what is decided under the good metadata answers again.
    assert_eq!(spec(&mut client, &good).await.unwrap(), expected);
    served.publish(&good, value(8.0));
    assert_eq!(
        metric(&mut client, &good, &expected.metric_name).await.unwrap().metric_value_float,
        8.0
    );
}

#[tokio::test]
async fn c07_an_empty_reference_is_refused() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let mut nameless = scaled_object("");
    assert_eq!(spec(&mut client, &nameless).await.unwrap_err().code(), Code::InvalidArgument);
    nameless.name = "llama".into();
    nameless.namespace.clear();
    assert_eq!(active(&mut client, &nameless).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(
        client.stream_is_active(nameless.clone()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        client.stream_metric_spec(nameless).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn c08_an_unknown_metric_is_not_found_and_the_right_one_named() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    assert!(metric(&mut client, &reference, &name).await.is_ok());
    for unknown in ["", "something-else"] {
        let status = metric(&mut client, &reference, unknown).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains(&name), "{}", status.message());
    }
}

#[tokio::test]
async fn c09_one_value_with_the_name_that_was_asked_for() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    for asked in [name.clone(), format!("s0-{name}")] {
        let value = metric(&mut client, &reference, &asked).await.unwrap();
        assert_eq!((value.metric_name, value.metric_value_float), (asked, 8.0));
    }
}

#[tokio::test]
async fn c10_value_is_finite_rounded_and_zero_in_both_fields_together() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(0.0)).await;
    for (published, float, int) in [
        (0.0, 0.0, 0),
        (0.0004, 0.0, 0),
        (22.2222, 22.222, 23),
        (5.0, 5.0, 5),
        (1e300, 1e13, 10_000_000_000_000),
    ] {
        served.publish(&reference, value(published));
        let value = metric(&mut client, &reference, &name).await.unwrap();
        assert_eq!(
            (value.metric_value_float, value.metric_value),
            (float, int),
            "published {published}"
        );
    }
    for not_a_number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        served.publish(&reference, Answer::Value { metric_value: not_a_number, active: true });
        assert_eq!(
            metric(&mut client, &reference, &name).await.unwrap_err().code(),
            Code::Internal
        );
        assert_eq!(active(&mut client, &reference).await.unwrap_err().code(), Code::Internal);
    }
}

#[tokio::test]
async fn c13_activity_and_value_come_from_the_same_recommendation() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(0.0)).await;
    for answer in [
        value(8.0),
        value(0.0),
        Answer::Value { metric_value: 4.0, active: true },
        Answer::Value { metric_value: 0.0, active: true },
    ] {
        served.publish(&reference, answer);
        let Answer::Value { metric_value, active: expected } = answer else { unreachable!() };
        assert_eq!(
            metric(&mut client, &reference, &name).await.unwrap().metric_value_float,
            metric_value
        );
        assert_eq!(active(&mut client, &reference).await.unwrap(), expected);
    }
    for (answer, code) in
        [(Answer::Unavailable, Code::Unavailable), (Answer::NoData, Code::FailedPrecondition)]
    {
        served.publish(&reference, answer);
        assert_eq!(metric(&mut client, &reference, &name).await.unwrap_err().code(), code);
        assert_eq!(active(&mut client, &reference).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn c21_a_lapsed_recommendation_is_unavailable_and_a_new_one_answers_again() {
    let clock = Arc::new(ManualClock::new(noon()));
    let served = Served::with(Setting { clock: clock.clone(), ..Setting::default() }).await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    clock.advance(SignedDuration::from_secs(60));
    assert!(metric(&mut client, &reference, &name).await.is_ok());
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(metric(&mut client, &reference, &name).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(active(&mut client, &reference).await.unwrap_err().code(), Code::Unavailable);
    served.publish(&reference, value(9.0));
    assert_eq!(metric(&mut client, &reference, &name).await.unwrap().metric_value_float, 9.0);
}

#[tokio::test]
async fn c38_an_edit_takes_effect_at_the_next_call_and_keeps_the_workload() {
    let mut served = Served::start().await;
    let mut client = served.client().await;
    let before = scaled_object("llama");
    let name = served.answering(&mut client, &before, value(8.0)).await;
    let after = with(before, "threshold", "16");
    let spec = spec(&mut client, &after).await.unwrap();
    assert_eq!((spec.metric_name.as_str(), spec.target_size), (name.as_str(), 16));
    let status = metric(&mut client, &after, &name).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "answered with what was decided before the edit");
    served.publish(&after, value(16.0));
    assert_eq!(metric(&mut client, &after, &name).await.unwrap().metric_value_float, 16.0);
    assert_eq!(served.registry.len(), 1);
    assert!(
        served.arrivals.recv().await.is_some() && served.arrivals.try_recv().is_err(),
        "it arrives once"
    );
}

#[tokio::test]
async fn c44_asking_for_the_spec_is_a_sign_of_life() {
    let clock = Arc::new(ManualClock::new(noon()));
    let served = Served::with(Setting { clock: clock.clone(), ..Setting::default() }).await;
    let mut client = served.client().await;
    let reference = scaled_object("llama");
    spec(&mut client, &reference).await.unwrap();
    clock.advance(SignedDuration::from_hours(1));
    spec(&mut client, &reference).await.unwrap();
    assert!(
        served.registry.evict(SignedDuration::from_mins(30)).is_empty(),
        "forgotten although KEDA has just asked"
    );
    clock.advance(SignedDuration::from_hours(1));
    assert_eq!(served.registry.evict(SignedDuration::from_mins(30)).len(), 1);
}
