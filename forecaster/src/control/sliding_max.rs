//! The largest value of a sliding window.

use std::collections::VecDeque;

/// The largest of the values that are young enough, in amortized constant time: a monotonic queue.
/// For the smallest, wrap values in [`std::cmp::Reverse`].
///
/// `T` is an instant, `V` a value that has an order (no NaN). Instants never descend between two
/// calls of [`Self::push`]; [`Self::forget_from`] makes room for an instant that comes again.
#[derive(Debug, Clone)]
pub(crate) struct SlidingMax<T, V> {
    /// The newest value. It stands apart because most values equal it: those leave the queue alone.
    newest: Option<(T, V)>,
    /// Older values that exceed every newer one: falling, oldest first.
    larger: VecDeque<(T, V)>,
}

impl<T, V> Default for SlidingMax<T, V> {
    fn default() -> Self {
        Self { newest: None, larger: VecDeque::new() }
    }
}

impl<T: Copy + PartialOrd, V: Copy + PartialOrd> SlidingMax<T, V> {
    /// Adds a value; those before it that are not larger can never be the largest again, and go.
    pub(crate) fn push(&mut self, at: T, value: V) {
        match self.newest {
            Some(newest) if newest.1 > value => self.larger.push_back(newest),
            Some(newest) if newest.1 == value => {}
            _ => {
                while self.larger.back().is_some_and(|(_, older)| *older <= value) {
                    self.larger.pop_back();
                }
            }
        }
        self.newest = Some((at, value));
    }

    /// The largest of what is kept.
    pub(crate) fn max(&self) -> Option<V> {
        self.larger.front().or(self.newest.as_ref()).map(|(_, value)| *value)
    }

    /// The largest of what came at or after `oldest`.
    pub(crate) fn max_since(&self, oldest: T) -> Option<V> {
        let mut kept = self.larger.iter().chain(&self.newest);
        kept.find(|(at, _)| *at >= oldest).map(|(_, value)| *value)
    }

    /// Forgets what came before `oldest`.
    pub(crate) fn forget_before(&mut self, oldest: T) {
        while self.larger.front().is_some_and(|(at, _)| *at < oldest) {
            self.larger.pop_front();
        }
        if self.newest.is_some_and(|(at, _)| at < oldest) {
            self.newest = None;
        }
    }

    /// Forgets what came at or after `at`: an instant that comes again replaces what it said
    /// before.
    pub(crate) fn forget_from(&mut self, at: T) {
        while self.newest.is_some_and(|(newest, _)| newest >= at) {
            self.newest = self.larger.pop_back();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.newest = None;
        self.larger.clear();
    }

    /// Instants and values that are kept, oldest first: pushed again in this order they make the
    /// same window.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (T, V)> + '_ {
        self.larger.iter().chain(&self.newest).copied()
    }

    /// Instant of the newest value.
    #[cfg(test)]
    pub(crate) fn newest_at(&self) -> Option<T> {
        self.newest.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn at_three_the_nine_scrolls_out() {
        let mut window = SlidingMax::default();
        let most = |(at, value): (u32, u32)| {
            window.push(at, value);
            window.forget_before(at.saturating_sub(2));
            window.max()
        };
        let seen: Vec<_> = (0..).zip([9, 4, 6, 2, 2, 2, 7]).map(most).collect();
        assert_eq!(seen, [9, 9, 9, 6, 6, 2, 7].map(Some));
    }

    #[test]
    fn an_instant_that_comes_again_replaces_what_it_said() {
        let mut window = SlidingMax::default();
        for (at, value) in [(1, 5.0), (2, 3.0), (3, 9.0)] {
            window.push(at, value);
        }
        window.forget_from(3);
        assert_eq!(window.max(), None, "the nine had superseded the five");
        window.push(3, 1.0);
        assert_eq!((window.max(), window.max_since(4)), (Some(1.0), None));
        window.clear();
        assert_eq!(window.max(), None);
    }

    proptest! {
        /// Against looking at all values each time.
        #[test]
        fn it_is_the_largest_of_what_is_young_enough(
            values in prop::collection::vec((0u32..3, 0u32..9), 1..80), window in 0u32..12, shorter in 0u32..12,
        ) {
            let (mut most, mut least) = (SlidingMax::default(), SlidingMax::default());
            let mut seen: Vec<(u32, u32)> = Vec::new();
            let mut now = 0;
            for (pause, value) in values {
                now += pause;
                seen.push((now, value));
                most.push(now, value);
                least.push(now, Reverse(value));
                let oldest = now.saturating_sub(window);
                most.forget_before(oldest);
                least.forget_before(oldest);
                let young = |oldest: u32| seen.iter().filter(move |(at, _)| *at >= oldest).map(|(_, value)| *value);
                prop_assert_eq!(most.max(), young(oldest).max());
                prop_assert_eq!(least.max(), young(oldest).min().map(Reverse));
                let recent = now.saturating_sub(shorter.min(window));
                prop_assert_eq!(most.max_since(recent), young(recent).max());
            }
        }
    }
}
