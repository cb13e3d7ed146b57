//! An arbiter in a row of a database.

use std::sync::{Mutex, PoisonError};

use kahawai_adapters::record_row::RecordRow;
use kahawai_replication::{Arbiter, ArbiterError, Held, Record, Version};

/// A row with a record in it. Whoever asks waits for who asked before.
pub(super) struct RowArbiter(pub(super) Mutex<Box<dyn RecordRow>>);

impl RowArbiter {
    fn ask<T>(&self, what: impl FnOnce(&mut dyn RecordRow) -> Result<T, String>) -> Result<T, ArbiterError> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut **row).map_err(ArbiterError::Unreachable)
    }
}

impl Arbiter for RowArbiter {
    fn read(&self) -> Result<Held, ArbiterError> {
        let Some((version, bytes)) = self.ask(|row| row.read())? else { return Ok(Held::default()) };
        match Record::decode(&bytes) {
            Ok(record) if version > 0 => Ok(Held { version: Version(version), record: Some(record) }),
            Ok(_) => Err(ArbiterError::Damaged("its row has version 0, which none has".to_owned())),
            Err(problem) => Err(ArbiterError::Damaged(format!("its row: {problem}"))),
        }
    }

    fn replace(&self, version: Version, record: &Record) -> Result<bool, ArbiterError> {
        self.ask(|row| row.replace(version.0, &record.encode()))
    }
}
