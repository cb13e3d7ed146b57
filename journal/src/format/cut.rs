//! `epoch-N.cut`: the seal of this epoch leaves out some of the log before, or all, which is to be set aside.
//!
//! ```text
//! 0   8  magic "KAHACUT\n"
//! 8   2  format version
//! 10 16  store id
//! 26  8  epoch
//! 34  4  CRC-32 of all before
//! ```
//! It is there before the seal and goes when everything is set aside; that it is there is all that counts, so that its content is for people. What is
//! left out, the seal says: what stands behind the place that it names.

use kahawai_store::names::Epoch;

use super::RandomId;
use super::fields::Fields;

const MAGIC: &[u8; 8] = b"KAHACUT\n";

pub(crate) fn encode(store: &RandomId, epoch: Epoch) -> Vec<u8> {
    Fields::begin(MAGIC).raw(store).u64(epoch.0).finish()
}
