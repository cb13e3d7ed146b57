//! Segments are opened when they are read: what if they are given up, recycled or lost just then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kahawai_store::batch::DestinationKind;
use kahawai_store::contract::{Page, ReadRequest, StoreError, StoreWait};
use kahawai_store::names::{DestinationId, Epoch};

use super::driver::{Driven, without_checkpoints};
use super::script::{acknowledge as done, create, enqueue};
use crate::compact::cleaner::next_piece;
use crate::compact::head::HeadReader;
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::format::name::FileName;

const QUEUE: DestinationId = DestinationId(1);

/// Something to be done at the next call of a kind.
type Meanwhile = Arc<Mutex<Option<(Call, Box<dyn FnOnce() + Send>)>>>;

/// A disk at whose calls something may happen meanwhile.
fn interrupted(disk: &MemoryDisk) -> (Arc<dyn Disk>, Meanwhile) {
    let meanwhile = Meanwhile::default();
    let waiting = Arc::clone(&meanwhile);
    let disk = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        let due = waiting.lock().expect("no panic").take_if(|(at, _)| *at == call);
        if let Some((_, act)) = due {
            act();
        }
        Ok(())
    });
    (Arc::new(disk), meanwhile)
}

/// A store of some segments: messages 1 and 2 are in the first, 3 and 4 in one each.
fn filled(disk: Arc<dyn Disk>) -> Arc<Driven> {
    let store = Driven::open_with(disk, 1, without_checkpoints()).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for (id, bytes) in [(1, 1500), (2, 1500), (3, 2500), (4, 2500)] {
        store.commit_wait(enqueue(id, QUEUE, bytes).into()).expect("it commits");
    }
    Arc::new(store)
}

fn acknowledge(store: &Driven, id: u64) {
    store.commit_wait(done(id, QUEUE, id - 1).into()).expect("it commits");
}

/// Message 1 goes, message 2 is written again at the end of the log, and the segment in which both stood is given up.
fn give_up_first(store: &Arc<Driven>) -> Box<dyn FnOnce() + Send> {
    let store = Arc::clone(store);
    Box::new(move || {
        let first = store.head_number();
        acknowledge(&store, 1);
        store.clean(|writer| writer.head_number() == first);
        assert_ne!(store.head_number(), first, "the first segment is given up");
        // Whatever was recycled gets other bytes.
        for id in 10..14 {
            store.commit_wait(enqueue(id, QUEUE, 2500).into()).expect("it commits");
        }
    })
}

fn read(store: &Driven, messages_max: usize) -> Result<Page, StoreError> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max,
        bytes_max: usize::MAX,
    };
    store.read_wait(request)
}

fn lengths(page: &Page) -> BTreeMap<u64, usize> {
    assert!(page.damaged.is_empty(), "{:?}", page.damaged);
    page.messages.iter().map(|stored| (stored.id.0, stored.message.body.len())).collect()
}

#[test]
fn what_stood_in_a_segment_that_is_given_up_before_it_is_opened_is_found_where_it_stands_now() {
    let (disk, meanwhile) = interrupted(&MemoryDisk::new());
    let store = filled(disk);
    *meanwhile.lock().expect("no panic") = Some((Call::OpenSegment, give_up_first(&store)));
    let page = read(&store, 4).expect("it can be read");
    assert!(meanwhile.lock().expect("no panic").is_none(), "the segment was given up meanwhile");
    assert_eq!(lengths(&page), BTreeMap::from([(2, 1500), (3, 2500), (4, 2500), (10, 2500)]));
}

#[test]
fn a_segment_that_is_being_read_gets_no_other_life() {
    let (disk, meanwhile) = interrupted(&MemoryDisk::new());
    let store = filled(disk);
    *meanwhile.lock().expect("no panic") = Some((Call::SegmentRead, give_up_first(&store)));
    let page = read(&store, 1).expect("it can be read");
    assert!(meanwhile.lock().expect("no panic").is_none(), "the segment was given up meanwhile");
    // What was begun is read to its end, or what stands elsewhere now is read there.
    let lengths = lengths(&page);
    assert!(lengths == BTreeMap::from([(1, 1500)]) || lengths == BTreeMap::from([(2, 1500)]), "{lengths:?}");
}

#[test]
fn a_head_that_is_given_up_before_the_cleaner_opens_it_is_passed_over() {
    let (disk, meanwhile) = interrupted(&MemoryDisk::new());
    let store = filled(disk);
    let shared = Arc::clone(store.writer.lock().expect("no panic").shared());
    let first = store.head_number().expect("a head");
    let acknowledging = Arc::clone(&store);
    let act = move || [1, 2].into_iter().for_each(|id| acknowledge(&acknowledging, id));
    *meanwhile.lock().expect("no panic") = Some((Call::OpenSegment, Box::new(act)));
    let piece = next_piece(&mut HeadReader::default(), &shared).expect("no error").expect("a piece");
    assert!(meanwhile.lock().expect("no panic").is_none(), "the head was given up meanwhile");
    assert_eq!(piece.segment, first + 1);
    assert_eq!(piece.messages.len(), 1);
}

/// The store's first segment.
fn first_segment(store: &Driven) -> FileName {
    FileName::Segment { epoch: Epoch(1), number: store.head_number().expect("a head") }
}

#[test]
fn a_segment_that_vanished_ends_the_store_with_its_name_and_cause() {
    let disk = MemoryDisk::new();
    let store = filled(Arc::new(disk.clone()));
    disk.remove(first_segment(&store)).expect("removed");
    let error = read(&store, 4).expect_err("it cannot be read");
    let text = error.to_string();
    assert!(matches!(error, StoreError::Failed(_)) && text.contains("cannot read segment 1"), "{text}");
    let after = store.commit_wait(enqueue(9, QUEUE, 10).into()).expect_err("the store has ended");
    assert_eq!(after.to_string(), text);
}

#[test]
fn a_segment_that_vanished_under_a_master_that_was_overtaken_says_so() {
    let disk = MemoryDisk::new();
    let store = filled(Arc::new(disk.clone()));
    disk.remove(first_segment(&store)).expect("removed");
    let hold = store.hold();
    hold.lose("overtaken");
    let error = read(&store, 4).expect_err("it cannot be read");
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
}

#[test]
fn a_log_of_many_segments_is_read_again_with_few_of_them_open() {
    let memory = MemoryDisk::new();
    let watched = memory.clone();
    // The one that is written, and those for which room is being made, beside the one that may be open.
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(Arc::new(memory.clone()), move |call| {
        assert!(watched.segments_open() <= 4, "{} segments are open at {call:?}", watched.segments_open());
        Ok(())
    }));
    {
        let store = Driven::open_with(Arc::clone(&disk), 1, without_checkpoints()).expect("it opens");
        store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
        for id in 1..=60 {
            store.commit_wait(enqueue(id, QUEUE, 2500).into()).expect("it commits");
        }
    }
    let store = Driven::open_with(disk, 2, without_checkpoints()).expect("it opens");
    let mut after = None;
    for id in 1..=60 {
        let request =
            ReadRequest { destination: QUEUE, subscription: None, after, messages_max: 1, bytes_max: 1 };
        let page = store.read_wait(request).expect("it can be read");
        assert_eq!(lengths(&page), BTreeMap::from([(id, 2500)]));
        after = page.messages.last().map(|stored| stored.cursor);
    }
}
