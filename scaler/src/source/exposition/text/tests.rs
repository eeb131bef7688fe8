use proptest::prelude::*;

use super::*;

fn read(text: &str, format: Format) -> Result<Vec<Sample<'_>>, ParseError> {
    let mut samples = Vec::new();
    parse(text, format, |_| true, |sample| samples.push(sample))?;
    Ok(samples)
}

fn one(line: &str) -> Sample<'_> {
    read(line, Format::Text).unwrap().remove(0)
}

fn sample(
    name: &'static str,
    labels: &[(&'static str, &'static str)],
    value: f64,
) -> Sample<'static> {
    Sample {
        name: name.into(),
        labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        value,
    }
}

#[test]
fn lines_are_read() {
    for (line, expected) in [
        ("up 1", sample("up", &[], 1.0)),
        ("up{} 1e3", sample("up", &[], 1000.0)),
        ("vllm:num{a=\"b\",c=\"d,e}=\"} 2", sample("vllm:num", &[("a", "b"), ("c", "d,e}=")], 2.0)),
        (":tf:x { a = \"b\" , } \t -2.5  1700000000000 ", sample(":tf:x", &[("a", "b")], -2.5)),
        (r#"x{a="\\ \" \n \d"} 1"#, sample("x", &[("a", "\\ \" \n \\d")], 1.0)),
        ("x{le=\"+Inf\"} +Inf", sample("x", &[("le", "+Inf")], f64::INFINITY)),
        (
            "x_total 7 1700000000.123 # {trace_id=\"a b\"} 0.5 1700000000.1",
            sample("x_total", &[], 7.0),
        ),
        ("x_bucket{le=\"1\"} 7 # {} 0.5", sample("x_bucket", &[("le", "1")], 7.0)),
        (r#"{"http.requests",method="GET"} 3"#, sample("http.requests", &[("method", "GET")], 3.0)),
        (r#"x{"service.name"="ü"} 3"#, sample("x", &[("service.name", "ü")], 3.0)),
        ("x 1\r\n", sample("x", &[], 1.0)),
    ] {
        assert_eq!(one(line), expected, "{line}");
    }
    assert!(one("x NaN").value.is_nan());
    assert_eq!(one("x -inf").value, f64::NEG_INFINITY);
}

#[test]
fn comments_and_blank_lines_are_passed_over() {
    let text = "# HELP x says \"# EOF\"\n# TYPE x counter\n\n#\n# EOF\nx 1\n";
    assert_eq!(read(text, Format::Text).unwrap(), [sample("x", &[], 1.0)]);
}

#[test]
fn what_is_not_wanted_is_not_read() {
    let text = "a{b= broken\nx 1\n{\"y\",b=\"c\"} nonsense\n";
    let mut names = Vec::new();
    parse(text, Format::Text, |name| name == "x", |sample| names.push(sample.name)).unwrap();
    assert_eq!(names, ["x"]);
}

#[test]
fn openmetrics_must_end() {
    assert_eq!(read("x 1\n# EOF\n", Format::OpenMetrics).unwrap().len(), 1);
    assert_eq!(read("x 1\n# EOF", Format::OpenMetrics).unwrap().len(), 1);
    let torn = read("x 1\ny ", Format::OpenMetrics).unwrap_err();
    assert_eq!(torn.to_string(), "line 2: a metric name must be followed by labels or a value");
    assert_eq!(
        read("x 1\n", Format::OpenMetrics).unwrap_err().to_string(),
        "line 2: the text ends without # EOF"
    );
    assert_eq!(
        read("# EOF\nx 1", Format::OpenMetrics).unwrap_err().to_string(),
        "line 2: text after # EOF"
    );
    assert_eq!(
        Format::of("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        Format::OpenMetrics
    );
    assert_eq!(Format::of("text/plain; version=0.0.4"), Format::Text);
    assert_eq!(Format::of(""), Format::Text);
}

#[test]
fn errors_name_the_line() {
    for line in [
        "<html>",
        "9x 1",
        "x",
        "x{",
        "x{a",
        "x{a=",
        "x{a=\"b",
        "x{a=\"b\"",
        "x{a=\"b\\",
        "x{a=\"b\"}",
        "x{a=b} 1",
        "x{a=\"b\" c=\"d\"} 1",
        "x{a=\"b\",a=\"c\"} 1",
        "x{9=\"b\"} 1",
        "{a=\"b\"} 1",
        "x{\"y\"} 1",
        "x one",
        "x 1 soon",
        "x 1 2 3",
        "x-y 1",
        "x{,} 1",
        "x{a=\"b\"}1x",
    ] {
        let error = read(&format!("up 1\n{line}\n"), Format::Text).expect_err(line);
        assert_eq!(error.line, 2, "{line}");
    }
}

fn any_sample() -> impl Strategy<Value = (String, Vec<(String, String)>, f64)> {
    let labels =
        proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", any::<String>(), 0..4);
    (
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,10}",
        labels,
        any::<f64>().prop_filter("comparable", |v| !v.is_nan()),
    )
        .prop_map(|(name, labels, value)| (name, labels.into_iter().collect(), value))
}

fn written((name, labels, value): &(String, Vec<(String, String)>, f64)) -> String {
    let escape =
        |value: &str| value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    let labels: Vec<_> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
    format!("{name}{{{}}} {value:?}", labels.join(","))
}

proptest! {
    #[test]
    fn what_is_written_is_read(samples in proptest::collection::vec(any_sample(), 0..8)) {
        let text: String = samples.iter().map(|sample| written(sample) + "\n").collect();
        let read: Vec<_> = read(&(text + "# EOF\n"), Format::OpenMetrics)
            .unwrap()
            .into_iter()
            .map(|s| (s.name.to_string(), s.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(), s.value))
            .collect();
        prop_assert_eq!(read, samples);
    }

    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in any::<String>(), openmetrics in any::<bool>()) {
        refused_within(&text, openmetrics)?;
    }

    #[test]
    fn mutated_text_is_read_or_refused_with_its_line(
        samples in proptest::collection::vec(any_sample(), 1..5),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), r#"[ -~]{0,2}|[\\"{}=,#\n\t\r]|\\PC"#), 1..6),
        openmetrics in any::<bool>(),
    ) {
        let mut text: Vec<char> = samples.iter().map(|sample| written(sample) + " 17 # {a=\"b\"} 1\n").collect::<String>().chars().collect();
        for (at, new) in changes {
            let at = at.index(text.len());
            text.splice(at..(at + 1).min(text.len()), new.chars());
            if text.is_empty() {
                break;
            }
        }
        refused_within(&text.into_iter().collect::<String>(), openmetrics)?;
    }
}

fn refused_within(text: &str, openmetrics: bool) -> Result<(), TestCaseError> {
    let format = if openmetrics { Format::OpenMetrics } else { Format::Text };
    if let Err(error) = read(text, format) {
        prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1, "{}", error);
    }
    Ok(())
}
