//! What a broker is told: the defaults, what a file changes, what the environment changes, and what the command line changes. It is
//! composed here alone, so that what is shown is what is served.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@file`] | the file that a broker is configured by |
//! | [`options`] | the command line |

mod file;
pub(crate) mod options;

use std::collections::BTreeMap;

use kahawai_config::origin::{CONNECTORS, PASSWORD, of_network, of_networks, of_store};
use kahawai_config::{Effective, Origin, Secret, StoreAddress, environment};
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_store::batch::Durability;

use crate::exit::{Exit, Failure};
pub(crate) use file::{accepted, referred, sources, text};
use options::{JournalDiskSyncStrategy, JournalIo, ServeOptions};

/// The variable that can stand for `--store-password-file`.
const PASSWORD_FILE: &str = "KAHAWAI_STORE_PASSWORD_FILE";
/// The variable that can hold the password.
const PASSWORD_ITSELF: &str = "KAHAWAI_STORE_PASSWORD";

/// Makes it. What was said and is of no use to the store that was named is refused: it was meant to do something. What is done in another way
/// than it was said is told in the log.
pub(crate) fn effective(options: ServeOptions) -> Result<Effective, Failure> {
    let mut effective = match &options.config {
        Some(path) => file::read(path, &options.definitions, &options.without)?,
        None if !options.definitions.is_empty() || !options.without.is_empty() => {
            return Err(Failure::new(Exit::Usage, "-D and --without are for a file: --config activemq.xml"));
        }
        None => Effective::default(),
    };
    let address = of_store("address");
    let of_file =
        effective.origins.contains_key(&address).then(|| effective.configuration.store.address.clone());
    let environment = file::variables();
    let remarks = environment::apply(&environment, &mut effective)
        .map_err(|problems| Failure::new(Exit::Usage, problems.join("\n")))?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    let password_file = options.store_password_file.clone();
    command_line(&mut effective, options);

    effective.passed_over = of_file.filter(|of_file| *of_file != effective.configuration.store.address);
    let store = &effective.configuration.store;
    let wrong = |what: &str| Err(Failure::new(Exit::Usage, what));
    let is_server = matches!(store.address, StoreAddress::Postgres(_) | StoreAddress::Mysql(_));
    // What the environment says may be meant for others.
    if password_file.is_some() && !is_server {
        return wrong("--store-password-file is for stores in a database server: postgres://… or mysql://…");
    }
    if store.segment_io.is_some() && !matches!(store.address, StoreAddress::Journal(_)) {
        return wrong("--journal-io (journalIo) is for stores in a directory: --store DIR");
    }
    if is_server && let Some((password, origin)) = password(password_file.as_deref(), &environment)? {
        effective.configuration.store.password = Some(password);
        effective.note(PASSWORD, origin);
    }
    Ok(effective)
}

/// Puts what the command line says over what is there.
fn command_line(effective: &mut Effective, options: ServeOptions) {
    let Effective { configuration: made, origins, .. } = effective;
    if !options.network_connectors.is_empty() {
        origins.retain(|key, _| !key.starts_with(&of_networks()));
    }
    let mut note = |key: String, option: &'static str| drop(origins.insert(key, Origin::Option(option)));
    if !options.network_connectors.is_empty() {
        made.broker.network_connectors = options.network_connectors;
        for (place, connector) in made.broker.network_connectors.iter_mut().enumerate() {
            connector.duplex |= options.duplex;
            note(of_network(place, "uri"), "--network-connector");
            if options.duplex {
                note(of_network(place, "duplex"), "--duplex");
            }
        }
    }
    if set(&mut made.store.address, options.store) {
        note(of_store("address"), "--store");
    }
    if set(&mut made.broker.broker_name, options.name) {
        note("brokerName".to_owned(), "--name");
    }
    if set(&mut made.broker.bind, options.bind.map(|bind| vec![bind])) {
        note(CONNECTORS.to_owned(), "--bind");
    }
    if set(&mut made.broker.lease, options.lease_duration) {
        note(of_store("leaseDuration"), "--lease-duration");
    }
    if set(&mut made.lock_acquire_sleep_interval, options.lock_acquire_sleep_interval) {
        note(of_store("lockAcquireSleepInterval"), "--lock-acquire-sleep-interval");
    }
    let journal = &mut made.store.journal;
    if set(&mut journal.journal_max_file_length, options.journal_max_file_length) {
        note(of_store("journalMaxFileLength"), "--journal-max-file-length");
    }
    if set(&mut journal.journal_disk_sync_strategy, options.journal_disk_sync_strategy.map(durability)) {
        note(of_store("journalDiskSyncStrategy"), "--journal-disk-sync-strategy");
    }
    if set(&mut journal.journal_disk_sync_interval, options.journal_disk_sync_interval) {
        note(of_store("journalDiskSyncInterval"), "--journal-disk-sync-interval");
    }
    if set(&mut made.store.segment_io, options.journal_io.map(|io| Some(segment_io(io)))) {
        note(of_store("journalIo"), "--journal-io");
    }
}

/// Whether there was something to set.
fn set<T>(place: &mut T, said: Option<T>) -> bool {
    let is_said = said.is_some();
    if let Some(said) = said {
        *place = said;
    }
    is_said
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

/// The password from a file or the environment, never from the command line's own words.
fn password(
    path: Option<&std::path::Path>,
    environment: &BTreeMap<String, String>,
) -> Result<Option<(Secret, Origin)>, Failure> {
    let from_file = |path: &std::path::Path, name: &str| {
        file::secret(path)
            .map_err(|problem| Failure::new(Exit::Usage, format!("{name} {}: {problem}", path.display())))
    };
    if let Some(path) = path {
        const OPTION: &str = "--store-password-file";
        return Ok(Some((from_file(path, OPTION)?, Origin::Option(OPTION))));
    }
    let variable = |name: &str| Origin::Environment(name.to_owned());
    if let Some(path) = environment.get(PASSWORD_FILE).filter(|path| !path.is_empty()) {
        return Ok(Some((from_file(path.as_ref(), PASSWORD_FILE)?, variable(PASSWORD_FILE))));
    }
    let password = environment.get(PASSWORD_ITSELF);
    Ok(password.map(|password| (Secret(password.clone()), variable(PASSWORD_ITSELF))))
}
