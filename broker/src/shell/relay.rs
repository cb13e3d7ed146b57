//! Whoever is there does the work, and looks again before going.
//!
//! Work is announced by anyone, at any time, and done by one at a time, who holds what it needs. Nobody waits to do it: where somebody holds
//! already, that one sees to what was announced meanwhile. Neither may miss the other: who announces and finds it held relies on
//! the holder to look again; the holder, having let go and found nothing announced, relies on whoever announces next to find it free.
//!
//! The hub's core (answers of the store) and each outbox (what waits for a socket) are handed over so. The unit tests try every
//! interleaving.

use std::ops::ControlFlow;

#[cfg(test)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering, fence},
};
#[cfg(not(test))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering, fence},
};
use std::sync::{PoisonError, TryLockError};

/// What holds a relay.
pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

/// Something that one at a time holds, and the work on it. See the module.
pub(crate) struct Relay<T> {
    announced: AtomicBool,
    held: Mutex<T>,
}

impl<T> Relay<T> {
    pub(crate) fn new(held: T) -> Self {
        Self { announced: AtomicBool::new(false), held: Mutex::new(held) }
    }

    /// Says that there is work, after it was put where [`Relay::serve`]'s caller finds it.
    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::Release);
    }

    /// Whether work was announced that nobody has taken on yet.
    pub(crate) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Acquire)
    }

    /// Takes the announced work on; whoever holds calls this before it looks for it.
    pub(crate) fn take_on(&self) -> bool {
        self.is_announced() && self.announced.swap(false, Ordering::AcqRel)
    }

    /// Holds it, waiting for whoever does. Whoever has let go calls [`Relay::serve`].
    pub(crate) fn hold(&self) -> Guard<'_, T> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds it if nobody does. Not for others: who holds it for a glance and does not look again leaves work lying.
    fn try_hold(&self) -> Option<Guard<'_, T>> {
        match self.held.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Does what is announced, again and again until nothing is, unless somebody else holds; `first` where there is something to do at
    /// first though nothing is announced. The work lets go of what it is given, or gives a reason to stop.
    pub(crate) fn serve<B>(
        &self,
        first: bool,
        mut work: impl FnMut(Guard<'_, T>) -> ControlFlow<B>,
    ) -> Option<B> {
        let mut must = first;
        loop {
            // Either whoever holds it sees what was announced before this, or we see that it is free: never neither.
            fence(Ordering::SeqCst);
            if !must && !self.is_announced() {
                return None;
            }
            must = false;
            if let ControlFlow::Break(reason) = work(self.try_hold()?) {
                return Some(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// What is announced, and what was done of it.
    struct World {
        relay: Relay<Vec<u32>>,
        inbox: Mutex<Vec<u32>>,
    }

    impl World {
        fn take(&self, done: &mut Vec<u32>) {
            if self.relay.take_on() {
                done.append(&mut self.inbox.lock().unwrap());
            }
        }

        /// As a completion of the store, or a push to an outbox.
        fn announce(&self, what: u32) {
            self.inbox.lock().unwrap().push(what);
            self.relay.announce();
            self.serve();
        }

        fn serve(&self) {
            self.relay.serve(false, |mut done| {
                self.take(&mut done);
                ControlFlow::<()>::Continue(())
            });
        }

        /// As a turn: it waits until it holds, does something of its own, and looks again when it has let go.
        fn turn(&self, what: u32) {
            let mut done = self.relay.hold();
            self.take(&mut done);
            done.push(what);
            drop(done);
            self.serve();
        }
    }

    /// Every interleaving of two; of three, all in which no more than so many threads are interrupted against their will.
    fn nothing_is_left(others: u32, actors: impl Fn(&World, u32) + Copy + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = (others > 1).then_some(2);
        model.check(move || {
            let world = Arc::new(World { relay: Relay::new(Vec::new()), inbox: Mutex::new(Vec::new()) });
            let threads: Vec<_> = (1..=others)
                .map(|number| {
                    let world = Arc::clone(&world);
                    thread::spawn(move || actors(&world, number))
                })
                .collect();
            actors(&world, 0);
            for thread in threads {
                thread.join().unwrap();
            }
            let mut done = world.relay.hold().clone();
            done.sort_unstable();
            assert!(done.into_iter().eq(0..=others), "something was announced and left lying");
            assert!(!world.relay.is_announced());
        });
    }

    #[test]
    fn whatever_is_announced_is_done_by_somebody() {
        nothing_is_left(1, World::announce);
        nothing_is_left(2, World::announce);
    }

    #[test]
    fn what_is_announced_while_others_take_turns_is_done_by_somebody() {
        let act = |world: &World, number| match number {
            0 => world.turn(number),
            _ => world.announce(number),
        };
        nothing_is_left(1, act);
        nothing_is_left(2, act);
    }
}
