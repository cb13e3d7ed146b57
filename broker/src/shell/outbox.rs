//! What waits to be written to one connection, and the writing of it.
//!
//! Whoever has something to say adds it to the queue, in the order in which the core decided it, and then tries to
//! write: at most one at a time does, and looks again before it goes, so that nothing is left lying. Nobody ever waits
//! for a socket: where it takes no more, the connection's own task is woken and goes on when it can.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use kahawai_openwire::wire_format::Encoder;
use tokio::sync::Notify;

use super::clock::now;
use super::gate::Gate;
use super::stoppable::{Served, Step, Stoppable};
use super::stream::Stream;
use crate::core::effects::Event;
use crate::core::keys::ConnectionKey;
use crate::openwire::outgoing::{Outgoing, OutgoingEncoder};

/// How many encoded bytes are gathered before they are written.
const WRITE_BYTES: usize = 128 << 10;
/// How many commands may wait where the socket takes no more, before nothing more is read from its client: what answers
/// are made of is not counted by the core.
const WAITING_MAX: usize = 10_000;

/// How a try to write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is written, or somebody else is at it.
    Done,
    /// The socket takes no more for now.
    Blocked,
    /// Mastership has to be proven first.
    Unproven,
    /// The connection cannot be written to any more.
    Broken,
}

pub(crate) struct Outbox {
    pub(crate) key: ConnectionKey,
    pub(crate) stream: Arc<Stream>,
    queue: Mutex<Vec<Outgoing>>,
    /// Announced is what is in the queue.
    relay: Stoppable<Writing>,
    /// Something was taken from the queue and is not written yet.
    unwritten: AtomicBool,
    began: Instant,
    /// When something was last written, in milliseconds since it began. Beside the relay: nobody holds that for a glance.
    last_write: AtomicU64,
    broken: AtomicBool,
    /// Bytes of deliveries that were encoded and given to the socket, and not reported to the core yet.
    written: AtomicUsize,
    /// The core holds deliveries back until it hears of what is written.
    pub(crate) congested: AtomicBool,
    /// Wakes the connection's task: it is blocked, must close, or may read on.
    pub(crate) wake: Notify,
    close: Mutex<Option<String>>,
    cut: AtomicBool,
    /// Whether nothing was asked yet: what is written is that a broker is here, and in which words. It may come from one that is master no more, as one of
    /// its pair has to hear it before it can say who it is.
    greets: AtomicBool,
}

struct Writing {
    writer: OutgoingEncoder,
    encoded: BytesMut,
    /// Bytes of deliveries in `encoded`.
    delivered: usize,
}

impl Outbox {
    pub(crate) fn new(key: ConnectionKey, stream: Arc<Stream>, writer: OutgoingEncoder) -> Self {
        let writing = Writing { writer, encoded: BytesMut::new(), delivered: 0 };
        Self {
            key,
            stream,
            queue: Mutex::new(Vec::new()),
            relay: Stoppable::new(writing),
            unwritten: AtomicBool::new(false),
            began: Instant::now(),
            last_write: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            written: AtomicUsize::new(0),
            congested: AtomicBool::new(false),
            wake: Notify::new(),
            close: Mutex::new(None),
            cut: AtomicBool::new(false),
            greets: AtomicBool::new(true),
        }
    }

    /// Somebody asked something: from here on everything takes a proof.
    pub(crate) fn end_greeting(&self) {
        self.greets.store(false, Ordering::Release);
    }

    /// Adds something to be written.
    pub(crate) fn push(&self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Event(Event::Close { reason }) => return self.close(reason),
            Outgoing::Event(Event::Cut { reason }) => {
                self.cut.store(true, Ordering::Release);
                return self.close(reason);
            }
            Outgoing::Event(Event::Resume) => return self.wake.notify_one(),
            _ => {}
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(outgoing);
        self.relay.announce();
    }

    /// Asks the connection's task to end.
    pub(crate) fn close(&self, reason: String) {
        let mut close = self.close.lock().unwrap_or_else(PoisonError::into_inner);
        close.get_or_insert(reason);
        drop(close);
        self.wake.notify_one();
    }

    /// Why the connection is to end, if it is.
    pub(crate) fn close_asked(&self) -> Option<String> {
        self.close.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is to end without a word.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Whether the socket took no more when it was last tried.
    pub(crate) fn is_blocked(&self) -> bool {
        self.relay.is_stuck()
    }

    /// Whether the client asks for more than it reads: it must read first.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_blocked() && self.queue.lock().unwrap_or_else(PoisonError::into_inner).len() > WAITING_MAX
    }

    /// The socket takes more again; [`Outbox::flush`] is called next.
    pub(crate) fn unblock(&self) {
        self.relay.go_on();
    }

    /// Nothing more will be written.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The encoding as it is, where all is written: for whoever goes on with the socket. Nothing is to be pushed from here on. Nothing where
    /// somebody is writing.
    pub(crate) fn take_encoder(&self) -> Option<Encoder> {
        let mut encoder = None;
        if self.is_empty() {
            // That it is stopped is its answer.
            let _ = self.relay.serve(|mut writing| {
                encoder = Some(writing.writer.take_encoder());
                Step::Stop(())
            });
        }
        encoder
    }

    /// Bytes of deliveries written since this was last asked.
    pub(crate) fn take_written(&self) -> usize {
        match self.written.load(Ordering::Acquire) {
            0 => 0,
            _ => self.written.swap(0, Ordering::AcqRel),
        }
    }

    /// Whether there is something to report.
    pub(crate) fn has_written(&self) -> bool {
        self.written.load(Ordering::Acquire) > 0
    }

    /// When something was last written.
    pub(crate) fn last_write(&self) -> Instant {
        self.began + Duration::from_millis(self.last_write.load(Ordering::Acquire))
    }

    /// Whether everything that was pushed so far is written.
    pub(crate) fn is_empty(&self) -> bool {
        !self.relay.is_announced() && !self.unwritten.load(Ordering::Acquire)
    }

    /// Writes what can be written.
    pub(crate) fn flush(&self, gate: &Gate) -> Flushed {
        if self.broken.load(Ordering::Acquire) {
            return Flushed::Broken;
        }
        let served = self.relay.serve(|mut writing| {
            if self.broken.load(Ordering::Acquire) {
                return Step::Stop(Flushed::Broken);
            }
            match self.write_all(&mut writing, gate) {
                Flushed::Done => Step::Done,
                Flushed::Blocked => Step::Stuck,
                stopped => Step::Stop(stopped),
            }
        });
        match served {
            Served::Done => Flushed::Done,
            Served::Stopped(stopped) => stopped,
            Served::Stuck { newly } => {
                if newly {
                    self.wake.notify_one();
                }
                Flushed::Blocked
            }
        }
    }

    fn write_all(&self, writing: &mut Writing, gate: &Gate) -> Flushed {
        // Before anything is taken out of the queue, so that it is always in one of the two.
        self.unwritten.store(true, Ordering::Release);
        let flushed = self.write_queued(writing, gate);
        self.unwritten.store(!writing.encoded.is_empty(), Ordering::Release);
        flushed
    }

    fn write_queued(&self, writing: &mut Writing, gate: &Gate) -> Flushed {
        let mut batch = Vec::new();
        let now = now();
        loop {
            if self.relay.take_on() {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut *queue, &mut batch);
            }
            if batch.is_empty() && writing.encoded.is_empty() {
                return Flushed::Done;
            }
            let mut outgoing = batch.drain(..);
            loop {
                for next in outgoing.by_ref() {
                    writing.delivered += next.delivered_bytes();
                    if let Err(error) = writing.writer.write(next, now, &mut writing.encoded) {
                        self.close(format!("a command cannot be written: {error}"));
                    }
                    if writing.encoded.len() >= WRITE_BYTES {
                        break;
                    }
                }
                if writing.encoded.is_empty() {
                    break;
                }
                let result = self.write_encoded(writing, gate);
                if result != Flushed::Done {
                    // What is left goes back to the front.
                    let rest: Vec<_> = outgoing.collect();
                    if !rest.is_empty() {
                        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                        queue.splice(0..0, rest);
                        self.relay.announce();
                    }
                    return result;
                }
            }
        }
    }

    fn write_encoded(&self, writing: &mut Writing, gate: &Gate) -> Flushed {
        while !writing.encoded.is_empty() {
            let may_write = gate.is_open() || self.greets.load(Ordering::Acquire) && gate.greets();
            if !may_write {
                return Flushed::Unproven;
            }
            match self.stream.try_write(&writing.encoded) {
                Ok(0) => {
                    self.break_off();
                    return Flushed::Broken;
                }
                Ok(count) => {
                    writing.encoded.advance(count);
                    let since = self.began.elapsed().as_millis();
                    self.last_write.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Release);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Flushed::Blocked;
                }
                Err(_) => {
                    self.break_off();
                    self.wake.notify_one();
                    return Flushed::Broken;
                }
            }
        }
        self.written.fetch_add(std::mem::take(&mut writing.delivered), Ordering::AcqRel);
        if writing.encoded.capacity() > 2 * WRITE_BYTES {
            writing.encoded = BytesMut::new();
        }
        Flushed::Done
    }
}
