//! The thread that cleans: reads the head, and leaves what lives there with the writer, piece by piece.
//!
//! One piece is under way at a time, and joins whatever round comes next: a writer never waits for more than that. When the
//! cleaner falls behind what the bound on the disk asks for, rounds wait for it, and take little else.

use std::io::ErrorKind;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use kahawai_store::contract::{Completion, StoreError};

use super::head::{HeadReader, Piece, head_of};
use crate::queue::Queue;
use crate::shared::Shared;
use crate::submission::Submission;

/// How long the cleaner rests when there is no room, or nothing to be had though there should be.
const REST: Duration = Duration::from_millis(100);

/// Ends the journal where the thread that holds this panics: without a cleaner the disk has no bound.
struct EndOnPanic<'a>(&'a Shared);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(StoreError::Failed("the thread that cleans the journal panicked".into()));
        }
    }
}

/// Cleans until the journal ends.
pub(crate) fn clean(shared: &Shared, queue: &Queue) {
    let _ending = EndOnPanic(shared);
    let mut head = HeadReader::default();
    loop {
        if !shared.cleaning.is_wanted() {
            head.rest();
        }
        if !shared.cleaning.wait() || shared.ended().is_some() {
            return;
        }
        let before = head_of(shared);
        let piece = match next_piece(&mut head, shared) {
            Ok(Some(piece)) => piece,
            Ok(None) => {
                // Whoever waits for it is told, unless the head went meanwhile.
                if let Some((_, number)) = head_of(shared).filter(|_| shared.cleaning.is_waited_for())
                    && before.is_some_and(|(_, before)| before == number)
                    && queue.push(Submission::NothingToClean(number)).is_err()
                {
                    return;
                }
                shared.cleaning.rest(REST);
                continue;
            }
            Err(error) => {
                shared.end(error);
                return;
            }
        };
        let (sender, answer) = sync_channel(1);
        let done = Completion::new(move |result| {
            let _ = sender.send(result);
        });
        if queue.push(Submission::Relocate(Box::new(piece), done)).is_err() {
            return;
        }
        match answer.recv() {
            Ok(Ok(())) => shared.cleaning.found_room(true),
            Ok(Err(StoreError::Full(_))) => {
                shared.cleaning.found_room(false);
                // What found no room is to be found again.
                head = HeadReader::default();
                shared.cleaning.rest(REST);
            }
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// What the next part of the head holds; see [`HeadReader::next`]. A head that was given up before it was opened is passed over.
///
/// # Errors
/// What ends the store.
pub(crate) fn next_piece(head: &mut HeadReader, shared: &Shared) -> Result<Option<Piece>, StoreError> {
    loop {
        let before = head_of(shared);
        let error = match head.next(shared) {
            Ok(piece) => return Ok(piece),
            Err(error) => error,
        };
        if error.kind() == ErrorKind::NotFound && before != head_of(shared) {
            *head = HeadReader::default();
            continue;
        }
        return Err(shared.failed("clean", before.map_or(0, |(_, number)| number), &error));
    }
}
