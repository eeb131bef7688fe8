//! Lines of KEDA's checklist that metadata alone decides.

use super::*;

/// C04: the same arguments give the same answer.
#[test]
fn c04_the_answer_is_a_function_of_metadata() {
    let metadata =
        with(QUERY_4, &[("mode", "bad"), ("team", "a"), ("treshold", "1"), ("zone", "x")]);
    let first = format!("{:?}", parsed(&metadata));
    for _ in 0..20 {
        // Every map has its own order of iteration.
        let shuffled: HashMap<String, String> = metadata.clone().into_iter().collect();
        assert_eq!(format!("{:?}", parsed(&shuffled)), first);
    }
}

/// C05: one name of `[a-z0-9-]{1,63}`, whatever else changes.
#[test]
fn c05_the_name_follows_from_the_demand_alone() {
    let name = |metadata: &HashMap<String, String>| parsed(metadata).spec.unwrap().name;
    let derived = name(&map(QUERY_4));
    for (key, value) in [
        ("threshold", "5"),
        ("mode", "off"),
        ("source", "pods"),
        ("serverAddress", "http://a.models.svc:1"),
        ("timezone", "Europe/Berlin"),
        ("backlogQuery", "b"),
        ("keepWarm", "broken"),
        ("team", "x"),
    ] {
        assert_eq!(name(&with(QUERY_4, &[(key, value)])), derived, "{key}");
    }
    assert_ne!(name(&with(QUERY_4, &[("query", "sum(other)")])), derived);
    assert_eq!(name(&with(QUERY_4, &[("query", "  sum(demand)\n")])), derived);
    assert_eq!(name(&with(QUERY_4, &[("metricName", "llama-demand")])), "llama-demand");
}

/// C06: the target is positive and finite, with a whole number of at least 1 beside it.
#[test]
fn c06_targets_are_positive() {
    for (text, milli) in
        [("0.001", 1), ("0.0005", 1), ("1e9", 1_000_000_000_000), ("4", 4000), ("2.0004", 2000)]
    {
        assert_eq!(
            parsed(&with(QUERY_4, &[("threshold", text)])).spec.unwrap().threshold.milli(),
            milli
        );
    }
    for bad in
        ["0", "-1", "NaN", "inf", "-inf", "0.0004", "1000000001", "1e400", "4,5", "0x4", "４"]
    {
        assert!(parsed(&with(QUERY_4, &[("threshold", bad)])).spec.is_err(), "{bad}");
    }
}

/// C07: while name and target can be read, the spec stands.
#[test]
fn c07_the_spec_stands_although_the_trigger_does_not() {
    for (key, value) in [
        ("mode", "x"),
        ("holidays", "nowhere"),
        ("windows", "]["),
        ("source", "x"),
        ("activationThreshold", "x"),
        ("querry", "q"),
        ("backlogThreshold", "0"),
    ] {
        let parsed = parsed(&with(QUERY_4, &[(key, value)]));
        assert!(parsed.spec.is_ok(), "{key}");
        let errors = parsed.trigger.unwrap_err();
        assert!(
            errors.iter().all(|error| error.key.starts_with(key)) && !errors.is_empty(),
            "{key}: {errors:?}"
        );
    }
    let bad_target = parsed(&with(QUERY_4, &[("threshold", "x"), ("mode", "x")]));
    assert_eq!(bad_target.spec.unwrap_err().len(), 1);
    assert_eq!(bad_target.trigger.unwrap_err().len(), 2);
    let misspelt = parsed(&map(&[("query", "q"), ("treshold", "4")]));
    assert_eq!(misspelt.spec.unwrap_err()[0].key, "treshold");
}

/// C37: values of KEDA's keys and of `…FromEnv` are in no error, no warning and no `Debug`.
#[test]
fn c37_secrets_do_not_show() {
    for (key, value) in [
        ("caCert", "hunter2"),
        ("xFromEnv", "hunter2"),
        ("tlsClientKey", "hunter2"),
        ("thresholdfromEnv", "hunter2"),
        ("password", "hunter2"),
        ("serverAddress", "http://me:hunter2@a.models.svc:1"),
    ] {
        for base in [QUERY_4, &[]] {
            let shown = format!("{:?}", parsed(&with(base, &[(key, value)])));
            assert!(!shown.contains("hunter2"), "{key}: {shown}");
        }
    }
}

/// C41: a ScaledJob says so.
#[test]
fn c41_a_scaled_job_is_flagged() {
    assert!(policy(&[("scaledJob", "true")]).scaled_job);
    assert!(!policy(&[("scaledJob", "false")]).scaled_job);
}
