//! Names that no other connection has.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Of this process: its number, the time and 64 random bits, in the shape of ActiveMQ's own.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let random = random();
    format!("ID:kahawai-{}-{}-{random:016x}", std::process::id(), milliseconds_since_1970())
});

/// 64 random bits. The standard library's only source of randomness.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A name for a connection.
pub(crate) fn connection_name() -> String {
    format!("{}:{}", *PROCESS, CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The wall clock, as messages carry it.
pub(crate) fn milliseconds_since_1970() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
