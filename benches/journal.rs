//! What the journal does on this disk: appending with a flush, along one axis at a time, and recovery.
//!
//! `cargo bench --bench journal` measures in a directory under `target/`; set `KAHAWAI_BENCH_DIR` to measure another disk. Every
//! appending bench keeps `writers` batches in flight, each a persistent message whose sender waits for it, as that many
//! clients would. The start of each axis is the same: records of 1 KiB, 32 writers, the default way of writing,
//! recycled segments. `floor` is the device: the same bytes with one `fdatasync` for each, no journal.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, Store, StoreWait};
use kahawai_store::message::{Header, Message};
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

const QUEUE: DestinationId = DestinationId(1);
const DEFAULT: SegmentIo = SegmentIo::Mixed;
const MAPPED: SegmentIo = SegmentIo::Mapped(FlushCall::Fdatasync);

/// What is varied.
#[derive(Clone, Copy)]
struct Case {
    record_bytes: usize,
    writers: usize,
    segment_io: SegmentIo,
    /// Whether messages are acknowledged soon after, so that segments come round again; otherwise each is new.
    recycled: bool,
}

const START: Case = Case { record_bytes: 1024, writers: 32, segment_io: DEFAULT, recycled: true };

fn bench_directory() -> PathBuf {
    let path = std::env::var_os("KAHAWAI_BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-stores"), PathBuf::from);
    std::fs::create_dir_all(&path).expect("a directory to measure in");
    path
}

struct Bench {
    _directory: tempfile::TempDir,
    journal: Journal,
    message: Arc<Message>,
    next: u64,
    case: Case,
    done: SyncSender<()>,
    completed: Receiver<()>,
}

impl Bench {
    fn new(case: Case) -> Self {
        let directory = tempfile::tempdir_in(bench_directory()).expect("a directory");
        let journal = open(directory.path(), 1, case.segment_io);
        create_queue(&journal);
        let (done, completed) = sync_channel(case.writers);
        Self {
            _directory: directory,
            journal,
            message: message(case.record_bytes),
            next: 1,
            case,
            done,
            completed,
        }
    }

    fn submit(&mut self) {
        // Far enough behind that the message acknowledged was answered, near enough that few segments are live.
        const BEHIND: u64 = 512;
        let id = self.next;
        self.next += 1;
        let message = Arc::clone(&self.message);
        let mut operations =
            vec![Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }];
        if self.case.recycled && id > BEHIND {
            operations.push(Operation::Acknowledge {
                destination: QUEUE,
                id: MessageId(id - BEHIND),
                // Ids count from 1, arrivals from 0.
                cursor: Cursor { rank: 0, arrival: id - BEHIND - 1 },
                subscription: None,
            });
        }
        let done = self.done.clone();
        self.journal.commit(
            Batch::new(operations),
            Completion::new(move |result| {
                result.expect("a commit");
                let _ = done.send(());
            }),
        );
    }

    /// Sends this many messages with `writers` in flight and gives how long that took.
    fn run(&mut self, messages: u64) -> Duration {
        let started = Instant::now();
        let mut submitted = 0;
        for _ in 0..messages.min(self.case.writers as u64) {
            self.submit();
            submitted += 1;
        }
        for _ in 0..messages {
            self.completed.recv().expect("a completion");
            if submitted < messages {
                self.submit();
                submitted += 1;
            }
        }
        started.elapsed()
    }
}

fn open(path: &Path, epoch: u64, segment_io: SegmentIo) -> Journal {
    let store = StoreDirectory::open(&path.join("store"), Some(segment_io)).expect("a store directory");
    let hold = Arc::new(FixedHold::new(Epoch(epoch)));
    Journal::open(&store, hold, JournalOptions::default()).expect("a journal")
}

fn create_queue(journal: &Journal) {
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "bench".into() };
    journal.commit_wait(Operation::CreateDestination(queue).into()).expect("a queue");
}

fn message(bytes: usize) -> Arc<Message> {
    let header = Header {
        message_id: "ID:bench-35123-1763900000000-1:1:1:1:1".into(),
        timestamp: 1_763_900_000_000,
        priority: 4,
        persistent: true,
        ..Header::default()
    };
    Arc::new(Message { header, body: vec![b'x'; bytes].into(), ..Message::default() })
}

fn name(segment_io: SegmentIo) -> &'static str {
    match segment_io {
        SegmentIo::Mixed => "mixed-fdatasync",
        SegmentIo::Mapped(FlushCall::Msync) => "mapped-msync",
        SegmentIo::Mapped(FlushCall::Fdatasync) => "mapped-fdatasync",
        SegmentIo::Plain => "plain-fdatasync",
    }
}

fn append(criterion: &mut Criterion, axis: &str, cases: &[(String, Case)]) {
    let mut group = criterion.benchmark_group(format!("append/{axis}"));
    group.sample_size(10).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    for (label, case) in cases {
        group.throughput(Throughput::Elements(1));
        let mut bench = Bench::new(*case);
        group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter_custom(|messages| bench.run(messages));
        });
    }
    group.finish();
}

fn floor(criterion: &mut Criterion) {
    const LENGTH: u64 = 32 << 20;
    let mut group = criterion.benchmark_group("floor/pwrite-fdatasync");
    group.sample_size(10).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    for bytes in [1024, 36 * 1024] {
        let directory = tempfile::tempdir_in(bench_directory()).expect("a directory");
        let file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(directory.path().join("floor"))
            .expect("a file");
        file.write_all_at(&vec![0; LENGTH as usize], 0).expect("zeros");
        file.sync_all().expect("zeros on the disk");
        let block = vec![b'x'; bytes];
        let mut offset = 0;
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter(|| {
                file.write_all_at(black_box(&block), offset).expect("a write");
                file.sync_data().expect("a flush");
                offset = (offset + bytes as u64) % (LENGTH - bytes as u64);
            });
        });
    }
    group.finish();
}

fn record_size(criterion: &mut Criterion) {
    let cases = [128, 1024, 16 << 10, 256 << 10]
        .map(|record_bytes| (record_bytes.to_string(), Case { record_bytes, ..START }));
    append(criterion, "record-bytes", &cases);
}

fn writers(criterion: &mut Criterion) {
    let cases = [1, 8, 32, 128].map(|writers| (writers.to_string(), Case { writers, ..START }));
    append(criterion, "writers", &cases);
}

fn segment_io(criterion: &mut Criterion) {
    let mut cases = Vec::new();
    for writers in [1, 32, 128, 512] {
        for segment_io in [DEFAULT, SegmentIo::Mapped(FlushCall::Msync), MAPPED, SegmentIo::Plain] {
            cases.push((format!("{}/{writers}", name(segment_io)), Case { writers, segment_io, ..START }));
        }
    }
    append(criterion, "io", &cases);
}

fn segments(criterion: &mut Criterion) {
    let cases = [("fresh", false), ("recycled", true)]
        .map(|(label, recycled)| (label.to_owned(), Case { recycled, ..START }));
    append(criterion, "segments", &cases);
}

fn recovery(criterion: &mut Criterion) {
    const BYTES: u64 = 256 << 20;
    let directory = tempfile::tempdir_in(bench_directory()).expect("a directory");
    let journal = open(directory.path(), 1, DEFAULT);
    create_queue(&journal);
    let message = message(1024);
    let mut id = 0;
    while id * 1100 < BYTES {
        let operations = (0..500).map(|_| {
            id += 1;
            Operation::Enqueue {
                id: MessageId(id),
                destination: QUEUE,
                rank: 0,
                message: Arc::clone(&message),
            }
        });
        journal.commit_wait(Batch::new(operations.collect())).expect("a commit");
    }
    journal.close();
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).warm_up_time(Duration::from_secs(1));
    group.throughput(Throughput::Bytes(id * 1100));
    let mut epoch = 1;
    group.bench_function(format!("backlog/{}-messages-of-1-KiB", id), |bencher| {
        bencher.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                epoch += 1;
                let started = Instant::now();
                let journal = open(directory.path(), epoch, DEFAULT);
                total += started.elapsed();
                drop(journal);
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, floor, writers, record_size, segment_io, segments, recovery);
criterion_main!(benches);
