//! The engine: threads around the writer and the reader, and the contract in front.
//!
//! A caller's thread encodes its batch and leaves it in the queue. The **writer** thread takes everything that has gathered while
//! the last flush ran, and makes one round of it: group commit without a delay. A **reader** thread serves pages, so that a page
//! fault holds up neither the callers nor the flushes.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use kahawai_store::batch::Batch;
use kahawai_store::codec;
use kahawai_store::contract::{
    Bell, Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError, StoredMessage,
};
use kahawai_store::election::{Hold, Lost};

use crate::directory::StoreDirectory;
use crate::index::Found;
use crate::log::segment::{Body, Segment};
use crate::options::JournalOptions;
use crate::queue::Queue;
use crate::writer::{BeginError, EncodedBatch, Shared, Submission, Writer};

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no room for the journal's first segment.
    #[error("the disk is full: {0}")]
    Full(io::Error),
    /// Someone else has claimed the store meanwhile: wait as slave.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The store cannot be read or written.
    #[error("{0}")]
    Failed(String),
}

impl From<BeginError> for OpenError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Lost(lost) => Self::Lost(lost),
            BeginError::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => Self::Full(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A store in a journal, open under an epoch.
pub struct Journal {
    limits: Limits,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    bell: Arc<OnceLock<Bell>>,
    reads: Mutex<Option<Sender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A page that was asked for.
type Read = (ReadRequest, Completion<Page>);

/// Abandons the queue when its thread ends, by a panic too, so that every caller gets an answer.
struct AbandonOnExit {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

impl Drop for AbandonOnExit {
    fn drop(&mut self) {
        if thread::panicking() {
            // What the index holds now nobody knows: reads end too.
            self.shared.end(StoreError::Failed("the thread that writes the journal panicked".into()));
        }
        self.queue.abandon();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens a store under a mastership: reads the log before, seals it, and begins one of its own.
    ///
    /// Blocks as long as that takes, which depends on what the journal holds. Once it returns, what is acknowledged is
    /// this epoch's.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing of an older epoch was changed then.
    pub fn open(
        store: &StoreDirectory,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
    ) -> Result<Self, OpenError> {
        let limits =
            Limits { batch_bytes_max: options.batch_bytes_max, message_bytes_max: options.message_bytes_max };
        let queue = Arc::new(Queue::new(&options));
        let mut writer = Writer::begin(Arc::clone(store.disk()), hold, store.id(), options, true)?;
        let shared = Arc::clone(writer.shared());
        let failed = |error: io::Error| OpenError::Failed(format!("cannot start a thread: {error}"));

        let taken = Arc::clone(&queue);
        let bell: Arc<OnceLock<Bell>> = Arc::default();
        let rung = Arc::clone(&bell);
        let writing = thread::Builder::new().name("kahawai-journal".into()).spawn(move || {
            let _abandoning =
                AbandonOnExit { queue: Arc::clone(&taken), shared: Arc::clone(writer.shared()) };
            let ring = || {
                if let Some(bell) = rung.get() {
                    bell();
                }
            };
            while let Some(submissions) = taken.take() {
                if submissions.is_empty() {
                    writer.idle();
                } else {
                    writer.round(submissions);
                    ring();
                }
            }
            writer.close();
            ring();
        });
        let writing = writing.map_err(failed)?;
        let (reads, requests) = channel();
        let read_from = Arc::clone(&shared);
        let reading = thread::Builder::new()
            .name("kahawai-read".into())
            .spawn(move || serve_reads(&read_from, &requests))
            .map_err(failed)?;
        Ok(Self {
            limits,
            queue,
            shared,
            bell,
            reads: Mutex::new(Some(reads)),
            threads: Mutex::new(vec![writing, reading]),
        })
    }

    fn ended(&self) -> StoreError {
        self.shared.ended().cloned().unwrap_or(StoreError::Closed)
    }
}

impl Store for Journal {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        let submission = match self.limits.check(&batch.operations) {
            Err(rejection) => Submission::Reject(rejection, done),
            Ok(()) => Submission::Commit(EncodedBatch::of(batch), done),
        };
        match self.queue.push(submission) {
            Err(Submission::Commit(_, done) | Submission::Reject(_, done)) => {
                done.complete(Err(self.ended()))
            }
            Err(Submission::Recover(_)) | Ok(()) => {}
        }
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match reads {
            Some(reads) => {
                if let Err(refused) = reads.send((request, done)) {
                    refused.0.1.complete(Err(self.ended()));
                }
            }
            None => done.complete(Err(self.ended())),
        }
    }

    fn recover(&self, done: Completion<Recovered>) {
        if let Err(Submission::Recover(done)) = self.queue.push(Submission::Recover(done)) {
            done.complete(Err(self.ended()));
        }
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn ring(&self, bell: Bell) -> bool {
        self.bell.set(bell).is_ok()
    }

    fn close(&self) {
        self.queue.close();
        drop(self.reads.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A completion may hold the last handle, and drop it on a thread of ours.
        let own = thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != own) {
            // A thread that panicked has answered its callers by dropping their completions.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve_reads(shared: &Shared, requests: &Receiver<Read>) {
    while let Ok((request, done)) = requests.recv() {
        done.complete(read_page(shared, &request));
    }
}

pub(crate) fn read_page(shared: &Shared, request: &ReadRequest) -> Result<Page, StoreError> {
    if let Some(error) = shared.ended() {
        return Err(error.clone());
    }
    let visible = shared.visible();
    // Segments are looked up while the index is held, so that none of them is given up in between.
    let (found, end) = {
        let index = shared.index();
        let (found, end) = index.read(request, visible)?;
        let segments = shared.segments();
        let found: Vec<_> =
            found.into_iter().map(|found| (found, segments.get(&found.location.segment).cloned())).collect();
        (found, end)
    };
    let mut page = Page { end, ..Page::default() };
    let mut record = None;
    let mut bytes = 0;
    for (found, segment) in found {
        let message = match segment {
            Some(segment) => read_message(&segment, &found, &mut record).map_err(|error| {
                shared.end(StoreError::Failed(
                    format!("cannot read segment {}: {error}", segment.number).into(),
                ))
            })?,
            None => None,
        };
        let Some(message) = message else {
            page.damaged.push((found.id, found.cursor));
            continue;
        };
        bytes += message.size();
        if bytes > request.bytes_max && !page.messages.is_empty() {
            page.end = false;
            break;
        }
        page.messages.push(StoredMessage { id: found.id, cursor: found.cursor, message: Arc::new(message) });
    }
    Ok(page)
}

/// The record read last, by segment and offset, verified: the next message is often in the same.
type LastRecord = Option<(u64, u64, Body)>;

/// A message's bytes, verified and copied out; `None` where they are not what was written.
fn read_message(
    segment: &Segment,
    found: &Found,
    last: &mut LastRecord,
) -> io::Result<Option<kahawai_store::message::Message>> {
    let location = &found.location;
    let body = match last {
        Some((number, offset, body)) if (*number, *offset) == (location.segment, location.record) => body,
        _ => &last.insert((location.segment, location.record, segment.read_record(location.record)?)).2,
    };
    let Body::Whole(body) = body else { return Ok(None) };
    let bytes = body.get(location.span.range()).map(Bytes::copy_from_slice);
    Ok(bytes.and_then(|bytes| codec::decode_message(&bytes).ok()))
}
