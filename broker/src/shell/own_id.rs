//! Finds the broker's id in its store, or makes one and keeps it there.

use std::hash::{BuildHasher as _, RandomState};

use bytestring::ByteString;
use kahawai_store::batch::Batch;
use kahawai_store::contract::{Completion, Recovered, Store, StoreError};
use tokio::sync::oneshot;

use super::clock::now;
use crate::core::broker_id;

/// The id of the broker on this store. A new one is durable before this returns, unless the store is full: then it holds for this run
/// alone, as does one that takes the place of an entry which cannot be read.
///
/// # Errors
/// What else the store says to a new one.
pub(crate) async fn own_id(
    store: &dyn Store,
    recovered: &Recovered,
    broker_name: &str,
) -> Result<ByteString, StoreError> {
    let made = || {
        // Two brokers of one name may begin in the same millisecond: the hasher's keys are the system's random bytes.
        let random = RandomState::new().hash_one(now());
        ByteString::from(format!("ID:{broker_name}-{random:016x}-{}-0:1", now()))
    };
    match broker_id::find(recovered) {
        Ok(Some(id)) => return Ok(id),
        Ok(None) => {}
        Err(problem) => {
            tracing::warn!(
                "the broker's id in the store is left as it is and not used, another is made for this run: {problem}"
            );
            return Ok(made());
        }
    }
    let id = made();
    let (sender, receiver) = oneshot::channel();
    let done = Completion::new(move |result| {
        // Nobody waits any more where the start was broken off.
        let _ = sender.send(result);
    });
    store.commit(Batch::new(vec![broker_id::keep(&id)]), done);
    match receiver.await.unwrap_or(Err(StoreError::Closed)) {
        Ok(_) => {}
        Err(StoreError::Full(why)) => {
            tracing::warn!(
                "the broker's id cannot be kept and is another after a restart: the store is full: {why}"
            );
        }
        Err(error) => return Err(error),
    }
    Ok(id)
}
