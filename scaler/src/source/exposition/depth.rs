//! How deep a query may nest, before anything walks its tree.

/// How deep a text may nest: parentheses, signs, operators and words between operands, those within
/// quotes left out.
pub(super) fn operators(promql: &str) -> usize {
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
