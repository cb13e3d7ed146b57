//! What a broker is told: the defaults, what a file changes, and what the command line changes.

use kahawai_config::{Configuration, Secret, StoreAddress};
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_store::batch::Durability;

use super::file;
use crate::cli::{JournalDiskSyncStrategy, JournalIo, ServeOptions};
use crate::exit::{Exit, Failure};

/// The variable that can stand for `--store-password-file`.
const PASSWORD_FILE: &str = "KAHAWAI_STORE_PASSWORD_FILE";

/// Makes it. What was said and is of no use to the store that was named is refused: it was meant to do something.
pub(super) fn configuration(options: ServeOptions) -> Result<Configuration, Failure> {
    let mut made = match &options.config {
        Some(path) => file::read(path, &options.definitions, &options.without)?,
        None if !options.definitions.is_empty() || !options.without.is_empty() => {
            return Err(Failure::new(Exit::Usage, "-D and --without are for a file: --config activemq.xml"));
        }
        None => Configuration::default(),
    };
    let password_file = options.store_password_file.as_deref();
    set(&mut made.store.address, options.store);
    set(&mut made.broker.broker_name, options.name);
    set(&mut made.broker.bind, options.bind.map(|bind| vec![bind]));
    set(&mut made.broker.lease, options.lease_duration);
    set(&mut made.lock_acquire_sleep_interval, options.lock_acquire_sleep_interval);
    let journal = &mut made.store.journal;
    set(&mut journal.journal_max_file_length, options.journal_max_file_length);
    set(&mut journal.journal_disk_sync_strategy, options.journal_disk_sync_strategy.map(durability));
    set(&mut journal.journal_disk_sync_interval, options.journal_disk_sync_interval);
    made.store.segment_io = options.journal_io.map(segment_io).or(made.store.segment_io);

    let wrong = |what: &str| Err(Failure::new(Exit::Usage, what));
    let is_server = matches!(made.store.address, StoreAddress::Postgres(_) | StoreAddress::Mysql(_));
    // What the environment says may be meant for others.
    if password_file.is_some() && !is_server && std::env::var_os(PASSWORD_FILE).is_none() {
        return wrong("--store-password-file is for stores in a database server: postgres://… or mysql://…");
    }
    if made.store.segment_io.is_some() && !matches!(made.store.address, StoreAddress::Journal(_)) {
        return wrong("--journal-io is for stores in a directory: --store DIR");
    }
    if is_server && let Some(password) = password(password_file)? {
        made.store.password = Some(password);
    }
    Ok(made)
}

fn set<T>(place: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *place = said;
    }
}

fn durability(strategy: JournalDiskSyncStrategy) -> Durability {
    match strategy {
        JournalDiskSyncStrategy::Always => Durability::Always,
        JournalDiskSyncStrategy::Periodic => Durability::Periodic,
        JournalDiskSyncStrategy::Never => Durability::Never,
    }
}

fn segment_io(io: JournalIo) -> SegmentIo {
    match io {
        JournalIo::Mapped => SegmentIo::Mixed,
        JournalIo::MappedOnly => SegmentIo::Mapped(FlushCall::Fdatasync),
        JournalIo::MappedOnlyMsync => SegmentIo::Mapped(FlushCall::Msync),
        JournalIo::Plain => SegmentIo::Plain,
    }
}

/// The password from the environment or a file, never from the command line's own words.
fn password(path: Option<&std::path::Path>) -> Result<Option<Secret>, Failure> {
    if let Some(path) = path {
        let wrong = |problem: String| {
            Failure::new(Exit::Usage, format!("--store-password-file {}: {problem}", path.display()))
        };
        return file::secret(path).map(Some).map_err(wrong);
    }
    Ok(std::env::var("KAHAWAI_STORE_PASSWORD").ok().map(Secret))
}
