//! Work without an order of its own, on all cores.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use rayon::iter::{ParallelBridge, ParallelIterator};

/// A piece of work.
pub(crate) type Job<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// How many jobs are done at once.
pub(crate) fn cores() -> usize {
    rayon::current_num_threads()
}

/// Does all jobs, begun in their order (the longest should come first), and returns what they
/// return, in the same. `glance` is called every ten milliseconds meanwhile. A job that panics
/// panics here.
pub(crate) fn on_all_cores<T: Send>(jobs: Vec<Job<'_, T>>, glance: impl Fn()) -> Vec<T> {
    let mut done: Vec<(usize, T)> = thread::scope(|threads| {
        let jobs = jobs.into_iter().enumerate();
        let work = threads.spawn(|| jobs.par_bridge().map(|(i, job)| (i, job())).collect());

        while !work.is_finished() {
            glance();
            thread::park_timeout(GLANCE);
        }

        work.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The end of the last job is seen as late at most.
const GLANCE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        // The first job ends only when the second has begun.
        let cores = cores().min(2);
        let both = Barrier::new(cores);
        let job = |n: usize| {
            let both = &both;
            Box::new(move || {
                if n < cores {
                    both.wait();
                }
                n
            }) as Job<'_, usize>
        };
        assert_eq!(on_all_cores((0..9).map(job).collect(), || {}), (0..9).collect::<Vec<_>>());
        assert_eq!(on_all_cores(Vec::<Job<'_, ()>>::new(), || {}), []);
    }
}
