//! Prometheus text format 0.0.4 and OpenMetrics 1.0, as one reader.
//!
//! Our own, because the crates are wrong where it matters: prometheus-parse 0.2.5 silently drops
//! names with a colon (all of vLLM's) and splits labels at every comma; openmetrics-parser is LGPL;
//! prom_text_format_parser knows no OpenMetrics. Only wanted series are read to the end, a tenth of
//! an engine's text.
//!
//! Timestamps and exemplars are checked and left out: a scrape is stamped with its slot.

use std::borrow::Cow;

/// Which of the two formats the content type announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`, or nothing said.
    Text,
    /// `application/openmetrics-text`: must end in `# EOF`, so that a torn answer is noticed.
    OpenMetrics,
}

impl Format {
    /// The format of a `Content-Type`.
    pub fn of(content_type: &str) -> Self {
        let openmetrics = content_type
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/openmetrics-text");
        if openmetrics { Self::OpenMetrics } else { Self::Text }
    }
}

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name, suffix included (`_total`, `_bucket`).
    pub name: Cow<'a, str>,
    /// Labels as they were written; unique names.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Any number, NaN and infinities included.
    pub value: f64,
}

/// Where the text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// Calls `each` with the samples whose name is `wanted`, in their order; others are passed over
/// unread.
pub fn parse<'a>(
    text: &'a str,
    format: Format,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(Sample<'a>),
) -> Result<(), ParseError> {
    let mut ended = false;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let fail = |problem| ParseError { line: index + 1, problem };
        if ended {
            return Err(fail("text after # EOF"));
        }
        let line = line.trim_matches(BLANKS);
        if line.is_empty() {
            continue;
        }
        if line.starts_with('#') {
            ended = format == Format::OpenMetrics && line == "# EOF";
            continue;
        }
        if let Some(sample) = (Line { rest: line }).sample(&wanted).map_err(fail)? {
            each(sample);
        }
    }
    if format == Format::OpenMetrics && !ended {
        return Err(ParseError { line: last + 1, problem: "the text ends without # EOF" });
    }
    Ok(())
}

struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// `name{label="value",…} value [timestamp] [# exemplar]`, or `{"name",label="value",…} value
    /// …`.
    fn sample(mut self, wanted: impl Fn(&str) -> bool) -> Result<Option<Sample<'a>>, &'static str> {
        let mut name = None;
        if !self.rest.starts_with('{') {
            let bare = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            if bare.is_empty() || bare.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("a metric name must match [a-zA-Z_:][a-zA-Z0-9_:]*");
            }
            if !wanted(bare) {
                return Ok(None);
            }
            if !self.rest.starts_with(['{', ' ', '\t']) {
                return Err("a metric name must be followed by labels or a value");
            }
            name = Some(Cow::Borrowed(bare));
        }
        self.blanks();
        let labels = if self.skip('{') { self.labels(&mut name)? } else { Vec::new() };
        let Some(name) = name else { return Err("a metric without a name") };
        if !wanted(&name) {
            return Ok(None);
        }
        let value = self.number()?.ok_or("a value is missing")?;
        self.number().map_err(|_| "a timestamp must be a number")?;
        self.blanks();
        if !self.rest.is_empty() && !self.rest.starts_with('#') {
            return Err("text after the value");
        }
        Ok(Some(Sample { name, labels, value }))
    }

    /// Labels up to the closing brace, which is eaten. A lone quoted text is the metric's name.
    fn labels(&mut self, name: &mut Option<Cow<'a, str>>) -> Result<Labels<'a>, &'static str> {
        let mut labels: Labels<'a> = Vec::new();
        loop {
            self.blanks();
            if self.skip('}') {
                return Ok(labels);
            }
            let quoted = self.rest.starts_with('"');
            let label = if quoted { self.quoted()? } else { Cow::Borrowed(self.label()?) };
            self.blanks();
            if self.skip('=') {
                self.blanks();
                let value = self.quoted()?;
                if labels.iter().any(|(other, _)| *other == label) {
                    return Err("a label occurs twice");
                }
                labels.push((label, value));
            } else if quoted && name.is_none() {
                *name = Some(label);
            } else {
                return Err("a label must be followed by = and a value in double quotes");
            }
            self.blanks();
            if !self.skip(',') && !self.rest.starts_with('}') {
                return Err("labels must be separated by commas and end in }");
            }
        }
    }

    fn label(&mut self) -> Result<&'a str, &'static str> {
        let label = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if label.is_empty() || label.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("a label name must match [a-zA-Z_][a-zA-Z0-9_]*");
        }
        Ok(label)
    }

    /// Text in double quotes. Only `\\`, `\"` and `\n` are escapes; another backslash stands for
    /// itself.
    fn quoted(&mut self) -> Result<Cow<'a, str>, &'static str> {
        const UNCLOSED: &str = "a value must be in double quotes";
        if !self.skip('"') {
            return Err(UNCLOSED);
        }
        let end = self.rest.find(['"', '\\']).ok_or(UNCLOSED)?;
        if self.rest[end..].starts_with('"') {
            let value = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            return Ok(Cow::Borrowed(value));
        }
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Cow::Owned(value));
                }
                '\\' => match characters.next().ok_or(UNCLOSED)?.1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    other => value.extend(['\\', other]),
                },
                other => value.push(other),
            }
        }
        Err(UNCLOSED)
    }

    /// The number that is next, unless the line ends here or an exemplar follows.
    fn number(&mut self) -> Result<Option<f64>, &'static str> {
        self.blanks();
        if self.rest.is_empty() || self.rest.starts_with('#') {
            return Ok(None);
        }
        let word = self.word(|c| !BLANKS.contains(&c));
        word.parse().map(Some).map_err(|_| "a value must be a number, NaN, +Inf or -Inf")
    }

    fn word(&mut self, inside: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(BLANKS);
    }

    fn skip(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests;
