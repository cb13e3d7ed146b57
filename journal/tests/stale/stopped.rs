//! Masters stopped at every step and before every kind of call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::disk::Disk;
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::steps::{Step, Watch};

use crate::gate::*;
use crate::masters::*;

/// Begins a master behind a gate.
type BeginGated<'a> = dyn Fn(&Arc<Gate>, &Arc<Ledger>) -> Receiver<Result<Master, String>> + 'a;

/// Two masters in a row are stopped, a third takes over, and then the two are let go.
fn stopped(make_disk: &dyn Fn() -> Arc<dyn Disk>, begin_gated: &BeginGated<'_>, at: &str) {
    let ledger = Arc::new(Ledger::default());
    // One who was there before, so that there is a log to read and seal.
    let zeroth = wait_for(begin(make_disk(), Watch::default(), &ledger), at);
    work(&zeroth, &ledger, at);
    zeroth.end();

    let gates = [Arc::new(Gate::default()), Arc::new(Gate::default())];
    let mut old = Vec::new();
    for gate in &gates {
        old.push(begin_gated(gate, &ledger));
        gate.wait_closed(at);
    }
    let third = wait_for(begin(make_disk(), Watch::default(), &ledger), at);
    work(&third, &ledger, at);
    // The younger first, so that the older meets what it does too.
    for gate in gates.iter().rev() {
        gate.let_go();
        work(&third, &ledger, at);
    }
    // Who had become master learns that it is none; it stays ended, and who was still on the way waits as slave.
    let settle = Instant::now() + Duration::from_millis(200);
    let mut ended = 0;
    while Instant::now() < settle && !old.is_empty() {
        old.retain(|begun| match begun.try_recv() {
            Ok(Ok(master)) => {
                assert!(master.epoch < third.epoch, "{at}: epoch {} beside {}", master.epoch, third.epoch);
                master.must_be_lost(at);
                ended += 1;
                false
            }
            Ok(Err(error)) => panic!("{at}: {error}"),
            Err(_) => true,
        });
        thread::sleep(Duration::from_millis(1));
    }
    work(&third, &ledger, at);
    let mut epoch = third.epoch;
    third.end();
    while !old.is_empty() {
        let slave = wait_for_one(&mut old, at);
        assert!(slave.epoch > epoch, "{at}: epoch {} after {epoch}", slave.epoch);
        epoch = slave.epoch;
        work(&slave, &ledger, at);
        slave.end();
    }
    judge(make_disk(), &ledger, at);
}

fn stopped_at(make_disk: &dyn Fn() -> Arc<dyn Disk>, step: Step) {
    let begin_gated =
        |gate: &Arc<Gate>, ledger: &Arc<Ledger>| begin(gate.before(make_disk()), gated(step, gate), ledger);
    stopped(make_disk, &begin_gated, &format!("stopped at {step}"));
}

/// Runs cases side by side, a few at a time: they mostly wait for leases.
fn each_in_its_thread<T: Copy + Send + Sync>(cases: &[T], run: impl Fn(T) + Sync) {
    for some in cases.chunks(4) {
        thread::scope(|scope| {
            for &case in some {
                let run = &run;
                scope.spawn(move || run(case));
            }
        });
    }
}

#[test]
fn a_master_stopped_at_any_step_is_harmless_in_memory() {
    each_in_its_thread(Step::ALL, |step| {
        let disk = MemoryDisk::new();
        stopped_at(&|| Arc::new(disk.clone()), step);
    });
}

#[test]
fn a_master_stopped_at_any_step_is_harmless_on_a_directory() {
    each_in_its_thread(Step::ALL, |step| {
        let directory = tempfile::tempdir().unwrap();
        let io = SegmentIo::Mapped(FlushCall::Fdatasync);
        stopped_at(&|| on_disk(directory.path(), io), step);
    });
}

/// The same before calls of the I/O seam instead of at steps.
#[test]
fn a_master_stopped_before_any_call_is_harmless() {
    let calls = [
        (Call::Publish, 0),
        (Call::Publish, 1),
        (Call::Overwrite, 0),
        (Call::CreateSegment, 0),
        (Call::CreateSegment, 2),
        (Call::SyncNames, 0),
        (Call::SyncNames, 1),
        (Call::SegmentWrite, 0),
        (Call::SegmentWrite, 9),
        (Call::SegmentFlush, 0),
        (Call::SegmentFlush, 3),
        (Call::Ask, 4),
        (Call::Ask, 7),
        (Call::Rename, 0),
        (Call::Rename, 3),
        (Call::Remove, 0),
        (Call::Remove, 2),
        (Call::Sweep, 0),
        (Call::SegmentRead, 0),
        (Call::OpenSegment, 0),
    ];
    each_in_its_thread(&calls, |(call, number)| {
        let disk = MemoryDisk::new();
        let begin_gated = |gate: &Arc<Gate>, ledger: &Arc<Ledger>| {
            let (count, closed) = (AtomicU64::new(0), Arc::clone(gate));
            let counting = FaultyDisk::new(Arc::new(disk.clone()), move |found| {
                if found == call && count.fetch_add(1, Ordering::SeqCst) == number {
                    closed.close();
                }
                closed.pass();
                Ok(())
            });
            begin(Arc::new(counting), Watch::default(), ledger)
        };
        let make_disk = || Arc::new(disk.clone()) as Arc<dyn Disk>;
        stopped(&make_disk, &begin_gated, &format!("stopped before {call:?} {number}"));
    });
}
