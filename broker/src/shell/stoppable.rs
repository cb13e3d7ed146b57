//! A relay whose work can get stuck, at a socket that takes no more, until somebody who hears that it goes on takes it up again.
//!
//! Who takes it up and finds the relay held relies on the holder to look again. So a holder says that it is stuck only when it
//! has let go: said before, the other could come in between, find it held, and both would go. And who finds it stuck looks again
//! when it has let go, for the same reason. The unit tests try every interleaving.

use std::ops::ControlFlow;

#[cfg(test)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(test))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

use super::relay::{Guard, Relay};

/// How a piece of work ended.
pub(crate) enum Step<B> {
    /// Everything that was announced is done.
    Done,
    /// It cannot go on for now.
    Stuck,
    /// It does not go on, for this reason.
    Stop(B),
}

/// How a try to work ended.
pub(crate) enum Served<B> {
    /// Everything is done, or somebody else is at it.
    Done,
    /// It cannot go on until [`Stoppable::go_on`]; `newly` if that is to be told to whoever calls this.
    Stuck { newly: bool },
    /// It did not go on, for this reason.
    Stopped(B),
}

/// See the module.
pub(crate) struct Stoppable<T> {
    relay: Relay<T>,
    stuck: AtomicBool,
}

impl<T> Stoppable<T> {
    pub(crate) fn new(held: T) -> Self {
        Self { relay: Relay::new(held), stuck: AtomicBool::new(false) }
    }

    /// As [`Relay::announce`].
    pub(crate) fn announce(&self) {
        self.relay.announce();
    }

    /// As [`Relay::is_announced`].
    pub(crate) fn is_announced(&self) -> bool {
        self.relay.is_announced()
    }

    /// As [`Relay::take_on`].
    pub(crate) fn take_on(&self) -> bool {
        self.relay.take_on()
    }

    /// Whether it was stuck when it was last tried.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// It may go on; [`Stoppable::serve`] is called next.
    pub(crate) fn go_on(&self) {
        self.stuck.store(false, Ordering::Release);
    }

    /// Does what there is to do, unless somebody else holds, or it is stuck.
    pub(crate) fn serve<B>(&self, mut work: impl FnMut(Guard<'_, T>) -> Step<B>) -> Served<B> {
        loop {
            let mut newly = false;
            let stopped = self.relay.serve(true, |held| {
                if self.is_stuck() {
                    return ControlFlow::Break(None);
                }
                match work(held) {
                    Step::Done => ControlFlow::Continue(()),
                    Step::Stuck => {
                        newly = true;
                        ControlFlow::Break(None)
                    }
                    Step::Stop(reason) => ControlFlow::Break(Some(reason)),
                }
            });
            match stopped {
                None => return Served::Done,
                Some(Some(reason)) => return Served::Stopped(reason),
                Some(None) if newly => {
                    self.stuck.store(true, Ordering::Release);
                    return Served::Stuck { newly };
                }
                Some(None) => {
                    // Either whoever takes it up sees that the relay is free, or we see that it was taken up: never neither.
                    fence(Ordering::SeqCst);
                    if self.is_stuck() {
                        return Served::Stuck { newly };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// What is announced, and a socket with room for so many.
    struct World {
        stoppable: Stoppable<u32>,
        inbox: Mutex<u32>,
        room: Mutex<u32>,
    }

    impl World {
        fn serve(&self) {
            self.stoppable.serve(|mut unwritten| {
                loop {
                    if self.stoppable.take_on() {
                        *unwritten += std::mem::take(&mut *self.inbox.lock().unwrap());
                    }
                    let mut room = self.room.lock().unwrap();
                    let written = (*unwritten).min(*room);
                    *room -= written;
                    *unwritten -= written;
                    if *unwritten > 0 {
                        // As what is not encoded goes back. (The model changes threads at a lock, not where one is let go.)
                        drop(room);
                        drop(self.inbox.lock().unwrap());
                        return Step::<()>::Stuck;
                    }
                    if !self.stoppable.is_announced() {
                        return Step::Done;
                    }
                }
            });
        }

        fn announce(&self) {
            *self.inbox.lock().unwrap() += 1;
            self.stoppable.announce();
            self.serve();
        }

        /// The client reads, and its connection's task sees that the socket takes more.
        fn read(&self) {
            *self.room.lock().unwrap() += 9;
            if self.stoppable.is_stuck() {
                self.stoppable.go_on();
                self.serve();
            }
        }
    }

    /// Whatever comes of each interleaving: all is written, or it is said to be stuck, so that the task comes again.
    fn nothing_is_left(stuck_before: bool, writers: usize) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = (writers > 1).then_some(2);
        model.check(move || {
            let world =
                Arc::new(World { stoppable: Stoppable::new(0), inbox: Mutex::new(0), room: Mutex::new(0) });
            if stuck_before {
                world.announce();
            }
            let writers: Vec<_> = (0..writers)
                .map(|_| {
                    let world = Arc::clone(&world);
                    thread::spawn(move || world.announce())
                })
                .collect();
            world.read();
            for writer in writers {
                writer.join().unwrap();
            }
            let stuck = world.stoppable.is_stuck();
            world.stoppable.go_on();
            let mut unwritten = *world.inbox.lock().unwrap();
            world.stoppable.serve(|held| {
                unwritten += *held;
                Step::Stop(())
            });
            assert!(unwritten == 0 || stuck, "{unwritten} were left lying, and nobody is told");
        });
    }

    #[test]
    fn who_gets_stuck_is_heard_of_by_who_takes_it_up() {
        nothing_is_left(false, 1);
        nothing_is_left(false, 2);
    }

    #[test]
    fn who_finds_it_stuck_looks_again_for_who_takes_it_up() {
        nothing_is_left(true, 1);
        nothing_is_left(true, 2);
    }
}
