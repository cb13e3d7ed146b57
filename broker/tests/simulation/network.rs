//! Which brokers there are, and which bridges between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kahawai_broker::bridge::{NetworkConnector, RetryOptions};
use kahawai_broker::core::address::Address;
use kahawai_simulation::random::Random;

use super::book::Place;

/// One way of a bridge.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) connector: Arc<NetworkConnector>,
}

/// Brokers by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) count: usize,
    /// Who dials whom.
    pub(crate) connectors: Vec<(usize, usize, Arc<NetworkConnector>)>,
    pub(crate) ways: Vec<Way>,
    /// Whether there is one way at most from any broker to any other.
    pub(crate) is_tree: bool,
}

pub(crate) fn name(broker: usize) -> String {
    ["a", "b", "c", "d", "e"][broker].to_owned()
}

fn address(place: Place) -> Address {
    if place.is_queue() { Address::queue(place.name()) } else { Address::topic(place.name()) }
}

/// Now and then this one.
fn some(random: &mut Random, times: u64, place: Place) -> Vec<Address> {
    if random.one_in(times) { vec![address(place)] } else { Vec::new() }
}

/// A connector that loses no time.
pub(crate) fn connector(name: String) -> NetworkConnector {
    NetworkConnector {
        name,
        retry: RetryOptions {
            initial_reconnect_delay: Duration::from_millis(100),
            max_reconnect_delay: Duration::from_secs(1),
            ..RetryOptions::default()
        },
        ..NetworkConnector::default()
    }
}

impl Network {
    pub(crate) fn new(count: usize) -> Self {
        Self { count, is_tree: true, ..Self::default() }
    }

    /// A bridge that one broker begins.
    pub(crate) fn bridge(&mut self, from: usize, to: usize, connector: NetworkConnector) {
        let connector = Arc::new(connector);
        self.ways.push(Way { from, to, connector: Arc::clone(&connector) });
        if connector.duplex {
            self.ways.push(Way { from: to, to: from, connector: Arc::clone(&connector) });
        }
        self.connectors.push((from, to, connector));
    }

    /// Any of 2 to 5 brokers.
    pub(crate) fn any(random: &mut Random) -> Self {
        let count = 2 + random.below(4) as usize;
        let mut pairs = Vec::new();
        let shape = if count == 2 { 0 } else { random.below(4) };
        match shape {
            0 => pairs.extend((1..count).map(|one| (one - 1, one))),
            1 => pairs.extend((1..count).map(|one| (0, one))),
            2 => pairs.extend((0..count).map(|one| (one, (one + 1) % count))),
            // More than four would have more ways than there is time to go.
            _ => {
                let count = count.min(4);
                pairs.extend((0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))));
            }
        }
        let mut network =
            Self { is_tree: shape < 2, ..Self::new(if shape == 3 { count.min(4) } else { count }) };
        let hops = count as i32;
        // As a network is configured: the same reach everywhere, mostly.
        let reach = |random: &mut Random| *random.pick(&[hops, hops, hops, -1, 1, 2]).expect("some");
        let (message_ttl, consumer_ttl) = (reach(random), reach(random));
        let one_way = random.below(4);
        for (number, (one, other)) in pairs.into_iter().enumerate() {
            let (one, other) = if shape != 2 && random.one_in(2) { (other, one) } else { (one, other) };
            let random_place = random.pick(&[Place::Queue(0), Place::Topic(1)]).expect("some");
            let made = |random: &mut Random, back: bool| NetworkConnector {
                message_ttl,
                consumer_ttl,
                conduit_subscriptions: random.below(4) > 0,
                conduit_network_queue_subscriptions: random.one_in(4),
                prefetch_size: *random.pick(&[1, 3, 1000]).expect("some"),
                advisory_prefetch_size: *random.pick(&[0, 2]).expect("some"),
                dynamic_only: random.one_in(4),
                decrease_network_consumer_priority: random.below(3) > 0,
                always_sync_send: random.below(4) > 0,
                statically_included_destinations: some(random, 8, Place::Queue(1)),
                excluded_destinations: some(random, 8, *random_place),
                ..connector(format!("n{number}{}", if back { "b" } else { "" }))
            };
            let with_subscriptions = |random: &mut Random, connector: NetworkConnector| {
                if random.one_in(4) {
                    return NetworkConnector {
                        sync_durable_subs: true,
                        dynamically_included_destinations: vec![Address::queue(">"), Address::topic(">")],
                        ..connector
                    };
                }
                connector
            };
            let forth = made(random, false);
            let forth = with_subscriptions(random, forth);
            match if one_way == 0 { 2 } else { random.below(2) } {
                0 => network.bridge(one, other, NetworkConnector { duplex: true, ..forth }),
                1 => {
                    let back = made(random, true);
                    let back = with_subscriptions(random, back);
                    network.bridge(one, other, forth);
                    network.bridge(other, one, back);
                }
                _ => network.bridge(one, other, forth),
            }
        }
        network
    }

    /// Each way's reach for messages, by the names of both brokers.
    pub(crate) fn ttls(&self) -> BTreeMap<(String, String), i32> {
        self.ways.iter().map(|way| ((name(way.from), name(way.to)), way.connector.message_ttl)).collect()
    }

    /// Whether each bridge that takes messages of this has one that goes the other way.
    pub(crate) fn is_two_way(&self, place: Place) -> bool {
        let address = address(place);
        let takes = |way: &&Way| way.connector.permits(&address);
        self.ways
            .iter()
            .filter(takes)
            .all(|way| self.ways.iter().filter(takes).any(|back| (back.from, back.to) == (way.to, way.from)))
    }

    /// Whether a message that has passed some brokers and is at another may go to a consumer there, as ActiveMQ has it: each bridge on some way there knows
    /// of the consumer, and lets the message pass.
    pub(crate) fn reaches(&self, place: Place, passed: &[usize], at: usize, to: usize) -> bool {
        let mut way = vec![at];
        self.goes(&address(place), passed, &mut way, &mut Vec::new(), to)
    }

    fn goes(
        &self,
        address: &Address,
        passed: &[usize],
        way: &mut Vec<usize>,
        ttls: &mut Vec<i32>,
        to: usize,
    ) -> bool {
        let at = way[way.len() - 1];
        if at == to {
            // Demand came over the last bridge first: it had passed one broker less each time.
            return ttls.iter().rev().enumerate().all(|(passed, ttl)| {
                passed == 0 || usize::try_from(*ttl).is_ok_and(|ttl| passed < ttl) || *ttl < 0
            });
        }
        for next in self.ways.iter().filter(|next| next.from == at) {
            let hops = passed.len() + way.len() - 1;
            let too_far = usize::try_from(next.connector.message_ttl).is_ok_and(|ttl| hops >= ttl);
            if too_far
                || !next.connector.permits(address)
                || passed.contains(&next.to)
                || way.contains(&next.to)
            {
                continue;
            }
            way.push(next.to);
            ttls.push(next.connector.consumer_ttl);
            let goes = self.goes(address, passed, way, ttls, to);
            way.pop();
            ttls.pop();
            if goes {
                return true;
            }
        }
        false
    }
}
