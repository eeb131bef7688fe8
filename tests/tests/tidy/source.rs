//! Sources as the house rules look at them: without comments and without what is compiled for tests
//! only.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of Rust.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the workspace's folder, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// It is compiled for tests only.
    pub(crate) test: bool,
    /// `text` with comments and test-only items blanked; as many lines.
    code: String,
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// Every Rust source of the workspace's members.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for member in ["forecaster", "scaler", "tests"] {
        collect(&root.join(member), &mut files);
    }
    let mut all: Vec<_> = files
        .into_iter()
        .map(|file| {
            let path =
                file.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
            Source {
                code: code(&text),
                test: path.contains("/tests/") || path.contains("/benches/"),
                path,
                text,
            }
        })
        .collect();
    let for_tests: HashSet<_> = all.iter().flat_map(Source::test_modules).collect();
    for source in &mut all {
        source.test |= for_tests.iter().any(|module| {
            source
                .path
                .strip_prefix(module)
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
    assert!(
        all.len() > 50 && all.iter().any(|source| source.test),
        "only {} sources found",
        all.len()
    );
    all
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

impl Source {
    /// Whether its path begins so.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Which module below `folder` it belongs to: `scaler/src/store/day.rs` is `store`'s.
    pub(crate) fn module(&self, folder: &str) -> &str {
        let below = self.path.strip_prefix(folder).unwrap_or(&self.path);
        below.split(['/', '.']).next().unwrap_or(below)
    }

    /// Its lines of code with their numbers.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// Line and first segment of each path that begins at the crate's root: `crate::a::b`,
    /// `crate::{a, b::c}`, `prewarm::a`.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for start in ["crate::", "prewarm::"] {
            for (at, _) in self.code.match_indices(start) {
                let line = self.code[..at].matches('\n').count() + 1;
                let rest = &self.code[at + start.len()..];
                names.extend(first_segments(rest).into_iter().map(|name| (line, name)));
            }
        }
        names
    }

    /// Paths, without `.rs`, of the modules that it declares for tests.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.strip_suffix("mod.rs").or(self.path.strip_suffix("lib.rs")) {
            Some(folder) => folder.to_owned(),
            None => format!("{}/", self.path.trim_end_matches(".rs")),
        };
        let lines: Vec<_> = self.text.lines().map(str::trim).collect();
        let declared = lines
            .windows(2)
            .filter(|pair| pair.first() == Some(&"#[cfg(test)]"))
            .filter_map(|pair| {
                let name = pair.last()?.strip_suffix(';')?.rsplit_once("mod ")?.1;
                Some(format!("{folder}{name}"))
            });
        declared.collect()
    }
}

/// The names at the head of a path, or of each path within braces.
fn first_segments(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(inner) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut names = Vec::new();
    let (mut depth, mut begun) = (0, 0);
    for (i, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(word(inner[begun..i].trim()));
                begun = i + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Blanks lines of comments, and items under `#[cfg(test)]`. It counts on rustfmt: an item ends
/// with `;`, or with a `}` as far in as it began.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let closing = line.replace("#[cfg(test)]", "}");
            code.push('\n');
            for line in lines.by_ref() {
                code.push('\n');
                let attribute = line.trim_start().starts_with("#[");
                if line == closing
                    || !attribute && line.ends_with(';') && indent(line) == indent(&closing)
                {
                    break;
                }
            }
        } else {
            if !line.trim_start().starts_with("//") {
                code.push_str(line);
            }
            code.push('\n');
        }
    }
    code
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn comments_and_test_items_are_blanked_and_lines_keep_their_numbers() {
    let text = "//! a\nuse crate::{a, b::{c, d}, e};\n#[cfg(test)]\nmod tests;\nfn f() {\n    // g\n}\n\n#[cfg(test)]\n\
                mod tests {\n    fn g() {\n        h();\n    }\n}\nfn i() {}\n";
    let code = code(text);
    assert_eq!(
        code,
        "\nuse crate::{a, b::{c, d}, e};\n\n\nfn f() {\n\n}\n\n\n\n\n\n\n\nfn i() {}\n"
    );
    let source = Source { path: "x/src/y/mod.rs".into(), text: text.into(), test: false, code };
    assert_eq!(
        source.crate_paths(),
        [(2, "a".to_owned()), (2, "b".to_owned()), (2, "e".to_owned())]
    );
    assert_eq!(
        (source.test_modules(), source.module("x/src/")),
        (vec!["x/src/y/tests".to_owned()], "y")
    );
}
