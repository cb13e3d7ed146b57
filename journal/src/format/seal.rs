//! `epoch-N.seal`: an epoch has begun its log, and says where the one before it ends.
//!
//! ```text
//! 0   8  magic "KAHASEA\n"
//! 8   2  format version
//! 10 16  store id
//! 26  8  epoch
//! 34 16  log id, random
//! 50  8  number of the epoch's first segment
//! 58  8  sequence of the epoch's first record
//! 66  8  epoch sealed; 0 where there is none
//! 74  8  number of the sealed epoch's last segment
//! 82  8  offset in it where that log ends
//! 90  4  CRC-32 of all before
//! ```
//! Published by one atomic link after the epoch's first segment was synced. An epoch without a seal has written nothing
//! that counts.

use kahawai_store::names::Epoch;

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};

const MAGIC: &[u8; 8] = b"KAHASEA\n";

/// Where an epoch's log begins and the one before it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) store: RandomId,
    pub(crate) epoch: Epoch,
    pub(crate) log: RandomId,
    pub(crate) first_number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) sealed: Option<LogEnd>,
}

/// Where the log of an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) offset: u64,
}

pub(crate) fn encode(seal: &Seal) -> Vec<u8> {
    let end = seal.sealed.unwrap_or(LogEnd { epoch: Epoch(0), number: 0, offset: 0 });
    Fields::begin(MAGIC)
        .raw(&seal.store)
        .u64(seal.epoch.0)
        .raw(&seal.log)
        .u64(seal.first_number)
        .u64(seal.first_sequence)
        .u64(end.epoch.0)
        .u64(end.number)
        .u64(end.offset)
        .finish()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Seal, FormatError> {
    let mut taken = Taken::open("seal", MAGIC, bytes)?;
    let store = taken.array()?;
    let epoch = Epoch(taken.u64()?);
    let log = taken.array()?;
    let (first_number, first_sequence) = (taken.u64()?, taken.u64()?);
    let end = LogEnd { epoch: Epoch(taken.u64()?), number: taken.u64()?, offset: taken.u64()? };
    let sealed = (end.epoch != Epoch(0)).then_some(end);
    Ok(Seal { store, epoch, log, first_number, first_sequence, sealed })
}
