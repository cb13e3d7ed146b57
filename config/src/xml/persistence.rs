//! Where messages are kept: `<persistenceAdapter>`.

use super::document::Element;
use super::draft::Draft;
use super::jdbc;
use super::lockers;
use super::reader::Reader;
use super::table::{
    Attribute, Child, Said, Table, door_unless, fixed, harmless, id, read, setting, told, unbuilt, used,
    warned,
};
use crate::origin::of_store;
use crate::remark::Severity::{Harmless, Refused, Warning};
use crate::store_address::StoreAddress;
use crate::value;

const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const INDEX: &str = "the index here has no such part";
const CHECKED: &str = "every record has a checksum, and is checked when it is read";
const CLEANED: &str = "what is dead is given up as it dies, and acknowledgements keep nothing";
const LEVEL_DB: &str =
    "there is no LevelDB (ActiveMQ has given it up as well): write <kahaDB directory=\"…\"/>";
const AMQ: &str = "this store of old versions is not read: write <kahaDB directory=\"…\"/>";
const JOURNALED: &str =
    "there is no journal in front of a database: write <jdbcPersistenceAdapter> or <kahaDB>";
const UNLOCKED: &str = "without the lock two brokers would serve one store at once";

/// `<persistenceAdapter>` and `<persistenceFactory>`.
pub(crate) fn adapter<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    if draft.has_store {
        return reader.say_of(
            element,
            Refused,
            "there is a persistence adapter already: a broker has one store",
        );
    }
    draft.has_store = true;
    reader.one_of(ADAPTERS, element, draft);
}

/// Where a broker keeps messages that does not say: as ActiveMQ in `KahaDB`, in a directory of its name, in its `dataDirectory`.
pub(crate) fn without_one(draft: &mut Draft) {
    let allowed = |one: char| one.is_ascii_alphanumeric() || ".-_".contains(one);
    let name = draft.configuration.broker.broker_name.chars();
    let name: String = name.map(|one| if allowed(one) { one } else { '_' }).collect();
    draft.configuration.store.address = StoreAddress::Journal(draft.data_directory.join(name).join("KahaDB"));
    draft.note(of_store("address"));
}

const ADAPTERS: &[Child<Draft>] = &[
    read("kahaDB", |reader, element, draft| {
        // ActiveMQ's own default, whatever dataDirectory says (`MessageDatabase.DEFAULT_DIRECTORY`): a store that is there is to be found.
        draft.configuration.store.address = StoreAddress::Journal("KahaDB".into());
        draft.note(of_store("address"));
        reader.apply(&KAHA_DB, element, draft);
    }),
    read("jdbcPersistenceAdapter", jdbc::adapter),
    read("memoryPersistenceAdapter", |reader, element, draft| {
        without_one(draft);
        let advice =
            "there is always a store: persistent messages are written to it, and are there after a restart";
        reader.say_of(element, Warning, advice);
    }),
    told(
        "mKahaDB",
        Refused,
        "one journal serves all destinations here, and what one of them keeps holds nothing of the others: write <kahaDB directory=\"…\"/>",
    ),
    told("journaledJDBC", Refused, JOURNALED),
    told("journalPersistenceAdapter", Refused, JOURNALED),
    told("journalPersistenceAdapterFactory", Refused, JOURNALED),
    told("levelDB", Refused, LEVEL_DB),
    told("replicatedLevelDB", Refused, LEVEL_DB),
    told("amqPersistenceAdapter", Refused, AMQ),
    told("amqPersistenceAdapterFactory", Refused, AMQ),
    told("kahaPersistenceAdapter", Refused, AMQ),
];

pub(crate) static KAHA_DB: Table<Draft> =
    Table { element: "kahaDB", attributes: &[KAHA_ATTRIBUTES], children: &[KAHA_CHILDREN] };

const KAHA_ATTRIBUTES: &[Attribute<Draft>] = &[
    id(),
    used("directory", |draft, text| {
        draft.configuration.store.address = StoreAddress::Journal(value::directory(text)?);
        draft.note(of_store("address"));
        Ok(())
    }),
    setting("journalMaxFileLength", Draft::set_store),
    setting("journalDiskSyncStrategy", Draft::set_store),
    setting("journalDiskSyncInterval", Draft::set_store),
    setting("checkpointInterval", Draft::set_store),
    used("enableJournalDiskSyncs", |draft, text| {
        if value::boolean(text)? {
            return Ok(());
        }
        draft.set_store("journalDiskSyncStrategy", "never")?;
        let advice = "messages may be lost when the machine fails; written journalDiskSyncStrategy=\"never\" since ActiveMQ 5.14";
        Err(Said::new(Warning, advice))
    }),
    used("journalMaxWriteBatchSize", |draft, text| {
        let size = value::bytes(text)?.clamp(64 << 10, 64 << 20);
        Ok(draft.set_store("journalMaxWriteBatchSize", &size.to_string())?)
    }),
    used("maxFailoverProducersToTrack", |draft, text| {
        Ok(draft.set_broker("maxFailoverProducersToTrack", text)?)
    }),
    used("databaseLockedWaitDelay", |draft, text| Ok(draft.set_store("lockAcquireSleepInterval", text)?)),
    harmless(
        "lockKeepAlivePeriod",
        "mastership is proven with every flush, and while nothing is written as well",
    ),
    door_unless("useLock", "true", UNLOCKED),
    fixed(
        "ignoreMissingJournalfiles",
        "false",
        "a segment that is missing is reported, and what is in the others is delivered",
    ),
    harmless("checkForCorruptJournalFiles", CHECKED),
    harmless("checksumJournalFiles", CHECKED),
    harmless(
        "concurrentStoreAndDispatchQueues",
        "nothing is delivered before it is durable, and none waits for another's flush",
    ),
    harmless(
        "concurrentStoreAndDispatchTopics",
        "nothing is delivered before it is durable, and none waits for another's flush",
    ),
    unbuilt(
        "archiveDataLogs",
        "false",
        "segments that are given up are not kept: kahawai store backup copies a store while it is served",
    ),
    harmless("directoryArchive", "it has a meaning with archiveDataLogs only"),
    harmless("archiveCorruptedIndex", "a damaged index is made anew from the journal"),
    harmless("forceRecoverIndex", "a damaged index is made anew from the journal"),
    harmless("cleanupInterval", CLEANED),
    harmless("cleanupOnStop", CLEANED),
    harmless("enableAckCompaction", CLEANED),
    harmless("compactAcksAfterNoGC", CLEANED),
    harmless("compactAcksIgnoresStoreGrowth", CLEANED),
    warned("indexDirectory", "the index lies with the journal, and is small: it is read at a start only"),
    harmless("indexCacheSize", INDEX),
    harmless("indexWriteBatchSize", INDEX),
    harmless("indexLFUEvictionFactor", INDEX),
    harmless("useIndexLFRUEviction", INDEX),
    harmless("enableIndexWriteAsync", INDEX),
    harmless("enableIndexDiskSyncs", INDEX),
    harmless("enableIndexPageCaching", INDEX),
    harmless("enableIndexRecoveryFile", INDEX),
    harmless("preallocationScope", "segments are prepared beforehand, by a thread of their own"),
    harmless("preallocationStrategy", "segments are prepared beforehand, by a thread of their own"),
    harmless("maxAsyncJobs", "nothing waits to be stored beside the journal"),
    harmless("failoverProducersAuditDepth", "the last message of each producer is known, and that is enough"),
    fixed("purgeRecoveredXATransactionStrategy", "NEVER", "a prepared transaction waits for its decision"),
    harmless(
        "enableSubscriptionStatistics",
        "what waits for a subscription is always known: kahawai store info",
    ),
    harmless("stopOnError", "a store that fails ends the broker, and a slave takes over"),
    harmless("brokerName", JAVA),
    harmless("brokerService", JAVA),
    harmless("scheduledThreadPoolExecutor", JAVA),
    harmless("transactionIdTransformer", JAVA),
    harmless("usageManager", JAVA),
    super::table::refused("locker", "write it as an element: <locker><shared-file-locker/></locker>"),
];

const KAHA_CHILDREN: &[Child<Draft>] = &[
    read("locker", lockers::locker),
    told("brokerService", Harmless, JAVA),
    told("scheduledThreadPoolExecutor", Harmless, JAVA),
    told("transactionIdTransformer", Harmless, JAVA),
    told("usageManager", Harmless, JAVA),
];
