//! A thread of an engine's and the calls it takes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kahawai_store::batch::Urgency;
use kahawai_store::codec::batch_size;
use kahawai_store::contract::{Committed, Completion, StoreError};

use crate::copies::Submitted;

/// A batch and whom to answer.
pub(crate) type CommitCall = (Submitted, Completion<Committed>);

/// How many bytes of batches share a transaction, about.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// How long batches that nobody waits for may wait for one that somebody does.
const UNHURRIED_WAIT: Duration = Duration::from_millis(5);

/// A thread and the calls it takes, in order, until it is told that no more will come.
#[derive(Debug)]
pub(crate) struct Worker<C> {
    calls: Mutex<Option<Sender<C>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Send + 'static> Worker<C> {
    /// Starts the thread.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(Receiver<C>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(receiver));
        let thread = thread.map_err(|error| {
            StoreError::Failed(format!("the engine's thread cannot be started: {error}").into())
        })?;
        Ok(Self { calls: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Passes a call on. One that comes too late is dropped, which answers that the store is closed.
    pub(crate) fn submit(&self, call: C) {
        if let Some(calls) = lock(&self.calls).as_ref() {
            let _ = calls.send(call);
        }
    }
}

impl<C> Worker<C> {
    /// Lets the thread finish what was submitted, and waits for it.
    pub(crate) fn end(&self) {
        drop(lock(&self.calls).take());
        // Held while waiting, so that a second closing waits too.
        let mut thread = lock(&self.thread);
        if let Some(thread) = thread.take() {
            // The last handle to a store may go with a completion, on the thread itself, which then ends alone.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for batches and takes all that have gathered, to share one transaction; `None` when no more will come.
///
/// Nothing waits for a timer that anybody waits for: batches that nobody waits for are held back for a moment, until one comes
/// that somebody does.
pub(crate) fn gather(calls: &Receiver<CommitCall>) -> Option<Vec<CommitCall>> {
    let first = calls.recv().ok()?;
    let mut size = batch_size(&first.0.batch.operations);
    let mut hurried = first.0.batch.urgency == Urgency::Now;
    let mut group = vec![first];
    let deadline = Instant::now() + UNHURRIED_WAIT;
    while size < GROUP_BYTES_MAX {
        let next = if hurried {
            calls.try_recv().ok()
        } else {
            calls.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
        };
        let Some(call) = next else { break };
        size += batch_size(&call.0.batch.operations);
        hurried |= call.0.batch.urgency == Urgency::Now;
        group.push(call);
    }
    Some(group)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
