//! Runs a broker: slave until it is master, then serves, and back.
//!
//! | module | what it does |
//! |---|---|
//! | [`role`] | one mastership: open the journal, serve, stop or step down |
//! | [`signal`] | SIGTERM and SIGINT |
//! | [`status`] | the lines an operator and a script read, and systemd's notices |
//! | [`stop_at`] | stops the process at a named step, for tests |

mod role;
mod signal;
mod status;
mod stop_at;

use std::sync::Arc;

use kahawai_journal::directory::{DirectoryError, StoreDirectory};
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::options::JournalOptions;
use kahawai_store::election::{Cancel, Election as _, ElectionError, Hold};

use crate::cli::{JournalIo, ServeOptions};
use crate::exit::{Exit, Failure};
use role::Ended;
use signal::Signals;
use status::Status;

/// Serves until told to stop.
pub(crate) fn run(options: ServeOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::new(Exit::Other, format!("cannot start: {error}")))?
        .block_on(serve(options))
}

async fn serve(options: ServeOptions) -> Result<(), Failure> {
    let status = Status::begin(&options.name);
    let mut signals = Signals::listen()?;
    let segment_io = options.journal_io.map(|io| match io {
        JournalIo::Mapped => SegmentIo::Mixed,
        JournalIo::MappedOnly => SegmentIo::Mapped(FlushCall::Fdatasync),
        JournalIo::MappedOnlyMsync => SegmentIo::Mapped(FlushCall::Msync),
        JournalIo::Plain => SegmentIo::Plain,
    });
    let path = options.store.clone();
    let opened = blocking(move || StoreDirectory::open(&path, segment_io)).await?;
    let store = opened.map_err(|error| Failure::new(exit_of(&error), error))?;
    status.store(&store);

    let watch = stop_at::watch()?;
    let journal_options = JournalOptions {
        journal_max_file_length: options.journal_max_file_length,
        watch: watch.clone(),
        ..JournalOptions::default()
    };
    let election_options = ElectionOptions {
        lock_acquire_sleep_interval: options.lock_acquire_sleep_interval,
        lease_duration: options.lease_duration,
        broker_name: options.name.clone(),
        address: format!("tcp://{}", options.bind),
        watch,
    };
    loop {
        let Some(hold) = acquire(&store, &election_options, &status, &mut signals).await? else {
            status.stopped();
            return Ok(());
        };
        status.master(hold.epoch());
        match role::serve_as_master(&options, &store, &journal_options, hold, &status, &mut signals).await? {
            Ended::Stopped => {
                status.stopped();
                return Ok(());
            }
            // Another has claimed the store: nothing here is wrong, and it may be needed again.
            Ended::Lost(reason) => status.stepped_down(&reason),
        }
    }
}

/// Waits to become master; `None` where a signal came first.
async fn acquire(
    store: &StoreDirectory,
    options: &ElectionOptions,
    status: &Status,
    signals: &mut Signals,
) -> Result<Option<Arc<dyn Hold>>, Failure> {
    let cancel = Cancel::default();
    let election = FileElection::new(Arc::clone(store.disk()), options.clone());
    let mut election = election.map_err(|error| Failure::new(Exit::Other, error))?;
    let mut acquired = {
        let (cancel, status) = (cancel.clone(), status.clone());
        tokio::task::spawn_blocking(move || election.acquire(&cancel, &mut |holder| status.slave(holder)))
    };
    let acquired = tokio::select! {
        acquired = &mut acquired => acquired,
        () = signals.stop() => {
            cancel.cancel();
            acquired.await
        }
    };
    match acquired {
        // A mastership won while the signal came is given up again at once.
        Ok(Ok(hold)) if cancel.is_cancelled() => {
            hold.release();
            Ok(None)
        }
        Ok(Ok(hold)) => Ok(Some(hold)),
        Ok(Err(ElectionError::Cancelled)) => Ok(None),
        Ok(Err(error)) => Err(Failure::new(Exit::Unwritable, error)),
        Err(error) => Err(Failure::new(Exit::Other, error)),
    }
}

/// Runs what blocks on a thread where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::new(Exit::Other, error))
}

fn exit_of(error: &DirectoryError) -> Exit {
    match error {
        DirectoryError::NotAStore { .. }
        | DirectoryError::NotADirectory { .. }
        | DirectoryError::Format { .. } => Exit::Store,
        DirectoryError::ReadOnly { .. } | DirectoryError::Full { .. } | DirectoryError::Io { .. } => {
            Exit::Unwritable
        }
    }
}
