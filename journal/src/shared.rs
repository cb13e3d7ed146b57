//! What the writer and the readers share.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kahawai_store::contract::StoreError;
use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::{BatchName, Term};
use kahawai_store::replica::Tap;

use crate::compact::cleaning::Cleaning;
use crate::index::Index;
use crate::log::segment::Segment;

/// What the writer and the readers share.
pub(crate) struct Shared {
    index: RwLock<Index>,
    segments: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Arrivals below this number may be read: they are as durable as was asked.
    pub(crate) visible: AtomicU64,
    /// Why nothing works any more, once it does not.
    ended: OnceLock<StoreError>,
    /// How many bytes of the log are completed and not on the disk.
    pub(crate) at_risk: AtomicU64,
    /// How many bytes of records were written to write again what lives.
    pub(crate) relocated: AtomicU64,
    /// What the cleaner is asked for.
    pub(crate) cleaning: Cleaning,
    /// In which term batches are named; 0 where none was told.
    pub(crate) term: AtomicU64,
    /// Up to which batch another copy has confirmed; nothing where there is none to wait for.
    confirmed: Mutex<Option<BatchName>>,
    /// What is shown each batch that is taken.
    pub(crate) tap: OnceLock<Arc<dyn Tap>>,
    /// To find out why a file is not there.
    hold: Arc<dyn Hold>,
}

impl Shared {
    pub(crate) fn new(index: Index, segments: BTreeMap<u64, Arc<Segment>>, hold: Arc<dyn Hold>) -> Self {
        Self {
            index: RwLock::new(index),
            segments: RwLock::new(segments),
            visible: AtomicU64::new(0),
            ended: OnceLock::new(),
            at_risk: AtomicU64::new(0),
            relocated: AtomicU64::new(0),
            cleaning: Cleaning::default(),
            term: AtomicU64::new(0),
            confirmed: Mutex::default(),
            tap: OnceLock::new(),
            hold,
        }
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the files of the log. To be called when nobody writes or reads any more.
    pub(crate) fn let_go(&self) {
        self.segments_mut().clear();
    }

    /// The name of the batch after this one, where it is taken here.
    pub(crate) fn name_after(&self, last: BatchName) -> BatchName {
        match self.term.load(Ordering::Acquire) {
            0 => last.next(last.term),
            term => last.next(Term(term)),
        }
    }

    /// Notes up to which batch another copy has confirmed.
    pub(crate) fn confirm(&self, through: Option<BatchName>) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = through;
    }

    /// Whether a batch will never be cut.
    pub(crate) fn is_confirmed(&self, name: BatchName) -> bool {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_none_or(|confirmed| name <= confirmed)
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// How many bytes of the log are completed and not on the disk.
    pub(crate) fn at_risk(&self) -> u64 {
        self.at_risk.load(Ordering::Relaxed)
    }

    /// Why nothing works any more.
    pub(crate) fn ended(&self) -> Option<&StoreError> {
        self.ended.get()
    }

    /// Ends everything for this reason, or the one before it.
    pub(crate) fn end(&self, error: StoreError) -> StoreError {
        self.ended.get_or_init(|| error).clone()
    }

    /// Whether a segment could not be read since it was given up after it was looked up: what lived in it is dead by now, or stands
    /// elsewhere. The writer strikes a segment off before it takes the name away.
    pub(crate) fn is_given_up(&self, segment: u64, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::NotFound && !self.segments().contains_key(&segment)
    }

    /// What a failed call ends the store with. Files also vanish under a master that was overtaken: then that is why.
    pub(crate) fn failed(&self, doing: &str, segment: u64, error: &io::Error) -> StoreError {
        match self.hold.prove() {
            Err(Lost { epoch, reason }) => StoreError::Lost { epoch, reason },
            Ok(()) => StoreError::Failed(format!("cannot {doing} segment {segment}: {error}").into()),
        }
    }
}
