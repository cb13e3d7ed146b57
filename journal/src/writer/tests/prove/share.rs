//! Work that several threads share until it is done or the time is out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Does jobs by their numbers; says how many were begun.
///
/// # Panics
/// As a job does: that ends the others.
pub(super) fn share(jobs: u64, threads: usize, until: Option<Instant>, work: impl Fn(u64) + Sync) -> u64 {
    let (next, taken) = (AtomicU64::new(0), AtomicU64::new(0));
    let take = || {
        while until.is_none_or(|until| Instant::now() < until) {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return;
            }
            work(job);
            taken.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    taken.into_inner()
}

/// A number that the environment sets.
pub(super) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
