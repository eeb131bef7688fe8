//! What an answer of the API means: data, or who refused what. The status of HTTP outranks words
//! that are not known.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::source::error::may_pass;
use crate::source::http::words::of_body;
use crate::source::http::{Http, Reply};
use crate::source::shorten;

/// Data and what was said beside it.
pub(super) struct Told {
    pub(super) answer: Answer,
    /// A warning that does not speak of missing data, and is not one of PromQL's own.
    pub(super) remark: Option<String>,
    /// Thanos.
    pub(super) has_analysis: bool,
    /// A cluster of VictoriaMetrics.
    pub(super) says_whether_partial: bool,
}

/// Why there is no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Whoever asks is not let in.
    Credentials,
    /// The query is wrong, or more than the server allows.
    Query,
    /// The same query may be answered later.
    NotNow,
    /// Data came, and not all of it: the server's words.
    Partial(String),
    /// Not an answer of this API.
    InvalidResponse(String),
}

/// Data.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(super) enum Answer {
    /// `null`, or of no type: some back ends say so where nothing matches.
    #[serde(skip)]
    Nothing,
    Scalar(Point),
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
    #[allow(dead_code, reason = "told apart only to name it in the error")]
    String(IgnoredAny),
}

/// Unix seconds and the value's text.
#[derive(Deserialize)]
pub(super) struct Point(pub(super) f64, pub(super) String);

#[derive(Deserialize)]
pub(super) struct Instant {
    /// A native histogram has none.
    pub(super) value: Option<Point>,
}

#[derive(Deserialize, Default)]
pub(super) struct Range {
    #[serde(default)]
    pub(super) values: Vec<Point>,
}

/// Everything but the data, whatever types others give it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    status: Option<Value>,
    error_type: Option<Value>,
    warnings: Option<Value>,
    is_partial: Option<bool>,
    data: Option<DataHead>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataHead {
    result_type: Option<String>,
    result: Option<IgnoredAny>,
    analysis: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Body {
    data: Answer,
}

/// Reads an answer. In the past, nothing may simply be too old.
pub(super) fn read(reply: &Reply, of_past: bool) -> Result<Told, Refusal> {
    let head = match serde_json::from_slice::<Head>(&reply.body) {
        Ok(head) => head,
        Err(error) if reply.status.is_success() => {
            return Err(Refusal::InvalidResponse(format!(
                "not the JSON of a Prometheus API: {error}"
            )));
        }
        Err(_) => return Err(foreign(reply)),
    };
    match head.status.as_ref().and_then(Value::as_str) {
        Some("success") if reply.status.is_success() => data(reply, head, of_past),
        Some("error") => Err(refusal(reply, head.error_type.as_ref())),
        _ => Err(foreign(reply)),
    }
}

/// Whether Prometheus' API, and no proxy before it, has spoken.
pub(super) fn is_of_the_api(body: &[u8]) -> bool {
    let head = serde_json::from_slice::<Head>(body).ok();
    matches!(head.and_then(|head| head.status), Some(Value::String(status)) if status == "success" || status == "error")
}

fn data(reply: &Reply, head: Head, of_past: bool) -> Result<Told, Refusal> {
    let Some(data) = head.data else {
        return Err(Refusal::InvalidResponse("success without data".into()));
    };
    if head.is_partial == Some(true) {
        return Err(Refusal::Partial("isPartial".into()));
    }
    let nothing =
        data.result.is_none() || data.result_type.as_deref().unwrap_or_default().is_empty();
    let answer = if nothing {
        Answer::Nothing
    } else {
        let body = serde_json::from_slice::<Body>(&reply.body);
        body.map_err(|error| {
            Refusal::InvalidResponse(format!("not the JSON of a Prometheus API: {error}"))
        })?
        .data
    };
    let warnings = head.warnings.as_ref().and_then(Value::as_array);
    let warnings: Vec<&str> = warnings.into_iter().flatten().filter_map(Value::as_str).collect();
    let too_old = of_past && answer.is_empty();
    let partial =
        warnings.iter().find(|warning| Warning::of(warning) == Warning::MissingData && !too_old);
    if let Some(words) = partial {
        return Err(Refusal::Partial(shorten(words)));
    }
    let remark = warnings.iter().find(|warning| Warning::of(warning) == Warning::Unknown);
    Ok(Told {
        answer,
        remark: remark.map(|words| shorten(words)),
        has_analysis: data.analysis.is_some(),
        says_whether_partial: head.is_partial.is_some(),
    })
}

impl Answer {
    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Vector(series) => series.is_empty(),
            Self::Matrix(series) => series.is_empty(),
            Self::Scalar(_) | Self::String(_) => false,
        }
    }
}

/// An error in the API's own form. What `errorType` says counts where it is one of Prometheus'
/// words; others put their own there, or the status ("503", "too_many_requests").
fn refusal(reply: &Reply, error_type: Option<&Value>) -> Refusal {
    let kind = match error_type {
        Some(Value::String(kind)) => kind.to_ascii_lowercase(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    // An error within HTTP 200: the status, if any, is in the words.
    let within = kind.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
    let status =
        if reply.status.is_success() { within.unwrap_or(reply.status) } else { reply.status };
    match kind.as_str() {
        _ if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Refusal::Credentials
        }
        _ if may_pass(status) => Refusal::NotNow,
        "timeout" | "canceled" | "internal" | "unavailable" => Refusal::NotNow,
        "too_many_requests" if status.is_success() => Refusal::NotNow,
        // Thanos tells of a store that is gone as an error of the query, when it may not answer in
        // part.
        "execution" if speaks_of_failure(&of_body(&reply.body).to_lowercase()) => Refusal::NotNow,
        _ => Refusal::Query,
    }
}

/// A refusal in another form: a proxy's, or a cloud's.
fn foreign(reply: &Reply) -> Refusal {
    let status = reply.status;
    match status.as_u16() {
        401 | 403 => Refusal::Credentials,
        200..=299 => Refusal::InvalidResponse("not the JSON of a Prometheus API".into()),
        _ if may_pass(status) => Refusal::NotNow,
        404 | 405 | 501 => {
            let said = Http::said(reply);
            Refusal::InvalidResponse(format!(
                "HTTP {said}; is url the address of a Prometheus API?"
            ))
        }
        _ => Refusal::Query,
    }
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Warning {
    /// PromQL's own infos and lints: a metric that may be no counter, a bucket that is not
    /// monotonic.
    Lint,
    /// A shard, a store or a remote read did not answer.
    MissingData,
    /// Somebody's own.
    Unknown,
}

impl Warning {
    fn of(words: &str) -> Self {
        let words = words.to_lowercase();
        if words.starts_with("promql ") {
            Self::Lint
        } else if FAILURES.iter().chain(&MISSING).any(|sign| words.contains(sign)) {
            Self::MissingData
        } else {
            Self::Unknown
        }
    }
}

/// Whether the lower-case words of an error tell of a part of a distributed system that failed, and
/// not of a limit that the query exceeds.
fn speaks_of_failure(words: &str) -> bool {
    let of_limits =
        ["limit", "exceeded the maximum", "too many"].iter().any(|sign| words.contains(sign));
    !of_limits && FAILURES.iter().any(|sign| words.contains(sign))
}

/// How clients of one another tell of failures: gRPC's codes, Go's network errors, remote reads.
const FAILURES: [&str; 14] = [
    "rpc error",
    "remote_read",
    "remote read",
    "receive series from",
    "fetch series for",
    "connection re",
    "connect: ",
    "no such host",
    "no route to host",
    "i/o timeout",
    "deadline exceeded",
    "context canceled",
    "unavailable",
    "broken pipe",
];

/// How answers say that they are not whole.
const MISSING: [&str; 15] = [
    "partial",
    "incomplete",
    "truncated",
    "no storeapis matched",
    "unreachable",
    "timed out",
    "timeout",
    "failed",
    "failure",
    "error",
    "unhealthy",
    "not available",
    "missing data",
    "missing shard",
    "unexpected eof",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as they were seen in answers and public reports.
    #[test]
    fn warnings_of_missing_data_are_told_from_lints() {
        for (words, meaning) in [
            // Prometheus 2.48 and later, and what passes its annotations on.
            (
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (1:6)",
                Warning::Lint,
            ),
            (
                "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:25)",
                Warning::Lint,
            ),
            (
                "PromQL info: ignored histograms in a range containing both floats and histograms",
                Warning::Lint,
            ),
            // Prometheus with a remote read that is gone.
            (
                "remote_read: error sending request: Post \"http://10.0.0.1:1/read\": dial tcp 10.0.0.1:1: connect: \
                 connection refused",
                Warning::MissingData,
            ),
            (
                "remote_read: remote server https://x/api/v1/read returned HTTP status 429 Too Many Requests: \
                 {\"type\":\"RESOURCE_EXHAUSTED\"}",
                Warning::MissingData,
            ),
            // Thanos with a store that is gone.
            (
                "receive series from Addr: 10.96.192.138:10901 LabelSets: {prometheus=\"a\"} MinTime: 0 MaxTime: 1: rpc \
                 error: code = Unavailable desc = error reading from server: EOF",
                Warning::MissingData,
            ),
            ("No StoreAPIs matched for this query", Warning::MissingData),
            ("failed to receive any data in 2m0s from Addr: a", Warning::MissingData),
            ("results truncated due to limit", Warning::MissingData),
            ("this workspace moves to a new region next month", Warning::Unknown),
        ] {
            assert_eq!(Warning::of(words), meaning, "{words}");
        }
    }
}
