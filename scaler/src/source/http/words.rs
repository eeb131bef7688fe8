//! What others say, made fit for a person: short, on one line, without markup and without our
//! secrets.

use std::error::Error;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::source::shorten;

/// What the body of a refusal says: the message of JSON in one of the usual shapes, else its text
/// without markup. At most 200 characters; empty if there is none.
pub(in crate::source) fn of_body(body: &[u8]) -> String {
    let body = &body[..body.len().min(READ)];
    if let Ok(json) = serde_json::from_slice::<Value>(body)
        && let Some(message) = message(&json)
    {
        return shorten(message);
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') { shorten(&without_markup(text)) } else { shorten(text) }
}

/// `error`, `error.message`, `message`, `detail` and the like: Prometheus, Google, AWS, Kubernetes,
/// OAuth proxies.
fn message(json: &Value) -> Option<&str> {
    let json = match json {
        Value::Array(list) => list.first()?,
        other => other,
    };
    let keys = ["error", "message", "detail", "error_description", "reason", "title"];
    keys.iter().find_map(|key| match json.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.as_str()),
        Some(inner @ Value::Object(_)) => message(inner),
        _ => None,
    })
}

/// The text between tags; what a page is titled and says, without its scripts and styles.
fn without_markup(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let name = tag.to_ascii_lowercase();
        let skipped = ["script", "style"].into_iter().find(|unread| name.starts_with(unread));
        let end = match skipped {
            Some(unread) => name.find(&format!("</{unread}")).unwrap_or(tag.len()),
            None => 0,
        };
        rest = tag[end..].split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

/// `text` with every one of `secrets`, and whatever looks like an Authorization header, made
/// unreadable.
pub(super) fn without<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    static AUTHORIZATION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)\b(basic|bearer)\s+[a-z0-9+/=._~-]{16,}").ok());
    // Anything shorter would blacken ordinary words.
    let secrets = secrets.filter(|secret| secret.len() >= 4);
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"));
    match &*AUTHORIZATION {
        Some(header) => header.replace_all(&text, "$1 [redacted]").into_owned(),
        None => text,
    }
}

/// An error with its causes and without the URL, which may hold a password.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// Bytes of a refusal that are read for its message.
const READ: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_refusal_is_found_in_the_shapes_that_are_in_use() {
        for (body, words) in [
            (r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "parse error"),
            // Google Managed Prometheus.
            (
                r#"{"error":{"code":400,"message":"Unknown name","status":"INVALID_ARGUMENT"}}"#,
                "Unknown name",
            ),
            (r#"[{"error":{"code":401,"message":"Invalid credentials"}}]"#, "Invalid credentials"),
            // AWS, and the Kubernetes API that a proxy stands behind.
            (r#"{"message":"Rate exceeded"}"#, "Rate exceeded"),
            (
                r#"{"kind":"Status","message":"services is forbidden","reason":"Forbidden"}"#,
                "services is forbidden",
            ),
            (r#"{"error":"","message":"no org id"}"#, "no org id"),
            ("no org id\n", "no org id"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("", ""),
            ("\u{1b}[2Jbad\r\ntenant\0", "[2Jbad tenant"),
        ] {
            assert_eq!(of_body(body.as_bytes()), words, "{body}");
        }
        assert_eq!(of_body(&[0xff, b'a']), "\u{fffd}a");
        assert_eq!(of_body(&vec![b'x'; 100_000]).chars().count(), 201);
    }

    #[test]
    fn a_page_is_read_without_its_markup() {
        let page = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title><style>b{}</style></head>\
                    <script>if (a < b) {}</script><body><center>nginx</center></body></html>";
        assert_eq!(of_body(page.as_bytes()), "503 Service Temporarily Unavailable nginx");
        for broken in ["<", "<a", "<script", "<script>x", "<ü", "<style>ü</style"] {
            of_body(broken.as_bytes());
        }
    }

    #[test]
    fn secrets_of_ours_are_not_repeated() {
        let said =
            without("token abcdef for abc is expired: abcdef", ["abcdef", "abc"].into_iter());
        assert_eq!(said, "token [redacted] for abc is expired: [redacted]");
        let header = without(
            "got Authorization: Basic bWU6aHVudGVyMg==, want basic authorization",
            [].into_iter(),
        );
        assert_eq!(header, "got Authorization: Basic [redacted], want basic authorization");
    }
}
