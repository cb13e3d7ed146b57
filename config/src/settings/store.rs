//! Settings of the store and of its lock.

use std::time::Duration;

use kahawai_journal::disk::directory::{FlushCall, SegmentIo};

use super::Setting;
use super::kind::{DAY, Kind, LEVELS};
use super::read::{A_DAY, durability, show_size, show_time, size, time};
use crate::model::Configuration;
use crate::store_address::StoreAddress;
use crate::value;

/// All of them.
pub static SETTINGS: &[Setting<Configuration>] = &[
    Setting {
        name: "address",
        about: "where messages are kept: a directory, sqlite:FILE, postgres://USER@HOST:PORT/DATABASE or mysql://…",
        kind: Kind::Text,
        set: |config, text| StoreAddress::parse(text).map(|address| config.store.address = address),
        show: |config| Some(config.store.address.to_string()),
    },
    Setting {
        name: "leaseDuration",
        about: "how many milliseconds a master may be silent before a slave takes over, though its lock is still held",
        kind: Kind::Time { least: 100, most: DAY },
        set: |config, text| {
            time(text, Duration::from_millis(100), A_DAY).map(|time| config.broker.lease = time)
        },
        show: |config| Some(show_time(config.broker.lease)),
    },
    Setting {
        name: "lockAcquireSleepInterval",
        about: "how often a slave looks whether the lock is free, in milliseconds",
        kind: Kind::Time { least: 1, most: DAY },
        set: |config, text| {
            time(text, Duration::from_millis(1), A_DAY).map(|time| config.lock_acquire_sleep_interval = time)
        },
        show: |config| Some(show_time(config.lock_acquire_sleep_interval)),
    },
    Setting {
        name: "messageTableName",
        about: "the table of ActiveMQ's messages, with its tablePrefix, that is looked for in a database before a store is begun there",
        kind: Kind::Text,
        set: |config, text| table(text).map(|name| config.store.message_table_name = name),
        show: |config| Some(config.store.message_table_name.clone()),
    },
    Setting {
        name: "durableSubAcksTableName",
        about: "the same of its durable subscriptions",
        kind: Kind::Text,
        set: |config, text| table(text).map(|name| config.store.durable_sub_acks_table_name = name),
        show: |config| Some(config.store.durable_sub_acks_table_name.clone()),
    },
    Setting {
        name: "journalMaxFileLength",
        about: "the length of a journal's segments, from 64 kb to 1 gb",
        kind: Kind::Size { least: 64 << 10, most: 1 << 30 },
        set: |config, text| {
            value::segment_length(text).map(|length| config.store.journal.journal_max_file_length = length)
        },
        show: |config| Some(show_size(config.store.journal.journal_max_file_length)),
    },
    Setting {
        name: "journalDiskSyncStrategy",
        about: "how durable what is sent is when it is answered: always (on the disk), periodic or never",
        kind: Kind::Word(LEVELS),
        set: |config, text| {
            durability(text).map(|level| config.store.journal.journal_disk_sync_strategy = level)
        },
        show: |config| Some(config.store.journal.journal_disk_sync_strategy.to_string()),
    },
    Setting {
        name: "journalDiskSyncInterval",
        about: "with 'periodic', for how many milliseconds what was answered may be at risk",
        kind: Kind::Time { least: 1, most: DAY },
        set: |config, text| {
            let interval = time(text, Duration::from_millis(1), A_DAY)?;
            config.store.journal.journal_disk_sync_interval = interval;
            Ok(())
        },
        show: |config| Some(show_time(config.store.journal.journal_disk_sync_interval)),
    },
    Setting {
        name: "checkpointInterval",
        about: "after how many milliseconds the index is written down though little has changed, if it is worth it",
        kind: Kind::Time { least: 100, most: DAY },
        set: |config, text| {
            time(text, Duration::from_millis(100), A_DAY)
                .map(|time| config.store.journal.checkpoint_interval = time)
        },
        show: |config| Some(show_time(config.store.journal.checkpoint_interval)),
    },
    Setting {
        name: "journalMaxWriteBatchSize",
        about: "the most bytes that one flush of a journal takes together",
        kind: Kind::Size { least: 64 << 10, most: 64 << 20 },
        set: |config, text| {
            let size = size(text)?;
            if !(64 << 10..=64 << 20).contains(&size) {
                return Err("needs a size from 64kb to 64mb".to_owned());
            }
            config.store.journal.journal_max_write_batch_size = size;
            Ok(())
        },
        show: |config| Some(show_size(config.store.journal.journal_max_write_batch_size as u64)),
    },
    Setting {
        name: "journalIo",
        about: "how a journal's segments are written; by default mapped on a file system known to be local, plain elsewhere",
        kind: Kind::Word(&["mapped", "mapped-only", "mapped-only-msync", "plain"]),
        set: |config, text| {
            config.store.segment_io = Some(match text.trim() {
                "mapped" => SegmentIo::Mixed,
                "mapped-only" => SegmentIo::Mapped(FlushCall::Fdatasync),
                "mapped-only-msync" => SegmentIo::Mapped(FlushCall::Msync),
                "plain" => SegmentIo::Plain,
                _ => return Err("needs mapped, mapped-only, mapped-only-msync or plain".to_owned()),
            });
            Ok(())
        },
        show: |config| {
            let way = match config.store.segment_io? {
                SegmentIo::Mixed => "mapped",
                SegmentIo::Mapped(FlushCall::Fdatasync) => "mapped-only",
                SegmentIo::Mapped(FlushCall::Msync) => "mapped-only-msync",
                SegmentIo::Plain => "plain",
            };
            Some(way.to_owned())
        },
    },
];

/// The name of a table. It is given to servers as a value, and never part of a statement.
fn table(text: &str) -> Result<String, String> {
    const MOST: usize = 128;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MOST || text.chars().any(char::is_control) {
        return Err(format!("needs the name of a table, of {MOST} letters at most"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{broker, find};

    #[test]
    fn what_is_shown_sets_the_same() {
        let mut changed = Configuration::default();
        for (name, text) in [
            ("address", "sqlite:/a.db"),
            ("leaseDuration", "5s"),
            ("journalDiskSyncStrategy", "periodic"),
            ("journalIo", "mapped-only-msync"),
        ] {
            (find(SETTINGS, name).expect(name).set)(&mut changed, text).expect(text);
        }
        for (name, text) in [
            ("brokerName", "a"),
            ("memoryUsage", "1 gb"),
            ("maxInactivityDuration", "0"),
            ("masterConnectorURI", "tcp://m:1"),
            ("arbiter", "/a"),
        ] {
            (find(broker::SETTINGS, name).expect(name).set)(&mut changed.broker, text).expect(text);
        }
        for config in [Configuration::default(), changed] {
            let mut again = Configuration::default();
            for setting in SETTINGS {
                if let Some(shown) = (setting.show)(&config) {
                    (setting.set)(&mut again, &shown).expect(setting.name);
                }
            }
            for setting in broker::SETTINGS {
                if let Some(shown) = (setting.show)(&config.broker) {
                    (setting.set)(&mut again.broker, &shown).expect(setting.name);
                }
            }
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
        }
    }
}
