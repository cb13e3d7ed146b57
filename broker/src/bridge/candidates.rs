//! Which candidate of a target is tried next. A round goes over all of them without a wait; who waits does so behind a round in vain.
//!
//! They are tried in their order (or in any, by `randomize`), but for the one where a bridge broke, which comes last: where a master ended, another
//! one serves; where only the line was cut, those that do not serve refuse at once. As ActiveMQ's failover transport has it.

use super::target::Target;

/// See the module.
#[derive(Debug)]
pub struct Candidates {
    count: usize,
    is_shuffled: bool,
    /// Those that are still to be tried in this round, the next one last.
    left: Vec<usize>,
    /// Those that were, and why there is no bridge to them.
    failures: Vec<(usize, Failure)>,
    /// Where a bridge broke last.
    broke: Option<usize>,
}

#[derive(Debug)]
struct Failure {
    why: String,
    for_good: bool,
}

impl Candidates {
    /// Those of this target.
    pub fn new(target: &Target) -> Self {
        debug_assert!(!target.candidates.is_empty(), "a target is somewhere");
        let (count, is_shuffled) = (target.candidates.len(), target.randomize);
        Self { count, is_shuffled, left: Vec::new(), failures: Vec::new(), broke: None }
    }

    /// A round begins. `chance` is any number.
    pub fn begin(&mut self, chance: u64) {
        self.failures.clear();
        self.left = (0..self.count).rev().collect();
        if self.is_shuffled {
            shuffle(&mut self.left, chance);
        }
        if let Some(broke) = self.broke {
            self.left.retain(|one| *one != broke);
            self.left.insert(0, broke);
        }
    }

    /// Whom to try next; nobody where all were.
    pub fn take(&mut self) -> Option<usize> {
        self.left.pop()
    }

    /// There is no bridge to this one.
    pub fn failed(&mut self, one: usize, why: String, for_good: bool) {
        self.failures.push((one, Failure { why, for_good }));
    }

    /// The bridge to this one broke. Where it stood for long the others are tried anew, before it.
    pub fn broke(&mut self, one: usize, why: String, for_good: bool, was_long: bool, chance: u64) {
        self.broke = Some(one);
        if was_long {
            self.begin(chance);
            self.left.retain(|left| *left != one);
        }
        self.failed(one, why, for_good);
    }

    /// Why the round was in vain, and whether another one would be.
    pub fn in_vain(&self, target: &Target) -> (String, bool) {
        // In the target's order, so that the same reasons are the same text.
        let mut all: Vec<_> = self.failures.iter().collect();
        all.sort_by_key(|(one, _)| *one);
        let for_good = all.iter().all(|(_, failure)| failure.for_good);
        if let ([(_, failure)], 1) = (&all[..], self.count) {
            return (failure.why.clone(), for_good);
        }
        let said = all.iter().filter_map(|(one, failure)| {
            target.candidates.get(*one).map(|remote| format!("{remote}: {}", failure.why))
        });
        (said.collect::<Vec<_>>().join("; "), for_good)
    }
}

/// By SplitMix64, which needs no more than a number to begin with.
fn shuffle(list: &mut [usize], mut state: u64) {
    for last in (1..list.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = (mixed ^ (mixed >> 31)) % (last as u64 + 1);
        list.swap(last, usize::try_from(chosen).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::Remote;
    use super::*;

    fn target(count: u16, randomize: bool) -> Target {
        let candidates = (0..count).map(|port| Remote::new("h", port + 1)).collect();
        Target { candidates, randomize, retry: None }
    }

    fn fail_all(candidates: &mut Candidates) -> Vec<usize> {
        let mut tried = Vec::new();
        while let Some(one) = candidates.take() {
            candidates.failed(one, format!("refused by {one}"), false);
            tried.push(one);
        }
        tried
    }

    #[test]
    fn a_round_goes_over_all_in_order_and_the_one_where_a_bridge_broke_comes_last() {
        let target = target(3, false);
        let mut candidates = Candidates::new(&target);
        candidates.begin(0);
        assert_eq!(fail_all(&mut candidates), [0, 1, 2]);
        candidates.begin(0);
        assert_eq!(candidates.take(), Some(0));
        // It stood for long: the others are tried at once, and it waits for the next round.
        candidates.broke(0, "cut".to_owned(), false, true, 0);
        assert_eq!(fail_all(&mut candidates), [1, 2]);
        let (why, for_good) = candidates.in_vain(&target);
        assert_eq!(why, "tcp://h:1: cut; tcp://h:2: refused by 1; tcp://h:3: refused by 2");
        assert!(!for_good);
        candidates.begin(0);
        assert_eq!(fail_all(&mut candidates), [1, 2, 0]);
    }

    #[test]
    fn bridges_that_break_at_once_end_the_round_like_those_that_never_stood() {
        let target = target(2, false);
        let mut candidates = Candidates::new(&target);
        candidates.begin(0);
        for expected in [0, 1] {
            assert_eq!(candidates.take(), Some(expected));
            candidates.broke(expected, "cut".to_owned(), true, false, 0);
        }
        assert_eq!(candidates.take(), None);
        assert!(candidates.in_vain(&target).1);
    }

    #[test]
    fn one_alone_is_told_without_its_address() {
        let target = target(1, true);
        let mut candidates = Candidates::new(&target);
        candidates.begin(7);
        assert_eq!(candidates.take(), Some(0));
        candidates.broke(0, "cut".to_owned(), false, true, 7);
        assert_eq!(candidates.take(), None);
        assert_eq!(candidates.in_vain(&target), ("cut".to_owned(), false));
    }

    #[test]
    fn chance_makes_every_order_and_tries_each_once() {
        let mut candidates = Candidates::new(&target(3, true));
        let mut orders = std::collections::HashSet::new();
        for chance in 0..200 {
            candidates.begin(chance);
            orders.insert(fail_all(&mut candidates));
        }
        assert_eq!(orders.len(), 6);
        candidates.broke = Some(1);
        for chance in 0..20 {
            candidates.begin(chance);
            assert_eq!(fail_all(&mut candidates).last(), Some(&1));
        }
    }
}
