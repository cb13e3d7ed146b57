//! A port of one's own, for brokers that must be found at the same place again.
//!
//! Port 0 will not do there: a slave listens only when it has become master, and what the system gave once it gives to others
//! as soon as nobody listens. So: a port below those that the system gives out for outgoing connections, and a lock on a file
//! named after it, so that tests in other processes keep off too.

use std::fs::File;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that no other test uses while this lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

impl Port {
    pub fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = std::env::temp_dir().join("kahawai-test-ports");
        std::fs::create_dir_all(&folder).expect("a folder for the locks");
        // Spread the processes, so that the first try mostly succeeds.
        let begin = u64::from(std::process::id()) * 61;
        for _ in 0..COUNT {
            let step = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + ((begin + step) % u64::from(COUNT)) as u16;
            let Ok(lock) = File::create(folder.join(number.to_string())) else { continue };
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no port is free from {FIRST} on");
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    /// Whether anybody answers there.
    pub fn is_open(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.number)).is_ok()
    }
}
