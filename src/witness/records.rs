//! The records, and what the log says of them.

use kahawai_replication::witness::{PairName, Records, Shelf};
use kahawai_replication::{ArbiterError, Held, Record, Version};

/// Says in the log what changes, and what fails.
#[derive(Debug)]
pub(super) struct Told(pub(super) Shelf);

fn told<T>(name: &PairName, result: Result<T, ArbiterError>) -> Result<T, ArbiterError> {
    if let Err(error) = &result {
        tracing::error!("pair {name}: {error}");
    }
    result
}

impl Records for Told {
    fn read(&self, name: &PairName) -> Result<Held, ArbiterError> {
        told(name, self.0.read(name))
    }

    fn replace(&self, name: &PairName, version: Version, record: &Record) -> Result<bool, ArbiterError> {
        let replaced = told(name, self.0.replace(name, version, record));
        if replaced == Ok(true) {
            let in_sync: Vec<_> = record.in_sync.iter().map(ToString::to_string).collect();
            tracing::info!(
                "pair {name}: {} is master of term {}; in sync: {}",
                record.master,
                record.term,
                in_sync.join(", ")
            );
        }
        replaced
    }
}
