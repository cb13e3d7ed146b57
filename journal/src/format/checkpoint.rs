//! `checkpoint-N-K.point`: what everything in memory was at a place of the log.
//!
//! ```text
//!  0  8  magic "KAHACHK\n"
//!  8  2  format version
//! 10 16  store id
//! 26  8  epoch
//! 34  8  number of the checkpoint
//! 42 16  log id
//! 58  8  number of the segment up to which everything is in it
//! 66  8  offset in that segment
//! 74  8  sequence of the last record
//!  …     what exists: length (4), a snapshot as each segment begins with (`snapshot`)
//!  …     what is prepared: count (4); for each chunk, in order: format id (4), global id, branch (each length (4), bytes), which chunk of
//!        its transaction (4), segment (8), offset of its record (8)
//!  …     destinations: count (4); for each: id (8), messages (8)
//!  …     topics: count (4); for each: id (8), messages ever kept (8), count of subscriptions (4); for each: id (8), floor (8), messages
//!        kept before it began (8), messages it does not wait for any more (8), count of arrivals beyond its floor that it
//!        acknowledged (4), those (8 each)
//!  …     segments with live messages: count (4); for each: number (8), messages (8), their bytes (8)
//!  …     damaged segments: count (4), their numbers (8 each); the damage found: count (4), for each: length (4), text
//!  …     runs of the index: count (4); for each: epoch (8), number (8), checksum (4), count of words (4), words (8 each): a bit for each
//!        entry, whether it is gone
//!  …  4  CRC-32 of all before
//! ```
//! It is written only after the log itself says, durably, that the place is durable: so no seal lies before it. One that a crash cut short
//! fails its checksum, and the one before it is taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kahawai_store::names::{DestinationId, Epoch, SubscriptionId, Xid};

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};
use crate::index::RecordAt;
use crate::index::messages::Kept;
use crate::index::segments::{Live, LiveCounts};
use crate::index::topic::{Position, Topic};

const MAGIC: &[u8; 8] = b"KAHACHK\n";

/// A place of the log: everything before it is accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Through {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
}

/// A run that a checkpoint uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunKept {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) checksum: u32,
    pub(crate) gone: Vec<u64>,
}

/// What everything was at a place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) store: RandomId,
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) log: RandomId,
    pub(crate) through: Through,
    /// A snapshot, encoded.
    pub(crate) state: Vec<u8>,
    /// Transaction, which of its chunks, where.
    pub(crate) prepared: Vec<(Xid, u32, RecordAt)>,
    pub(crate) kept: Kept,
    pub(crate) damaged: Vec<u64>,
    pub(crate) damage: Vec<String>,
    pub(crate) runs: Vec<RunKept>,
}

pub(crate) fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut out = Fields::begin(MAGIC)
        .raw(&checkpoint.store)
        .u64(checkpoint.epoch.0)
        .u64(checkpoint.number)
        .raw(&checkpoint.log)
        .u64(checkpoint.through.segment)
        .u64(checkpoint.through.offset)
        .u64(checkpoint.through.sequence)
        .bytes(&checkpoint.state)
        .u32(checkpoint.prepared.len() as u32);
    for (xid, number, at) in &checkpoint.prepared {
        out = out.u32(xid.format as u32).bytes(&xid.global).bytes(&xid.branch);
        out = out.u32(*number).u64(at.segment).u64(at.offset);
    }
    let counts: BTreeMap<_, _> = checkpoint.kept.counts.iter().collect();
    out = out.u32(counts.len() as u32);
    for (id, count) in counts {
        out = out.u64(id.0).u64(*count);
    }
    let topics: BTreeMap<_, _> = checkpoint.kept.topics.iter().collect();
    out = out.u32(topics.len() as u32);
    for (id, topic) in topics {
        let (inserted, positions) = topic.parts();
        out = out.u64(id.0).u64(inserted).u32(positions.len() as u32);
        for (id, position) in positions {
            out = out.u64(id.0).u64(position.floor).u64(position.inserted_at_start);
            out = out.u64(position.acknowledged).u32(position.beyond.len() as u32);
            for arrival in &position.beyond {
                out = out.u64(*arrival);
            }
        }
    }
    let live = checkpoint.kept.live.by_segment();
    out = out.u32(live.len() as u32);
    for (number, live) in live {
        out = out.u64(number).u64(live.count).u64(live.bytes);
    }
    out = out.u32(checkpoint.damaged.len() as u32);
    for number in &checkpoint.damaged {
        out = out.u64(*number);
    }
    out = out.u32(checkpoint.damage.len() as u32);
    for line in &checkpoint.damage {
        out = out.bytes(line.as_bytes());
    }
    out = out.u32(checkpoint.runs.len() as u32);
    for run in &checkpoint.runs {
        out = out.u64(run.epoch.0).u64(run.number).u32(run.checksum).u32(run.gone.len() as u32);
        for word in &run.gone {
            out = out.u64(*word);
        }
    }
    out.finish()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
    let mut taken = Taken::open("checkpoint", MAGIC, bytes)?;
    let store = taken.array()?;
    let (epoch, number) = (Epoch(taken.u64()?), taken.u64()?);
    let log = taken.array()?;
    let through = Through { segment: taken.u64()?, offset: taken.u64()?, sequence: taken.u64()? };
    let state = taken.bytes()?.to_vec();
    let mut prepared = Vec::new();
    for _ in 0..taken.u32()? {
        let format = taken.u32()? as i32;
        let (global, branch) = (taken.bytes()?.to_vec().into(), taken.bytes()?.to_vec().into());
        let number = taken.u32()?;
        let at = RecordAt { segment: taken.u64()?, offset: taken.u64()? };
        prepared.push((Xid { format, global, branch }, number, at));
    }
    let mut counts = HashMap::new();
    for _ in 0..taken.u32()? {
        counts.insert(DestinationId(taken.u64()?), taken.u64()?);
    }
    let mut topics = HashMap::new();
    for _ in 0..taken.u32()? {
        let (id, inserted) = (DestinationId(taken.u64()?), taken.u64()?);
        let mut positions = BTreeMap::new();
        for _ in 0..taken.u32()? {
            let id = SubscriptionId(taken.u64()?);
            let (floor, inserted_at_start) = (taken.u64()?, taken.u64()?);
            let acknowledged = taken.u64()?;
            let mut beyond = BTreeSet::new();
            for _ in 0..taken.u32()? {
                beyond.insert(taken.u64()?);
            }
            positions.insert(id, Position { floor, beyond, inserted_at_start, acknowledged });
        }
        topics.insert(id, Topic::of_parts(inserted, positions));
    }
    let mut live = BTreeMap::new();
    for _ in 0..taken.u32()? {
        live.insert(taken.u64()?, Live { count: taken.u64()?, bytes: taken.u64()? });
    }
    let mut damaged = Vec::new();
    for _ in 0..taken.u32()? {
        damaged.push(taken.u64()?);
    }
    let mut damage = Vec::new();
    for _ in 0..taken.u32()? {
        damage.push(String::from_utf8_lossy(taken.bytes()?).into_owned());
    }
    let mut runs = Vec::new();
    for _ in 0..taken.u32()? {
        let (epoch, number, checksum) = (Epoch(taken.u64()?), taken.u64()?, taken.u32()?);
        let mut gone = Vec::new();
        for _ in 0..taken.u32()? {
            gone.push(taken.u64()?);
        }
        runs.push(RunKept { epoch, number, checksum, gone });
    }
    let kept = Kept { counts, topics, live: LiveCounts::of_segments(live) };
    Ok(Checkpoint { store, epoch, number, log, through, state, prepared, kept, damaged, damage, runs })
}
