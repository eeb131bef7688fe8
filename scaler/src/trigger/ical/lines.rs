//! Content lines (RFC 5545, 3.1): unfolded, with the line of the file on which each begins.

use super::{on_line, quoted};

/// One property, or the begin or end of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// In upper case.
    pub(super) name: String,
    /// Names in upper case, values without their quotes.
    parameters: Vec<(String, String)>,
    /// As written.
    pub(super) value: String,
}

impl Property {
    /// The value of a parameter, as written.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value in upper case, without white space around it.
    pub(super) fn word(&self) -> String {
        self.value.trim().to_uppercase()
    }
}

/// All properties of a file. Lines may end in CRLF, LF or CR; a byte order mark is skipped.
pub(super) fn properties(file: &[u8]) -> Result<Vec<Property>, String> {
    if file.starts_with(&[0xFF, 0xFE]) || file.starts_with(&[0xFE, 0xFF]) {
        return Err("is UTF-16: save it as UTF-8".to_owned());
    }
    let file = file.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(file);
    let mut found = Vec::new();
    for (line, bytes) in unfolded(file) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A text in another encoding is no reason to refuse: only dates and rules are read.
        let text = String::from_utf8_lossy(&bytes);
        found.push(property(line, &text)?);
    }
    Ok(found)
}

/// Logical lines. They are put together as bytes: a fold may lie within a character.
fn unfolded(file: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let ends_in_cr = !file.contains(&b'\n');
    let is_end = |byte: &u8| *byte == b'\n' || (ends_in_cr && *byte == b'\r');
    let mut logical: Vec<(usize, Vec<u8>)> = Vec::new();
    for (index, physical) in file.split(is_end).enumerate() {
        let physical = physical.strip_suffix(b"\r").unwrap_or(physical);
        match (physical, logical.last_mut()) {
            ([b' ' | b'\t', rest @ ..], Some((_, begun))) => begun.extend_from_slice(rest),
            _ => logical.push((index + 1, physical.to_vec())),
        }
    }
    logical
}

/// `NAME;PARAMETER=VALUE;…:VALUE`.
fn property(line: usize, text: &str) -> Result<Property, String> {
    let wrong = |what: &str| Err(on_line(line, format!("{} {what}", quoted(text))));
    let no_colon =
        "has no colon: a property is NAME:VALUE, and a line that goes on begins with a space";
    let Some(end) = text.find([';', ':']) else { return wrong(no_colon) };
    let name = text.get(..end).unwrap_or_default().trim().to_ascii_uppercase();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return wrong("does not begin with a property's name");
    }
    let mut parameters = Vec::new();
    let mut rest = text.get(end..).unwrap_or_default();
    while let Some(after) = rest.strip_prefix(';') {
        let Some((parameter, after)) = after.split_once('=') else { return wrong(no_colon) };
        let Some((value, after)) = parameter_value(after) else { return wrong(no_colon) };
        parameters.push((parameter.trim().to_ascii_uppercase(), value));
        rest = after;
    }
    match rest.strip_prefix(':') {
        Some(value) => Ok(Property { line, name, parameters, value: value.to_owned() }),
        None => wrong(no_colon),
    }
}

/// A parameter's value up to the `;` or `:` after it, and the rest from there on.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        !quoted && matches!(character, ';' | ':')
    });
    let (value, rest) = text.split_at_checked(end?.0)?;
    Some((value.replace('"', "").trim().to_owned(), rest))
}
