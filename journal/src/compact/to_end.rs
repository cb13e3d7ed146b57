//! Compacts a store to the end, whether that pays or not: for an operator who asks for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kahawai_store::contract::StoreError;

use crate::shared::Shared;

/// How far a compaction has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the segments that were there when it began, and are given up.
    pub done: u64,
    /// Bytes of all of those.
    pub total: u64,
    /// Bytes of records that were written for it, to write again what lives.
    pub written_again: u64,
}

/// How long nothing may go on for lack of room, before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until everything that is in the log now, but for the segment being written, is given up, what lives in it having been written
/// again. `wake` has the writer make a round.
///
/// # Errors
/// [`StoreError::Full`] where there is no room to go on, and whatever ends the store. What was done until then is done.
pub(crate) fn compact(
    shared: &Shared,
    wake: impl FnOnce(),
    told: &mut dyn FnMut(Compacted),
) -> Result<Compacted, StoreError> {
    let lengths: Vec<(u64, u64)> =
        shared.segments().iter().map(|(&number, segment)| (number, segment.file.length())).collect();
    let Some((&(being_written, _), before)) = lengths.split_last() else { return Ok(Compacted::default()) };
    let begun = shared.relocated.load(Ordering::Relaxed);
    let at = |head: u64| Compacted {
        done: before.iter().filter(|(number, _)| *number < head).map(|(_, length)| length).sum(),
        total: before.iter().map(|(_, length)| length).sum(),
        written_again: shared.relocated.load(Ordering::Relaxed) - begun,
    };
    shared.cleaning.ask_through(being_written - 1);
    wake();
    let mut head = before.first().map_or(being_written, |(number, _)| *number);
    let mut went_on = Instant::now();
    told(at(head));
    while head < being_written {
        if let Some(error) = shared.ended() {
            return Err(error.clone());
        }
        let (now, lacks_room) = shared.cleaning.wait_for_head(head, Duration::from_millis(100));
        if now != head {
            went_on = Instant::now();
        } else if lacks_room && went_on.elapsed() > PATIENCE {
            let text = format!("no room to write again what lives in segment {head}: give the disk some");
            return Err(StoreError::Full(text.into()));
        }
        head = now;
        told(at(head));
    }
    Ok(at(head))
}
