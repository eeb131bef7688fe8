//! Label matchers: parsed, and rendered anew; never pasted into PromQL.
//!
//! The parser is our own although promql-parser reads matchers, too: its errors name no place in
//! the text and nothing that is allowed there, and its matchers know `or` and metric names, which
//! a preset brings itself. The tests hold both against each other.

use std::fmt;

use regex::RegexBuilder;

/// Label matchers such as `namespace="llm",model_name=~"llama.*"`; all of them must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    matchers: Vec<Matcher>,
}

/// One condition on one label; a label that is absent counts as empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, never `__name__`.
    pub label: String,
    /// How to compare.
    pub operator: Operator,
    /// With what; for the regular expressions one that compiles, anchored at both ends.
    pub value: String,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

impl Selector {
    /// Parses matchers without braces; the error says where and what is allowed. Empty text selects
    /// everything.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("{} bytes are too long; at most {MAX_LENGTH}", text.len()));
        }
        let mut rest = Reader { text, at: 0 };
        let mut matchers = Vec::new();
        rest.blanks();
        while !rest.is_empty() {
            if matchers.len() == MAX_MATCHERS {
                return Err(format!("more than {MAX_MATCHERS} matchers"));
            }
            matchers.push(rest.matcher()?);
            rest.blanks();
            if !rest.skip(",") && !rest.is_empty() {
                return Err(rest.expected("a comma between matchers"));
            }
            rest.blanks();
        }
        Ok(Self { matchers })
    }

    /// The matchers in the order they were written.
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// The matchers as PromQL writes them between braces.
    pub fn render(&self) -> String {
        self.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\"", self.label, self.operator.symbol())?;
        for c in self.value.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn matcher(&mut self) -> Result<Matcher, String> {
        let start = self.at;
        let label = self.label()?.to_owned();
        self.blanks();
        // The longer symbols first: `=` begins `=~`.
        let operator = [Operator::Matches, Operator::MatchesNot, Operator::IsNot, Operator::Is]
            .into_iter()
            .find(|operator| self.skip(operator.symbol()))
            .ok_or_else(|| self.expected("=, !=, =~ or !~"))?;
        self.blanks();
        let value = self.quoted()?;
        if matches!(operator, Operator::Matches | Operator::MatchesNot) {
            RegexBuilder::new(&value).size_limit(MAX_REGEX).build().map_err(
                |error| match error {
                    regex::Error::CompiledTooBig(_) => {
                        format!("at character {}: the pattern is too large", start + 1)
                    }
                    _ => format!(
                        "at character {}: \"{value}\" is not a regular expression of RE2's kind",
                        start + 1
                    ),
                },
            )?;
        }
        Ok(Matcher { label, operator, value })
    }

    fn label(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let label = &rest[..length];
        if label.is_empty() || label.starts_with(|c: char| c.is_ascii_digit()) {
            let hint = if rest.starts_with('{') { " (leave the braces out)" } else { "" };
            return Err(self.expected(&format!("a label name, [a-zA-Z_][a-zA-Z0-9_]*{hint}")));
        }
        if label == "__name__" {
            return Err(self.expected("another label than __name__; the preset names the metrics"));
        }
        self.at += length;
        Ok(label)
    }

    /// A string as PromQL has them: in double or single quotes with backslash escapes, or raw in
    /// back quotes.
    fn quoted(&mut self) -> Result<String, String> {
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))
        else {
            return Err(self.expected("a value in quotes"));
        };
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                self.at = open;
                return Err(self.expected("a closing quote to this one"));
            };
            match c {
                c if c == quote => {
                    self.at += 1;
                    return Ok(value);
                }
                '\\' if quote != '`' => {
                    value.push(match self.rest().chars().nth(1) {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('\\') => '\\',
                        Some(c) if c == quote => c,
                        _ => {
                            return Err(self.expected(
                                "\\\\, \\n, \\r, \\t or an escaped quote (write \\\\d for \\d)",
                            ));
                        }
                    });
                    self.at += 2;
                }
                '\n' if quote != '`' => return Err(self.expected("\\n instead of a line break")),
                '\0' => return Err(self.expected("text without NUL")),
                c => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn skip(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> String {
        let before = self.text[..self.at].chars().count();
        let found = match self.rest().chars().next() {
            Some(c) => format!("found {c:?}"),
            None => "the text ends".into(),
        };
        format!("at character {}: expected {what}, {found}", before + 1)
    }
}

/// Longer than any selector a person writes; keeps queries within URL limits.
const MAX_LENGTH: usize = 4096;
/// Each costs a comparison for each series.
const MAX_MATCHERS: usize = 32;
/// Bytes of the compiled pattern: room for long alternations, none for `(a{1000}){1000}`.
const MAX_REGEX: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use promql_parser::parser::{self, Expr};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matchers_are_read_and_written_anew() {
        for (text, rendered) in [
            ("", ""),
            (" \n", ""),
            (r#"namespace="llm""#, r#"namespace="llm""#),
            (r#" a = "b" , c!='d' ,"#, r#"a="b",c!="d""#),
            (r#"model_name=~"llama.*|qwen",x!~`\d+`"#, r#"model_name=~"llama.*|qwen",x!~"\\d+""#),
            (r#"a="",_b9="ü""#, r#"a="",_b9="ü""#),
            (r#"a="say \"hi\"\n\\",b='it\'s'"#, r#"a="say \"hi\"\n\\",b="it's""#),
        ] {
            assert_eq!(Selector::parse(text).unwrap().render(), rendered, "{text}");
        }
    }

    #[test]
    fn errors_say_where_and_what_is_allowed() {
        for (text, error) in [
            (
                r#"{a="b"}"#,
                "at character 1: expected a label name, [a-zA-Z_][a-zA-Z0-9_]* (leave the braces out), found '{'",
            ),
            (
                r#"ü="b""#,
                "at character 1: expected a label name, [a-zA-Z_][a-zA-Z0-9_]*, found 'ü'",
            ),
            (
                r#"9a="b""#,
                "at character 1: expected a label name, [a-zA-Z_][a-zA-Z0-9_]*, found '9'",
            ),
            ("a", "at character 2: expected =, !=, =~ or !~, the text ends"),
            ("a=b", "at character 3: expected a value in quotes, found 'b'"),
            (r#"a="b" c="d""#, "at character 7: expected a comma between matchers, found 'c'"),
            (r#"a="b"#, "at character 3: expected a closing quote to this one, found '\"'"),
            (
                r#"a=~"\d""#,
                r#"at character 5: expected \\, \n, \r, \t or an escaped quote (write \\d for \d), found '\\'"#,
            ),
            (r#"x="y",a=~"(""#, r#"at character 7: "(" is not a regular expression of RE2's kind"#),
            (r#"a=~"(a{1000}){1000}""#, "at character 1: the pattern is too large"),
            (
                r#"__name__="up""#,
                "at character 1: expected another label than __name__; the preset names the metrics, found '_'",
            ),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(Selector::parse(&"a=\"\",".repeat(33)).unwrap_err(), "more than 32 matchers");
        assert_eq!(
            Selector::parse(&" ".repeat(5000)).unwrap_err(),
            "5000 bytes are too long; at most 4096"
        );
    }

    #[test]
    fn attempts_to_leave_the_braces_fail_or_stay_a_value() {
        for attempt in [
            r#"a="b"} or vector(1) #"#,
            r#"a="b"}) or sum(secret{x="y""#,
            r#"} or vector(1) #"#,
            "a=\"b\"\n} #",
            r#"a="b" or c="d""#,
            r#"a="b" offset 1d"#,
        ] {
            assert!(Selector::parse(attempt).is_err(), "{attempt}");
        }
        let quoted = Selector::parse(r#"a="\"} or vector(1) #""#).unwrap();
        assert_eq!(quoted.matchers()[0].value, r#""} or vector(1) #"#);
        assert_eq!(quoted.render(), r#"a="\"} or vector(1) #""#);
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let operator = prop_oneof![
            Just(Operator::Is),
            Just(Operator::IsNot),
            Just(Operator::Matches),
            Just(Operator::MatchesNot)
        ];
        let label = "[a-zA-Z_][a-zA-Z0-9_]{0,8}"
            .prop_filter("a metric's name", |label| label != "__name__");
        (label, operator, any::<String>()).prop_map(|(label, operator, value)| {
            let value = value.replace('\0', "");
            let regex = matches!(operator, Operator::Matches | Operator::MatchesNot);
            Matcher { label, operator, value: if regex { regex::escape(&value) } else { value } }
        })
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn near_matchers_are_parsed_or_refused(text in r#"[ab_9=!~"'`\\,{}()#\n ]{0,40}"#) {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.render()), Ok(selector));
            }
        }

        #[test]
        fn what_is_rendered_means_the_same_to_us_and_to_promql(
            matchers in proptest::collection::vec(any_matcher(), 0..6),
        ) {
            let selector = Selector { matchers };
            let rendered = selector.render();
            prop_assert_eq!(Selector::parse(&rendered), Ok(selector.clone()));
            let parsed = parser::parse(&format!("up{{{rendered}}}"));
            let Ok(Expr::VectorSelector(series)) = parsed else {
                return Err(TestCaseError::fail(format!("{rendered} became {parsed:?}")));
            };
            prop_assert!(series.offset.is_none() && series.at.is_none() && series.matchers.or_matchers.is_empty());
            let seen: Vec<_> = series.matchers.matchers.iter().map(|m| (&m.name, &m.value)).collect();
            let meant: Vec<_> = selector.matchers.iter().map(|m| (&m.label, &m.value)).collect();
            prop_assert_eq!(seen, meant);
        }
    }
}
