//! Durations as people write them: `90s`, `3m`, `1h30m`, `28d`.

use jiff::SignedDuration;

/// Units, longest first, with their milliseconds.
const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: one or more whole numbers with a unit of `d`, `h`, `m`, `s` or `ms`, the
/// longest first, each unit at most once. A day is 24 hours. The error says what is wrong with the
/// text and how to write it.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    const EXAMPLES: &str = "write it like 90s, 3m, 1h30m or 28d";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{} has no unit: write {text}s if seconds are meant", quoted(text)));
    }
    let wrong = || format!("{} is not a duration: {EXAMPLES}", quoted(text));
    let (mut rest, mut millis, mut last) = (text, 0_i64, i64::MAX);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let scale = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, scale)| *scale)
            .ok_or_else(wrong)?;
        if scale >= last {
            return Err(wrong());
        }
        let number: i64 = number.parse().map_err(|_| wrong())?;
        millis = number
            .checked_mul(scale)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(wrong)?;
        (rest, last) = (tail, scale);
    }
    if last == i64::MAX { Err(wrong()) } else { Ok(SignedDuration::from_millis(millis)) }
}

/// Writes a duration the way [`parse`] reads it: `1h30m`, `28d`, `0s`.
pub fn text(duration: SignedDuration) -> String {
    let mut millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(0);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        // "36h" and "2d" both read well, "1d12h" does not.
        if unit == "d" && millis % scale != 0 {
            continue;
        }
        if millis >= scale {
            text += &format!("{}{unit}", millis / scale);
            millis %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Outside text in an error: quoted, escaped, at most 60 characters.
pub fn quoted(text: &str) -> String {
    const LIMIT: usize = 60;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let check = |written: &str, seconds: f64| {
            assert_eq!(parse(written), Ok(SignedDuration::from_secs_f64(seconds)), "{written}");
        };
        check("0s", 0.0);
        check("90s", 90.0);
        check("3m", 180.0);
        check("1h30m", 5400.0);
        check("28d", 28.0 * 86400.0);
        check("1d2h3m4s5ms", 93784.005);
        check("250ms", 0.25);
    }

    #[test]
    fn says_how_to_write_it() {
        assert_eq!(parse("90").unwrap_err(), r#""90" has no unit: write 90s if seconds are meant"#);
        for wrong in [
            "",
            "s",
            "1x",
            "1.5h",
            "-3m",
            "3m ",
            "30m1h",
            "1m1m",
            "9223372036854775807d",
            "٣m",
            "1h30",
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("is not a duration: write it like 90s"), "{wrong}: {error}");
        }
    }

    #[test]
    fn long_and_odd_text_is_cut_and_escaped() {
        let error = parse(&format!("a\n{}", "x".repeat(1000))).unwrap_err();
        assert!(error.len() < 150 && error.contains(r"a\nxxx"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0_i64..1_000_000_000_000) {
            let duration = SignedDuration::from_millis(millis);
            prop_assert_eq!(parse(&text(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(written in ".*") {
            let _ = parse(&written);
        }
    }
}
