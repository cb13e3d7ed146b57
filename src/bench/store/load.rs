//! The load of an engine: so many messages being stored at a time, each acknowledged soon after.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::codec::batch_size;
use kahawai_store::contract::{Committed, Completion, Store, StoreError, StoreWait as _};
use kahawai_store::message::{Header, Message};
use kahawai_store::names::{Cursor, DestinationId, MessageId};

use crate::bench::meter::histogram;
use crate::bench::processor;
use crate::bench::store::device::{Device, Work};
use crate::exit::{Exit, Failure};

const QUEUE: DestinationId = DestinationId(1);

/// How far behind a message is acknowledged: near enough that segments come round again, as with consumers that keep up.
const BEHIND: u64 = 512;

/// What was measured of an engine.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) messages: u64,
    pub(super) seconds: f64,
    /// From the call to the answer, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// Processor time a second, in cores.
    pub(super) cores: f64,
    /// What the device did meanwhile, for everybody on the machine; none where the system does not tell.
    pub(super) device: Option<Work>,
}

type Answer = (Result<Committed, StoreError>, Instant);

/// Stores messages for a while.
#[derive(Debug)]
pub(super) struct Load {
    message: Arc<Message>,
    next: u64,
    /// Of the first message, whose id is 1: the others follow it in the order of their ids.
    arrival_first: u64,
    answer: SyncSender<Answer>,
    answers: Receiver<Answer>,
    writers: u32,
}

impl Load {
    /// Messages of this size, so many at a time.
    pub(super) fn new(body_bytes: usize, writers: u32) -> Self {
        let header = Header {
            message_id: "ID:bench-35123-1763900000000-1:1:1:1:1".into(),
            timestamp: 1_763_900_000_000,
            priority: 4,
            persistent: true,
            ..Header::default()
        };
        let message = Arc::new(Message { header, body: vec![b'x'; body_bytes].into(), ..Message::default() });
        let (answer, answers) = sync_channel(writers as usize);
        Self { message, next: 1, arrival_first: 0, answer, answers, writers }
    }

    /// What one message and the acknowledgement of another come to in the encoding that engines keep.
    pub(super) fn batch_bytes(&self) -> usize {
        batch_size(&self.operations(BEHIND + 1))
    }

    fn operations(&self, id: u64) -> Vec<Operation> {
        let message = Arc::clone(&self.message);
        let mut operations =
            vec![Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }];
        if id > BEHIND {
            let cursor = Cursor { rank: 0, arrival: self.arrival_first + (id - BEHIND - 1) };
            let id = MessageId(id - BEHIND);
            operations.push(Operation::Acknowledge { destination: QUEUE, id, cursor, subscription: None });
        }
        operations
    }

    fn submit(&mut self, store: &dyn Store) {
        let operations = self.operations(self.next);
        self.next += 1;
        let (answer, asked) = (self.answer.clone(), Instant::now());
        let done = Completion::new(move |result| {
            // Who measured has enough: nobody is left to tell.
            let _ = answer.send((result, asked));
        });
        store.commit(Batch::new(operations), done);
    }

    /// Runs it: first some unmeasured, then measured.
    ///
    /// # Errors
    /// The engine's.
    pub(super) fn run(
        mut self,
        store: &dyn Store,
        time: Duration,
        device: &Device,
    ) -> Result<Loaded, Failure> {
        let failed = |error: StoreError| Failure::new(Exit::StoreFailed, error);
        let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "bench".into() };
        let created = store.commit_wait(Operation::CreateDestination(queue).into()).map_err(failed)?;
        self.arrival_first = created.arrival_first;
        for _ in 0..self.writers {
            self.submit(store);
        }
        let warm_up = (time / 4).min(Duration::from_secs(1));
        self.keep_up(store, warm_up, |_| {}).map_err(failed)?;
        let mut latencies = histogram();
        let (started, processor, before) = (Instant::now(), processor::seconds(), device.work());
        let messages = self
            .keep_up(store, time, |asked| {
                latencies.saturating_record(asked.elapsed().as_nanos() as u64);
            })
            .map_err(failed)?;
        let seconds = started.elapsed().as_secs_f64();
        let cores = (processor::seconds() - processor) / seconds;
        let device = device.work().zip(before).map(|(after, before)| after.since(before));
        for _ in 0..self.writers {
            // Until then engines still work for us.
            if self.answers.recv().is_err() {
                break;
            }
        }
        Ok(Loaded { messages, seconds, latencies, cores, device })
    }

    /// For each answer the next message, for so long.
    fn keep_up(
        &mut self,
        store: &dyn Store,
        time: Duration,
        mut answered: impl FnMut(Instant),
    ) -> Result<u64, StoreError> {
        let (started, mut messages) = (Instant::now(), 0);
        while started.elapsed() < time {
            let Ok((result, asked)) = self.answers.recv() else { break };
            result?;
            answered(asked);
            messages += 1;
            self.submit(store);
        }
        Ok(messages)
    }
}
