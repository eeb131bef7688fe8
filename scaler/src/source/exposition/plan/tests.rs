use proptest::prelude::*;

use super::*;
use crate::signal::promql::MAX_OPERATORS;

fn near_promql() -> impl Strategy<Value = String> {
    let words = r##"sum | max by (a) | rate | deriv | clamp_min | histogram_quantile | vector | scalar | or | and | on(a) |
        offset | bool | x | y:z | {a="b"} | {a=~"("} | { | } | ( | ) | [2m] | [ | ] | 5m | 1e9 | 0x1F | -1 | + |
        - | * | / | ^ | % | , | "t" | ' | \ | @ | == | !~ | Inf | NaN | # | ü | start()"##;
    let words: Vec<&str> = words.split('|').map(str::trim).collect();
    proptest::collection::vec(proptest::sample::select(words), 0..24)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_is_planned_or_refused(text in prop_oneof![any::<String>(), near_promql()]) {
        if let Ok(plan) = Plan::parse(&text) {
            let _ = super::super::evaluate::evaluate(&plan, &Default::default(), jiff::Timestamp::UNIX_EPOCH);
        }
    }
}

#[test]
fn what_is_evaluated_is_planned_with_its_metrics() {
    let plan = Plan::parse(
        r#"clamp_min(sum(rate(a{b="c"}[2m])) + sum(deriv(d[1m])), 0) or sum(e) or vector(0)"#,
    )
    .unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(plan.metrics(), [("a", seconds(120)), ("d", seconds(60)), ("e", seconds(0))]);
    let quoted = Plan::parse(r#"sum({"http.requests", a="b"})"#).unwrap();
    assert_eq!(quoted.metrics(), [("http.requests", seconds(0))]);
    assert_eq!(
        Plan::parse("clamp_min(-x, -1)").unwrap(),
        Plan::parse("clamp((x * -1), -1, +Inf)").unwrap()
    );
}

#[test]
fn what_is_not_evaluated_is_refused_by_name() {
    for (promql, what) in [
        ("topk(3, x)", "topk is not evaluated"),
        ("quantile(0.9, x)", "quantile is not evaluated"),
        ("x > 3", "> is not evaluated"),
        ("x % 3", "% is not evaluated"),
        ("x and y", "and is not evaluated"),
        ("x unless on(a) y", "on(…)"),
        ("x + on(a) y", "on(…)"),
        ("x * on(a) group_left y", "on(…)"),
        ("x offset 5m", "offset or @"),
        ("x @ 5", "offset or @"),
        ("rate(x[5m:1m])", "a subquery is not"),
        ("x[5m]", "a range needs a function"),
        ("rate(x[1h])", "scrapes are kept for 600s"),
        ("irate(x[1m])", "irate(…) is not"),
        ("absent(x)", "absent(…) is not"),
        ("clamp_min(x, scalar(y))", "a plain number"),
        ("{a=\"b\"}", "the name of its metric"),
        ("{__name__=~\"a.*\"}", "the name of its metric"),
        ("sum(x", "unclosed left parenthesis"),
        ("\"text\"", "text is not evaluated"),
        ("rate(x[1e30])", "cannot be parsed"),
    ] {
        let error = Plan::parse(promql).unwrap_err();
        assert!(error.contains(what), "{promql}: {error}");
    }
}

#[test]
fn text_that_nests_too_deep_is_refused_before_it_is_parsed() {
    for deep in ["(".repeat(300), "-".repeat(300), "+x".repeat(300), "x or ".repeat(500)] {
        let error = Plan::parse(&format!("x{deep}")).unwrap_err();
        assert!(error.starts_with("it "), "{error}");
    }
    let quoted = format!(
        "sum(x{{a=\"{}\"}}) unless sum(y{{a='{}'}})",
        "-+(".repeat(100),
        "\\'(".repeat(100)
    );
    assert_eq!(
        Plan::parse(&quoted).map(|plan| plan.metrics().len()),
        Ok(2),
        "what is quoted nests nowhere"
    );
    // The deepest that is let through, on a stack as small as a worker's.
    let deepest =
        [format!("{}x", "-".repeat(MAX_OPERATORS)), format!("x{}", " or x".repeat(MAX_OPERATORS))];
    let on_small_stack = std::thread::Builder::new().stack_size(2 << 20);
    let parsed = on_small_stack.spawn(move || deepest.map(|text| Plan::parse(&text).is_ok()));
    assert_eq!(parsed.unwrap().join().unwrap(), [true, true]);
}
