//! Whatever a tenant writes: no panic, and every error names a key that exists.

use proptest::prelude::*;

use super::*;

/// Values of all kinds: right ones, almost right ones, anything.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[0-9.eE+-]{0,12}",
        "[0-9]{1,20}(ms|s|m|h|d|%)?",
        Just("auto".to_owned()),
        "https?://[a-z@:/.*]{0,20}",
        r#"- \{name: [a-z]{1,3}, days: "[*a-zA-Z,-]{0,9}", from: "[0-9:]{0,5}", to: "[0-9:]{0,5}", minReplicas: [0-9-]{1,4}\}"#,
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(, [0-9-]{10})?",
        "[A-Z][a-z]{1,8}/[A-Z][a-z]{1,8}",
        r#"[a-z]{1,4}=~?"[a-z.*\\]{0,5}""#,
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..keys::ALL.len()).prop_map(|index| keys::ALL[index].name.to_owned()),
        1 => "[a-zA-Z]{0,12}",
        1 => ".{0,12}",
    ]
}

fn check_answer(metadata: &HashMap<String, String>, parsed: &Parsed) -> Result<(), TestCaseError> {
    let known = |key: &str| {
        metadata.contains_key(key)
            || keys::ALL.iter().any(|known| known.name == key)
            || key == "metadata"
    };
    let stem = |key: &str| key.split('[').next().unwrap_or_default().to_owned();
    for errors in [parsed.spec.as_ref().err(), parsed.trigger.as_ref().err()].into_iter().flatten()
    {
        prop_assert!(!errors.is_empty());
        for error in errors {
            prop_assert!(known(&error.key) || known(&stem(&error.key)), "no such key: {error:?}");
            prop_assert!(error.problem.len() > 5 && error.problem.len() < 1000, "{error:?}");
        }
    }
    if let Ok(spec) = &parsed.spec {
        prop_assert!((1..=63).contains(&spec.name.len()));
        prop_assert!(
            spec.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
    } else {
        prop_assert!(parsed.trigger.is_err(), "a trigger without a spec");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_metadata_gets_an_answer(metadata in proptest::collection::hash_map(any_key(), any_value(), 0..8)) {
        let parsed = parsed(&metadata);
        check_answer(&metadata, &parsed)?;
        prop_assert_eq!(format!("{:?}", parse("models", "llama", &metadata, &rules())), format!("{parsed:?}"));
    }

    #[test]
    fn one_odd_value_in_an_otherwise_good_trigger(key in any_key(), value in any_value()) {
        let mut metadata = map(QUERY_4);
        metadata.insert(key.clone(), value);
        let parsed = parsed(&metadata);
        check_answer(&metadata, &parsed)?;
        let spec_key = ["threshold", "metricName"].contains(&key.as_str());
        let misspelt = matches!(keys::judge(&key), keys::Name::NearMiss(near) if near == &keys::METRIC_NAME);
        prop_assert!(parsed.spec.is_ok() || spec_key || misspelt, "{key} took the spec down");
    }
}

/// Random numbers that cost nothing.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    /// A right value with a few characters changed, dropped or doubled.
    fn mangled(&mut self, value: &str) -> String {
        const ODD: [char; 24] = [
            '"', '\'', '{', '}', '[', ']', ':', ',', '-', '*', '@', '/', '%', '\\', '\n', '\0',
            '0', '9', 'e', 'é', '٣', '𝕩', ' ', '.',
        ];
        let mut text: Vec<char> = value.chars().collect();
        for _ in 0..self.roll(4) {
            let at = self.roll(text.len() + 1);
            match self.roll(3) {
                0 => text.insert(at, *self.pick(&ODD)),
                1 if at < text.len() => drop(text.remove(at)),
                2 if at < text.len() => text.insert(at, text[at]),
                _ => text.truncate(at),
            }
        }
        text.into_iter().collect()
    }
}

/// Mangles every key's right value, many times over: `PREWARM_FUZZ_CASES=1000000 cargo test
/// --release mangled`.
#[test]
fn mangled_metadata_never_panics() {
    let cases = std::env::var("PREWARM_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(2_000_usize);
    let good: Vec<(&str, &str)> = keys::ALL
        .iter()
        .map(|key| match key.name {
            "preset" => (key.name, "vllm"),
            "selector" => (key.name, r#"namespace="llm",model=~"a.*""#),
            "serverAddress" => (key.name, "http://a.models.svc:8000/metrics"),
            "windows" => (key.name, WINDOWS.trim()),
            "holidays" => (key.name, "2026-12-24, 2026-12-25"),
            "policyRef" => (key.name, "business-hours"),
            "maxPrewarmReplicas" | "latencyTarget" | "threshold" | "backlogThreshold" => {
                (key.name, "8")
            }
            name => (name, key.default.unwrap_or("sum(demand)")),
        })
        .collect();
    let rules = rules();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut valid = 0;
    for _ in 0..cases {
        let mut metadata = map(QUERY_4);
        for _ in 0..=dice.roll(3) {
            let (key, value) = *dice.pick(&good);
            let key = if dice.roll(20) == 0 { dice.mangled(key) } else { key.to_owned() };
            metadata.insert(key, dice.mangled(value));
        }
        let parsed = parse("models", "llama", &metadata, &rules);
        valid += usize::from(parsed.trigger.is_ok());
        check_answer(&metadata, &parsed).unwrap();
    }
    // Neither everything nor nothing gets through: the cases are worth their time.
    assert!((cases / 20..cases * 19 / 20).contains(&valid), "{valid} of {cases} are valid");
}
