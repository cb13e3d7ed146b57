//! Consumers over there that another bridge of this broker serves too: they are served over one of them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::ids::ConsumerId;

use super::machine::{Bridge, CONSUMERS_MAX, Stage};
use super::neighbours::{Neighbours, Rank};
use crate::core::address::Address;

impl Bridge {
    /// Before anything is received: the other bridges of this broker.
    pub fn beside(&mut self, neighbours: Arc<Neighbours>) {
        let number = neighbours.join();
        self.rivals.neighbours = Some((neighbours, number));
    }

    /// Something has changed with the others: what one of them serves is not served here too, and what none serves any more is.
    pub fn look_again(&mut self) {
        if self.stage != Stage::Stands {
            return;
        }
        let all = self.rivals.served.iter().flat_map(|(id, all)| all.iter().map(move |served| (id, served)));
        let beaten: Vec<_> = all
            .filter(|(id, (address, info))| self.is_beaten(address, id, info))
            .map(|(id, (address, info))| (address.clone(), id.clone(), Arc::clone(info)))
            .collect();
        for (address, id, info) in beaten {
            self.goes(&id);
            self.suppress(address, &id, Arc::clone(&info));
            // What it consumes besides is served on.
            self.comes(&info);
        }
        let waiting = self.rivals.suppressed.iter();
        let free: Vec<_> = waiting
            .filter(|((address, id), info)| !self.is_beaten(address, id, info))
            .map(|(key, info)| (key.clone(), Arc::clone(info)))
            .collect();
        for (key, info) in free {
            self.forget_suppressed(|found| *found == key);
            self.comes(&info);
        }
        self.tell_changes();
    }

    fn suppresses(&self, wanted: &Address) -> bool {
        match wanted.kind.is_queue() {
            true => self.connector.suppress_duplicate_queue_subscriptions,
            false => self.connector.suppress_duplicate_topic_subscriptions,
        }
    }

    fn rank_of(&self, info: &ConsumerInfo) -> Rank {
        let hops = info.broker_path.as_deref().unwrap_or_default().len();
        Rank { hops, priority: Reverse(self.priority_of(info)) }
    }

    fn is_beaten(&self, wanted: &Address, id: &ConsumerId, info: &ConsumerInfo) -> bool {
        let Some((neighbours, number)) = &self.rivals.neighbours else { return false };
        neighbours.is_beaten(*number, wanted, id, self.rank_of(info), &consumers(id, info))
    }

    /// Whether another bridge serves a consumer that has come; it is remembered then.
    pub(super) fn is_served_elsewhere(
        &mut self,
        wanted: &Address,
        id: &ConsumerId,
        info: &ConsumerInfo,
    ) -> bool {
        let is_beaten = self.suppresses(wanted) && !self.demand.knows(id) && self.is_beaten(wanted, id, info);
        if is_beaten {
            self.suppress(wanted.clone(), id, Arc::new(info.clone()));
        }
        is_beaten
    }

    fn suppress(&mut self, wanted: Address, id: &ConsumerId, info: Arc<ConsumerInfo>) {
        let Some((neighbours, _)) = &self.rivals.neighbours else { return };
        if self.rivals.suppressed.len() < CONSUMERS_MAX
            && self.rivals.suppressed.insert((wanted, id.clone()), info).is_none()
        {
            neighbours.suppressed(1, 0);
        }
    }

    fn forget_suppressed(&mut self, which: impl Fn(&(Address, ConsumerId)) -> bool) {
        let Some((neighbours, _)) = &self.rivals.neighbours else { return };
        let before = self.rivals.suppressed.len();
        self.rivals.suppressed.retain(|key, _| !which(key));
        neighbours.suppressed(0, before - self.rivals.suppressed.len());
    }

    /// A subscription for it was asked for: it serves it when it has begun.
    pub(super) fn will_serve(&mut self, number: i64, wanted: &Address, info: &ConsumerInfo) {
        if self.rivals.neighbours.is_some() && self.suppresses(wanted) {
            self.rivals.beginning.insert(number, (wanted.clone(), Arc::new(info.clone())));
        }
    }

    /// A subscription has begun, or was refused.
    pub(super) fn began(&mut self, number: i64, is_there: bool) {
        if let Some((wanted, info)) = self.rivals.beginning.remove(&number)
            && is_there
        {
            self.serves(&wanted, &info);
        }
    }

    /// It is served here, as far as this bridge can say.
    pub(super) fn serves(&mut self, wanted: &Address, info: &ConsumerInfo) {
        let (Some((neighbours, number)), Some(id)) = (&self.rivals.neighbours, &info.consumer_id) else {
            return;
        };
        if !self.suppresses(wanted) || !self.demand.knows(id) {
            return;
        }
        neighbours.claim(*number, wanted, id, self.rank_of(info), consumers(id, info));
        let served = self.rivals.served.entry(ConsumerId::clone(id)).or_default();
        if !served.iter().any(|(address, _)| address == wanted) {
            served.push((wanted.clone(), Arc::new(info.clone())));
        }
    }

    /// It is told of again, and came by another way: it is nearer, or further away.
    pub(super) fn serves_by(&mut self, id: &ConsumerId, info: &ConsumerInfo) {
        let Some((neighbours, number)) = &self.rivals.neighbours else { return };
        let rank = self.rank_of(info);
        let info = Arc::new(info.clone());
        for (address, found) in self.rivals.served.get_mut(id).into_iter().flatten() {
            *found = Arc::clone(&info);
            neighbours.withdraw(*number, address, id);
            neighbours.claim(*number, address, id, rank, consumers(id, &info));
        }
        for (_, found) in self.rivals.beginning.values_mut() {
            if found.consumer_id.as_deref() == Some(id) {
                *found = Arc::clone(&info);
            }
        }
    }

    /// It is gone.
    pub(super) fn serves_no_more(&mut self, id: &ConsumerId) {
        let Some((neighbours, number)) = &self.rivals.neighbours else { return };
        for (address, _) in self.rivals.served.remove(id).unwrap_or_default() {
            neighbours.withdraw(*number, &address, id);
        }
        if !self.rivals.suppressed.is_empty() {
            self.forget_suppressed(|(_, known)| known == id);
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some((neighbours, number)) = &self.rivals.neighbours {
            neighbours.suppressed(0, self.rivals.suppressed.len());
            neighbours.leave(*number);
        }
    }
}

/// A consumer, and those that it stands for.
fn consumers(id: &ConsumerId, info: &ConsumerInfo) -> HashSet<ConsumerId> {
    let stands_for = info.network_consumer_path.as_deref().unwrap_or_default();
    stands_for.iter().map(|found| ConsumerId::clone(found)).chain([id.clone()]).collect()
}
