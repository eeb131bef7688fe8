//! What is known of an expression without data: how many values it has, whether it has one without
//! any series, and which series it asks for.

use promql_parser::parser::token::{
    T_BOTTOMK, T_COUNT_VALUES, T_LAND, T_LIMITK, T_LOR, T_LUNLESS, T_TOPK,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality,
};

/// How many values an expression has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// At most one, without labels.
    One,
    /// Maybe several, told apart by these labels, as far as is known.
    Several(Vec<String>),
}

pub(super) fn shape(tree: &Expr) -> Shape {
    let several = || Shape::Several(Vec::new());
    match tree {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Shape::One,
        Expr::Paren(paren) => shape(&paren.expr),
        Expr::Unary(unary) => shape(&unary.expr),
        Expr::Subquery(inner) => shape(&inner.expr),
        Expr::Aggregate(aggregate) => aggregated(aggregate),
        Expr::Call(call) => called(call),
        Expr::Binary(binary) => combined(binary),
        Expr::VectorSelector(series) => recorded(series.name.as_deref()),
        Expr::MatrixSelector(series) => recorded(series.vs.name.as_deref()),
        Expr::Extension(_) => several(),
    }
}

/// Series of a metric: several, unless a rule has made one of them (`job:demand:sum`).
fn recorded(name: Option<&str>) -> Shape {
    match name {
        Some(name)
            if name.contains(':') && !name.starts_with("vllm:") && !name.starts_with("sglang:") =>
        {
            Shape::One
        }
        _ => Shape::Several(Vec::new()),
    }
}

fn aggregated(aggregate: &AggregateExpr) -> Shape {
    let inner = || shape(&aggregate.expr);
    match aggregate.op.id() {
        T_COUNT_VALUES => Shape::Several(Vec::new()),
        T_TOPK | T_BOTTOMK | T_LIMITK => {
            let one =
                matches!(aggregate.param.as_deref(), Some(Expr::NumberLiteral(n)) if n.val == 1.0);
            if one && aggregate.modifier.is_none() { Shape::One } else { inner() }
        }
        _ => match &aggregate.modifier {
            None => Shape::One,
            Some(_) if inner() == Shape::One => Shape::One,
            Some(LabelModifier::Include(labels)) if labels.labels.is_empty() => Shape::One,
            Some(LabelModifier::Include(labels)) => Shape::Several(labels.labels.clone()),
            Some(LabelModifier::Exclude(_)) => Shape::Several(Vec::new()),
        },
    }
}

fn called(call: &Call) -> Shape {
    match call.func.name {
        "scalar" | "vector" | "absent" | "absent_over_time" | "time" | "pi" => return Shape::One,
        "histogram_quantile" => {
            let of = call.args.args.get(1).map_or(Shape::One, |argument| shape(argument));
            let Shape::Several(labels) = of else { return Shape::One };
            let known = !labels.is_empty();
            let left: Vec<String> = labels.into_iter().filter(|label| label != "le").collect();
            return if known && left.is_empty() { Shape::One } else { Shape::Several(left) };
        }
        _ => {}
    }
    // Every other function keeps what its vector has.
    let vectors =
        call.args.args.iter().filter(|argument| {
            matches!(argument.value_type(), ValueType::Vector | ValueType::Matrix)
        });
    vectors.map(|argument| shape(argument)).find(|shape| *shape != Shape::One).unwrap_or(Shape::One)
}

fn combined(binary: &BinaryExpr) -> Shape {
    let (left, right) = (shape(&binary.lhs), shape(&binary.rhs));
    let scalar = |side: &Expr| side.value_type() == ValueType::Scalar;
    if scalar(&binary.lhs) {
        return right;
    }
    if scalar(&binary.rhs) {
        return left;
    }
    match binary.op.id() {
        T_LAND | T_LUNLESS => left,
        T_LOR if left == Shape::One => right,
        T_LOR => left,
        _ => match binary.modifier.as_ref().map(|modifier| &modifier.card) {
            Some(VectorMatchCardinality::ManyToOne(_)) => left,
            Some(VectorMatchCardinality::OneToMany(_)) => right,
            // Each value of one side has one partner at most.
            _ if left == Shape::One || right == Shape::One => Shape::One,
            _ => left,
        },
    }
}

/// Whether there is a value although none of its series is there.
pub(super) fn is_there_without_data(tree: &Expr) -> bool {
    match tree {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) | Expr::Extension(_) => false,
        Expr::Paren(paren) => is_there_without_data(&paren.expr),
        Expr::Unary(unary) => is_there_without_data(&unary.expr),
        Expr::Subquery(inner) => is_there_without_data(&inner.expr),
        Expr::Aggregate(aggregate) => is_there_without_data(&aggregate.expr),
        Expr::Call(call) => match call.func.name {
            "absent" | "absent_over_time" => true,
            _ => call.args.args.iter().all(|argument| is_there_without_data(argument)),
        },
        Expr::Binary(binary) => {
            let (left, right) =
                (is_there_without_data(&binary.lhs), is_there_without_data(&binary.rhs));
            match binary.op.id() {
                T_LOR => left || right,
                T_LUNLESS => left,
                _ => left && right,
            }
        }
    }
}

/// The metrics that are asked for.
pub(super) fn selectors(tree: &Expr) -> Vec<&str> {
    let named = |name: &'_ Option<String>| name.is_some();
    match tree {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
        Expr::VectorSelector(series) if named(&series.name) => {
            series.name.as_deref().into_iter().collect()
        }
        Expr::MatrixSelector(series) if named(&series.vs.name) => {
            series.vs.name.as_deref().into_iter().collect()
        }
        // `{__name__=~…}`
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) => vec![""],
        Expr::Paren(paren) => selectors(&paren.expr),
        Expr::Unary(unary) => selectors(&unary.expr),
        Expr::Subquery(inner) => selectors(&inner.expr),
        Expr::Aggregate(aggregate) => selectors(&aggregate.expr),
        Expr::Call(call) => {
            call.args.args.iter().flat_map(|argument| selectors(argument)).collect()
        }
        Expr::Binary(binary) => [selectors(&binary.lhs), selectors(&binary.rhs)].concat(),
    }
}
