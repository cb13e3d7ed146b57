//! The model.

use std::path::PathBuf;
use std::time::Duration;

use kahawai_broker::BrokerConfig;
use kahawai_journal::disk::directory::SegmentIo;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::options::JournalOptions;

use crate::secret::Secret;
use crate::store_address::StoreAddress;

/// All that a broker is told.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The broker: its name, connectors, bounds and policies. Its `lease` is also that of the election.
    pub broker: BrokerConfig,
    /// How often a slave looks whether the lock is free (`lockAcquireSleepInterval`; 25 ms, 10 s with ActiveMQ).
    pub lock_acquire_sleep_interval: Duration,
    /// Where messages are kept.
    pub store: StoreConfig,
}

/// Where messages are kept, and how.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where. By default a journal in `./data`.
    pub address: StoreAddress,
    /// The password of a database, unless the address has it.
    pub password: Option<Secret>,
    /// The table where ActiveMQ would have its messages in a database (`tablePrefix` and `messageTableName` of its `<statements>`): looked for before a
    /// store is begun there, and never read or written otherwise.
    pub message_table_name: String,
    /// The same of the places of durable subscriptions (`durableSubAcksTableName`).
    pub durable_sub_acks_table_name: String,
    /// How a journal works; of no meaning to other stores.
    pub journal: JournalOptions,
    /// How a journal's segments are written; by what file system it is where this says nothing.
    pub segment_io: Option<SegmentIo>,
}

/// What a broker does that is told nothing.
impl Default for Configuration {
    fn default() -> Self {
        let election = ElectionOptions::default();
        Self {
            broker: BrokerConfig { lease: election.lease_duration, ..BrokerConfig::default() },
            lock_acquire_sleep_interval: election.lock_acquire_sleep_interval,
            store: StoreConfig {
                address: StoreAddress::Journal(PathBuf::from("./data")),
                password: None,
                message_table_name: "ACTIVEMQ_MSGS".to_owned(),
                durable_sub_acks_table_name: "ACTIVEMQ_ACKS".to_owned(),
                journal: JournalOptions::default(),
                segment_io: None,
            },
        }
    }
}
