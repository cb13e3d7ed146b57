//! Holding back: what another copy has not confirmed can be cut, whatever was acknowledged or compacted behind it.

use super::*;

/// Random batches in two epochs, the second of which dies, with another copy that is some batches behind: up to which batch it confirmed.
fn behind(seed: u64, options: JournalOptions, holds_back: bool) -> (Past, usize) {
    let options = JournalOptions { holds_back, ..options };
    let mut past = Past { disk: MemoryDisk::new(), epoch: 0, states: vec![State::default()], options };
    let mut script = Script::new(seed);
    let mut confirmed = 0;
    for _ in 0..2 {
        let store = past.open();
        if past.states.len() == 1 {
            past.take(&store, create(QUEUE, DestinationKind::Queue).into());
        }
        for _ in 0..40 {
            let batch = script.batch(past.last());
            past.take(&store, batch);
            if script.random.one_in(5) {
                confirmed = confirmed.max((past.states.len() - 1).saturating_sub(script.random.below(25)));
                if holds_back {
                    confirm(&store, Some(named(confirmed)));
                }
            }
            if script.random.one_in(4) {
                store.idle();
            }
            if script.random.one_in(6) {
                let head = store.head_number();
                store.clean(|writer| writer.head_number() == head);
            }
        }
    }
    (past, confirmed)
}

fn confirm(store: &Driven, through: Option<BatchName>) {
    store.writer.lock().expect("no panic").shared().confirm(through);
}

#[test]
fn what_another_copy_has_not_confirmed_can_always_be_cut() {
    let (mut held, mut free) = (Tried::default(), Tried::default());
    for seed in 0..10 * scale() {
        for options in [options(), without_checkpoints()] {
            let (past, confirmed) = behind(200 + seed, options.clone(), true);
            cut_everywhere(&past, confirmed, &mut held);
            let (past, confirmed) = behind(200 + seed, options, false);
            cut_everywhere(&past, confirmed, &mut free);
        }
    }
    println!("held back: {held:?}; not: {free:?}");
    assert_eq!(held.cannot, 0);
    assert!(held.cut > 100 && free.cannot > 30, "{held:?} {free:?}");
}

/// The names of segments, but for those that are part of the log.
fn given_up(disk: &MemoryDisk, store: &Driven) -> usize {
    let counts = store.writer.lock().expect("no panic").shared().segments().len();
    names(disk).into_iter().filter(|name| is_segment(*name)).count() - counts
}

#[test]
fn what_is_held_back_goes_once_it_is_confirmed_or_there_is_no_other_copy() {
    for through in [None, Some(named(usize::MAX))] {
        let (mut past, _) = behind(5, options(), true);
        let store = past.open();
        let held = given_up(&past.disk, &store);
        assert!(held > 2, "{held} segments are held back");
        store.idle();
        assert_eq!(given_up(&past.disk, &store), held, "an opening gives nothing up");
        confirm(&store, through);
        assert!(store.writer.lock().expect("no panic").idle() || held > 0);
        assert_eq!(given_up(&past.disk, &store), 0);
        holds(&store, past.last(), &|| "given up".to_owned());
        drop(store);
        let store = past.open();
        holds(&store, past.last(), &|| "opened again".to_owned());
    }
}

#[test]
fn a_master_that_was_overtaken_gives_up_nothing_that_it_held_back() {
    let (mut past, _) = behind(5, options(), true);
    let store = past.open();
    let held = given_up(&past.disk, &store);
    store.hold().lose("overtaken");
    confirm(&store, None);
    store.idle();
    assert_eq!(given_up(&past.disk, &store), held);
}
