//! `kahawai-store`: what store this is. Written once, by whoever begins the store.
//!
//! ```text
//! 0   8  magic "KAHAWAI\n"
//! 8   2  format version
//! 10 16  store id, random
//! 26  4  CRC-32 of all before
//! ```

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};

const MAGIC: &[u8; 8] = b"KAHAWAI\n";

pub(crate) fn encode(store: &RandomId) -> Vec<u8> {
    Fields::begin(MAGIC).raw(store).finish()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<RandomId, FormatError> {
    Taken::open("store", MAGIC, bytes)?.array()
}
