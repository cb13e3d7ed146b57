//! `epoch-N.claim` and `epoch-N.beat`: an epoch is taken, and its holder lives.
//!
//! ```text
//! claim                                      beat
//! 0   8  magic "KAHACLM\n"                   0   8  magic "KAHABEA\n"
//! 8   2  format version                      8   2  format version
//! 10  8  epoch                               10  8  epoch
//! 18 16  claim id, random                    18  8  counter, one more at each beat
//!                                            26  1  state: 1 holding, 2 released in good order
//! 34  4  CRC-32 of all before                27  8  inode of the lock file held; 0 while it is not held
//!                                            35 16  boot id of the holder's machine
//!                                            51  4  process id there
//!                                            55  1  how durable what is completed is: 1 never, 2 periodic, 3 always, 0 not said
//!                                            56  8  bytes completed and not on the disk, as of this beat
//!                                            64  …  name, host, address: each length:u8 and text
//!                                             …  4  CRC-32 of all before
//! ```
//! A claim is written once and linked into place. A beat is overwritten in place, by its own epoch's holder only, padded
//! to its first length; a reader that meets it half written finds the checksum wrong and looks again.

use kahawai_store::batch::{Durability, DurabilityState};
use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};

const CLAIM_MAGIC: &[u8; 8] = b"KAHACLM\n";
const BEAT_MAGIC: &[u8; 8] = b"KAHABEA\n";

const HOLDING: u8 = 1;
const RELEASED: u8 = 2;

pub(crate) fn encode_claim(epoch: Epoch, id: &RandomId) -> Vec<u8> {
    Fields::begin(CLAIM_MAGIC).u64(epoch.0).raw(id).finish()
}

/// The epoch that a claim takes.
pub(crate) fn decode_claim(bytes: &[u8]) -> Result<Epoch, FormatError> {
    let mut taken = Taken::open("claim", CLAIM_MAGIC, bytes)?;
    let epoch = Epoch(taken.u64()?);
    let _id: RandomId = taken.array()?;
    Ok(epoch)
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Rises at each beat.
    pub(crate) counter: u64,
    /// Whether the holder gave its mastership up in good order.
    pub(crate) released: bool,
    /// The inode of the lock file whose lock the holder has; 0 while it has none.
    pub(crate) lock_inode: u64,
    /// The holder's machine since its last start.
    pub(crate) boot: RandomId,
    /// How durable what the holder completed is, for people; none while no store is open.
    pub(crate) durability: Option<DurabilityState>,
    /// For people. Its epoch is the beat's.
    pub(crate) holder: Holder,
}

/// Levels by their numbers in a beat, from 1 on.
const LEVELS: [Durability; 3] = [Durability::Never, Durability::Periodic, Durability::Always];

pub(crate) fn encode_beat(beat: &Beat) -> Vec<u8> {
    let durability = beat.durability.unwrap_or_default();
    let level = match (beat.durability, durability.level) {
        (None, _) => 0,
        (_, Durability::Never) => 1,
        (_, Durability::Periodic) => 2,
        (_, Durability::Always) => 3,
    };
    Fields::begin(BEAT_MAGIC)
        .u64(beat.holder.epoch.0)
        .u64(beat.counter)
        .u8(if beat.released { RELEASED } else { HOLDING })
        .u64(beat.lock_inode)
        .raw(&beat.boot)
        .u32(beat.holder.process)
        .u8(level)
        .u64(durability.bytes_at_risk)
        .text(&beat.holder.name)
        .text(&beat.holder.host)
        .text(&beat.holder.address)
        .finish()
}

pub(crate) fn decode_beat(bytes: &[u8]) -> Result<Beat, FormatError> {
    let mut taken = Taken::open("beat", BEAT_MAGIC, bytes)?;
    let epoch = Epoch(taken.u64()?);
    let counter = taken.u64()?;
    let released = taken.u8()? == RELEASED;
    let lock_inode = taken.u64()?;
    let boot = taken.array()?;
    let process = taken.u32()?;
    let level = usize::from(taken.u8()?).checked_sub(1).and_then(|index| LEVELS.get(index).copied());
    let bytes_at_risk = taken.u64()?;
    let durability = level.map(|level| DurabilityState { level, bytes_at_risk });
    let holder = Holder { name: taken.text()?, host: taken.text()?, address: taken.text()?, process, epoch };
    Ok(Beat { counter, released, lock_inode, boot, durability, holder })
}
