//! A simulated GPU fleet: requests wait in line, replicas take minutes to become Ready.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::MutexGuard;

use jiff::{SignedDuration, Timestamp};

use super::demand::Dice;

/// Requests that one replica serves at once (vLLM's `max_num_seqs`).
pub(crate) const SLOTS: usize = 8;

/// Time that one request takes.
pub(crate) const SERVICE: SignedDuration = SignedDuration::from_secs(6);

/// A request that waits longer than this before it is served counts as late.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Requests that arrived.
    pub(crate) arrived: u64,
    /// Requests that waited longer than [`PATIENCE`], those still in line included.
    pub(crate) late: u64,
    /// Replica-seconds, starting ones included: a GPU costs from the moment it is taken.
    pub(crate) gpu_seconds: u64,
    /// Cold starts begun.
    pub(crate) starts: u64,
}

/// One model's replicas and its line of requests; advances by whole seconds.
#[derive(Debug)]
pub(crate) struct Fleet {
    model: &'static str,
    cold_start: SignedDuration,
    dice: Dice,
    ready: usize,
    /// When each starting replica becomes Ready; the newest last.
    starting: Vec<Timestamp>,
    /// Arrival times of requests that wait.
    line: VecDeque<Timestamp>,
    /// When each running request ends, soonest first.
    running: VecDeque<Timestamp>,
    served: u64,
    tally: Tally,
}

impl Fleet {
    /// A fleet of `model` without replicas whose starts take `cold_start` ± 20 %.
    pub(crate) fn new(model: &'static str, cold_start: SignedDuration, seed: u64) -> Self {
        Self {
            model,
            cold_start,
            dice: Dice::new(seed),
            ready: 0,
            starting: Vec::new(),
            line: VecDeque::new(),
            running: VecDeque::new(),
            served: 0,
            tally: Tally::default(),
        }
    }

    /// Ready replicas.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Replicas, starting ones included: what the HPA calls current.
    pub(crate) fn current(&self) -> usize {
        self.ready + self.starting.len()
    }

    /// Requests in line.
    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Requests being served or in line: vLLM's running + waiting.
    pub(crate) fn demand(&self) -> f64 {
        (self.running.len() + self.line.len()) as f64
    }

    /// What was counted so far; requests that wait too long already are late whenever they will be
    /// served.
    pub(crate) fn tally(&self, now: Timestamp) -> Tally {
        let late =
            self.line.iter().filter(|arrived| now.duration_since(**arrived) > PATIENCE).count();
        Tally { late: self.tally.late + late as u64, ..self.tally }
    }

    /// Sets the wanted number of replicas: starts the missing ones, or takes away starting ones
    /// (newest first), then Ready ones.
    pub(crate) fn scale_to(&mut self, wanted: usize, now: Timestamp) {
        while self.current() < wanted {
            let jitter = 0.8 + 0.4 * self.dice.uniform();
            let takes = SignedDuration::from_secs_f64(self.cold_start.as_secs_f64() * jitter);
            self.starting.push(now + takes);
            self.tally.starts += 1;
        }
        while self.current() > wanted {
            if self.starting.pop().is_none() {
                self.ready -= 1;
            }
        }
    }

    /// One second with `arrivals` new requests.
    pub(crate) fn second(&mut self, now: Timestamp, arrivals: u64) {
        let before = self.starting.len();
        self.starting.retain(|ready_at| *ready_at > now);
        self.ready += before - self.starting.len();
        while self.running.front().is_some_and(|ends| *ends <= now) {
            self.running.pop_front();
            self.served += 1;
        }
        self.tally.arrived += arrivals;
        self.line.extend((0..arrivals).map(|_| now));
        while self.running.len() < self.ready * SLOTS
            && let Some(arrived) = self.line.pop_front()
        {
            if now.duration_since(arrived) > PATIENCE {
                self.tally.late += 1;
            }
            self.running.push_back(now + SERVICE);
        }
        self.tally.gpu_seconds += self.current() as u64;
    }

    /// What vLLM servers would expose, summed over each fleet.
    pub(crate) fn exposition(fleets: &[MutexGuard<'_, Self>]) -> String {
        // Name, kind, and what it counts.
        type Family = (&'static str, &'static str, fn(&Fleet) -> u64);
        let families: [Family; 4] = [
            ("vllm:num_requests_running", "gauge", |fleet| fleet.running.len() as u64),
            ("vllm:num_requests_waiting", "gauge", |fleet| fleet.line.len() as u64),
            ("vllm:time_to_first_token_seconds_count", "counter", |fleet| {
                fleet.served + fleet.running.len() as u64
            }),
            ("vllm:request_success_total", "counter", |fleet| fleet.served),
        ];
        let mut text = String::new();
        for (name, kind, value) in families {
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for fleet in fleets {
                let (model, value) = (fleet.model, value(fleet));
                let _ = writeln!(text, "{name}{{model_name=\"{model}\",engine=\"0\"}} {value}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_replica_serves_only_after_its_cold_start_and_costs_from_the_beginning() {
        let mut fleet = Fleet::new("demo", SignedDuration::from_secs(100), 1);
        fleet.scale_to(1, at(0));
        for second in 0..60 {
            fleet.second(at(second), u64::from(second == 0));
        }
        assert_eq!((fleet.ready(), fleet.current(), fleet.waiting()), (0, 1, 1));
        for second in 60..130 {
            fleet.second(at(second), 0);
        }
        assert_eq!((fleet.ready(), fleet.waiting()), (1, 0));
        let tally = fleet.tally(at(130));
        assert_eq!((tally.arrived, tally.late, tally.gpu_seconds, tally.starts), (1, 1, 130, 1));
    }

    #[test]
    fn requests_beyond_the_slots_wait_in_line() {
        let mut fleet = Fleet::new("demo", SignedDuration::ZERO, 1);
        fleet.scale_to(1, at(0));
        fleet.second(at(0), SLOTS as u64 + 3);
        assert_eq!((fleet.waiting(), fleet.demand()), (3, SLOTS as f64 + 3.0));
        fleet.second(at(6), 0);
        assert_eq!(fleet.waiting(), 0);
        assert_eq!(fleet.tally(at(6)).late, 0);
    }

    #[test]
    fn starting_replicas_are_given_back_first() {
        let mut fleet = Fleet::new("demo", SignedDuration::ZERO, 1);
        fleet.scale_to(2, at(0));
        fleet.second(at(0), 0);
        fleet.scale_to(4, at(1));
        fleet.scale_to(2, at(1));
        assert_eq!((fleet.ready(), fleet.current()), (2, 2));
    }
}
