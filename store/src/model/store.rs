//! The model as a store: one thread takes the calls in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::state::State;
use crate::batch::{Batch, Operation};
use crate::catalog::Rejection;
use crate::contract::{Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError};
use crate::names::{Epoch, Term, Xid};
use crate::replica::{Copied, Replica, Taken, Tap};

/// What outlives a model: its disk, as it were. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// The reference model as a [`Store`]. What is committed lives as long as its [`Memory`].
pub struct Model {
    calls: Mutex<Option<Sender<Call>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    crashed: Arc<AtomicBool>,
    memory: Memory,
    tap: Arc<OnceLock<Arc<dyn Tap>>>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Model")
    }
}

#[derive(Debug)]
enum Call {
    Commit(Batch, Completion<Committed>),
    Append(Copied, Completion<Committed>),
    Prepared(Xid, Completion<Vec<Vec<Operation>>>),
    Read(ReadRequest, Completion<Page>),
    Recover(Completion<Recovered>),
}

/// What the model takes: as much as engines are likely to.
const LIMITS: Limits = Limits { batch_bytes_max: 4 << 20, message_bytes_max: 64 << 20 };

impl Model {
    /// Opens a model over what an earlier one left, under an epoch.
    pub fn open(memory: &Memory, epoch: Epoch) -> Self {
        let (sender, receiver) = channel();
        let tap: Arc<OnceLock<Arc<dyn Tap>>> = Arc::default();
        // What a store was told before it was opened anew is forgotten.
        memory.lock().begin_term(None);
        let crashed = Arc::new(AtomicBool::new(false));
        let worker = {
            let (memory, crashed, tap) = (memory.clone(), crashed.clone(), Arc::clone(&tap));
            std::thread::spawn(move || work(&receiver, &memory, epoch, &crashed, &tap))
        };
        let memory = memory.clone();
        Self { calls: Mutex::new(Some(sender)), worker: Mutex::new(Some(worker)), crashed, memory, tap }
    }

    /// Ends as a crash would: calls that were not answered yet come to nothing.
    pub fn crash(&self) {
        self.crashed.store(true, Ordering::Release);
        self.close();
    }

    fn submit(&self, call: Call) {
        if let Some(calls) = lock(&self.calls).as_ref() {
            // The worker outlives the sender; and a call that is dropped answers that the store is closed.
            let _ = calls.send(call);
        }
    }
}

impl Store for Model {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.submit(Call::Commit(batch, done));
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.submit(Call::Read(request, done));
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.submit(Call::Recover(done));
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn close(&self) {
        drop(lock(&self.calls).take());
        // Held while waiting, so that a second close also waits.
        let mut worker = lock(&self.worker);
        if let Some(worker) = worker.take() {
            // The last handle to a store may go with a completion, on the worker itself.
            if worker.thread().id() != std::thread::current().id() {
                let _ = worker.join();
            }
        }
    }
}

impl Replica for Model {
    fn begin_term(&self, term: Term) {
        self.memory.lock().begin_term(Some(term));
    }

    fn tap(&self, tap: Arc<dyn Tap>) {
        let _ = self.tap.set(tap);
    }

    fn append(&self, copied: Copied, done: Completion<Committed>) {
        self.submit(Call::Append(copied, done));
    }

    fn prepared(&self, xid: Xid, done: Completion<Vec<Vec<Operation>>>) {
        self.submit(Call::Prepared(xid, done));
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(
    calls: &Receiver<Call>,
    memory: &Memory,
    epoch: Epoch,
    crashed: &AtomicBool,
    tap: &OnceLock<Arc<dyn Tap>>,
) {
    let take = |batch: Batch, apply: &dyn Fn(&mut State, Batch) -> Result<Committed, Rejection>| {
        let shown = tap.get().filter(|tap| tap.wants()).map(|tap| (tap, batch.clone()));
        LIMITS.check(&batch.operations)?;
        let committed = apply(&mut memory.lock(), batch)?;
        if let Some((tap, batch)) = shown {
            tap.taken(Taken::of(committed, batch));
        }
        Ok::<_, Rejection>(committed)
    };
    for call in calls {
        if crashed.load(Ordering::Acquire) {
            continue;
        }
        // Each lock is given back before the answer is.
        match call {
            Call::Commit(batch, done) => {
                let result = take(batch, &|state, batch| state.apply(batch));
                done.complete(result.map_err(StoreError::from));
            }
            Call::Append(Copied { name, arrival_first, batch }, done) => {
                let result = take(batch, &|state, batch| state.append(Copied { name, arrival_first, batch }));
                done.complete(result.map_err(StoreError::from));
            }
            Call::Prepared(xid, done) => {
                let result = memory.lock().prepared(&xid);
                done.complete(result.map_err(StoreError::from));
            }
            Call::Read(request, done) => {
                let result = memory.lock().read(&request);
                done.complete(result.map_err(StoreError::from));
            }
            Call::Recover(done) => {
                let recovered = memory.lock().recover(epoch);
                done.complete(Ok(recovered));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
