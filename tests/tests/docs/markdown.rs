//! As much of Markdown as the documents use: headings, links, code, tables, and parts between two
//! comments.

/// One document.
#[derive(Debug)]
pub(crate) struct Document {
    /// As it is.
    pub(crate) text: String,
}

impl Document {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    /// Lines outside of code blocks, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        self.text.lines().enumerate().filter_map(move |(i, line)| {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                return None;
            }
            (!fenced).then_some((i + 1, line))
        })
    }

    /// Targets of links and pictures, `[text](target)`, with their lines.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, String)> {
        self.prose().flat_map(|(line, text)| {
            let plain = without_code(text);
            let targets =
                plain.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            targets.map(|target| (line, target.to_owned())).collect::<Vec<_>>()
        })
    }

    /// Anchors of the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter_map(|(_, line)| heading(line));
        headings.map(anchor).collect()
    }

    /// What stands between backquotes, with its line.
    pub(crate) fn code_words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose().flat_map(|(line, text)| {
            text.split('`').skip(1).step_by(2).map(move |word| (line, word))
        })
    }

    /// Code blocks of a language, with the line at which each begins.
    pub(crate) fn blocks(&self, language: &str) -> Vec<(usize, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((i, line)) = lines.next() {
            let Some(of) = line.trim_start().strip_prefix("```") else { continue };
            let indent = line.len() - line.trim_start().len();
            let mut block = String::new();
            for (_, inner) in
                lines.by_ref().take_while(|(_, inner)| !inner.trim_start().starts_with("```"))
            {
                block += inner.get(indent..).unwrap_or_default();
                block.push('\n');
            }
            if of == language {
                blocks.push((i + 1, block));
            }
        }
        blocks
    }

    /// Cells of the tables below a heading, without heads and rules.
    pub(crate) fn table_rows(&self, title: &str) -> Vec<Vec<String>> {
        let mut below = false;
        let mut rows = Vec::new();
        for (_, line) in self.prose() {
            if let Some(text) = heading(line) {
                below = text == title;
            }
            let row = line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|'));
            if let Some(row) = row.filter(|_| below) {
                rows.push(row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
            }
        }
        let rule = rows
            .iter()
            .position(|row| row.iter().all(|cell| cell.trim_matches(['-', ':']).is_empty()));
        rows.drain(..rule.map_or(0, |rule| rule + 1));
        rows
    }
}

/// The text of a heading.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let depth = line.len() - text.len();
    (1..=6).contains(&depth).then(|| text.strip_prefix(' ')).flatten().map(str::trim)
}

/// `What happens when X is down?` → `what-happens-when-x-is-down`.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A line with what stands between backquotes blanked.
fn without_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts.map(|(i, part)| if i % 2 == 0 { part.to_owned() } else { "code".to_owned() }).collect()
}

/// A document with what stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`
/// replaced.
pub(crate) fn with_part(document: &str, name: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (head, rest) =
        document.split_once(&begin).ok_or_else(|| format!("there is no {}", begin.trim_end()))?;
    let (_, tail) = rest.split_once(&end).ok_or_else(|| format!("there is no {end}"))?;
    Ok(format!("{head}{begin}\n{}\n\n{end}{tail}", text.trim()))
}

/// A table of Markdown.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut text = line(&head) + &format!("|{}\n", "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        text += &line(&cells);
    }
    text
}

/// Between backquotes.
pub(crate) fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn headings_links_and_blocks_are_found() {
    let text = "# A `b`: c?\nsee [d](e.md#f) and `[no](g)`\n```yaml\n# h\nx: [1](2)\n```\n## T\n| a | b |\n|---|---|\n| 1 | `2` |\n";
    let document = Document::new(text.to_owned());
    assert_eq!(document.anchors(), ["a-b-c", "t"]);
    assert_eq!(document.links().collect::<Vec<_>>(), [(2, "e.md#f".to_owned())]);
    assert_eq!(document.blocks("yaml"), [(3, "# h\nx: [1](2)\n".to_owned())]);
    assert_eq!(document.table_rows("T"), [["1", "`2`"]]);
    assert_eq!(
        document.code_words().map(|(_, word)| word).collect::<Vec<_>>(),
        ["b", "[no](g)", "2"]
    );
}

#[test]
fn a_part_is_replaced_and_nothing_else() {
    let before = "a\n<!-- generated: x -->\nold\n<!-- end: x -->\nb\n";
    let after = with_part(before, "x", "new\n").unwrap();
    assert_eq!(after, "a\n<!-- generated: x -->\n\nnew\n\n<!-- end: x -->\nb\n");
    assert_eq!(with_part(&after, "x", "new"), Ok(after.clone()));
    assert!(with_part(before, "y", "").unwrap_err().contains("generated: y"));
}
