//! Formulas of `scalingModifiers`, as KEDA's webhook judges them (`scaledobject_webhook.go`
//! `ValidateAndCompileScalingModifiers`): every name is a trigger's, the value is a number, there is
//! a target to divide by.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use expr::{Context, Environment, Program, Value};

use super::finding::Level;
use super::resource::{Kind, Resource, Trigger};
use crate::trigger::keys::nearest;

const MODIFIERS: &str = "spec.advanced.scalingModifiers";

/// Longer ones are not read: KEDA takes them, and they nest deeper than a walk should.
const MAX_LENGTH: usize = 1024;

/// Words of the language that are no names.
const WORDS: [&str; 15] = [
    "true",
    "false",
    "nil",
    "let",
    "if",
    "else",
    "and",
    "or",
    "not",
    "in",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "_kedaCompositeResult",
];

/// Looks for what KEDA refuses in a formula.
pub(super) fn find(resource: &mut Resource<'_>) {
    let fields = ["formula", "target", "activationTarget", "metricType"];
    let given = |field: &str| {
        resource.tree.text(&format!("{MODIFIERS}.{field}")).filter(|text| !text.is_empty())
    };
    let [formula, target, activation, _] = fields.map(given);
    let any = fields.iter().any(|field| given(field).is_some());
    if resource.kind == Kind::ScaledObject
        && resource.tree.text("spec.fallback.behavior") == Some("scalingModifiers")
        && formula.is_none()
    {
        resource.error(
            "spec.fallback.behavior",
            "is scalingModifiers, and there is no formula",
            Some("KEDA's webhook refuses it: write advanced.scalingModifiers.formula, or another behavior"),
        );
    }
    if !any || resource.kind != Kind::ScaledObject {
        return;
    }
    let Some(formula) = formula else {
        return resource.error(
            &format!("{MODIFIERS}.formula"),
            "is missing",
            Some("KEDA's webhook refuses scalingModifiers without a formula"),
        );
    };
    match target {
        None => resource.error(
            &format!("{MODIFIERS}.target"),
            "is missing",
            Some("KEDA's webhook refuses a formula without target: write how much of its value one replica sustains"),
        ),
        Some(target) if !target.parse().is_ok_and(|target: f64| target > 0.0) => resource.error(
            &format!("{MODIFIERS}.target"),
            format!("{target:?} is no number above 0"),
            Some("KEDA's webhook refuses it"),
        ),
        Some(_) => {}
    }
    if let Some(text) = activation.filter(|text| text.parse::<f64>().is_err()) {
        resource.error(
            &format!("{MODIFIERS}.activationTarget"),
            format!("{text:?} is no number"),
            Some("KEDA takes it, and then fails at every poll"),
        );
    }
    names(resource, formula);
    unnamed(resource);
}

/// Every name in the formula is that of a trigger which KEDA asks.
fn names(resource: &mut Resource<'_>, formula: &str) {
    const PATH: &str = "spec.advanced.scalingModifiers.formula";
    if formula.len() > MAX_LENGTH {
        let problem = format!("of {} characters is not looked into", formula.len());
        return resource.find(Level::Note, PATH, problem, None);
    }
    let program = match compile(formula) {
        Some(Ok(program)) => Some(program),
        Some(Err(error)) => {
            let text = error.to_string();
            let place = text.lines().find_map(|line| line.trim().strip_prefix("--> 1:"));
            let place = place.map(|place| format!(" at character {place}")).unwrap_or_default();
            let problem = format!("cannot be read{place}");
            return resource.error(PATH, problem, Some("KEDA's webhook refuses it"));
        }
        None => None,
    };
    let is_resource =
        |trigger: &&Trigger<'_>| matches!(trigger.tree.text("type"), Some("cpu" | "memory"));
    let name = |trigger: &Trigger<'_>| trigger.tree.text("name").map(str::to_owned);
    let of_resources: Vec<String> =
        resource.triggers.iter().filter(is_resource).filter_map(name).collect();
    let known: Vec<String> =
        resource.triggers.iter().filter(|trigger| !is_resource(trigger)).filter_map(name).collect();
    let mut all_known = true;
    for found in identifiers(formula) {
        if known.contains(&found) {
            continue;
        }
        all_known = false;
        if of_resources.contains(&found) {
            resource.error(
                PATH,
                format!("names {found:?}, a trigger of type cpu or memory"),
                Some("the HPA reads those itself: KEDA leaves them out of formulas and refuses the name"),
            );
            continue;
        }
        let near = nearest(&found, known.iter().map(|name| (name.as_str(), name)));
        let hint = match near {
            Some(name) => format!("did you mean {name}?"),
            None if known.is_empty() => "no trigger has a name".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        resource.error(
            PATH,
            format!("names {found:?}, which no trigger is called; {hint}"),
            Some("KEDA's webhook refuses it: each name of a formula is the name of a trigger"),
        );
    }
    let Some(program) = program.filter(|_| all_known && is_cheap(formula)) else { return };
    // KEDA runs it once with −1 for every trigger.
    let mut context = Context::default();
    known.iter().for_each(|name| context.insert(name.clone(), -1.0));
    let value = catch_unwind(AssertUnwindSafe(|| Environment::new().run(&program, &context)));
    let Ok(value) = value else { return };
    let wrong = match &value {
        Ok(Value::Bool(_)) => Some("true or false"),
        Ok(Value::Array(_)) => Some("a list"),
        Ok(Value::Map(_)) => Some("a map"),
        Ok(Value::String(text)) if text.parse::<f64>().is_err() => Some("text"),
        // KEDA's own fallback takes over where `??` comes to nothing.
        Ok(Value::Nil) if !formula.contains("??") => Some("nothing"),
        Err(_) => Some("an error"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        let advice = "KEDA's webhook refuses it; write condition ? number : number";
        resource.error(PATH, format!("gives {wrong} instead of a number"), Some(advice));
    }
}

/// The formula as a program, or why it is none; `None` where the crate is not to be asked: it panics
/// at maps (`{a: b}`) and at whole numbers that do not fit.
fn compile(formula: &str) -> Option<expr::Result<Program>> {
    if formula.contains('{') {
        return None;
    }
    catch_unwind(|| expr::compile(formula)).ok()
}

/// Whether running it costs next to nothing: no ranges, and no functions but those of arithmetic.
fn is_cheap(formula: &str) -> bool {
    const ARITHMETIC: [&str; 11] =
        ["abs", "ceil", "float", "floor", "int", "len", "max", "mean", "min", "round", "sum"];
    let calls = formula.match_indices('(').map(|(at, _)| formula[..at].trim_end());
    let names = calls.map(|before| {
        before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    });
    !formula.contains("..")
        && names.into_iter().all(|name| name.is_empty() || ARITHMETIC.contains(&name))
}

/// KEDA wants a name for every trigger that it asks for a formula, whether it is named there or not
/// (`modifiers.GetPairTriggerAndMetric`).
fn unnamed(resource: &mut Resource<'_>) {
    let nameless = |trigger: &&Trigger<'_>| {
        !matches!(trigger.tree.text("type"), Some("cpu" | "memory"))
            && trigger.tree.text("name").is_none_or(str::is_empty)
    };
    let paths: Vec<String> =
        resource.triggers.iter().filter(nameless).map(|trigger| trigger.path.clone()).collect();
    for path in paths {
        resource.error(
            &format!("{path}.name"),
            "is missing",
            Some("KEDA wants a name for every trigger of a formula"),
        );
    }
}

/// The names in a formula, each once: no functions, no fields, nothing in quotes, and nothing that
/// the formula itself has defined by `let`.
fn identifiers(formula: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut defined = BTreeSet::new();
    let mut characters = formula.char_indices().peekable();
    let mut before = ' ';
    let mut last_word = String::new();
    while let Some((start, c)) = characters.next() {
        if c == '"' || c == '\'' || c == '`' {
            let mut escaped = false;
            for (_, inner) in characters.by_ref() {
                match inner {
                    _ if escaped => escaped = false,
                    '\\' if c != '`' => escaped = true,
                    _ if inner == c => break,
                    _ => {}
                }
            }
            before = c;
            continue;
        }
        if !(c.is_alphanumeric() || c == '_' || c == '$') {
            before = if c.is_whitespace() { before } else { c };
            continue;
        }
        let mut end = start + c.len_utf8();
        while let Some((at, next)) = characters.peek().copied() {
            if !(next.is_alphanumeric() || next == '_') {
                break;
            }
            end = at + next.len_utf8();
            characters.next();
        }
        let word = &formula[start..end];
        let is_call = formula[end..].trim_start().starts_with('(');
        // `0x1`, `1e3`; `.field` and `?.field`; `#acc` of a closure; `$env`.
        let is_name = !c.is_ascii_digit() && !matches!(before, '.' | '#') && c != '$';
        if last_word == "let" {
            defined.insert(word.to_owned());
        } else if is_name && !is_call && !WORDS.contains(&word) {
            found.insert(word.to_owned());
        }
        last_word = word.to_owned();
        before = 'a';
    }
    found.retain(|name| !defined.contains(name));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_told_from_the_rest() {
        let names = |text: &str| identifiers(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names("max(a, b_2) + 0x1f + 1e3 * a"), "a b_2");
        assert_eq!(names("let c = a ; c > 2 ? c : 'd' + \"e\\\"f\""), "a");
        assert_eq!(names("count([a, b], {# > 1}) > 1 and not c"), "a b c");
        assert_eq!(names("a.field ?? b"), "a b");
    }

    proptest! {
        #[test]
        fn any_text_of_a_formula_is_read_or_refused(
            text in r#"(a|b|max\(|\(|\)|\[|\]|\{|\}|[?:,+*/<>=#."'-]| |let |if |nil|1e9|0x|\?\?|\||ü){0,60}"#,
        ) {
            let _ = compile(&text);
            let _ = identifiers(&text);
        }
    }
}
