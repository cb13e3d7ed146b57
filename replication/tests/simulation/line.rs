//! The way to the other member: what is said by whoever has no context waits here until somebody has one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use kahawai_replication::frame::Frame;
use kahawai_replication::master::Line;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::contract::Bell;

/// Has a process look after what was left for it, once.
pub(crate) struct Wake {
    bell: Bell,
    is_rung: AtomicBool,
}

impl Wake {
    pub(crate) fn new(bell: Bell) -> Self {
        Self { bell, is_rung: AtomicBool::new(false) }
    }

    pub(crate) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::Relaxed) {
            (self.bell)();
        }
    }

    /// It looks now.
    pub(crate) fn looked(&self) {
        self.is_rung.store(false, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    closes: bool,
}

/// A line over a connection.
pub(crate) struct SimLine {
    pub(crate) connection: ConnectionId,
    out: Mutex<Out>,
    wake: std::sync::Arc<Wake>,
}

impl SimLine {
    pub(crate) fn new(connection: ConnectionId, wake: std::sync::Arc<Wake>) -> Self {
        Self { connection, out: Mutex::default(), wake }
    }

    /// Sends what was said. `true`: it hung up.
    pub(crate) fn flush(&self, context: &mut Context<'_>) -> bool {
        let mut out = self.out.lock().expect("nobody panicked");
        if !out.bytes.is_empty() {
            context.send(self.connection, std::mem::take(&mut out.bytes));
        }
        if out.closes {
            context.close(self.connection);
        }
        out.closes
    }
}

impl Line for SimLine {
    fn send(&self, frame: Frame) {
        let mut out = self.out.lock().expect("nobody panicked");
        if !out.closes {
            frame.encode(&mut out.bytes);
            self.wake.ring();
        }
    }

    fn close(&self) {
        self.out.lock().expect("nobody panicked").closes = true;
        self.wake.ring();
    }
}
