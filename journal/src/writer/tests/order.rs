//! The order on which everything rests: write, flush, prove, answer, and only then destroy.
//!
//! Masters on one machine share its page cache, so that a claimant sees there what the master has not flushed; that
//! the proof comes after the flush is shown here by the order of the calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::contract::Completion;
use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::{DestinationId, Epoch};

use super::driver::options;
use super::script::{acknowledge, create, enqueue};
use crate::directory::StoreDirectory;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::submission::{EncodedBatch, Submission};
use crate::writer::Writer;

const QUEUE: DestinationId = DestinationId(1);

/// What was done, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<&'static str>>>);

impl Diary {
    fn note(&self, what: &'static str) {
        self.0.lock().expect("no panic").push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

/// A mastership that is never lost and notes when it is asked for.
struct Noting(Diary);

impl Hold for Noting {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn prove(&self) -> Result<(), Lost> {
        self.0.note("prove");
        Ok(())
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, _notice: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}

#[test]
fn a_round_writes_flushes_proves_answers_and_then_gives_up_segments() {
    let diary = Diary::default();
    let noted = diary.clone();
    let disk = FaultyDisk::new(Arc::new(MemoryDisk::new()), move |call| {
        match call {
            Call::SegmentWrite => noted.note("write"),
            Call::SegmentFlush => noted.note("flush"),
            Call::Publish => noted.note("publish"),
            Call::Rename | Call::Remove => noted.note("give up"),
            _ => {}
        }
        Ok(())
    });
    let disk = Arc::new(disk);
    let store = StoreDirectory::on(Arc::clone(&disk) as _).expect("a store");
    diary.take();
    let hold = Arc::new(Noting(diary.clone()));
    let mut writer = Writer::begin(disk, hold, store.id(), options(), None, false).expect("it begins");
    // The segment's header and the snapshot at once, then the seal; and nothing of an older epoch goes before mastership is proven.
    assert_eq!(diary.take(), ["write", "flush", "publish", "prove"]);

    let round = |writer: &mut Writer, batches: Vec<Batch>| {
        let submissions: Vec<_> = batches
            .into_iter()
            .map(|batch| {
                let diary = diary.clone();
                let done = Completion::new(move |result| {
                    result.expect("it commits");
                    diary.note("answer");
                });
                Submission::Commit(EncodedBatch::of(batch), done)
            })
            .collect();
        writer.round(submissions);
        diary.take()
    };
    let created = vec![create(QUEUE, DestinationKind::Queue).into(), enqueue(1, QUEUE, 1500).into()];
    assert_eq!(round(&mut writer, created), ["write", "flush", "prove", "answer", "answer"]);

    // A second segment is begun, and then the first is emptied and given up.
    round(&mut writer, vec![enqueue(2, QUEUE, 2500).into()]);
    let order = round(&mut writer, vec![acknowledge(1, QUEUE, 0).into()]);
    assert_eq!(order, ["write", "flush", "prove", "answer", "give up"]);
}
