//! Durable subscriptions over there: what is sent here while they, or the bridge, are away is kept here by a durable subscription of the bridge's.
//!
//! There is one for each topic or pattern, `NC-DS_` and this broker's name and the topic's, whoever subscribes over there; it goes on when the bridge is
//! built anew, and ends when the last of them has unsubscribed.

use std::collections::HashSet;
use std::sync::Arc;

use kahawai_openwire::consumer::{BrokerSubscriptionInfo, ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::ids::{BrokerId, ConnectionId, MessageId};
use kahawai_openwire::text::Text;

use super::demand::{Comes, Reason, Subscriber};
use super::machine::{Bridge, Kept, NAME_BYTES_MAX, Overlap, Side};
use super::options::NetworkConnector;
use super::pattern::contains;
use super::speech;
use super::ways::Way;
use crate::core::Core;
use crate::core::address::Address;
use crate::openwire::network::{are_included, durables};
use crate::openwire::translate::address;

/// What names of subscriptions begin with that a bridge has.
pub const PREFIX: &str = "NC-DS_";

/// The durable subscriptions that bridges of this broker have: what a bridge is told before it begins.
pub fn kept(core: &Core) -> Vec<Kept> {
    let all = core.durable_subscriptions().filter(|((_, name), ..)| name.starts_with(PREFIX));
    let kept = all.map(|((client_id, name), durable, _)| Kept {
        client_id: Text::from(&**client_id),
        name: Text::from(&**name),
        address: durable.address.clone(),
        passed: durable.passed.iter().flatten().map(|id| Text::from(&**id)).collect(),
    });
    kept.collect()
}

/// The durable subscriptions here that the broker at the other end of a duplex bridge is told of, as it may keep for them what is sent there: with
/// `syncDurableSubs` those of what is included dynamically.
pub fn subscribed(core: &Core, connector: &NetworkConnector) -> Vec<ConsumerInfo> {
    if !connector.duplex || !connector.sync_durable_subs {
        return Vec::new();
    }
    durables(core, |address| are_included(&connector.dynamically_included_destinations, address))
}

impl Bridge {
    /// Tells the broker at the other end of a duplex bridge of the durable subscriptions here.
    pub(super) fn tell_durables(&mut self) {
        if !self.connector.duplex || !self.connector.sync_durable_subs {
            return;
        }
        let info = BrokerSubscriptionInfo {
            broker_id: Some(Arc::clone(&self.own_id)),
            broker_name: Some(self.us.broker_name.clone()),
            subscription_infos: Some(std::mem::take(&mut self.durables).into()),
            ..BrokerSubscriptionInfo::default()
        };
        self.say(Side::Remote, info.into());
    }

    /// Those that the broker here kept for this bridge go on.
    pub(super) fn resume_kept(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.retain(|kept| self.is_kept_here(kept));
        for Kept { name, address, passed, .. } in kept {
            let number = self.demand.number();
            // For whom it was is not known, but where that was.
            let (last, way) = passed.split_last().map_or((None, &[][..]), |(last, way)| (Some(last), way));
            let is_for_peer = last == self.peer.as_ref().map(|peer| &peer.id.value);
            let way = way.iter().map(|id| Arc::new(BrokerId::new(id.clone())));
            let info = ConsumerInfo {
                consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
                network_subscription: true,
                broker_path: Some(way.collect()),
                ..ConsumerInfo::default()
            };
            let begun = self.subscribe(&address, &info, Reason::Kept, Some(name));
            self.kept_for_peer.extend(begun.filter(|_| is_for_peer));
        }
    }

    /// Whether one that the broker here keeps is this bridge's, and goes on.
    fn is_kept_here(&self, kept: &Kept) -> bool {
        let Some(peer) = self.peer.as_ref().filter(|_| !self.connector.dynamic_only) else { return false };
        kept.client_id == speech::local_client_id(&self.us, &self.connector, &peer.name, false)
            && kept.name == self.durable_name(&kept.address)
            && self.connector.permits(&kept.address)
    }

    /// Whether there are some.
    pub(super) fn keeps_some(&self) -> bool {
        self.kept.iter().any(|kept| self.is_kept_here(kept))
    }

    fn durable_name(&self, address: &Address) -> Text {
        format!("{PREFIX}{}_{}", self.us.broker_name, address.name).into()
    }

    /// A durable subscription over there, whose client has come.
    pub(super) fn subscribes(&mut self, wanted: &Address, info: &ConsumerInfo) {
        let Some(subscriber) = subscriber(info) else { return };
        // What another broker keeps while its bridge is away is told of without a way.
        let is_way_known = info.broker_path.is_some() || !subscriber.1.starts_with(PREFIX);
        let way = info.broker_path.clone().unwrap_or_default();
        let way = is_way_known.then_some(&way);
        match self.demand.subscribes(&subscriber, wanted, way) {
            Comes::Known | Comes::Joined => {}
            Comes::TooMany => self.tell_full(),
            Comes::Wanted => {
                let others = self.demand.fleeting(wanted);
                let name = self.durable_name(wanted);
                let Some(number) = self.subscribe(wanted, info, Reason::Demand, Some(name)) else { return };
                self.demand.keep_for(number, subscriber, Some(way.unwrap_or(&Way::default())));
                if !others.is_empty() {
                    self.overlaps.push(Overlap { durable: number, others, crossed: HashSet::new() });
                }
            }
        }
    }

    /// A durable subscription here has begun, or was refused: those whose place it takes are closed.
    pub(super) fn durable_began(&mut self, number: i64, is_there: bool) {
        let Some(at) = self.overlaps.iter().position(|overlap| overlap.durable == number) else { return };
        if !is_there {
            self.overlaps.swap_remove(at);
            return;
        }
        for other in std::mem::take(&mut self.overlaps[at].others) {
            if let Some(over) = self.demand.give_over(other, number) {
                self.close_here(over);
            }
        }
    }

    /// Whether a message has crossed already by the other of two subscriptions that overlap.
    pub(super) fn is_second(&mut self, number: i64, id: Option<&MessageId>) -> bool {
        if self.overlaps.is_empty() {
            return false;
        }
        let of = |overlap: &&mut Overlap| overlap.durable == number || overlap.others.contains(&number);
        let Some(overlap) = self.overlaps.iter_mut().find(of) else { return false };
        // It is over, and every message of the durable one comes by here.
        if overlap.others.is_empty() && overlap.crossed.is_empty() {
            return false;
        }
        let Some(key) = id.map(ToString::to_string) else { return false };
        if overlap.crossed.remove(&key) {
            return true;
        }
        // When the others are closed nothing comes of them any more.
        if !overlap.others.is_empty() {
            overlap.crossed.insert(key);
        }
        false
    }

    /// One over there is no more.
    pub(super) fn unsubscribes(&mut self, subscriber: &Subscriber) {
        for over in self.demand.unsubscribes(subscriber) {
            self.close_here(over);
        }
    }

    /// All of those over there that this bridge may know of, whether their clients are connected or not: with `syncDurableSubs` those of what is included
    /// dynamically, and really all where it has asked for whom it keeps some.
    pub(super) fn all_subscribed(&mut self, told: Box<BrokerSubscriptionInfo>) {
        if !self.stands() {
            self.told = Some(told);
            return;
        }
        let mut infos = told.subscription_infos.as_deref().unwrap_or_default();
        let are_all =
            self.asks_for_whom && infos.first().is_some_and(|info| info.subscription_name.is_none());
        if are_all {
            infos = &infos[1..];
        }
        let is_synced = self.connector.sync_durable_subs && !self.connector.dynamic_only;
        if !are_all && !is_synced {
            return;
        }
        let (token, own) = (&self.connector.client_id_token, &self.us.broker_name);
        let way = format!("{token}{own}{token}inbound{token}");
        let included = self.connector.dynamically_included_destinations.clone();
        for info in infos {
            let is_kept_for_us =
                info.subscription_name.as_deref().is_some_and(|name| name.starts_with(PREFIX))
                    && info.client_id.as_deref().is_some_and(|id| id.contains(&way));
            let (Some(wanted), false) = (&info.destination, is_kept_for_us) else { continue };
            let wanted = address(wanted);
            if are_all {
                self.may_be_kept_for(info, &wanted);
            }
            if is_synced && info.subscription_name.is_some() && are_included(&included, &wanted) {
                self.comes(info);
            }
        }
        let known = std::mem::take(&mut self.kept_for_peer);
        let is_told = |number: i64, address: &Address| {
            are_all && known.contains(&number)
                || is_synced && included.iter().any(|one| contains(one, address))
        };
        for over in self.demand.all_subscribed(is_told) {
            self.close_here(over);
        }
    }

    /// What was kept before the bridge may be for one that is over there.
    fn may_be_kept_for(&mut self, info: &ConsumerInfo, wanted: &Address) {
        let Some(subscriber) = subscriber(info) else { return };
        let way = info.broker_path.clone().unwrap_or_default();
        if way.contains(&self.own_id) {
            return;
        }
        let way = (!self.is_too_far(&way)).then_some(way);
        self.demand.may_be_kept_for(&subscriber, &wanted.parts(), way.as_ref());
    }

    /// Nothing is kept any more by this name.
    pub(super) fn unsubscribe_here(&mut self, name: Text) {
        let peer = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
        let info = RemoveSubscriptionInfo {
            connection_id: Some(Arc::new(ConnectionId::new(self.names[0].clone()))),
            client_id: Some(speech::local_client_id(&self.us, &self.connector, &peer, false)),
            subscription_name: Some(name),
            ..RemoveSubscriptionInfo::default()
        };
        // That it was there is not this bridge's to prove: an answer is asked for so that a refusal ends nothing.
        self.ask(Side::Local, info.into());
    }
}

/// Which durable subscription a consumer over there is of, where it is one that is kept.
pub(super) fn subscriber(info: &ConsumerInfo) -> Option<Subscriber> {
    named(info.client_id.as_ref(), info.subscription_name.as_ref())
}

/// Which one has ended over there.
pub(super) fn unsubscribed(info: &RemoveSubscriptionInfo) -> Option<Subscriber> {
    named(info.client_id.as_ref(), info.subscription_name.as_ref())
}

fn named(client_id: Option<&Text>, name: Option<&Text>) -> Option<Subscriber> {
    let (client_id, name) = (client_id.cloned().unwrap_or_default(), name?.clone());
    (client_id.len() <= NAME_BYTES_MAX && name.len() <= NAME_BYTES_MAX).then_some((client_id, name))
}
