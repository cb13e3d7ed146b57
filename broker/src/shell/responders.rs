//! Places for the duplex bridges that other brokers began, one for each connector.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{MutexGuard, watch};

use crate::core::spec::BridgeKey;

/// Those that are there, each once: a broker that dials anew takes the place of the line that it has given up.
#[derive(Default)]
pub(crate) struct Responders(Mutex<HashMap<BridgeKey, Arc<Slot>>>);

/// Where one connector's is.
#[derive(Default)]
struct Slot {
    /// How many have come.
    come: watch::Sender<u64>,
    /// Held by the one that is there.
    held: tokio::sync::Mutex<()>,
}

/// One that has come. It is to leave when it has ended.
pub(crate) struct Arrival {
    key: BridgeKey,
    slot: Arc<Slot>,
    turn: u64,
}

impl Responders {
    /// One comes: whoever is there of the same connector is to go.
    pub(crate) fn arrive(&self, key: BridgeKey) -> Arrival {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(slots.entry(key.clone()).or_default());
        let mut turn = 0;
        slot.come.send_modify(|come| {
            *come += 1;
            turn = *come;
        });
        Arrival { key, slot, turn }
    }

    /// One has gone. A place that nobody has any more is forgotten.
    pub(crate) fn leave(&self, arrival: Arrival) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Arrival { key, slot, .. } = arrival;
        drop(slot);
        if slots.get(&key).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(&key);
        }
    }
}

impl Arrival {
    /// Waits until whoever was there is gone.
    pub(crate) async fn take_place(&self) -> MutexGuard<'_, ()> {
        self.slot.held.lock().await
    }

    /// When another one has come.
    pub(crate) async fn replaced(&self) {
        let mut come = self.slot.come.subscribe();
        // It cannot close while it is held here.
        let _ = come.wait_for(|come| *come != self.turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_anew_takes_the_place_of_who_was_there_and_none_is_left_behind() {
        let responders = Responders::default();
        let key =
            |connector: &str| BridgeKey { connector: connector.to_owned().into(), broker: "ID:a".into() };
        let first = responders.arrive(key("one"));
        let held = first.take_place().await;
        let other = responders.arrive(key("other"));
        let _other_held = other.take_place().await;
        let second = responders.arrive(key("one"));
        first.replaced().await;
        assert!(second.slot.held.try_lock().is_err(), "the first has not gone");
        drop(held);
        responders.leave(first);
        drop(second.take_place().await);
        responders.leave(second);
        assert_eq!(responders.0.lock().unwrap().len(), 1);
    }
}
