//! Whether what waits shows in what is asked.

use std::convert::Infallible;

use promql_parser::parser::{Call, Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

use super::{Query, Signals};

/// Functions of what arrives, or is done, over a time: what waits is not in it.
const FLOWS: [&str; 7] =
    ["rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"];

/// Beginnings of words in the names of metrics that hold what waits.
const WAITING: [&str; 5] = ["wait", "queue", "pending", "backlog", "inflight"];

impl Signals {
    /// Whether a queue shows in demand or beside it. Where in doubt it does not: shadow policies
    /// that lean on a signal which is not there let a queue grow without end, whereas those that do
    /// not know of one cost a few per cent more.
    pub fn show_queue(&self) -> bool {
        self.backlog.is_some()
            || match &self.demand {
                // Requests in flight, those that wait included; the length of a broker's queue.
                Query::Preset(_) | Query::Trigger(_) => true,
                Query::Text(text) => holds_what_waits(text),
            }
    }
}

/// What an expression is made of.
#[derive(Debug, Default)]
struct Parts {
    flows: bool,
    waits: bool,
}

impl Parts {
    fn see(&mut self, metric: &VectorSelector) {
        let name = metric.name.as_deref().unwrap_or_default().to_lowercase();
        let waits = |word: &str| {
            word == "lag" || WAITING.iter().any(|beginning| word.starts_with(beginning))
        };
        self.waits |= name.split(['_', ':']).any(waits) || name.contains("in_flight");
    }
}

impl ExprVisitor for Parts {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::Call(Call { func, .. }) => self.flows |= FLOWS.contains(&func.name),
            Expr::VectorSelector(metric) => self.see(metric),
            Expr::MatrixSelector(range) => self.see(&range.vs),
            _ => {}
        }
        Ok(true)
    }
}

/// Whether what waits is part of what a PromQL expression comes to: a metric of it, and no rate.
pub fn holds_what_waits(promql: &str) -> bool {
    let Ok(expr) = parse(promql) else { return false };
    let mut parts = Parts::default();
    let Ok(_) = walk_expr(&mut parts, &expr);
    parts.waits && !parts.flows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(demand: &str) -> bool {
        let demand = Query::Text(demand.to_owned());
        Signals { demand, backlog: None, latency: None }.show_queue()
    }

    #[test]
    fn what_waits_shows_in_a_gauge_of_it_and_not_in_a_rate() {
        assert!(shows("sum(vllm:num_requests_running) + sum(vllm:num_requests_waiting)"));
        assert!(shows(r#"sum(max_over_time(gateway_requests_in_flight{app="a"}[1m]))"#));
        assert!(!shows(r#"sum(rate(http_requests_total{queue="a"}[2m]))"#));
        assert!(!shows("sum(rate(queue_published_total[2m]))"));
        assert!(!shows("sum(vllm:num_requests_running)"));
        assert!(shows("sum(kafka_consumergroup_lag)") && !shows("sum(feature_flag_users)"));
        assert!(!shows("what is this"));
    }

    #[test]
    fn a_backlog_beside_demand_is_seen() {
        let rate = Query::Text("sum(rate(http_requests_total[2m]))".to_owned());
        let queue = Query::Text("sum(waiting)".to_owned());
        assert!(Signals { demand: rate, backlog: Some(queue), latency: None }.show_queue());
    }
}
