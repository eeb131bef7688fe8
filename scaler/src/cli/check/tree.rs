//! YAML as a tree that knows its lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::Spanned;

/// A node and the line on which it (or its key) stands; 0 if unknown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) node: Node,
    pub(super) line: u64,
    /// What a scalar that is no text was written as: `off`, which YAML 1.1 reads as false. Empty if
    /// unknown.
    pub(super) written: String,
    /// Where in the text it is written, in bytes.
    place: Option<(usize, usize)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// All documents of a text that are not empty.
pub(super) fn documents(text: &str) -> Result<Vec<Tree>, (u64, String)> {
    let trees = serde_saphyr::from_multiple::<Tree>(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let text = error.to_string();
        // Below its first line the error shows an excerpt, which may hold a secret.
        let first = text.lines().next().unwrap_or_default();
        (line, first.strip_prefix("error: ").unwrap_or(first).to_owned())
    });
    let mut trees = trees?;
    trees.iter_mut().for_each(|tree| tree.keep_writing(text));
    Ok(trees)
}

impl Tree {
    /// Notes how scalars that are no text are written in `source`.
    fn keep_writing(&mut self, source: &str) {
        match &mut self.node {
            Node::List(items) => items.iter_mut().for_each(|item| item.keep_writing(source)),
            Node::Map(entries) => {
                entries.iter_mut().for_each(|(_, tree)| tree.keep_writing(source))
            }
            Node::Flag(_) | Node::Whole(_) | Node::Number(_) => {
                let written =
                    self.place.and_then(|(start, length)| source.get(start..start + length));
                self.written = written.unwrap_or_default().trim().to_owned();
            }
            Node::Null | Node::Text(_) => {}
        }
    }

    /// Whether it is `off`, `on`, `yes` or `no`: a word that YAML 1.1, and Kubernetes with it,
    /// takes for true or false.
    fn is_word(&self) -> bool {
        let written = self.written.to_ascii_lowercase();
        matches!(self.node, Node::Flag(_)) && !matches!(written.as_str(), "" | "true" | "false")
    }

    /// The node below a path like `spec.triggers[0].metadata`; `None` if absent or null.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let mut found = self;
        for step in path.split('.') {
            let (key, indices) = step.split_once('[').map_or((step, ""), |(key, rest)| (key, rest));
            found = found.entries().iter().find(|(name, _)| name == key).map(|(_, tree)| tree)?;
            for index in indices.split('[').filter(|index| !index.is_empty()) {
                found = found.list().get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            }
        }
        (found.node != Node::Null).then_some(found)
    }

    /// The line of a path, or of the nearest thing above it that exists.
    pub(super) fn line_of(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(found) = self.at(path) {
                return found.line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.line,
            }
        }
    }

    /// Text below a path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match &self.at(path)?.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number below a path.
    pub(super) fn whole(&self, path: &str) -> Option<i64> {
        match self.at(path)?.node {
            Node::Whole(number) => Some(number),
            _ => None,
        }
    }

    /// Items; empty if it is no list.
    pub(super) fn list(&self) -> &[Self] {
        if let Node::List(items) = &self.node { items } else { &[] }
    }

    /// Entries; empty if it is no map.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Node::Map(entries) = &self.node { entries } else { &[] }
    }

    /// Without the lines; words such as `off` are text.
    pub(super) fn json(&self) -> Json {
        match &self.node {
            Node::Null => Json::Null,
            Node::Flag(_) if self.is_word() => self.written.as_str().into(),
            Node::Flag(flag) => (*flag).into(),
            Node::Whole(number) => (*number).into(),
            Node::Number(number) => (*number).into(),
            Node::Text(text) => text.as_str().into(),
            Node::List(items) => items.iter().map(Self::json).collect(),
            Node::Map(entries) => {
                Json::Object(entries.iter().map(|(key, tree)| (key.clone(), tree.json())).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Node>::deserialize(deserializer)?;
        let span = defined.span();
        let start = span.byte_offset().and_then(|offset| usize::try_from(offset).ok());
        let length = span.byte_len().and_then(|length| usize::try_from(length).ok());
        let place =
            start.zip(length).filter(|(start, length)| start.checked_add(*length).is_some());
        Ok(Self { node: value, line: referenced.line(), written: String::new(), place })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

/// Takes whatever comes.
struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(i64::try_from(number).map_or(Node::Number(number as f64), Node::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let tree: Tree = map.next_value()?;
            entries.push((key.value, Tree { line: key.referenced.line(), ..tree }));
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_of_yaml_keeps_what_was_written(text in "([a-c]|ä|: |off|NO|yes|1e3|&x |\\*x|, |\\[|\\]|\\{|\\}|\n|---\n|- |\"|'|  ){0,30}") {
            for tree in documents(&text).into_iter().flatten() {
                prop_assert!(text.contains(&tree.written));
                let _ = tree.json();
            }
        }
    }

    #[test]
    fn every_node_knows_its_line() {
        let text = "# a comment\nkind: A\nspec:\n  list:\n  - one: 1\n    two: |\n      text\n  - {three: 3.5, four: null}\n---\n\nkind: B\n";
        let documents = documents(text).unwrap();
        assert_eq!(documents.len(), 2);
        let lines = ["kind", "spec", "spec.list", "spec.list[0].two", "spec.list[1].three"]
            .map(|path| documents[0].at(path).unwrap().line);
        assert_eq!(lines, [2, 3, 4, 6, 8]);
        assert_eq!(documents[1].at("kind").unwrap().line, 11);
        assert_eq!(documents[0].text("spec.list[0].two"), Some("text\n"));
        assert_eq!(documents[0].whole("spec.list[0].one"), Some(1));
        assert_eq!(documents[0].at("spec.list[1].four"), None);
        assert_eq!(documents[0].at("spec.list[7]"), None);
        assert_eq!(documents[0].line_of("spec.list[1].nowhere.else"), 8);
        assert_eq!(documents[0].at("spec").unwrap().json()["list"][1]["three"], 3.5);
    }

    #[test]
    fn scalars_are_kept_as_they_were_written() {
        let text = "ä: &off off\nb: NO\n---\nc: [*off, 1e3, 4.0, \"off\", true, {d: yes}]\n"
            .replace("*off", "on");
        let documents = documents(&text).unwrap();
        let written =
            |document: usize, path: &str| documents[document].at(path).unwrap().written.clone();
        assert_eq!([written(0, "ä"), written(0, "b")], ["off", "NO"]);
        let list = ["c[0]", "c[1]", "c[2]", "c[3]", "c[4]", "c[5].d"].map(|path| written(1, path));
        assert_eq!(list, ["on", "1e3", "4.0", "", "true", "yes"]);
        let json = documents[1].json();
        assert_eq!(json["c"], serde_json::json!(["on", 1000.0, 4.0, "off", true, {"d": "yes"}]));
        let aliased = super::documents("a: &x off\nb: *x\n").unwrap();
        assert_eq!(aliased[0].at("b").unwrap().written, "off");
    }

    #[test]
    fn broken_text_names_the_line_and_shows_nothing_else() {
        let (line, problem) = documents("a: 1\npassword: hunter2\nb: [hunter2\n").unwrap_err();
        assert!(line >= 3 && !problem.contains("hunter2"), "{line}: {problem}");
    }
}
