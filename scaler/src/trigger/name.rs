//! The metric's name: what the user says, or what follows from the demand and from nothing else
//! (C05).

/// Where demand comes from, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemandText<'a> {
    /// A query.
    Query(&'a str),
    /// A preset with its selector.
    Preset(&'a str, &'a str),
    /// Another trigger.
    Trigger(&'a str),
    /// None: windows only.
    Windows,
}

/// Longest name that Kubernetes takes for a label or a path segment of ours.
const MAX: usize = 63;

/// `prewarm-query-1a2b3c4d`, `prewarm-vllm-1a2b3c4d`, … Equal demand gives an equal name on every
/// replica and version: histories are kept under it.
pub(super) fn derive(demand: DemandText<'_>) -> String {
    match demand {
        DemandText::Query(query) => format!("prewarm-query-{:08x}", hash(&[query])),
        DemandText::Preset(preset, selector) => {
            let mut label = normalize(preset);
            label.truncate(MAX - "prewarm--12345678".len());
            format!("prewarm-{label}-{:08x}", hash(&[preset, selector]))
        }
        DemandText::Trigger(name) => format!("prewarm-trigger-{:08x}", hash(&[name])),
        DemandText::Windows => "prewarm-windows".to_owned(),
    }
}

/// A name as given, or what is wrong with it and what it could be instead.
pub(super) fn parse(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= MAX && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let mut suggestion = normalize(name);
    suggestion.truncate(MAX);
    Err(match suggestion.as_str() {
        "" => format!("must be 1 to {MAX} of a-z, 0-9 and -"),
        _ => format!("must be 1 to {MAX} of a-z, 0-9 and -; try \"{suggestion}\""),
    })
}

/// Lower case, with everything that is not allowed turned into single dashes.
fn normalize(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c.to_ascii_lowercase());
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.trim_end_matches('-').to_owned()
}

/// FNV-1a, 64 bits, folded to 32; parts are kept apart by a zero byte. Fixed for ever: histories
/// hang on it.
fn hash(parts: &[&str]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pinned() {
        // A change here would orphan the history of every workload whose metricName is not given.
        assert_eq!(
            derive(DemandText::Query("sum(rate(http_requests_total[1m]))")),
            "prewarm-query-372e10f1"
        );
        assert_eq!(
            derive(DemandText::Preset("vllm", r#"namespace="llm""#)),
            "prewarm-vllm-c223c822"
        );
        assert_eq!(derive(DemandText::Trigger("rabbitmq-jobs")), "prewarm-trigger-2cc554c4");
        assert_eq!(derive(DemandText::Windows), "prewarm-windows");
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(derive(DemandText::Preset("ab", "c")), derive(DemandText::Preset("a", "bc")));
        assert_ne!(hash(&["ab", ""]), hash(&["a", "b"]));
    }

    #[test]
    fn odd_presets_still_give_a_valid_name() {
        for preset in ["", "Ray Serve", "---", "ünïcode", &"x".repeat(5000)] {
            let name = derive(DemandText::Preset(preset, ""));
            assert_eq!(parse(&name), Ok(name.clone()), "{preset}");
        }
    }

    #[test]
    fn suggests_a_name() {
        assert_eq!(parse("llama-demand"), Ok("llama-demand".to_owned()));
        assert_eq!(
            parse("Llama_Demand.v2"),
            Err("must be 1 to 63 of a-z, 0-9 and -; try \"llama-demand-v2\"".to_owned())
        );
        assert_eq!(parse("/"), Err("must be 1 to 63 of a-z, 0-9 and -".to_owned()));
        assert!(parse(&"x".repeat(64)).is_err());
    }
}
