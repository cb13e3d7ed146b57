//! Segments prepared beforehand, so that rolling does not wait for zeros to be written.
//!
//! One spare of full length is kept ready, and two **reserves** that senders never get: on a full disk messages can still be acknowledged,
//! and the head of the log can be cleaned. Spares are made by a thread of their own, or, for tests that want one order of events, in place.
//!
//! **Why two.** The log is one, so the reserves are counted in bytes: what is left of the segment being written, and both. Let `K` be what it
//! takes to write the head once more. A batch that makes room may take all but `K`; only a relocation may take that, see
//! [`Writer::make_room`](super::Writer::make_room). So:
//!
//! 1. *There is something to win before anybody waits.* Batches that make room get about one segment after senders were stopped. Their
//!    records are dead from the start, and whatever they free is dead too: then about a segment of the log is.
//! 2. *The cleaner can always move one head.* The other segment is its own, and a head holds no more than a segment.
//! 3. *Moving one leaves room for the next.* A head that was moved is given up in the same round, before anything else takes room, and its file
//!    becomes the reserve. Records of relocation are no larger than those of which they take the messages, and are cut to fit
//!    into the end of a segment; so what was taken is given back.
//! 4. *So a lap ends, and wins what is dead.* A batch waits for one lap at most: until what stood in the log when it came was read once.
//!
//! What is not promised: records of many very small messages take more when they are moved (`Pace` measures that: then there is nothing
//! to win, and the answer is `Full`); and a disk that something else fills while a reserve is in use.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kahawai_store::names::Epoch;

use crate::disk::{Disk, SegmentFile, is_full};
use crate::format::name::FileName;
use crate::options::JournalOptions;

/// How many segments are kept for what makes room: one for batches, one for the cleaner.
pub(crate) const RESERVES: usize = 2;

/// What is kept for the next epoch to begin in, though this one dies with its reserves in use: it removes the spares of those before.
const OPENING_LENGTH: u64 = 64 << 10;

/// A prepared segment under its spare's name.
pub(super) type Spare = (FileName, Arc<dyn SegmentFile>);

/// The segments prepared for later.
pub(super) struct Spares {
    disk: Arc<dyn Disk>,
    epoch: Epoch,
    count: u64,
    length: u64,
    reserve_length: u64,
    ready: Option<Spare>,
    reserves: Vec<Spare>,
    /// Whether the ready one will be needed soon: before, one that is released may be had for nothing.
    is_due: bool,
    /// Whether the next epoch's room is there.
    has_opening: bool,
    /// Whether the last one found no room.
    short: bool,
    /// Whether there was no room since all reserves were there.
    lacking: bool,
    /// Whether nobody knows yet if there is room for the reserves: none was made or found wanting since the start.
    is_untried: bool,
    /// Whether that was said since there was room last.
    short_said: bool,
    maker: Option<Maker>,
}

/// What a spare is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Ready,
    Reserve,
    Opening,
}

/// The thread that makes spares; it ends when this is dropped.
struct Maker {
    orders: Sender<(FileName, u64)>,
    made: Receiver<io::Result<Spare>>,
    /// What the spare under way is for.
    ordered: Option<Purpose>,
    /// Closed to end the thread while it rests; told where there is no need to.
    ending: Option<Sender<()>>,
    /// Somebody waits for what is under way.
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.ending = None;
        self.hurry.store(true, Ordering::Relaxed);
        self.orders = channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long the maker rests after it found no room.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

impl Spares {
    /// Keeps spares for an epoch; made by a thread, or in place when first needed.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        epoch: Epoch,
        options: &JournalOptions,
        threaded: bool,
    ) -> io::Result<Self> {
        let maker = if threaded { Some(Maker::start(Arc::clone(&disk))?) } else { None };
        Ok(Self {
            disk,
            epoch,
            count: 0,
            length: options.journal_max_file_length,
            // The head of a full log must fit into it, so that room can be won.
            reserve_length: options.journal_max_file_length,
            ready: None,
            reserves: Vec::new(),
            is_due: false,
            has_opening: false,
            short: false,
            lacking: false,
            is_untried: threaded,
            short_said: false,
            maker,
        })
    }

    /// Orders what is missing, and takes in what was made. An error is met again when a segment is needed.
    pub(super) fn replenish(&mut self) {
        if let Err(error) = self.take_in(false) {
            tracing::warn!(%error, "cannot prepare another segment of the journal");
        }
        self.order();
    }

    /// From now on segments are longer: what is there and too short is removed, and made anew.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn lengthen(&mut self, length: u64) -> io::Result<()> {
        (self.length, self.reserve_length) = (length, length);
        for (name, file) in self.reserves.drain(..).chain(self.ready.take()) {
            drop(file);
            self.disk.remove(name)?;
        }
        Ok(())
    }

    /// To be told that the segment being written is half full: the next is prepared now, if none that was released has become it.
    pub(super) fn due(&mut self) {
        if !self.is_due {
            self.is_due = true;
            self.replenish();
        }
    }

    /// Orders what is missing, unless something is under way.
    fn order(&mut self) {
        let (epoch, count) = (self.epoch, self.count);
        // The reserves first: were they last, senders in a hurry could fill the disk before they are there.
        let (purpose, length) = if self.reserves.len() < RESERVES {
            (Purpose::Reserve, self.reserve_length)
        } else if !self.has_opening {
            (Purpose::Opening, OPENING_LENGTH.min(2 * self.length))
        } else if self.ready.is_none() && self.is_due {
            (Purpose::Ready, self.length)
        } else {
            return;
        };
        if let Some(maker) = &mut self.maker
            && maker.ordered.is_none()
        {
            let name = match purpose {
                // It is only there to be removed, and keeps its name until then.
                Purpose::Opening => FileName::Spare { epoch, count: u64::MAX },
                Purpose::Ready | Purpose::Reserve => FileName::Spare { epoch, count },
            };
            self.count += 1;
            if maker.orders.send((name, length)).is_ok() {
                maker.ordered = Some(purpose);
            }
        }
    }

    /// Whether a reserve is in use, or could not be made: then what room there is, is counted. One under way is waited for.
    pub(super) fn is_lacking(&mut self, in_use: bool) -> bool {
        // Made in place, there is none to keep.
        if self.maker.is_none() {
            return false;
        }
        if (in_use || self.lacking) && self.reserves.len() < RESERVES {
            self.replenish();
        }
        while (in_use || self.lacking) && self.reserves.len() < RESERVES && !self.short {
            self.order();
            if !self.is_being_made() {
                break;
            }
            // It is not to rest: nobody knows that there is no room.
            self.room_was_made();
            if let Err(error) = self.take_in(true) {
                tracing::warn!(%error, "cannot prepare another segment of the journal");
                break;
            }
        }
        self.reserves.len() < RESERVES && (in_use || self.lacking)
    }

    /// Whether nobody knows yet if there is room for the reserves.
    pub(super) fn is_untried(&self) -> bool {
        self.is_untried
    }

    /// Whether there was no room since all reserves were there.
    pub(super) fn has_lacked(&self) -> bool {
        self.lacking
    }

    /// Whether a spare is under way, to be taken in later.
    pub(super) fn is_being_made(&self) -> bool {
        self.maker.as_ref().is_some_and(|maker| maker.ordered.is_some())
    }

    /// How much could be written to what is there.
    pub(super) fn bytes(&self) -> u64 {
        let there = self.reserves.iter().chain(&self.ready);
        there.map(|(_, file)| file.length()).sum()
    }

    /// How much could be written to the segment that is ready; one under way is waited for.
    pub(super) fn ready_length(&mut self) -> u64 {
        if self.maker.is_none() && self.ready.is_none() {
            // An error is met again when a segment is needed.
            self.ready = self.make(self.length).ok();
        }
        self.is_due = true;
        // What is under way may be a reserve; then comes the other.
        for _ in 0..RESERVES + 2 {
            if self.ready.is_some() || self.short || self.maker.is_none() {
                break;
            }
            self.order();
            if let Err(error) = self.take_in(true) {
                tracing::warn!(%error, "cannot prepare another segment of the journal");
            }
        }
        self.ready.as_ref().map_or(0, |(_, file)| file.length())
    }

    /// To be told that a segment was removed: then there is room again.
    pub(super) fn room_was_made(&mut self) {
        self.short = false;
        if let Some(ending) = self.maker.as_ref().and_then(|maker| maker.ending.as_ref()) {
            // It has ended, or does not rest: then it finds out by itself.
            let _ = ending.send(());
        }
    }

    /// Whether the last one found no room.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    /// A segment of at least `needed` bytes, and whether it is a reserve; `None` where there is no room for one now but may be
    /// later.
    ///
    /// # Errors
    /// Of the disk, but for a lack of room.
    pub(super) fn take(&mut self, needed: u64, of_reserve: bool) -> io::Result<Option<(Spare, bool)>> {
        let taken = if needed > self.length { self.make(needed) } else { self.take_ready() };
        let taken = match taken {
            Ok(spare) => Some((spare, false)),
            Err(error) if !is_full(&error) => return Err(error),
            Err(_) if of_reserve => self.take_reserve(needed)?.map(|spare| (spare, true)),
            Err(_) => None,
        };
        self.is_due = taken.is_none();
        self.replenish();
        Ok(taken)
    }

    /// A segment of full length. A spare under way is waited for, unless the last one found no room.
    fn take_ready(&mut self) -> io::Result<Spare> {
        self.is_due = true;
        loop {
            self.take_in(self.ready.is_none() && !self.short)?;
            if let Some(ready) = self.ready.take() {
                return Ok(ready);
            }
            if self.maker.is_none() {
                return self.make(self.length);
            }
            if self.short {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // What was under way was a reserve.
            self.order();
            if self.maker.as_ref().is_none_or(|maker| maker.ordered.is_none()) {
                return Err(io::Error::other("the thread that prepares segments has ended"));
            }
        }
    }

    /// A reserve, or, where they are used up, what can be had on the spot: room may have been made since the maker last tried.
    fn take_reserve(&mut self, needed: u64) -> io::Result<Option<Spare>> {
        loop {
            if let Some(place) = self.reserves.iter().position(|(_, file)| needed <= file.length()) {
                return Ok(Some(self.reserves.swap_remove(place)));
            }
            if let Some(ready) = self.ready.take_if(|(_, file)| needed <= file.length()) {
                return Ok(Some(ready));
            }
            // It may be under way, with the room that was made: then there is none for another.
            if !self.is_being_made() {
                break;
            }
            self.room_was_made();
            self.take_in(true)?;
        }
        match self.make(self.reserve_length.max(needed)) {
            Ok(spare) => Ok(Some(spare)),
            Err(error) if is_full(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether another spare is wanted, so that an empty segment had better be recycled than removed.
    pub(super) fn wants(&self, length: u64) -> bool {
        let under_way = self.maker.as_ref().and_then(|maker| maker.ordered);
        let wants_reserve = self.maker.is_some() && self.reserves.len() < RESERVES;
        // What found no room before may be still trying.
        let wants_ready = self.ready.is_none() && (under_way != Some(Purpose::Ready) || self.short);
        length == self.length && (wants_reserve || wants_ready)
    }

    /// The name under which a recycled segment may be given.
    pub(super) fn name_next(&mut self) -> FileName {
        self.count += 1;
        FileName::Spare { epoch: self.epoch, count: self.count - 1 }
    }

    /// Takes a recycled segment.
    pub(super) fn give(&mut self, spare: Spare) {
        if self.maker.is_some() && self.reserves.len() < RESERVES {
            self.take_in_reserve(spare);
        } else {
            self.ready = Some(spare);
        }
    }

    fn take_in_reserve(&mut self, spare: Spare) {
        self.reserves.push(spare);
        let is_lacking = self.reserves.len() < RESERVES;
        self.lacking &= is_lacking;
        self.is_untried &= is_lacking;
    }

    fn make(&mut self, length: u64) -> io::Result<Spare> {
        let name = self.name_next();
        Ok((name, self.disk.create_segment(name, length)?))
    }

    /// Takes in what the maker made, waiting for what it was ordered or not.
    fn take_in(&mut self, wait: bool) -> io::Result<()> {
        let Some(maker) = &mut self.maker else { return Ok(()) };
        let Some(purpose) = maker.ordered else { return Ok(()) };
        let made = if wait {
            maker.hurry.store(true, Ordering::Relaxed);
            let made = maker.made.recv().ok();
            maker.hurry.store(false, Ordering::Relaxed);
            made
        } else {
            maker.made.try_recv().ok()
        };
        let Some(made) = made else { return Ok(()) };
        maker.ordered = None;
        self.short = made.is_err();
        let was_said = std::mem::replace(&mut self.short_said, made.is_err());
        match made {
            Ok(_) if purpose == Purpose::Opening => self.has_opening = true,
            // Segments became longer meanwhile.
            Ok((name, file)) if file.length() < self.length => {
                drop(file);
                self.disk.remove(name)?;
            }
            Ok(spare) if self.reserves.len() < RESERVES => {
                self.take_in_reserve(spare);
            }
            Ok(spare) if self.ready.is_none() => self.ready = Some(spare),
            // A segment was recycled meanwhile.
            Ok((name, _)) => self.disk.remove(name)?,
            // It is tried again and again, and said once.
            Err(error) if is_full(&error) => {
                self.lacking |= self.reserves.len() < RESERVES;
                self.is_untried = false;
                if !was_said {
                    tracing::warn!(%error, "no room to prepare another segment of the journal; free disk space or consume messages");
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Maker {
    fn start(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let (orders, ordered) = channel::<(FileName, u64)>();
        let (finished, made) = channel();
        let (ending, ended) = channel::<()>();
        let hurry = Arc::new(AtomicBool::new(false));
        let hurried = Arc::clone(&hurry);
        let thread = thread::Builder::new().name("kahawai-spare".into()).spawn(move || {
            let mut failed_at: Option<Instant> = None;
            while let Ok((name, length)) = ordered.recv() {
                if let Some(failed_at) = failed_at.take() {
                    // What it was told since counts: it may be of room that is waited for. At worst it tries once too often.
                    let rest = REST_AFTER_FAILURE.saturating_sub(failed_at.elapsed());
                    if ended.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                    while ended.try_recv().is_ok() {}
                }
                let spare = disk.prepare_segment(name, length, &hurried).map(|file| (name, file));
                failed_at = spare.is_err().then(Instant::now);
                if finished.send(spare).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, made, ordered: None, hurry, ending: Some(ending), thread: Some(thread) })
    }
}
