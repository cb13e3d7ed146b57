//! Cleaning without a thread: what the cleaner does, by whoever holds the writer.

use std::sync::{Arc, OnceLock};

use kahawai_store::contract::{Completion, StoreError};

use crate::compact::cleaner::next_piece;
use crate::compact::head::HeadReader;
use crate::submission::Submission;
use crate::writer::Writer;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cleaned {
    /// How many pieces the writer was given.
    pub(crate) pieces: u64,
    /// How many messages and chunks were in them.
    pub(crate) found: u64,
}

/// Cleans for as long as this is wanted and the head can be read, as the cleaner's thread does.
pub(crate) fn clean(
    writer: &mut Writer,
    head: &mut HeadReader,
    mut wanted: impl FnMut(&Writer) -> bool,
) -> Cleaned {
    let shared = Arc::clone(writer.shared());
    let mut cleaned = Cleaned::default();
    while shared.ended().is_none() && wanted(writer) {
        match next_piece(head, &shared) {
            Ok(Some(piece)) => {
                cleaned.pieces += 1;
                cleaned.found += (piece.messages.len() + usize::from(piece.chunk.is_some())) as u64;
                let full = Arc::new(OnceLock::new());
                let told = Arc::clone(&full);
                let done = Completion::new(move |result: Result<(), StoreError>| {
                    if result.is_err() {
                        let _ = told.set(());
                    }
                });
                writer.round([Submission::Relocate(Box::new(piece), done)]);
                if full.get().is_some() {
                    // What found no room is to be found again.
                    *head = HeadReader::default();
                    break;
                }
            }
            // Idle moments go by until it is known what lives.
            Ok(None) if writer.is_sweeping() => writer.round([]),
            Ok(None) => break,
            Err(error) => {
                shared.end(error);
            }
        }
    }
    cleaned
}

/// Cleans for as long as something waits, as the cleaner's thread does.
pub(crate) fn clean_for_waiting(writer: &mut Writer, reader: &mut HeadReader) {
    while writer.waits() {
        let head = writer.head_number();
        clean(writer, reader, Writer::waits);
        // Where it stopped before its time, it found nothing to do, or no room.
        if writer.waits() && writer.head_number() == head {
            writer.round([Submission::NothingToClean(head.unwrap_or_default())]);
        }
    }
}
