//! A store over one writer without threads, and the model as a store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use kahawai_store::batch::Batch;
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{
    Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError, StoreWait,
};
use kahawai_store::election::Hold;
use kahawai_store::model::{Contents, State};
use kahawai_store::names::Epoch;

use crate::compact::head::HeadReader;
use crate::cut::Cut;
use crate::directory::StoreDirectory;
use crate::disk::Disk;
use crate::in_place;
use crate::journal::read_page;
use crate::options::JournalOptions;
use crate::submission::{EncodedBatch, Submission};
use crate::writer::Writer;
use crate::writer::begin_error::BeginError;

/// Segments so small that a few batches fill one.
pub(super) fn options() -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 4 << 10,
        checkpoint_bytes: 2 << 10,
        index_table_max: 4,
        ..JournalOptions::default()
    }
}

/// The same without checkpoints.
pub(super) fn without_checkpoints() -> JournalOptions {
    JournalOptions { checkpoint_bytes: u64::MAX, index_table_max: usize::MAX, ..options() }
}

/// One writer, driven by whoever calls.
pub(super) struct Driven {
    pub(super) writer: Mutex<Writer>,
    /// The mastership, where it is one that a test takes away.
    hold: Option<Arc<FixedHold>>,
    head: Mutex<HeadReader>,
    /// How many messages and chunks the cleaner found so far.
    pub(super) found: AtomicU64,
}

/// The answers of one round, in the order in which they came.
pub(super) type Answers = Vec<Result<Committed, StoreError>>;

impl Driven {
    pub(super) fn open(disk: Arc<dyn Disk>, epoch: u64) -> Result<Self, BeginError> {
        Self::open_with(disk, epoch, options())
    }

    pub(super) fn open_with(
        disk: Arc<dyn Disk>,
        epoch: u64,
        options: JournalOptions,
    ) -> Result<Self, BeginError> {
        Self::open_as(disk, epoch, options, false)
    }

    /// Opens with threads that prepare segments, so that there are reserves, or without.
    pub(super) fn open_as(
        disk: Arc<dyn Disk>,
        epoch: u64,
        options: JournalOptions,
        threaded: bool,
    ) -> Result<Self, BeginError> {
        let store = Self::open_as_it_is(disk, epoch, options, threaded)?;
        store.clean(|writer| writer.owed() > 0);
        Ok(store)
    }

    /// Opens, and leaves what the cleaner owes to later.
    pub(super) fn open_as_it_is(
        disk: Arc<dyn Disk>,
        epoch: u64,
        options: JournalOptions,
        threaded: bool,
    ) -> Result<Self, BeginError> {
        let hold = Arc::new(FixedHold::new(Epoch(epoch)));
        let mut store = Self::begin(disk, Arc::clone(&hold) as _, options, None, threaded)?;
        store.hold = Some(hold);
        Ok(store)
    }

    /// Opens, leaving out what is to be cut.
    pub(super) fn open_cut(
        disk: Arc<dyn Disk>,
        epoch: u64,
        options: JournalOptions,
        cut: Cut,
    ) -> Result<Self, BeginError> {
        Self::open_cut_under(disk, Arc::new(FixedHold::new(Epoch(epoch))), options, cut)
    }

    /// The same under a mastership that a test takes away meanwhile.
    pub(super) fn open_cut_under(
        disk: Arc<dyn Disk>,
        hold: Arc<FixedHold>,
        options: JournalOptions,
        cut: Cut,
    ) -> Result<Self, BeginError> {
        let mut store = Self::begin(disk, Arc::clone(&hold) as _, options, Some(cut), false)?;
        store.hold = Some(hold);
        store.clean(|writer| writer.owed() > 0);
        Ok(store)
    }

    /// Opens under a mastership that proves itself in its own way.
    pub(super) fn open_under(
        disk: Arc<dyn Disk>,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        threaded: bool,
    ) -> Result<Self, BeginError> {
        let store = Self::begin(disk, hold, options, None, threaded)?;
        store.clean(|writer| writer.owed() > 0);
        Ok(store)
    }

    fn begin(
        disk: Arc<dyn Disk>,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        cut: Option<Cut>,
        threaded: bool,
    ) -> Result<Self, BeginError> {
        let directory = StoreDirectory::on(Arc::clone(&disk))
            .map_err(|error| BeginError::Io { doing: "begin the store", error })?;
        let writer = Mutex::new(Writer::begin(disk, hold, directory.id(), options, cut, threaded)?);
        Ok(Self { writer, hold: None, head: Mutex::default(), found: AtomicU64::new(0) })
    }

    /// The mastership that a test takes away.
    pub(super) fn hold(&self) -> &FixedHold {
        self.hold.as_deref().expect("one that proves itself in its own way is not taken away")
    }

    /// Commits batches in one round, telling of each answer as it comes.
    pub(super) fn round(
        &self,
        batches: &[Batch],
        answered: impl Fn(usize, &Result<Committed, StoreError>) + Send + Sync + 'static,
    ) -> Answers {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let answered = Arc::new(answered);
        let submissions: Vec<_> = batches
            .iter()
            .enumerate()
            .map(|(number, batch)| {
                let (answers, answered) = (Arc::clone(&answers), Arc::clone(&answered));
                let done = Completion::new(move |result| {
                    answered(number, &result);
                    answers.lock().expect("no panic").push(result);
                });
                Submission::Commit(EncodedBatch::of(batch.clone()), done)
            })
            .collect();
        self.writer.lock().expect("no panic").round(submissions);
        self.clean(|writer| writer.owed() > 0);
        let answers = std::mem::take(&mut *answers.lock().expect("no panic"));
        assert_eq!(answers.len(), batches.len(), "every batch is answered once");
        answers
    }

    pub(super) fn head_number(&self) -> Option<u64> {
        self.writer.lock().expect("no panic").head_number()
    }

    /// Cleans for as long as this is wanted and the head can be read, as the cleaner's thread does.
    pub(super) fn clean(&self, wanted: impl Fn(&Writer) -> bool) {
        let mut writer = self.writer.lock().expect("no panic");
        let mut head = self.head.lock().expect("no panic");
        let cleaned = in_place::clean(&mut writer, &mut head, wanted);
        self.found.fetch_add(cleaned.found, Ordering::Relaxed);
    }

    /// Leaves these with the writer for one round; their answers come when they come.
    pub(super) fn leave(&self, batches: &[Batch]) -> Receiver<(usize, Result<Committed, StoreError>)> {
        let (sender, answers) = channel();
        let submissions = batches.iter().enumerate().map(|(number, batch)| {
            let sender = sender.clone();
            // Nobody may be interested any more.
            let done = Completion::new(move |result| drop(sender.send((number, result))));
            Submission::Commit(EncodedBatch::of(batch.clone()), done)
        });
        self.writer.lock().expect("no panic").round(submissions);
        answers
    }

    /// Whether something waits for the cleaner.
    pub(super) fn waits(&self) -> bool {
        self.writer.lock().expect("no panic").waits()
    }

    /// Cleans for as long as something waits, as the cleaner's thread does.
    pub(super) fn clean_for_waiting(&self) {
        let mut writer = self.writer.lock().expect("no panic");
        in_place::clean_for_waiting(&mut writer, &mut self.head.lock().expect("no panic"));
    }

    pub(super) fn idle(&self) {
        self.writer.lock().expect("no panic").idle();
    }

    pub(super) fn damage(&self) -> Vec<String> {
        self.recover_wait().expect("recovers").damage
    }
}

impl Store for Driven {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        let submission = Submission::Commit(EncodedBatch::of(batch), done);
        self.writer.lock().expect("no panic").round([submission]);
        self.clean(|writer| writer.owed() > 0);
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        let shared = Arc::clone(self.writer.lock().expect("no panic").shared());
        done.complete(read_page(&shared, &request));
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.writer.lock().expect("no panic").round([Submission::Recover(done)]);
    }

    fn limits(&self) -> Limits {
        Limits { batch_bytes_max: 1 << 20, message_bytes_max: 1 << 20 }
    }

    fn close(&self) {
        self.writer.lock().expect("no panic").close();
    }
}

/// The model's state as a store, to look at everything in it.
struct Modelled<'a>(&'a State);

impl Store for Modelled<'_> {
    fn commit(&self, _batch: Batch, _done: Completion<Committed>) {
        unreachable!("it is only looked at")
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        done.complete(self.0.read(&request).map_err(StoreError::from));
    }

    fn recover(&self, done: Completion<Recovered>) {
        done.complete(Ok(self.0.recover(Epoch(0))));
    }

    fn limits(&self) -> Limits {
        unreachable!("it is only looked at")
    }

    fn close(&self) {}
}

/// Everything a state of the model holds.
pub(super) fn contents_of(state: &State) -> Contents {
    Contents::of(&Modelled(state), 1000).expect("the model can be read")
}

/// What is damage, and not merely doubt about the last flush.
pub(super) fn real(damage: &[String]) -> Vec<&String> {
    damage.iter().filter(|line| !line.starts_with("doubtful")).collect()
}

/// The same in a few words.
pub(super) fn summary(contents: &Contents) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for waiting in &contents.waiting {
        let subscription = waiting.subscription.map_or(String::new(), |id| format!("/{id}"));
        write!(text, "{}{subscription}:", waiting.destination).expect("a text takes all");
        for stored in &waiting.messages {
            write!(text, " {}@{}.{}", stored.id, stored.cursor.rank, stored.cursor.arrival)
                .expect("a text takes all");
        }
        text.push_str("; ");
    }
    let prepared: Vec<_> = contents
        .prepared
        .iter()
        .map(|found| format!("{} {:?} {}", found.xid, found.acknowledges, found.enqueues))
        .collect();
    let counts: Vec<_> =
        contents.destinations.iter().map(|found| (found.destination.id.0, found.messages)).collect();
    let tables: Vec<_> = contents.tables.iter().map(|entry| (&entry.key, &entry.value)).collect();
    format!("{text} prepared {prepared:?} counts {counts:?} tables {tables:?}")
}

/// Every record of every segment, for the message of a failing test.
pub(super) fn dump(disk: &dyn Disk) -> String {
    use std::fmt::Write;

    use crate::format::batch::decode_batch_body;
    use crate::format::name::FileName;
    use crate::format::record::HEADER_LENGTH;
    use crate::format::{seal, segment};
    use crate::log::scan::{Item, Scanner};

    let mut text = String::new();
    let mut names = disk.list().expect("a list");
    names.sort_unstable();
    for name in names {
        writeln!(text, "{name}").expect("a text takes all");
        if let FileName::Seal(_) = name {
            let content = disk.read(name).expect("readable").expect("there");
            writeln!(text, "   {:?}", seal::decode(&content)).expect("a text takes all");
        }
        let FileName::Segment { .. } = name else { continue };
        let file = disk.open_segment(name).expect("it opens");
        let mut bytes = vec![0; file.length() as usize];
        file.read(0, &mut bytes).expect("it reads");
        let Ok(header) = segment::decode(&bytes) else { continue };
        writeln!(text, "   {header:?}").expect("a text takes all");
        for item in Scanner::new(&bytes, header.log, header.epoch, header.number, None) {
            match item {
                Item::Record { header, offset } => {
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    let shown = match header.kind {
                        crate::format::record::Kind::Batch => format!("{:?}", decode_batch_body(body)),
                        crate::format::record::Kind::Release => format!("{body:?}"),
                        crate::format::record::Kind::Relocation => {
                            format!("{:?}", crate::format::relocation::decode(body))
                        }
                        _ => String::new(),
                    };
                    writeln!(
                        text,
                        "   at {offset}: {:?} {} durable {} {shown}",
                        header.kind, header.sequence, header.durable_through
                    )
                    .expect("a text takes all");
                }
                other => writeln!(text, "   {other:?}").expect("a text takes all"),
            }
        }
    }
    text
}
