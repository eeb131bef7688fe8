//! What a check finds, and how it is shown.

use std::fmt::Write as _;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Worth knowing.
    Note,
    /// Works, and not as well as it could or as it seems.
    Warning,
    /// Does not work, or hurts in an outage.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// ANSI color.
    fn color(self) -> &'static str {
        match self {
            Self::Note => "\x1b[36m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[31m",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Line in the file, from 1; 0 if unknown.
    pub(super) line: u64,
    /// Where in the resource: `spec.fallback.replicas`.
    pub(super) path: String,
    /// What is wrong.
    pub(super) problem: String,
    /// Why it matters, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// One resource and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Checked {
    pub(super) file: String,
    /// Which of the file's documents, from 1.
    pub(super) document: usize,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// Triggers of ours in it.
    pub(super) triggers: usize,
    pub(super) findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) resources: Vec<Checked>,
    /// Worth knowing about the check itself.
    pub(super) notes: Vec<String>,
}

impl Report {
    /// How many findings of a level there are.
    pub(super) fn count(&self, level: Level) -> usize {
        self.resources
            .iter()
            .flat_map(|resource| &resource.findings)
            .filter(|finding| finding.level == level)
            .count()
    }

    /// For people.
    pub(super) fn text(&self, colored: bool) -> String {
        let mut text = String::new();
        let width =
            self.resources.iter().flat_map(|r| &r.findings).map(|f| f.line.to_string().len()).max();
        for resource in &self.resources {
            let _ = writeln!(text, "{}", resource.title(colored));
            for finding in &resource.findings {
                finding.write(&mut text, width.unwrap_or_default(), colored);
            }
            text.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    fn summary(&self) -> String {
        let triggers: usize = self.resources.iter().map(|resource| resource.triggers).sum();
        let counted = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        format!(
            "{}, {} of prewarm: {}, {}",
            counted(self.resources.len(), "resource"),
            counted(triggers, "trigger"),
            counted(self.count(Level::Error), "error"),
            counted(self.count(Level::Warning), "warning"),
        )
    }
}

impl Checked {
    fn title(&self, colored: bool) -> String {
        let (bold, plain) = if colored { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let namespace =
            self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let ok = if self.findings.is_empty() { ": ok" } else { "" };
        let title = format!("{bold}{} {namespace}{}{plain}", self.kind, self.name);
        format!("{}, document {}: {title}{ok}", self.file, self.document)
    }
}

impl Finding {
    fn write(&self, text: &mut String, width: usize, colored: bool) {
        let (color, plain) = if colored { (self.level.color(), "\x1b[0m") } else { ("", "") };
        let line = if self.line == 0 { String::new() } else { self.line.to_string() };
        let level = format!("{color}{:<7}{plain}", self.level.name());
        let _ = writeln!(text, "  {line:>width$}  {level}  {}: {}", self.path, self.problem);
        if let Some(advice) = &self.advice {
            let _ = writeln!(text, "  {:>width$}  {:<7}  {advice}", "", "");
        }
    }
}
