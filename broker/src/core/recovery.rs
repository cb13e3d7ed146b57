//! From what a store holds to a core that serves it.

use kahawai_store::batch::{DestinationKind, Operation, Outcome};
use kahawai_store::contract::Recovered;

use super::Effects;
use super::address::{Address, AddressKind};
use super::dispatch::window::Window;
use super::durable::overflow::is_left_over;
use super::durable::subscription::DURABLES;
use super::effects::Notice;
use super::entries::read_durable;
use super::identity::{Identities, SPOOLED_FORMAT};
use super::keys::{DestinationKey, KeyMap, SourceKey};
use super::limits::Limits;
use super::memory::Memory;
use super::policy::Policies;
use super::remembered::Remembered;
use super::route::producer_audit::{OUTCOMES, PRODUCERS};
use super::settings::Settings;
use super::state::Core;
use super::state::durable::Durable;
use super::state::levels::Levels;
use super::state::turn::{Completed, Turn};

impl Core {
    /// A core over a store that holds this. Its first effects may already ask something of the store.
    pub fn new(
        settings: Settings,
        limits: Limits,
        policies: Policies,
        recovered: Recovered,
        now: i64,
    ) -> Self {
        let ids = Identities::new(
            recovered.epoch.0,
            recovered.message_id_next,
            recovered.destination_id_next,
            recovered.subscription_id_next,
        );
        let durability = settings.durability;
        let mut core = Self {
            settings,
            limits,
            policies,
            now,
            effects: Effects::default(),
            turn: Turn::default(),
            ids,
            connections: Default::default(),
            producer_counts: Default::default(),
            names: Default::default(),
            clients: Default::default(),
            consumers: KeyMap::default(),
            directory: Default::default(),
            sources: KeyMap::default(),
            touched: Vec::new(),
            durables: Default::default(),
            commits: KeyMap::default(),
            reads: KeyMap::default(),
            producers: Remembered::default(),
            outcomes: Remembered::default(),
            timers: Default::default(),
            deferred_letters: Vec::new(),
            overflowing: Vec::new(),
            arrival_last: 0,
            memory: Memory::new(limits.memory_bytes_max),
            levels: Levels::new(durability),
            sweep: Default::default(),
            letters: Default::default(),
            said: Default::default(),
        };
        core.set_sweeps();
        core.recover(recovered);
        core.set_purge();
        core.end_turn();
        core
    }

    fn recover(&mut self, recovered: Recovered) {
        for text in &recovered.damage {
            self.effects.notices.push(Notice { text: format!("the store found damage: {text}") });
        }
        for state in &recovered.destinations {
            let kind = match state.destination.kind {
                DestinationKind::Queue => AddressKind::Queue,
                DestinationKind::Topic => AddressKind::Topic,
            };
            let address = Address::new(kind, state.destination.name.clone());
            let id = state.destination.id;
            let window = Window::recovered(state.messages);
            let key = self.put_destination(address, None, Some(id), window);
            if let Some(source) = self.queue_source(key) {
                source.stored = Some(id);
            }
        }
        for entry in &recovered.tables {
            if entry.table == DURABLES {
                match read_durable(&entry.key, &entry.value) {
                    Ok((name, durable)) => drop(self.durables.insert(name, durable)),
                    Err(problem) => self.entry_unreadable(entry, problem),
                }
            } else if entry.table == PRODUCERS || entry.table == OUTCOMES {
                self.recover_entry(entry);
            }
        }
        for state in &recovered.subscriptions {
            let subscription = &state.subscription;
            if is_left_over(subscription) {
                // Its subscriber went with the broker that served it, and was not durable.
                self.submit(vec![Operation::Unsubscribe(subscription.id)], Completed::Nothing);
                continue;
            }
            let Some(topic) = self.directory.find_stored(subscription.destination) else {
                let text = format!(
                    "the subscription {} of client {} is not served and left as it is: the store has no topic for it",
                    subscription.name, subscription.client_id
                );
                self.effects.notices.push(Notice { text });
                continue;
            };
            let name = (subscription.client_id.clone(), subscription.name.clone());
            let address = self.directory.get(topic).map(|topic| (*topic.address).clone());
            self.durables.entry(name.clone()).or_insert_with(|| Durable {
                address: address.unwrap_or_else(|| Address::topic("")),
                no_local: subscription.no_local,
                selector: subscription.selector.clone(),
                passed: None,
                parts: Vec::new(),
                consumer: None,
            });
            let stored = (subscription.destination, subscription.id);
            let source = self.put_part(&name, topic, stored, Window::recovered(state.messages));
            self.activate(source);
        }
        for prepared in recovered.prepared {
            if prepared.xid.format == SPOOLED_FORMAT {
                // Its broker ended before it decided: presumed aborted.
                let decide = Operation::Decide { xid: prepared.xid, outcome: Outcome::Rollback };
                self.submit(vec![decide], Completed::RolledBack);
                continue;
            }
            self.purge_no_more();
            for (destination, id, subscription) in prepared.acknowledges {
                let found = self
                    .sources
                    .values_mut()
                    .find(|source| source.stored == Some(destination) && source.subscription == subscription);
                if let Some(source) = found {
                    source.window.change(&mut self.memory).hold(id);
                }
            }
        }
    }

    fn queue_source(&mut self, key: DestinationKey) -> Option<&mut super::state::source::Source> {
        let source: SourceKey = self.directory.get(key)?.queue?;
        self.sources.get_mut(&source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kahawai_store::batch::{Durability, Subscription};
    use kahawai_store::contract::SubscriptionState;
    use kahawai_store::names::{DestinationId, SubscriptionId};

    #[test]
    fn a_subscription_without_its_topic_is_told_and_left_as_it_is() {
        let settings = Settings {
            broker_name: "test".into(),
            batch_bytes_max: 1 << 20,
            durability: Durability::Always,
            purge_period: 0,
            purged_max: 0,
            annotate: |message, _| message.properties.clone(),
        };
        let subscription = Subscription {
            id: SubscriptionId(4),
            destination: DestinationId(7),
            client_id: "till-7".into(),
            name: "prices".into(),
            selector: None,
            no_local: false,
        };
        let subscriptions = vec![SubscriptionState { subscription, messages: 3 }];
        let recovered = Recovered { subscriptions, ..Recovered::default() };
        let mut core = Core::new(settings, Limits::default(), Policies::default(), recovered, 0);
        let effects = core.take_effects();
        assert!(effects.store.is_empty(), "{:?}", effects.store);
        let told = effects.notices.iter().any(|notice| notice.text.contains("prices of client till-7"));
        assert!(told, "{:?}", effects.notices);
    }
}
