//! PromQL's own grammar, for texts of whatever length and depth.

use promql_parser::parser::{self, Expr};

/// No preset comes near, with a selector of ordinary length.
const MAX_LENGTH: usize = 16 * 1024;
/// A tree this deep takes a quarter of a worker's stack.
pub(crate) const MAX_OPERATORS: usize = 256;

/// Parses PromQL; the error says what is not understood.
///
/// The grammar's tree is walked recursively: a text that nests thousands of levels would end the
/// process, and is refused before.
pub(crate) fn parse(promql: &str) -> Result<Expr, String> {
    if promql.len() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    if operators(promql) > MAX_OPERATORS {
        return Err(format!("it has more than {MAX_OPERATORS} operators and parentheses"));
    }
    // The grammar panics at some durations (`x[1e30]`); nobody's query may take a worker along.
    std::panic::catch_unwind(|| parser::parse(promql))
        .unwrap_or_else(|_| Err("it cannot be parsed".into()))
}

/// How deep a text may nest: parentheses, signs, operators and words between operands, those within
/// quotes left out.
fn operators(promql: &str) -> usize {
    let mut count = 0;
    let mut quote = None;
    let mut escaped = false;
    for byte in promql.bytes() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(b'"' | b'\'') if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if b"\"'`".contains(&byte) => quote = Some(byte),
            None => count += usize::from(b"(-+*/%^".contains(&byte)),
        }
    }
    let words = promql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    count
        + words
            .filter(|word| ["or", "and", "unless"].contains(&word.to_ascii_lowercase().as_str()))
            .count()
}
