//! Who holds the store.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use kahawai_store::batch::DurabilityState;
use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;

use super::directory::{LockSeen, ReadOnlyDirectory};
use crate::disk::Disk;
use crate::election::boot_id;
use crate::format::claim::{Beat, decode_beat};
use crate::format::name::FileName;

/// What can be said of a store's master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// How it stands.
    pub state: HoldingState,
    /// Who had it last, as it said itself; nobody where nobody ever did or its sign of life cannot be read.
    pub holder: Option<Holder>,
    /// How durable what it completed was at its last sign of life; none where it had no journal open by then.
    pub durability: Option<DurabilityState>,
    /// The highest epoch claimed.
    pub epoch: Epoch,
    /// When that epoch was claimed, by the clock of whoever wrote the file.
    pub since: Option<SystemTime>,
}

/// How a store stands with its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldingState {
    /// Nobody has ever been master.
    Never,
    /// The last master gave it up in good order.
    Released,
    /// A master holds it: its lock is held, or it shows signs of life.
    Held,
    /// Its last master died without giving it up.
    Dead,
}

/// How often a sign of life is looked for while one is watched for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks who holds a store. Only where neither the lock nor the machine's boot tells (a holder on another machine), its signs
/// of life are watched for as long as `lease`, which blocks.
///
/// # Errors
/// Of the directory.
pub fn look(directory: &ReadOnlyDirectory, lease: Duration) -> io::Result<Holding> {
    let claims = directory.list()?.into_iter().filter_map(|name| match name {
        FileName::Claim(epoch) => Some(epoch),
        _ => None,
    });
    let epoch = claims.max().unwrap_or_default();
    let lock = directory.lock()?;
    let beat = read_beat(directory, epoch)?;
    let since = directory.written_at(FileName::Claim(epoch));
    let is_held = lock.is_some_and(|lock| lock.held);
    let state = match &beat {
        _ if is_held => HoldingState::Held,
        None if epoch == Epoch(0) => HoldingState::Never,
        Some(beat) if beat.released => HoldingState::Released,
        Some(beat) if died_here(beat, lock) => HoldingState::Dead,
        _ if beats(directory, epoch, &beat, lease)? => HoldingState::Held,
        _ => HoldingState::Dead,
    };
    let durability = beat.as_ref().and_then(|beat| beat.durability);
    Ok(Holding { state, holder: beat.map(|beat| beat.holder), durability, epoch, since })
}

/// Whether the holder had this very lock on this machine since its last start, and has it no more.
fn died_here(beat: &Beat, lock: Option<LockSeen>) -> bool {
    boot_id() == Some(beat.boot) && lock.is_some_and(|lock| lock.inode == beat.lock_inode)
}

fn read_beat(directory: &ReadOnlyDirectory, epoch: Epoch) -> io::Result<Option<Beat>> {
    // It is overwritten in place: one that is met half written is read again.
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        match directory.read(FileName::Beat(epoch))?.as_deref().map(decode_beat) {
            Some(Ok(beat)) => return Ok(Some(beat)),
            Some(Err(_)) => {}
            None => return Ok(None),
        }
    }
    Ok(None)
}

fn beats(
    directory: &ReadOnlyDirectory,
    epoch: Epoch,
    before: &Option<Beat>,
    lease: Duration,
) -> io::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < lease {
        std::thread::sleep(LOOK_EVERY);
        let now = read_beat(directory, epoch)?;
        if now.as_ref().map(|beat| beat.counter) != before.as_ref().map(|beat| beat.counter) {
            return Ok(now.is_none_or(|beat| !beat.released));
        }
    }
    directory.ask(FileName::Claim(Epoch(epoch.0.saturating_add(1))))
}
