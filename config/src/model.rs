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
                journal: JournalOptions::default(),
                segment_io: None,
            },
        }
    }
}
