//! The keys that trigger metadata may hold: one table for parsing, near misses and `prewarm check`.

use std::fmt;

use prewarm_forecaster::decide::policy::Threshold;

use crate::duration;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// A name, query or document of at most so many bytes.
    Text {
        /// Bytes.
        max: usize,
    },
    /// A number within bounds.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Demand per replica, see [`Threshold`].
    Threshold,
    /// A duration within bounds, in seconds.
    Duration {
        /// Shortest.
        min: i64,
        /// Longest.
        max: i64,
    },
    /// A share of demand in percent (`1%`), within bounds.
    Percent {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// One of the key's words and nothing else.
    Word,
}

/// One key of trigger metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As KEDA passes it on; matched exactly.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// Words that are allowed besides (`auto`).
    pub words: &'static [&'static str],
    /// What holds without it; `None` = nothing.
    pub default: Option<&'static str>,
}

impl Key {
    /// What is allowed, for people.
    pub fn range(&self) -> String {
        let form = match self.form {
            Form::Text { max } if max < KIB => Some(format!("text of at most {max} bytes")),
            Form::Text { max } => Some(format!("text of at most {} KiB", max / KIB)),
            Form::Number { min, max } => Some(format!("a number from {min} to {max}")),
            Form::Threshold => Some(Threshold::RANGE.to_owned()),
            Form::Duration { min, max } => {
                Some(format!("a duration from {} to {}", seconds(min), seconds(max)))
            }
            Form::Percent { min, max } => Some(format!("a percentage from {min}% to {max}%")),
            Form::Word => None,
        };
        let words =
            self.words.iter().map(|word| format!("\"{word}\"")).chain(form).collect::<Vec<_>>();
        match words.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => words.concat(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn seconds(seconds: i64) -> String {
    duration::text(jiff::SignedDuration::from_secs(seconds))
}

const KIB: usize = 1024;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

macro_rules! keys {
    ($($id:ident = $name:literal, $form:expr, words $words:expr, default $default:expr, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $id: Key = Key { name: $name, doc: $doc, form: $form, words: &$words, default: $default };)*
        /// Every key, in the order in which people write them.
        pub const ALL: &[Key] = &[$($id),*];
    };
}

keys! {
    QUERY = "query", Form::Text { max: 8 * KIB }, words [], default None,
        "offered demand: PromQL that gives one number, in the unit of `threshold`";
    PRESET = "preset", Form::Text { max: 64 }, words [], default None,
        "demand, backlog, latency and a starting threshold by serving system (vllm, sglang, …)";
    SELECTOR = "selector", Form::Text { max: 2 * KIB }, words [], default None,
        "label matchers of the preset's series, without braces: namespace=\"llm\",model_name=\"llama\"";
    TRIGGER_NAME = "triggerName", Form::Text { max: 256 }, words [], default None,
        "another trigger of this ScaledObject by its `name`: what KEDA reads there is demand; needs the right to list external metrics";
    SOURCE = "source", Form::Text { max: 256 }, words [], default Some("default"),
        "a source of the server's configuration";
    SERVER_ADDRESS = "serverAddress", Form::Text { max: 2 * KIB }, words [], default None,
        "an address to ask instead of a named source, if the server's allow.serverAddresses permits it";
    THRESHOLD = "threshold", Form::Threshold, words [], default None,
        "demand that one replica sustains, in the demand's own unit; a preset brings a starting value";
    ACTIVATION_THRESHOLD = "activationThreshold", Form::Number { min: 0.0, max: 1e9 }, words [], default Some("0"),
        "demand at or below this does not wake a workload from zero";
    BACKLOG_QUERY = "backlogQuery", Form::Text { max: 8 * KIB }, words [], default None,
        "items waiting: PromQL that gives one number; beside a `query` of a rate nothing else shows what waits, and Prewarm leaves more room without it";
    BACKLOG_THRESHOLD = "backlogThreshold", Form::Threshold, words [], default Some("as threshold"),
        "queued items that one replica may have waiting; with a preset, whose demand counts them already, they add to it only if this is given";
    LATENCY_QUERY = "latencyQuery", Form::Text { max: 8 * KIB }, words [], default None,
        "latency in seconds: PromQL that gives one number";
    LATENCY_TARGET = "latencyTarget", Form::Number { min: 0.001, max: 3600.0 }, words [], default None,
        "seconds; latency above it scales live demand up";
    MODE = "mode", Form::Word, words ["auto", "shadow", "off"], default Some("auto"),
        "whether the forecast acts: auto = where it has earned it, shadow = it is recorded and never acts, off = there is none";
    LEAD_TIME = "leadTime", Form::Duration { min: 0, max: 2 * HOUR }, words ["auto"], default Some("auto"),
        "how long before the need a replica is asked for; auto = learned start-up time plus KEDA's and the HPA's delays";
    COLD_START = "coldStart", Form::Duration { min: 0, max: 2 * HOUR }, words [], default Some("3m"),
        "start-up time until enough start-ups were seen";
    QUANTILE = "quantile", Form::Number { min: 0.5, max: 0.999 }, words ["auto"], default Some("auto"),
        "quantile of demand to be ready for; auto = from costRatio, tuned";
    COST_RATIO = "costRatio", Form::Number { min: 0.1, max: 10_000.0 }, words [], default Some("30"),
        "one missed replica-hour costs as much as so many idle GPU-hours";
    OBJECTIVE = "objective", Form::Percent { min: 0.01, max: 50.0 }, words ["cost", "safe"], default Some("cost"),
        "what the choice of a policy minimizes: cost, safe = never more misses or GPU-hours than reactive scaling, or 1% = the cost with at most so much demand late";
    HISTORY_WINDOW = "historyWindow", Form::Duration { min: HOUR, max: 400 * DAY }, words [], default Some("28d"),
        "how much history forecasts use";
    MAX_PREWARM_REPLICAS = "maxPrewarmReplicas", Form::Number { min: 0.0, max: 10_000.0 }, words [], default None,
        "the forecast never asks for more than so many replicas beyond live demand; a whole number";
    TIMEZONE = "timezone", Form::Text { max: 64 }, words [], default Some("UTC"),
        "IANA time zone of windows, holidays and seasons";
    WINDOWS = "windows", Form::Text { max: 32 * KIB }, words [], default None,
        "a YAML list of windows in local time, with floors and ceilings";
    HOLIDAYS = "holidays", Form::Text { max: 16 * KIB }, words [], default None,
        "dates (2026-12-24), ISO 3166 codes (DE-BY), named calendars of the server's configuration; one or several";
    POLICY_REF = "policyRef", Form::Text { max: 256 }, words [], default None,
        "shared windows of the server's configuration";
    SCALE_TO_ZERO = "scaleToZero", Form::Word, words ["auto", "never", "windows"], default Some("auto"),
        "whether zero replicas are allowed; windows = only inside windows that say so";
    KEEP_WARM = "keepWarm", Form::Duration { min: 0, max: DAY }, words [], default Some("10m"),
        "how long after the last arrival one replica stays at least; by default shorter where nobody is likely to come";
    SCALED_JOB = "scaledJob", Form::Word, words ["true", "false"], default Some("false"),
        "the trigger belongs to a ScaledJob: live demand only";
    METRIC_NAME = "metricName", Form::Text { max: 1024 }, words [], default None,
        "name of the metric in the HPA; by default it follows from the demand";
    ON_NO_DATA = "onNoData", Form::Word, words ["error", "zero"], default Some("error"),
        "what is answered before the first sample was ever seen";
}

/// Keys of KEDA's own external scaler; it passes them on to us. Their values may be secret and are
/// never read.
const KEDA_OWN: [&str; 6] =
    ["scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsClientCert", "tlsClientKey"];

/// Fields of KEDA's resources that do nothing inside `metadata`, with their right place.
const MISPLACED: [(&str, &str); 8] = [
    ("metricType", "the trigger, beside `type`"),
    ("useCachedMetrics", "the trigger, beside `type`"),
    ("name", "the trigger, beside `type`"),
    ("pollingInterval", "the ScaledObject's spec"),
    ("cooldownPeriod", "the ScaledObject's spec"),
    ("minReplicaCount", "the ScaledObject's spec"),
    ("maxReplicaCount", "the ScaledObject's spec"),
    ("idleReplicaCount", "the ScaledObject's spec"),
];

/// What to think of a key's name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Name {
    /// One of ours.
    Known,
    /// KEDA's own, or resolved from the environment of the workload: none of our business, maybe
    /// secret.
    Keda,
    /// Does nothing here; belongs elsewhere.
    Misplaced {
        /// Where.
        place: &'static str,
    },
    /// Most likely a misspelt key of ours.
    NearMiss(&'static Key),
    /// Nothing that we know.
    Unknown,
}

/// Judges a key by its name.
pub fn judge(name: &str) -> Name {
    if ALL.iter().any(|key| key.name == name) {
        return Name::Known;
    }
    if name.ends_with("FromEnv") || KEDA_OWN.contains(&name) {
        return Name::Keda;
    }
    if let Some((_, place)) = MISPLACED.iter().find(|(known, _)| *known == name) {
        return Name::Misplaced { place };
    }
    nearest(name, ALL.iter().map(|key| (key.name, key))).map_or(Name::Unknown, Name::NearMiss)
}

/// The candidate whose name is so close to `name` that a slip of the pen is likely: equal but for
/// case, `-` and `_`, or one letter off, two for names of nine letters and more.
pub fn nearest<'a, T>(name: &str, candidates: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    // Longer than any candidate can be: do not compare, the cost grows with the square.
    if name.len() > 100 {
        return None;
    }
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    let written = plain(name);
    candidates
        .map(|(candidate, payload)| {
            let candidate = plain(candidate);
            let allowed = if candidate.len() >= 9 { 2 } else { 1 };
            (strsim::osa_distance(&written, &candidate), allowed, payload)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, payload)| payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_names() {
        let miss = |name: &str| match judge(name) {
            Name::NearMiss(key) => key.name,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(miss("treshold"), "threshold");
        assert_eq!(miss("Threshold"), "threshold");
        assert_eq!(miss("lead_time"), "leadTime");
        assert_eq!(miss("leadtime"), "leadTime");
        assert_eq!(miss("timeZone"), "timezone");
        assert_eq!(miss("window"), "windows");
        assert_eq!(miss("activationTreshhold"), "activationThreshold");
        for known in ["threshold", "query", "onNoData"] {
            assert_eq!(judge(known), Name::Known);
        }
        for keda in
            ["scalerAddress", "enableTLS", "unsafeSsl", "caCert", "thresholdFromEnv", "FromEnv"]
        {
            assert_eq!(judge(keda), Name::Keda);
        }
        for unknown in ["team", "", "costCentre", "serverURL"] {
            assert_eq!(judge(unknown), Name::Unknown, "{unknown}");
        }
        assert!(matches!(judge("metricType"), Name::Misplaced { .. }));
    }

    #[test]
    fn no_two_keys_are_near_each_other() {
        for key in ALL {
            let others = ALL
                .iter()
                .filter(|other| other.name != key.name)
                .map(|other| (other.name, other.name));
            assert_eq!(nearest(key.name, others), None, "{key}");
        }
    }

    #[test]
    fn ranges_read_well() {
        assert_eq!(MODE.range(), r#""auto", "shadow" or "off""#);
        assert_eq!(LEAD_TIME.range(), r#""auto" or a duration from 0s to 2h"#);
        assert_eq!(OBJECTIVE.range(), r#""cost", "safe" or a percentage from 0.01% to 50%"#);
        assert_eq!(HISTORY_WINDOW.range(), "a duration from 1h to 400d");
        assert_eq!(ACTIVATION_THRESHOLD.range(), "a number from 0 to 1000000000");
        assert_eq!(QUERY.range(), "text of at most 8 KiB");
    }
}
