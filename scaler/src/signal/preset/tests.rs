//! The tables are PromQL, and selectors narrow all of it.

use super::*;

#[test]
fn every_table_is_promql_that_looks_back_two_minutes() {
    let selector = Selector::parse(r#"namespace="llm",model_name=~"a|b""#).unwrap();
    let range = regex::Regex::new(r"\[(\d+[smhd])").unwrap();
    for preset in tables() {
        let found = find(preset.name, &selector).unwrap();
        assert!(found.threshold > 0.0);
        let open = preset.unnamed.map(|open| open.demand);
        let caveat = preset.caveat.map(|caveat| caveat.promql);
        for text in [Some(preset.demand), preset.backlog, preset.latency, open, caveat]
            .into_iter()
            .flatten()
        {
            let mut expression =
                parse(text).unwrap_or_else(|error| panic!("{}: {text}: {error}", preset.name));
            for_each_series(&mut expression, &mut |series| {
                assert!(series.name.is_some(), "{text}")
            });
            assert!(range.captures_iter(text).all(|found| &found[1] == "2m"), "{text}");
        }
        let caveat = found.demand.caveat().map(|caveat| caveat.promql.clone());
        let rendered = [Some(found.demand), found.backlog, found.latency].into_iter().flatten();
        for promql in rendered.map(|expression| expression.promql).chain(caveat) {
            let mut again = parse(&promql).unwrap();
            for_each_series(&mut again, &mut |series| {
                let labels: Vec<_> =
                    series.matchers.matchers.iter().map(|m| m.name.as_str()).collect();
                assert!(labels.contains(&"namespace"), "{} in {promql}", labels.join(","));
            });
        }
    }
}

#[test]
fn a_selector_narrows_every_series() {
    let selector = Selector::parse(r#"namespace="llm",model_name="say \"hi\"""#).unwrap();
    let signals = find("vllm", &selector).unwrap();
    let narrowed = r#"vllm:num_requests_waiting{model_name="say \"hi\"",namespace="llm"}"#;
    assert_eq!(signals.demand.promql().matches(narrowed).count(), 2, "{}", signals.demand.promql());
    assert_eq!(signals.demand.promql().matches("namespace=\"llm\"").count(), 8);
    let none = find("tgi", &Selector::default()).unwrap();
    assert_eq!(none.demand.promql(), "sum(tgi_batch_current_size) + sum(tgi_queue_size)");
}

#[test]
fn series_that_lack_a_label_are_not_selected_by_it() {
    let selector = Selector::parse(r#"namespace="llm",model_name="llama""#).unwrap();
    let backlog = find("llm-d-epp", &selector).unwrap().backlog.unwrap();
    assert!(
        backlog.promql().contains(r#"(llm_d_epp_average_queue_size{namespace="llm"})"#),
        "{backlog:?}"
    );
    assert!(backlog.promql().contains(r#"model_name="llama""#), "{backlog:?}");
}

#[test]
fn an_unknown_name_is_told_the_known_and_the_nearest() {
    let error = |name| find(name, &Selector::default()).unwrap_err();
    assert!(
        error("vlm")
            .starts_with("unknown preset \"vlm\" (did you mean \"vllm\"?); known: vllm, sglang,")
    );
    assert!(error("Ray-Server").contains("did you mean \"ray-serve\"?"));
    assert!(error("quux").starts_with("unknown preset \"quux\"; known: "));
    assert!(error("nim").contains("a selector must say which"), "{}", error("nim"));
}

#[test]
fn what_a_selector_says_of_a_label_outranks_the_table() {
    let of = |name, selector: &str| find(name, &Selector::parse(selector).unwrap()).unwrap().demand;
    let envoy = of("envoy", r#"envoy_cluster_name="xds_cluster""#);
    assert!(!envoy.promql().contains("!~"), "{}", envoy.promql());
    let istio = of("istio", r#"reporter="destination""#);
    assert!(!istio.promql().contains("source\"}"), "{}", istio.promql());
}

#[test]
fn series_that_name_a_service_by_its_revision_are_found() {
    let of = |selector: &str| find("knative", &Selector::parse(selector).unwrap()).unwrap().demand;
    let found = of(r#"kn_service_name="a.b",k8s_namespace_name="demo""#);
    assert!(
        found
            .promql()
            .contains(r#"duration_seconds_sum{kn_revision_name=~"a\\.b-[0-9]+",namespace="demo"}"#)
    );
    assert!(found.promql().contains(r#"active{k8s_namespace_name="demo",kn_service_name="a.b"}"#));
    let several = of(r#"kn_service_name=~"a|b""#);
    assert!(
        several.promql().contains(r#"kn_revision_name=~"(?:a|b)-[0-9]+""#),
        "{}",
        several.promql()
    );
}

#[test]
fn a_selector_that_leaves_open_what_it_must_name_is_told_so() {
    let open = |name, selector: &str| {
        let found = find(name, &Selector::parse(selector).unwrap()).unwrap();
        found.unnamed.iter().map(|open| open.any_of[0]).collect::<Vec<_>>()
    };
    assert_eq!(open("vllm", ""), ["namespace", "model_name"]);
    assert_eq!(open("vllm", r#"namespace="llm""#), ["model_name"]);
    assert_eq!(open("vllm", r#"job="llama""#), [""; 0]);
    assert_eq!(open("triton", r#"namespace="a""#), ["model"]);
    assert_eq!(open("triton", r#"namespace="a",model="b""#), [""; 0]);
    assert_eq!(open("istio", r#"namespace="a""#), ["destination_service_name"]);
    for preset in tables() {
        assert!(!preset.needs.is_empty(), "{} says what a selector must name", preset.name);
    }
}
