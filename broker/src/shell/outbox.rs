//! What waits to be written to one connection, and the writing of it.
//!
//! Whoever has something to say adds it to the queue, in the order in which the core decided it, and then tries to
//! write: at most one at a time does, and looks again before it goes, so that nothing is left lying. Nobody ever waits
//! for a socket: where it takes no more, the connection's own task is woken and goes on when it can.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::clock::now;
use super::gate::Gate;
use crate::core::effects::Event;
use crate::core::keys::ConnectionKey;
use crate::openwire::outgoing::{Outgoing, Writer};

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
    pub(crate) stream: Arc<TcpStream>,
    queue: Mutex<Vec<Outgoing>>,
    queued: AtomicBool,
    writing: Mutex<Writing>,
    blocked: AtomicBool,
    broken: AtomicBool,
    /// Bytes of deliveries that were encoded and given to the socket, and not reported to the core yet.
    written: AtomicUsize,
    /// The core holds deliveries back until it hears of what is written.
    pub(crate) congested: AtomicBool,
    /// Wakes the connection's task: it is blocked, must close, or may read on.
    pub(crate) wake: Notify,
    close: Mutex<Option<String>>,
    cut: AtomicBool,
}

struct Writing {
    writer: Writer,
    encoded: BytesMut,
    /// Bytes of deliveries in `encoded`.
    delivered: usize,
    last_write: Instant,
}

impl Outbox {
    pub(crate) fn new(key: ConnectionKey, stream: Arc<TcpStream>, writer: Writer) -> Self {
        let writing = Writing { writer, encoded: BytesMut::new(), delivered: 0, last_write: Instant::now() };
        Self {
            key,
            stream,
            queue: Mutex::new(Vec::new()),
            queued: AtomicBool::new(false),
            writing: Mutex::new(writing),
            blocked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            written: AtomicUsize::new(0),
            congested: AtomicBool::new(false),
            wake: Notify::new(),
            close: Mutex::new(None),
            cut: AtomicBool::new(false),
        }
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
        self.queued.store(true, Ordering::Release);
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
        self.blocked.load(Ordering::Acquire)
    }

    /// Whether the client asks for more than it reads: it must read first.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_blocked() && self.queue.lock().unwrap_or_else(PoisonError::into_inner).len() > WAITING_MAX
    }

    /// The socket takes more again.
    pub(crate) fn unblock(&self) {
        self.blocked.store(false, Ordering::Release);
    }

    /// Nothing more will be written.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
    pub(crate) fn last_write(&self) -> Option<Instant> {
        self.writing.try_lock().ok().map(|writing| writing.last_write)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.queued.load(Ordering::Acquire)
            && self.writing.try_lock().is_ok_and(|writing| writing.encoded.is_empty())
    }

    /// Writes what can be written.
    pub(crate) fn flush(&self, gate: &Gate) -> Flushed {
        loop {
            if self.broken.load(Ordering::Acquire) {
                return Flushed::Broken;
            }
            if self.blocked.load(Ordering::Acquire) {
                return Flushed::Blocked;
            }
            // Whoever holds it looks at `queued` once more after letting go: either it sees what we added, or we see that
            // it is gone.
            fence(Ordering::SeqCst);
            let Ok(mut writing) = self.writing.try_lock() else { return Flushed::Done };
            let result = self.write_all(&mut writing, gate);
            drop(writing);
            if result != Flushed::Done {
                return result;
            }
            fence(Ordering::SeqCst);
            if !self.queued.load(Ordering::Acquire) {
                return Flushed::Done;
            }
        }
    }

    fn write_all(&self, writing: &mut Writing, gate: &Gate) -> Flushed {
        let mut batch = Vec::new();
        let now = now();
        loop {
            if self.queued.swap(false, Ordering::AcqRel) {
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
                        self.queued.store(true, Ordering::Release);
                    }
                    return result;
                }
            }
        }
    }

    fn write_encoded(&self, writing: &mut Writing, gate: &Gate) -> Flushed {
        while !writing.encoded.is_empty() {
            if !gate.is_open() {
                return Flushed::Unproven;
            }
            match self.stream.try_write(&writing.encoded) {
                Ok(0) => {
                    self.break_off();
                    return Flushed::Broken;
                }
                Ok(count) => {
                    writing.encoded.advance(count);
                    writing.last_write = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.blocked.store(true, Ordering::Release);
                    self.wake.notify_one();
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
