//! The part of PromQL that is evaluated on scraped series: PromQL's own grammar parses it, and what
//! we do not evaluate is refused by name before anything is scraped.

use std::time::Duration;

use promql_parser::label::Matcher;
use promql_parser::parser::token::{
    T_ADD, T_AVG, T_COUNT, T_DIV, T_LOR, T_LUNLESS, T_MAX, T_MIN, T_MUL, T_SUB, T_SUM, TokenId,
};
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
};

use crate::signal::promql;

/// A question that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    Number(f64),
    /// The newest scrape's values.
    Select(Series),
    /// A function of each series' values in `(at − range, at]`.
    Over {
        function: Over,
        series: Series,
        range: Duration,
    },
    Aggregate {
        how: Aggregation,
        grouping: Grouping,
        of: Box<Plan>,
    },
    /// `histogram_quantile` of bucket series.
    Quantile {
        quantile: f64,
        of: Box<Plan>,
    },
    Clamp {
        low: f64,
        high: f64,
        of: Box<Plan>,
    },
    /// `scalar(…)`: NaN unless there is exactly one value.
    Scalar(Box<Plan>),
    /// `vector(…)`.
    Vector(Box<Plan>),
    Arithmetic {
        operator: Arithmetic,
        left: Box<Plan>,
        right: Box<Plan>,
    },
    /// All of the left, and of the right what has other labels.
    Or(Box<Plan>, Box<Plan>),
    /// Of the left, what has other labels than all of the right.
    Unless(Box<Plan>, Box<Plan>),
}

/// Series of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) matchers: Vec<Matcher>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Rate,
    Increase,
    Derivative,
    Mean,
    Max,
    Min,
    Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Max,
    Min,
    Mean,
    Count,
}

/// Which labels an aggregation keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Plan {
    /// Reads PromQL; the error says what is not understood or not evaluated here.
    pub(super) fn parse(promql: &str) -> Result<Self, String> {
        Self::of(&promql::parse(promql)?)
    }

    /// Every metric it reads, with how far it looks back (zero: the newest scrape).
    pub(super) fn metrics(&self) -> Vec<(&str, Duration)> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Select(series) => vec![(&series.metric, Duration::ZERO)],
            Self::Over { series, range, .. } => vec![(&series.metric, *range)],
            Self::Aggregate { of, .. }
            | Self::Quantile { of, .. }
            | Self::Clamp { of, .. }
            | Self::Scalar(of)
            | Self::Vector(of) => of.metrics(),
            Self::Arithmetic { left, right, .. }
            | Self::Or(left, right)
            | Self::Unless(left, right) => {
                let mut metrics = left.metrics();
                metrics.extend(right.metrics());
                metrics
            }
        }
    }

    /// Every selection of series in it.
    pub(super) fn series(&self) -> Vec<&Series> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Select(series) | Self::Over { series, .. } => vec![series],
            Self::Aggregate { of, .. }
            | Self::Quantile { of, .. }
            | Self::Clamp { of, .. }
            | Self::Scalar(of)
            | Self::Vector(of) => of.series(),
            Self::Arithmetic { left, right, .. }
            | Self::Or(left, right)
            | Self::Unless(left, right) => {
                let mut series = left.series();
                series.extend(right.series());
                series
            }
        }
    }

    fn of(expression: &Expr) -> Result<Self, String> {
        match expression {
            Expr::NumberLiteral(number) => Ok(Self::Number(number.val)),
            Expr::Paren(paren) => Self::of(&paren.expr),
            Expr::Unary(unary) => Ok(Self::Arithmetic {
                operator: Arithmetic::Multiply,
                left: Box::new(Self::of(&unary.expr)?),
                right: Box::new(Self::Number(-1.0)),
            }),
            Expr::VectorSelector(selector) => Ok(Self::Select(Series::of(selector)?)),
            Expr::MatrixSelector(_) => {
                Err("a range needs a function around it, such as rate(…)".into())
            }
            Expr::Aggregate(aggregate) => Self::aggregate(aggregate),
            Expr::Binary(binary) => Self::binary(binary),
            Expr::Call(call) => Self::call(call),
            Expr::Subquery(_) => Err(refused("a subquery")),
            Expr::StringLiteral(_) | Expr::Extension(_) => Err(refused("text")),
        }
    }

    fn aggregate(aggregate: &AggregateExpr) -> Result<Self, String> {
        let how = token(aggregate.op.id(), &AGGREGATIONS)
            .ok_or_else(|| refused(&aggregate.op.to_string()))?;
        let grouping = match &aggregate.modifier {
            None => Grouping::By(Vec::new()),
            Some(LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
        };
        Ok(Self::Aggregate { how, grouping, of: Box::new(Self::of(&aggregate.expr)?) })
    }

    fn binary(binary: &BinaryExpr) -> Result<Self, String> {
        if let Some(modifier) = &binary.modifier {
            let fills = modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some();
            if modifier.matching.is_some() || fills {
                return Err(refused("on(…), ignoring(…) or fill(…)"));
            }
            if matches!(
                modifier.card,
                VectorMatchCardinality::ManyToOne(_) | VectorMatchCardinality::OneToMany(_)
            ) {
                return Err(refused("group_left or group_right"));
            }
        }
        let (left, right) = (Box::new(Self::of(&binary.lhs)?), Box::new(Self::of(&binary.rhs)?));
        if binary.op.id() == T_LOR {
            return Ok(Self::Or(left, right));
        }
        if binary.op.id() == T_LUNLESS {
            return Ok(Self::Unless(left, right));
        }
        let operator =
            token(binary.op.id(), &ARITHMETIC).ok_or_else(|| refused(&binary.op.to_string()))?;
        Ok(Self::Arithmetic { operator, left, right })
    }

    fn call(call: &Call) -> Result<Self, String> {
        let arguments: Vec<&Expr> = call.args.args.iter().map(|argument| &**argument).collect();
        let name = call.func.name;
        if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            let [Expr::MatrixSelector(range)] = arguments.as_slice() else {
                return Err(refused("a subquery"));
            };
            if range.range > MAX_RANGE {
                return Err(format!(
                    "it looks back {:?}; scrapes are kept for {MAX_RANGE:?}",
                    range.range
                ));
            }
            return Ok(Self::Over {
                function: *function,
                series: Series::of(&range.vs)?,
                range: range.range,
            });
        }
        match (name, arguments.as_slice()) {
            ("clamp_min", [of, low]) => Self::clamp(of, number(low)?, f64::INFINITY),
            ("clamp_max", [of, high]) => Self::clamp(of, f64::NEG_INFINITY, number(high)?),
            ("clamp", [of, low, high]) => Self::clamp(of, number(low)?, number(high)?),
            ("histogram_quantile", [quantile, of]) => {
                Ok(Self::Quantile { quantile: number(quantile)?, of: Box::new(Self::of(of)?) })
            }
            ("vector", [of]) => Ok(Self::Vector(Box::new(Self::of(of)?))),
            ("scalar", [of]) => Ok(Self::Scalar(Box::new(Self::of(of)?))),
            _ => Err(refused(&format!("{name}(…)"))),
        }
    }

    fn clamp(of: &Expr, low: f64, high: f64) -> Result<Self, String> {
        Ok(Self::Clamp { low, high, of: Box::new(Self::of(of)?) })
    }
}

impl Series {
    fn of(selector: &VectorSelector) -> Result<Self, String> {
        if selector.offset.is_some() || selector.at.is_some() {
            return Err(refused("offset or @"));
        }
        if !selector.matchers.or_matchers.is_empty() {
            return Err(refused("or between matchers"));
        }
        let mut matchers = selector.matchers.matchers.clone();
        let metric = match &selector.name {
            Some(name) => name.clone(),
            // {"a.name in quotes", …}
            None => {
                let named =
                    matchers.iter().position(|m| m.name == "__name__" && m.op.to_string() == "=");
                matchers.remove(named.ok_or("a series needs the name of its metric")?).value
            }
        };
        if matchers.iter().any(|matcher| matcher.name == "__name__") {
            return Err(refused("a second matcher of the metric's name"));
        }
        Ok(Self { metric, matchers })
    }
}

fn token<T: Copy>(id: TokenId, known: &[(TokenId, T)]) -> Option<T> {
    known.iter().find(|(token, _)| *token == id).map(|(_, meaning)| *meaning)
}

fn number(expression: &Expr) -> Result<f64, String> {
    match Plan::of(expression)? {
        Plan::Number(number) => Ok(number),
        Plan::Arithmetic { operator: Arithmetic::Multiply, left, right } => match (*left, *right) {
            (Plan::Number(left), Plan::Number(right)) => Ok(left * right),
            _ => Err(refused("a bound or quantile that is not a plain number")),
        },
        _ => Err(refused("a bound or quantile that is not a plain number")),
    }
}

fn refused(what: &str) -> String {
    format!(
        "{what} is not evaluated on scraped series; known are + - * / or unless, sum max min avg count by/without, rate increase \
         deriv {{avg,max,min,sum}}_over_time, histogram_quantile, clamp, scalar, vector (ask a Prometheus for more)"
    )
}

const AGGREGATIONS: [(TokenId, Aggregation); 5] = [
    (T_SUM, Aggregation::Sum),
    (T_MAX, Aggregation::Max),
    (T_MIN, Aggregation::Min),
    (T_AVG, Aggregation::Mean),
    (T_COUNT, Aggregation::Count),
];

const ARITHMETIC: [(TokenId, Arithmetic); 4] = [
    (T_ADD, Arithmetic::Add),
    (T_SUB, Arithmetic::Subtract),
    (T_MUL, Arithmetic::Multiply),
    (T_DIV, Arithmetic::Divide),
];

const FUNCTIONS: [(&str, Over); 7] = [
    ("rate", Over::Rate),
    ("increase", Over::Increase),
    ("deriv", Over::Derivative),
    ("avg_over_time", Over::Mean),
    ("max_over_time", Over::Max),
    ("min_over_time", Over::Min),
    ("sum_over_time", Over::Sum),
];

/// Our scrapes live in memory; demand needs minutes, not hours.
const MAX_RANGE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
