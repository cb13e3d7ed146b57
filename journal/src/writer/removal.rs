//! Takes away the files of segments that are given up, beside the rounds: to free the blocks of one takes longer than a flush.
//!
//! By a thread of its own, one after another, in the order in which they were given up; or, for tests that want one order of events, in
//! place. **It may be late, by any time**: that a segment is released is durable, and mastership was proven after that, before it comes
//! here, and no name is ever used again. What is left when the process dies, the next master sweeps.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use kahawai_store::contract::StoreError;

use crate::disk::Disk;
use crate::log::segment::Segment;
use crate::shared::Shared;

/// What takes files away.
pub(super) struct Removals {
    disk: Arc<dyn Disk>,
    /// None where it is done in place.
    remover: Option<Remover>,
}

/// The thread; it takes away what it was given, and ends, when this is dropped.
struct Remover {
    orders: Option<Sender<Arc<Segment>>>,
    left: Arc<Left>,
    /// How many may be left when the next segment is begun.
    allowed: usize,
    thread: Option<JoinHandle<()>>,
}

/// What is left to be taken away.
#[derive(Default)]
struct Left {
    count: Mutex<usize>,
    fewer: Condvar,
    /// Whether something was taken away since last asked.
    made_room: AtomicBool,
}

/// So many may be left without anybody waiting for them.
const ALWAYS_ALLOWED: usize = 2;

impl Left {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits for the thread waits no longer when it has ended; where that was a panic, the store ends.
struct Ending {
    left: Arc<Left>,
    shared: Arc<Shared>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.end(StoreError::Failed("the thread that removes segments panicked".into()));
        }
        *self.left.count() = 0;
        self.left.fewer.notify_all();
    }
}

impl Removals {
    /// Takes files from this disk, by a thread or not; an error ends what is shared.
    pub(super) fn new(disk: Arc<dyn Disk>, shared: &Arc<Shared>, threaded: bool) -> io::Result<Self> {
        let remover =
            if threaded { Some(Remover::start(Arc::clone(&disk), Arc::clone(shared))?) } else { None };
        Ok(Self { disk, remover })
    }

    /// Whether it is done in place.
    pub(super) fn is_in_place(&self) -> bool {
        self.remover.is_none()
    }

    /// Takes a segment's file away, soon, or now where its room is needed and no other is to go before it. It is closed there too, unless
    /// somebody reads it. Tells whether it is done.
    ///
    /// # Errors
    /// Of the disk, where it is done now.
    pub(super) fn remove(&mut self, segment: Arc<Segment>, now: bool) -> io::Result<bool> {
        let now = now && !self.is_any_left();
        let Some(remover) = self.remover.as_mut().filter(|_| !now) else {
            self.disk.remove(segment.name())?;
            return Ok(true);
        };
        *remover.left.count() += 1;
        remover.allowed = remover.allowed.max(*remover.left.count());
        // Where the thread has ended, so has the store.
        let _ = remover.orders.as_ref().map(|orders| orders.send(segment));
        Ok(false)
    }

    /// Whether files are left to be taken away.
    pub(super) fn is_any_left(&self) -> bool {
        self.remover.as_ref().is_some_and(|remover| *remover.left.count() > 0)
    }

    /// Waits until a file is gone that was not when [`Removals::made_room`] was asked last, for whoever needs its room; `false` where there is none,
    /// and none is left.
    pub(super) fn wait_for_one(&self) -> bool {
        let Some(remover) = &self.remover else { return false };
        let made_room = &remover.left.made_room;
        let count = remover.left.count();
        drop(remover.left.fewer.wait_while(count, |count| *count > 0 && !made_room.load(Ordering::Relaxed)));
        made_room.swap(false, Ordering::Relaxed)
    }

    /// Whether room was made since last asked.
    pub(super) fn made_room(&self) -> bool {
        self.remover.as_ref().is_some_and(|remover| remover.left.made_room.swap(false, Ordering::Relaxed))
    }

    /// To be called for each segment that is begun: waits until one file more is gone than before the last, so that the disk is never
    /// filled faster than it is emptied. Rarely waits at all.
    pub(super) fn keep_up(&mut self) {
        let Some(remover) = &mut self.remover else { return };
        remover.allowed = remover.allowed.saturating_sub(1).max(ALWAYS_ALLOWED);
        let (allowed, count) = (remover.allowed, remover.left.count());
        drop(remover.left.fewer.wait_while(count, |count| *count > allowed));
    }
}

impl Remover {
    fn start(disk: Arc<dyn Disk>, shared: Arc<Shared>) -> io::Result<Self> {
        let (orders, ordered) = channel::<Arc<Segment>>();
        let left: Arc<Left> = Arc::default();
        let told = Arc::clone(&left);
        let thread = thread::Builder::new().name("kahawai-remove".into()).spawn(move || {
            let Ending { left, shared } = &Ending { left: told, shared };
            for segment in ordered {
                // Closed in good order, what is left is taken away; otherwise whoever comes next does it.
                if !matches!(shared.ended(), None | Some(StoreError::Closed)) {
                    return;
                }
                if let Err(error) = disk.remove(segment.name()) {
                    shared.end(shared.failed("remove", segment.number, &error));
                    return;
                }
                // Closed before it counts as gone: only then its room is free.
                drop(segment);
                left.made_room.store(true, Ordering::Relaxed);
                *left.count() -= 1;
                left.fewer.notify_all();
            }
        })?;
        Ok(Self { orders: Some(orders), left, allowed: ALWAYS_ALLOWED, thread: Some(thread) })
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told by what it left undone.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::mpsc::{Receiver, channel};

    use kahawai_store::conformance::hold::FixedHold;
    use kahawai_store::names::Epoch;

    use super::*;
    use crate::disk::faulty::{Call, FaultyDisk};
    use crate::disk::memory::MemoryDisk;
    use crate::disk::on_demand::OpenFiles;
    use crate::format::name::FileName;
    use crate::index::Index;

    /// Some segments on a disk that removes one for each word it gets, and ends with an error where there are no more words.
    fn some(count: u64) -> (MemoryDisk, Vec<Arc<Segment>>, Arc<Shared>, Removals, Sender<()>) {
        let memory = MemoryDisk::new();
        let (allow, allowed): (_, Receiver<()>) = channel();
        let allowed = Mutex::new(allowed);
        let disk: Arc<dyn Disk> =
            Arc::new(FaultyDisk::new(Arc::new(memory.clone()), move |call| match call {
                Call::Remove => allowed.lock().expect("no panic").recv().map_err(io::Error::other),
                _ => Ok(()),
            }));
        let files = OpenFiles::new(Arc::clone(&disk), 1);
        let segments = (1..=count).map(|number| {
            let name = FileName::Segment { epoch: Epoch(1), number };
            memory.create_segment(name, 4096).expect("room");
            Arc::new(Segment::new(Epoch(1), number, [0; 16], files.find(name).expect("there")))
        });
        let segments = segments.collect();
        let hold = Arc::new(FixedHold::new(Epoch(1)));
        let shared = Arc::new(Shared::new(Index::default(), BTreeMap::new(), hold));
        let removals = Removals::new(disk, &shared, true).expect("a thread");
        (memory, segments, shared, removals, allow)
    }

    #[test]
    fn nobody_waits_for_what_is_removed_and_it_goes_lowest_first() {
        let (disk, segments, _shared, mut removals, allow) = some(3);
        let names: Vec<_> = segments.iter().map(|segment| segment.name()).collect();
        for segment in segments {
            assert!(!removals.remove(segment, false).expect("it is taken"));
        }
        assert!(removals.is_any_left() && !removals.made_room());
        for gone in 1..=3 {
            allow.send(()).expect("it is waited for");
            // What is behind another does not overtake it; wait for that one alone.
            while disk.list().expect("a list").len() > 3 - gone {
                thread::yield_now();
            }
            let mut left = disk.list().expect("a list");
            left.sort_unstable();
            assert_eq!(left, names[gone..]);
        }
        drop(removals);
        assert_eq!(disk.segments_open(), 0);
    }

    #[test]
    fn a_segment_that_is_begun_waits_until_there_is_less_to_remove() {
        let (_disk, segments, _shared, mut removals, allow) = some(5);
        for segment in segments {
            removals.remove(segment, false).expect("it is taken");
        }
        let left = Arc::clone(&removals.remover.as_ref().expect("a thread").left);
        let (begun, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (begins, passes) = (Arc::clone(&begun), Arc::clone(&passed));
        let waiting = thread::spawn(move || {
            begins.store(true, Ordering::SeqCst);
            for most in [4, 3] {
                removals.keep_up();
                passes.store(true, Ordering::SeqCst);
                assert!(*left.count() <= most, "{} are left", *left.count());
            }
            // So few are no reason to wait.
            removals.keep_up();
            removals
        });
        while !begun.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        // Long enough to see whoever does not wait; whoever does is not timed.
        (0..10_000).for_each(|_| thread::yield_now());
        assert!(!passed.load(Ordering::SeqCst), "five are left, and nobody waited");
        (0..3).for_each(|_| allow.send(()).expect("it is waited for"));
        let removals = waiting.join().expect("no panic");
        (0..2).for_each(|_| allow.send(()).expect("it is waited for"));
        drop(removals);
    }

    #[test]
    fn whoever_needs_room_waits_for_one_file_after_another_until_none_is_left() {
        let (disk, segments, _shared, mut removals, allow) = some(2);
        for segment in segments {
            removals.remove(segment, false).expect("it is taken");
        }
        for left in [1, 0] {
            allow.send(()).expect("it is waited for");
            assert!(removals.wait_for_one());
            assert_eq!(disk.list().expect("a list").len(), left);
        }
        assert!(!removals.wait_for_one());
    }

    #[test]
    fn what_cannot_be_removed_ends_the_store_and_holds_nobody_up() {
        let (disk, segments, shared, mut removals, allow) = some(4);
        for segment in segments {
            removals.remove(segment, false).expect("it is taken");
        }
        drop(allow);
        while removals.is_any_left() {
            thread::yield_now();
        }
        removals.keep_up();
        let error = shared.ended().expect("it has ended").to_string();
        assert!(error.contains("cannot remove segment 1"), "{error}");
        drop(removals);
        assert_eq!(disk.list().expect("a list").len(), 4, "nothing was removed behind it");
    }
}
