//! A scale subresource gives its selector as text, `kubectl`'s notation.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};

/// Reads a selector; `None` for what is none, and for an empty one, which would select everything.
pub(super) fn selector(text: &str) -> Option<Selector> {
    let requirements: Option<Vec<Expression>> = requirements(text).map(requirement).collect();
    requirements.filter(|all| !all.is_empty()).map(|all| all.into_iter().collect())
}

/// The parts between commas that stand outside of parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let parts = text.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.filter(|_| !text.trim().is_empty()).map(str::trim)
}

fn requirement(text: &str) -> Option<Expression> {
    if let Some(key) = text.strip_prefix('!') {
        return word(key).map(Expression::DoesNotExist);
    }
    // The longer signs first: "=" is in all of them.
    for sign in ["!=", "==", "="] {
        if let Some((key, value)) = text.split_once(sign) {
            let (key, value) = (word(key)?, value.trim());
            let value = if value.is_empty() { String::new() } else { word(value)? };
            return Some(if sign == "!=" {
                Expression::NotEqual(key, value)
            } else {
                Expression::Equal(key, value)
            });
        }
    }
    let Some((head, list)) = text.split_once('(') else {
        return word(text).map(Expression::Exists);
    };
    let values: Option<BTreeSet<String>> =
        list.trim_end().strip_suffix(')')?.split(',').map(word).collect();
    match head.split_whitespace().collect::<Vec<_>>()[..] {
        [key, "in"] => Some(Expression::In(word(key)?, values?)),
        [key, "notin"] => Some(Expression::NotIn(word(key)?, values?)),
        _ => None,
    }
}

/// A key or a value.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt;
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_form_of_a_requirement_selects_what_kubernetes_selects() {
        let llama =
            labels(&[("app", "model"), ("apps.example.com/model", "llama"), ("tier", "gpu")]);
        for (text, selected) in [
            ("app=model", true),
            ("app==model", true),
            ("app = model , tier=gpu", true),
            ("app=model,tier=cpu", false),
            ("tier!=cpu", true),
            ("absent!=cpu", true),
            ("tier in (cpu,gpu),app=model", true),
            ("tier in ( cpu )", false),
            ("tier notin (cpu, tpu)", true),
            ("absent notin (cpu)", true),
            ("app", true),
            ("absent", false),
            ("!absent,app", true),
            ("!app", false),
            ("apps.example.com/model=llama", true),
            ("app=", false),
        ] {
            assert_eq!(
                selector(text).map(|selector| selector.matches(&llama)),
                Some(selected),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_and_nonsense_select_nobody() {
        for text in [
            "",
            "  ",
            ",",
            "app=model,",
            "=model",
            "app=a b",
            "tier in cpu",
            "tier in (cpu",
            "tier within (cpu)",
            "tier>3",
            "a=b=c",
        ] {
            assert!(selector(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = selector(&text);
        }

        #[test]
        fn what_is_written_in_kubernetes_notation_comes_back(
            pairs in prop::collection::btree_map("[a-z]{1,8}(/[a-z]{1,4})?", "[a-zA-Z0-9._-]{1,8}", 1..5),
        ) {
            let built: Selector = pairs.clone().into_iter().collect();
            prop_assert_eq!(selector(&built.to_string()), Some(built));
        }
    }
}
