//! Cuts of which it is known what they meet.

use kahawai_store::batch::{Operation, Outcome};
use kahawai_store::names::MessageId;

use super::super::script::{acknowledge, message, xid};
use super::*;

/// A store with the queue in it.
fn begun(options: JournalOptions) -> (Past, Driven) {
    let mut past = Past { disk: MemoryDisk::new(), epoch: 0, states: vec![State::default()], options };
    let store = past.open();
    past.take(&store, create(QUEUE, DestinationKind::Queue).into());
    (past, store)
}

impl Past {
    fn number(&self) -> usize {
        self.states.len() - 1
    }

    /// Cuts behind the batch of this number, on this very disk; gives the store that is there then, and the past that it has.
    fn cut_behind(mut self, number: usize) -> (Self, Driven) {
        let left_out = self.left_out(Cut::Behind(named(number)));
        let store = self.cut(Arc::new(self.disk.clone()), Cut::Behind(named(number)));
        self.epoch += 1;
        let at = || format!("cut behind {number} of {}", self.number());
        holds(&store, &self.states[number], &at);
        assert_eq!(last(&store), named(number), "{}", at());
        let aside = batches(&self.disk, is_aside);
        assert!(left_out.is_subset(&aside), "{}: {left_out:?} of {aside:?}", at());
        self.states.truncate(number + 1);
        (self, store)
    }

    /// Is opened again as it is.
    fn opened_again(mut self, store: Driven) -> (Self, Driven) {
        drop(store);
        let store = self.open();
        holds(&store, self.last(), &|| "opened again".to_owned());
        assert_eq!(last(&store), named(self.number()));
        (self, store)
    }
}

fn segments(disk: &MemoryDisk) -> Vec<FileName> {
    names(disk).into_iter().filter(|name| is_segment(*name)).collect()
}

#[test]
fn what_is_cut_inside_a_segment_or_at_its_end_is_aside_and_the_rest_is_there() {
    let (mut past, store) = begun(without_checkpoints());
    let mut firsts = Vec::new();
    for id in 1..=20 {
        let before = segments(&past.disk).len();
        past.take(&store, enqueue(id, QUEUE, 600).into());
        if segments(&past.disk).len() > before {
            firsts.push(past.number());
        }
    }
    drop(store);
    assert!(firsts.len() > 2, "{firsts:?}");
    let whole = past.disk.crash(&mut || true);
    // The last batch of a segment, one in its midst, and the first of the next.
    for number in [firsts[1] - 1, firsts[1] - 2, firsts[1]] {
        let disk = whole.crash(&mut || true);
        let copy = Past { disk, epoch: 1, states: past.states.clone(), options: past.options.clone() };
        let (copy, store) = copy.cut_behind(number);
        drop(copy.opened_again(store));
    }
}

#[test]
fn a_checkpoint_beyond_the_cut_is_not_used() {
    let (mut past, store) = begun(options());
    for id in 1..=30 {
        past.take(&store, enqueue(id, QUEUE, 300).into());
    }
    let checkpoints = |past: &Past| {
        names(&past.disk).iter().filter(|name| matches!(name, FileName::Checkpoint { .. })).count()
    };
    drop(store);
    assert!(checkpoints(&past) > 1);
    let (past, store) = past.cut_behind(5);
    drop(past.opened_again(store));
}

#[test]
fn what_was_decided_in_the_tail_is_undecided_again_and_what_was_removed_is_back() {
    for options in [options(), without_checkpoints()] {
        let (mut past, store) = begun(options);
        let (id, destination) = (MessageId(50), QUEUE);
        let prepared = Operation::Enqueue { id, destination, rank: 0, message: message(id, 100) };
        past.take(&store, enqueue(1, QUEUE, 100).into());
        past.take(&store, enqueue(2, QUEUE, 100).into());
        past.take(&store, Operation::Prepare { xid: xid(1), operations: vec![prepared] }.into());
        let kept = past.number();
        past.take(&store, Operation::Decide { xid: xid(1), outcome: Outcome::Commit }.into());
        past.take(&store, acknowledge(1, QUEUE, 0).into());
        past.take(&store, Operation::RemoveDestination(QUEUE).into());
        store.close();
        let (mut past, store) = past.cut_behind(kept);
        assert_eq!(store.recover_wait().expect("it recovers").prepared.len(), 1);
        past.take(&store, Operation::Decide { xid: xid(1), outcome: Outcome::Commit }.into());
        past.take(&store, acknowledge(50, QUEUE, 2).into());
        drop(past.opened_again(store));
    }
}

#[test]
fn a_cut_behind_what_was_written_again_keeps_that() {
    let (mut past, store) = begun(without_checkpoints());
    for id in 1..=8 {
        past.take(&store, enqueue(id, QUEUE, 900).into());
    }
    let head = store.head_number();
    store.clean(|writer| writer.head_number() == head);
    assert_ne!(store.head_number(), head, "the head was written again and given up");
    let kept = past.number();
    for id in 1..=3 {
        past.take(&store, acknowledge(id, QUEUE, id - 1).into());
    }
    drop(store);
    let (past, store) = past.cut_behind(kept);
    drop(past.opened_again(store));
}

#[test]
fn a_cut_to_nothing_a_second_cut_and_what_is_written_behind_them_last() {
    let (mut past, store) = begun(options());
    for id in 1..=30 {
        past.take(&store, enqueue(id, QUEUE, 300).into());
    }
    drop(store);
    let (mut past, store) = past.cut_behind(20);
    for id in 101..=110 {
        past.take(&store, enqueue(id, QUEUE, 300).into());
    }
    // Names of what was cut before are had a second time: both tails are kept.
    let (past, store) = past.opened_again(store);
    drop(store);
    let (mut past, store) = past.cut_behind(10);
    past.take(&store, enqueue(200, QUEUE, 300).into());
    drop(store);
    let (mut past, store) = past.cut_behind(0);
    past.take(&store, create(QUEUE, DestinationKind::Queue).into());
    past.take(&store, enqueue(1, QUEUE, 300).into());
    drop(past.opened_again(store));
}

#[test]
fn a_stale_master_of_the_epoch_before_writes_nothing_that_counts() {
    let (mut past, stale) = begun(without_checkpoints());
    for id in 1..=12 {
        past.take(&stale, enqueue(id, QUEUE, 600).into());
    }
    let (mut past, store) = past.cut_behind(6);
    stale.hold().lose("overtaken");
    stale.commit_wait(acknowledge(1, QUEUE, 0).into()).expect_err("it is no master any more");
    drop(stale);
    past.take(&store, acknowledge(2, QUEUE, 1).into());
    drop(past.opened_again(store));
}

#[test]
fn what_stands_behind_no_batch_is_not_cut() {
    let (mut past, store) = begun(options());
    past.take(&store, enqueue(1, QUEUE, 300).into());
    drop(store);
    for number in [past.number(), past.number() + 5] {
        let store = past.cut(Arc::new(past.disk.clone()), Cut::Behind(named(number)));
        past.epoch += 1;
        holds(&store, past.last(), &|| "not cut".to_owned());
    }
    assert!(!names(&past.disk).into_iter().any(is_aside));
}

/// Two messages that fill the first segment, acknowledged behind the third batch: their segment is given up, and recycled.
#[test]
fn a_cut_that_needs_what_was_given_up_is_refused_and_changes_nothing() {
    let (mut past, store) = begun(options());
    for id in 1..=6 {
        past.take(&store, enqueue(id, QUEUE, 1500).into());
    }
    let kept = past.number();
    for id in 1..=4 {
        past.take(&store, acknowledge(id, QUEUE, id - 1).into());
    }
    past.take(&store, enqueue(7, QUEUE, 1500).into());
    drop(store);
    let before = names(&past.disk);
    let cut = Cut::Behind(named(kept));
    let disk = Arc::new(past.disk.clone());
    let refused = Driven::open_cut(disk, past.epoch + 1, past.options.clone(), cut).map(drop);
    assert!(matches!(refused, Err(BeginError::CannotCut(_))), "{refused:?}");
    assert_eq!(names(&past.disk), before);
    check(&past, cut, false, &past.disk, past.epoch + 2, &|| "refused".to_owned());
}

/// Also where only what is to be cut says that it was on the disk.
#[test]
fn a_cut_of_what_is_damaged_is_refused() {
    let (mut past, store) = begun(without_checkpoints());
    for id in 1..=13 {
        past.take(&store, enqueue(id, QUEUE, 600).into());
    }
    drop(store);
    let last = past.number() - 1;
    let whole = past.disk.crash(&mut || true);
    let segments = segments(&whole);
    for damaged in [2, last] {
        let (_, name, offset) = places(&whole, is_segment)
            .into_iter()
            .find(|(name, ..)| *name == named(damaged))
            .expect("it is there");
        assert_eq!(damaged == last, Some(&name) == segments.last(), "{segments:?}");
        let disk = whole.crash(&mut || true);
        disk.damage(name, offset as usize + 40, |bytes| bytes[..8].fill(0xff));
        let cut = Cut::Behind(named(last));
        let refused = Driven::open_cut(Arc::new(disk), 2, past.options.clone(), cut).map(drop);
        assert!(matches!(refused, Err(BeginError::CannotCut(_))), "{damaged}: {refused:?}");
    }
}

/// The log of the first epoch was given up behind the cut, and its seal with it.
#[test]
fn a_cut_that_needs_the_log_of_an_epoch_that_is_gone_is_refused() {
    let (mut past, store) = begun(options());
    for id in 1..=6 {
        past.take(&store, enqueue(id, QUEUE, 1500).into());
    }
    let (mut past, store) = past.opened_again(store);
    past.take(&store, enqueue(7, QUEUE, 1500).into());
    let kept = past.number();
    for id in 1..=6 {
        past.take(&store, acknowledge(id, QUEUE, id - 1).into());
    }
    let (past, store) = past.opened_again(store);
    drop(store);
    assert!(!names(&past.disk).contains(&FileName::Seal(Epoch(1))), "its seal is gone");
    let cut = Cut::Behind(named(kept));
    let disk = Arc::new(past.disk.clone());
    let refused = Driven::open_cut(disk, past.epoch + 1, past.options.clone(), cut).map(drop);
    assert!(matches!(refused, Err(BeginError::CannotCut(_))), "{refused:?}");
    check(&past, cut, false, &past.disk, past.epoch + 2, &|| "refused".to_owned());
}

/// The last flush acknowledged what kept a segment, and released that; no record said yet that it was on the disk, so both were written anew. Behind a cut between
/// them, the segment is not released.
#[test]
fn what_was_released_in_the_last_flush_of_a_master_that_died_is_there_behind_a_cut_before_it() {
    for options in [options(), without_checkpoints()] {
        let (mut past, store) = begun(JournalOptions { holds_back: true, ..options });
        for id in 1..=5 {
            past.take(&store, enqueue(id, QUEUE, 1500).into());
        }
        past.take(&store, acknowledge(2, QUEUE, 1).into());
        let kept = past.number();
        let head = store.head_number();
        past.take(&store, acknowledge(1, QUEUE, 0).into());
        assert_ne!(store.head_number(), head, "it is released");
        let (past, store) = past.opened_again(store);
        drop(store);
        let (past, store) = past.cut_behind(kept);
        drop(past.opened_again(store));
    }
}
