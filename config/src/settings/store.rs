//! Settings of the store and of its lock.

use std::time::Duration;

use super::Setting;
use super::read::{A_DAY, durability, show_size, show_time, time};
use crate::model::Configuration;
use crate::store_address::StoreAddress;
use crate::value;

/// All of them.
pub static SETTINGS: &[Setting<Configuration>] = &[
    Setting {
        name: "address",
        about: "where messages are kept: a directory, sqlite:FILE, postgres://USER@HOST:PORT/DATABASE or mysql://…",
        set: |config, text| StoreAddress::parse(text).map(|address| config.store.address = address),
        show: |config| config.store.address.to_string(),
    },
    Setting {
        name: "leaseDuration",
        about: "how many milliseconds a master may be silent before a slave takes over, though its lock is still held",
        set: |config, text| {
            time(text, Duration::from_millis(100), A_DAY).map(|time| config.broker.lease = time)
        },
        show: |config| show_time(config.broker.lease),
    },
    Setting {
        name: "lockAcquireSleepInterval",
        about: "how often a slave looks whether the lock is free, in milliseconds",
        set: |config, text| {
            time(text, Duration::from_millis(1), A_DAY).map(|time| config.lock_acquire_sleep_interval = time)
        },
        show: |config| show_time(config.lock_acquire_sleep_interval),
    },
    Setting {
        name: "journalMaxFileLength",
        about: "the length of a journal's segments, from 64 kb to 1 gb",
        set: |config, text| {
            value::segment_length(text).map(|length| config.store.journal.journal_max_file_length = length)
        },
        show: |config| show_size(config.store.journal.journal_max_file_length),
    },
    Setting {
        name: "journalDiskSyncStrategy",
        about: "how durable what is sent is when it is answered: always (on the disk), periodic or never",
        set: |config, text| {
            durability(text).map(|level| config.store.journal.journal_disk_sync_strategy = level)
        },
        show: |config| config.store.journal.journal_disk_sync_strategy.to_string(),
    },
    Setting {
        name: "journalDiskSyncInterval",
        about: "with 'periodic', for how many milliseconds what was answered may be at risk",
        set: |config, text| {
            let interval = time(text, Duration::from_millis(1), A_DAY)?;
            config.store.journal.journal_disk_sync_interval = interval;
            Ok(())
        },
        show: |config| show_time(config.store.journal.journal_disk_sync_interval),
    },
    Setting {
        name: "checkpointInterval",
        about: "after how many milliseconds the index is written down though little has changed, if it is worth it",
        set: |config, text| {
            time(text, Duration::from_millis(100), A_DAY)
                .map(|time| config.store.journal.checkpoint_interval = time)
        },
        show: |config| show_time(config.store.journal.checkpoint_interval),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{broker, find};

    #[test]
    fn what_is_shown_sets_the_same() {
        let mut changed = Configuration::default();
        for (name, text) in
            [("address", "sqlite:/a.db"), ("leaseDuration", "5s"), ("journalDiskSyncStrategy", "periodic")]
        {
            (find(SETTINGS, name).expect(name).set)(&mut changed, text).expect(text);
        }
        for (name, text) in [("brokerName", "a"), ("memoryUsage", "1 gb"), ("maxInactivityDuration", "0")] {
            (find(broker::SETTINGS, name).expect(name).set)(&mut changed.broker, text).expect(text);
        }
        for config in [Configuration::default(), changed] {
            let mut again = Configuration::default();
            for setting in SETTINGS {
                (setting.set)(&mut again, &(setting.show)(&config)).expect(setting.name);
            }
            for setting in broker::SETTINGS {
                (setting.set)(&mut again.broker, &(setting.show)(&config.broker)).expect(setting.name);
            }
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
        }
    }
}
