//! Cuts: what is left out of a log when it is opened never comes back and is never destroyed, whenever the machine stops.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Store, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{BatchName, DestinationId, Epoch, Term};

use super::driver::{Driven, contents_of, dump, options, real, summary, without_checkpoints};
use super::scale;
use super::script::{Random, Script, create, enqueue};
use crate::cut::Cut;
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::format::batch::decode_batch_body;
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::format::segment;
use crate::log::scan::{Item, Scanner};
use crate::options::JournalOptions;
use crate::writer::begin_error::BeginError;

mod held;
mod named;

const QUEUE: DestinationId = DestinationId(1_000_000);

/// The name that the batch of this number has, without terms.
fn named(number: usize) -> BatchName {
    BatchName { term: Term(0), number: number as u64 }
}

/// A store with some history, and what it held after each batch of it.
struct Past {
    disk: MemoryDisk,
    epoch: u64,
    /// What was held after the batch of each number, from 0 on.
    states: Vec<State>,
    options: JournalOptions,
}

impl Past {
    /// Random batches in two epochs, the second of which dies.
    fn of(seed: u64, batches: usize, options: JournalOptions) -> Self {
        let disk = MemoryDisk::new();
        let mut past = Self { disk, epoch: 0, states: vec![State::default()], options };
        let mut script = Script::new(seed);
        for count in [batches / 2, batches - batches / 2] {
            let store = past.open();
            if past.states.len() == 1 {
                past.take(&store, create(QUEUE, DestinationKind::Queue).into());
                past.take(&store, create(DestinationId(QUEUE.0 + 1), DestinationKind::Topic).into());
            }
            for _ in 0..count {
                let batch = script.batch(past.last());
                past.take(&store, batch);
                if script.random.one_in(4) {
                    store.idle();
                }
            }
        }
        past
    }

    fn open(&mut self) -> Driven {
        self.epoch += 1;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Driven::open_with(disk, self.epoch, self.options.clone()).expect("it opens")
    }

    fn last(&self) -> &State {
        self.states.last().expect("one at least")
    }

    fn take(&mut self, store: &Driven, batch: Batch) {
        let mut state = self.last().clone();
        state.apply(batch.clone()).expect("the model takes it");
        store.commit_wait(batch).expect("it commits");
        self.states.push(state);
    }

    fn cut(&self, disk: Arc<dyn Disk>, cut: Cut) -> Driven {
        let opened = Driven::open_cut(disk, self.epoch + 1, self.options.clone(), cut);
        opened.unwrap_or_else(|error| panic!("{cut:?}: {error}"))
    }

    /// What is held when this was cut.
    fn state_after(&self, cut: Cut) -> &State {
        match cut {
            Cut::All => &self.states[0],
            Cut::Behind(name) => &self.states[name.number as usize],
        }
    }

    /// The batches in the log that this leaves out.
    fn left_out(&self, cut: Cut) -> BTreeSet<BatchName> {
        let all = batches(&self.disk, is_segment);
        match cut {
            Cut::All => all,
            Cut::Behind(last) => all.into_iter().filter(|name| *name > last).collect(),
        }
    }
}

fn last(store: &Driven) -> BatchName {
    store.recover_wait().expect("it recovers").batch_last
}

fn holds(store: &Driven, state: &State, at: &dyn Fn() -> String) {
    let (found, expected) = (Contents::of(store, 1000).expect("it can be read"), contents_of(state));
    assert!(found == expected, "{}: found\n{}\nnot\n{}", at(), summary(&found), summary(&expected));
    let damage = store.damage();
    assert!(real(&damage).is_empty(), "{}: {damage:#?}", at());
}

fn names(disk: &MemoryDisk) -> Vec<FileName> {
    let mut names = disk.list().expect("a list");
    names.sort_unstable();
    names
}

/// The names of all batches in files of which this says so.
fn batches(disk: &MemoryDisk, of: impl Fn(FileName) -> bool) -> BTreeSet<BatchName> {
    places(disk, of).into_iter().map(|(name, ..)| name).collect()
}

/// The same, and the file and offset of each record.
fn places(disk: &MemoryDisk, of: impl Fn(FileName) -> bool) -> Vec<(BatchName, FileName, u64)> {
    let mut found = Vec::new();
    for name in names(disk).into_iter().filter(|name| of(*name)) {
        let file = disk.open_segment(name).expect("it opens");
        let mut bytes = vec![0; file.length() as usize];
        file.read(0, &mut bytes).expect("it reads");
        let Ok(header) = segment::decode(&bytes) else { continue };
        for item in Scanner::new(&bytes, header.log, header.epoch, header.number, None) {
            if let Item::Record { header, offset } = item
                && header.kind == Kind::Batch
            {
                let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                found.push((decode_batch_body(body).expect("a batch").1.name, name, offset));
            }
        }
    }
    found
}

fn is_segment(name: FileName) -> bool {
    matches!(name, FileName::Segment { .. })
}

fn is_aside(name: FileName) -> bool {
    matches!(name, FileName::Aside { .. })
}

/// What is left out is on the disk somewhere, and what was never cut is not changed: opens a store on which power failed in the midst of a cut, or behind it.
fn check(past: &Past, cut: Cut, is_made: bool, after: &MemoryDisk, epoch: u64, at: &dyn Fn() -> String) {
    let store = Driven::open_with(Arc::new(after.clone()), epoch, past.options.clone());
    let store = store.unwrap_or_else(|error| panic!("{}: {error}", at()));
    holds(&store, if is_made { past.state_after(cut) } else { past.last() }, at);
    let names = names(after);
    assert!(!names.iter().any(|name| matches!(name, FileName::Cut(_))), "{}: {names:?}", at());
    let aside = batches(after, is_aside);
    let expected = if is_made { past.left_out(cut) } else { BTreeSet::new() };
    assert_eq!(aside, expected, "{}: what is aside in\n{}", at(), dump(after));
}

/// Whether a cut was made on this disk: its seal is there.
fn is_made(past: &Past, disk: &MemoryDisk) -> bool {
    names(disk).contains(&FileName::Seal(Epoch(past.epoch + 1)))
}

/// What came of trying to cut behind each batch of a past.
#[derive(Debug, Default)]
struct Tried {
    cut: usize,
    /// What was gone that it took.
    cannot: usize,
}

/// Cuts behind each batch, each on a disk of its own: what that batch left is there, or the store is as it was. What is cut is lived on.
fn cut_everywhere(past: &Past, from: usize, tried: &mut Tried) {
    for number in from..past.states.len() {
        let at = || format!("cut behind {number} of {}", past.states.len() - 1);
        let disk = past.disk.crash(&mut || true);
        let cut = Cut::Behind(named(number));
        let opened = Driven::open_cut(Arc::new(disk.clone()), past.epoch + 1, past.options.clone(), cut);
        let store = match opened {
            Ok(store) => store,
            Err(BeginError::CannotCut(_)) => {
                tried.cannot += 1;
                check(past, cut, false, &disk, past.epoch + 2, &at);
                continue;
            }
            Err(error) => panic!("{}: {error}", at()),
        };
        tried.cut += 1;
        holds(&store, &past.states[number], &at);
        assert_eq!(last(&store), named(number), "{}", at());
        assert_eq!(batches(&disk, is_aside), past.left_out(cut), "{}", at());
        let mut state = past.states[number].clone();
        let mut script = Script::new(1000 + number as u64);
        script.skip_ids(10_000);
        for _ in 0..8 {
            let batch = script.batch(&state);
            state.apply(batch.clone()).expect("the model takes it");
            store.commit_wait(batch).unwrap_or_else(|error| panic!("{}: {error}", at()));
        }
        holds(&store, &state, &at);
        drop(store);
        let again = Driven::open_with(Arc::new(disk.clone()), past.epoch + 2, past.options.clone());
        let again = again.unwrap_or_else(|error| panic!("{}: {error}", at()));
        holds(&again, &state, &at);
        assert_eq!(last(&again), named(number + 8), "{}", at());
    }
}

/// Cuts under a power failure at each call, and what came of that opened under another.
fn crash_everywhere(past: &Arc<Past>, cut: Cut, seed: u64) -> (u64, u64) {
    let (kept, made) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let disk = past.disk.crash(&mut || true);
    let counters = (Arc::clone(&kept), Arc::clone(&made));
    let (watched, watching) = (disk.clone(), Arc::clone(past));
    let (random, number) = (Mutex::new(Random(seed)), AtomicU64::new(0));
    let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        let at = number.fetch_add(1, Ordering::Relaxed);
        if only_looks(call) {
            return Ok(());
        }
        let mut random = random.lock().expect("no panic");
        for weight in [0, 1, 4, 7, 8] {
            let after = watched.crash(&mut || random.below(8) < weight);
            let told = || format!("{cut:?}, before call {at} ({call:?}), kept {weight}");
            let is_made = is_made(&watching, &after);
            let counter = if is_made { &counters.1 } else { &counters.0 };
            counter.fetch_add(1, Ordering::Relaxed);
            match random.one_in(8) {
                true => again(&watching, cut, is_made, &after, &mut random, &told),
                false => check(&watching, cut, is_made, &after, watching.epoch + 2, &told),
            }
        }
        Ok(())
    });
    let store = past.cut(Arc::new(faulty), cut);
    holds(&store, past.state_after(cut), &|| format!("{cut:?}"));
    drop(store);
    check(past, cut, true, &disk, past.epoch + 2, &|| format!("{cut:?}, at the end"));
    (kept.load(Ordering::Relaxed), made.load(Ordering::Relaxed))
}

/// Opens what a cut left, under a power failure at each call.
fn again(
    past: &Past,
    cut: Cut,
    is_made: bool,
    disk: &MemoryDisk,
    random: &mut Random,
    told: &dyn Fn() -> String,
) {
    let (watched, seed) = (disk.clone(), Mutex::new(Random(random.next())));
    let images: Arc<Mutex<Vec<MemoryDisk>>> = Arc::default();
    let taken = Arc::clone(&images);
    let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        if !only_looks(call) {
            let mut random = seed.lock().expect("no panic");
            let weight = random.below(9);
            let image = watched.crash(&mut || random.below(8) < weight);
            taken.lock().expect("no panic").push(image);
        }
        Ok(())
    });
    let store = Driven::open_with(Arc::new(faulty), past.epoch + 2, past.options.clone());
    drop(store.unwrap_or_else(|error| panic!("{}: {error}", told())));
    for image in images.lock().expect("no panic").drain(..) {
        check(past, cut, is_made, &image, past.epoch + 3, &|| format!("{}, again", told()));
    }
}

fn only_looks(call: Call) -> bool {
    matches!(call, Call::Read | Call::List | Call::Ask | Call::SegmentRead | Call::OpenSegment)
}

#[test]
fn a_store_that_is_set_aside_whole_is_empty_and_nothing_of_it_is_destroyed() {
    for options in [options(), without_checkpoints()] {
        let past = Past::of(1, 60, options);
        let before = batches(&past.disk, is_segment);
        let store = past.cut(Arc::new(past.disk.clone()), Cut::All);
        holds(&store, &State::default(), &|| "at once".to_owned());
        assert_eq!(last(&store), BatchName::default());
        assert_eq!(batches(&past.disk, is_segment), BTreeSet::new());
        assert_eq!(batches(&past.disk, is_aside), before);
        // It begins anew: no arrival and no name is behind what was before.
        let committed = store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
        assert_eq!(committed.name.number, 1);
        store.commit_wait(enqueue(1, QUEUE, 20).into()).expect("it commits");
        store.close();
        drop(store);
        for epoch in past.epoch + 2..past.epoch + 4 {
            let disk = Arc::new(past.disk.clone());
            let store = Driven::open_with(disk, epoch, past.options.clone()).expect("it opens");
            let recovered = store.recover_wait().expect("it recovers");
            assert_eq!((recovered.batch_last.number, recovered.damage), (2, Vec::new()));
            assert_eq!(batches(&past.disk, is_aside), before);
        }
    }
}

/// What an emptied store begins with is there with the cut, whenever the machine fails.
#[test]
fn an_emptied_store_begins_with_what_it_was_told_to_hold() {
    let first = vec![kahawai_store::batch::Operation::Put {
        table: "table".into(),
        key: bytes::Bytes::from_static(b"key"),
        value: Some(bytes::Bytes::from_static(b"value")),
    }];
    let options = JournalOptions { first, ..options() };
    let past = Past::of(1, 40, options.clone());
    let images: Arc<Mutex<Vec<MemoryDisk>>> = Arc::default();
    let (watched, taken) = (past.disk.clone(), Arc::clone(&images));
    let faulty = FaultyDisk::new(Arc::new(past.disk.clone()), move |call| {
        if !only_looks(call) {
            let all = [true, false].map(|keeps| watched.crash(&mut || keeps));
            taken.lock().expect("no panic").extend(all);
        }
        Ok(())
    });
    drop(past.cut(Arc::new(faulty), Cut::All));
    let mut made = 0;
    for (at, image) in images.lock().expect("no panic").drain(..).enumerate() {
        let store = Driven::open_with(Arc::new(image), past.epoch + 2, options.clone()).expect("it opens");
        let recovered = store.recover_wait().expect("it recovers");
        if recovered.destinations.is_empty() {
            let is_there = recovered.tables.iter().any(|entry| entry.key == "key" && entry.value == "value");
            assert!(
                is_there && recovered.batch_last.number == 1,
                "image {at}: emptied, and it knows nothing"
            );
            made += 1;
        }
    }
    assert!(made > 4, "{made}");
}

#[test]
fn a_store_whose_seal_is_damaged_is_set_aside_too() {
    for seal in 1..=2 {
        let past = Past::of(2, 30, options());
        let before = batches(&past.disk, is_segment);
        past.disk.overwrite(FileName::Seal(Epoch(seal)), b"nothing").expect("it is written");
        Driven::open(Arc::new(past.disk.clone()), past.epoch + 1).map(drop).expect_err("it cannot be read");
        let store = past.cut(Arc::new(past.disk.clone()), Cut::All);
        holds(&store, &State::default(), &|| format!("seal {seal}"));
        assert_eq!(batches(&past.disk, is_aside), before);
    }
}

#[test]
fn a_power_failure_while_all_is_set_aside_leaves_all_of_it_or_nothing() {
    for (seed, options) in [(3, options()), (4, without_checkpoints())] {
        let past = Arc::new(Past::of(seed, 24, options));
        let (kept, made) = crash_everywhere(&past, Cut::All, seed);
        println!("{kept} kept, {made} made");
        assert!(kept > 20 && made > 20, "{kept} {made}");
    }
}

/// The stores of a test: with checkpoints and without, and such as hold back all that a cut may need.
fn kinds() -> [JournalOptions; 4] {
    let holding = |options| JournalOptions { holds_back: true, ..options };
    [options(), without_checkpoints(), holding(options()), holding(without_checkpoints())]
}

#[test]
fn a_cut_leaves_what_the_batch_left_or_nothing_is_changed() {
    let (mut tried, mut held) = (Tried::default(), Tried::default());
    for seed in 0..6 * scale() {
        for options in kinds() {
            let counted = if options.holds_back { &mut held } else { &mut tried };
            cut_everywhere(&Past::of(20 + seed, 40, options), 0, counted);
        }
    }
    println!("{tried:?}; of stores that hold everything back: {held:?}");
    assert!(tried.cut > 50 && tried.cannot > 20, "{tried:?}");
    assert!(held.cut > 400 && held.cannot == 0, "{held:?}");
}

/// Some cuts of a past.
fn some_cuts(past: &Past) -> Vec<Cut> {
    let numbers = (0..past.states.len()).step_by(5);
    let cuts = numbers.map(|number| Cut::Behind(named(number))).chain([Cut::All]);
    let can = |cut: &Cut| {
        let disk = Arc::new(past.disk.crash(&mut || true));
        let opened = Driven::open_cut(disk, past.epoch + 1, past.options.clone(), *cut);
        opened.is_ok() && !past.left_out(*cut).is_empty()
    };
    cuts.filter(can).collect()
}

#[test]
fn a_power_failure_during_a_cut_leaves_it_made_or_nothing_changed() {
    let (mut kept, mut made) = (0, 0);
    for seed in 0..2 * scale() {
        for options in kinds() {
            let past = Arc::new(Past::of(60 + seed, 24, options));
            for cut in some_cuts(&past) {
                let (before, after) = crash_everywhere(&past, cut, seed);
                (kept, made) = (kept + before, made + after);
            }
        }
    }
    println!("{kept} kept, {made} made");
    assert!(kept > 400 && made > 100, "{kept} {made}");
}

#[test]
fn a_call_that_fails_during_a_cut_leaves_it_made_or_nothing_changed() {
    let (mut kept, mut made) = (0, 0);
    for options in kinds() {
        let past = Past::of(70, 24, options);
        for cut in some_cuts(&past) {
            for number in 0.. {
                let disk = past.disk.crash(&mut || true);
                let calls = Arc::new(AtomicU64::new(0));
                let counted = Arc::clone(&calls);
                let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |_| {
                    match counted.fetch_add(1, Ordering::Relaxed) == number {
                        true => Err(io::Error::other("as asked for")),
                        false => Ok(()),
                    }
                });
                drop(Driven::open_cut(Arc::new(faulty), past.epoch + 1, past.options.clone(), cut));
                let is_made = is_made(&past, &disk);
                let counter = if is_made { &mut made } else { &mut kept };
                *counter += 1;
                check(&past, cut, is_made, &disk, past.epoch + 2, &|| {
                    format!("{cut:?}, call {number} fails")
                });
                if calls.load(Ordering::Relaxed) <= number {
                    break;
                }
            }
        }
    }
    println!("{kept} kept, {made} made");
    assert!(kept > 400 && made > 100, "{kept} {made}");
}

/// Who cuts is stopped before each of its calls, and the next begins, as it is, and takes a batch; then the first goes on.
#[test]
fn a_stale_master_that_cuts_harms_nothing() {
    let mut meetings = 0;
    for options in kinds() {
        let past = Arc::new(Past::of(80, 24, options));
        for cut in some_cuts(&past) {
            for stopped_at in 0.. {
                let disk = past.disk.crash(&mut || true);
                let hold = Arc::new(FixedHold::new(Epoch(past.epoch + 1)));
                let next: Arc<Mutex<Option<(Driven, State)>>> = Arc::default();
                let (began, shared, known, lost) =
                    (Arc::clone(&next), disk.clone(), Arc::clone(&past), Arc::clone(&hold));
                let calls = AtomicU64::new(0);
                let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |_| {
                    if calls.fetch_add(1, Ordering::Relaxed) == stopped_at {
                        lost.lose("overtaken");
                        let opened = Driven::open_with(
                            Arc::new(shared.clone()),
                            known.epoch + 2,
                            known.options.clone(),
                        );
                        let state = match is_made(&known, &shared) {
                            true => known.state_after(cut),
                            false => known.last(),
                        };
                        let opened = opened.expect("it opens");
                        if is_made(&known, &shared) {
                            assert_eq!(batches(&shared, is_aside), known.left_out(cut), "call {stopped_at}");
                        }
                        *began.lock().expect("no panic") = Some((opened, state.clone()));
                    }
                    Ok(())
                });
                drop(Driven::open_cut_under(Arc::new(faulty), hold, past.options.clone(), cut));
                let Some((store, mut state)) = next.lock().expect("no panic").take() else { break };
                meetings += 1;
                let at = || format!("{cut:?}, stopped before call {stopped_at}");
                holds(&store, &state, &at);
                let batch: Batch = create(DestinationId(77_000), DestinationKind::Queue).into();
                state.apply(batch.clone()).expect("the model takes it");
                store.commit_wait(batch).unwrap_or_else(|error| panic!("{}: {error}", at()));
                drop(store);
                for epoch in past.epoch + 3..past.epoch + 5 {
                    let again = Driven::open_with(Arc::new(disk.clone()), epoch, past.options.clone());
                    holds(&again.unwrap_or_else(|error| panic!("{}: {error}", at())), &state, &at);
                }
            }
        }
    }
    println!("{meetings} meetings");
    assert!(meetings > 500);
}
