//! A bridge and its lines: one to a socket, and one or two to the broker here, over which bytes come when it is their turn.

use std::time::Duration;

use bytes::BytesMut;
use kahawai_broker::bridge::{Bridge, Order, Side};
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::spec::BridgeKey;
use kahawai_openwire::command::Command;
use kahawai_simulation::ConnectionId;
use kahawai_simulation::random::Random;

use super::bug::{Bug, Mistaken};
use super::wire::Wire;

/// Who began it.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The connector of this number here.
    Here(usize),
    /// Another broker's.
    There(BridgeKey),
}

/// A line to the broker here: what is under way in it.
pub(crate) struct Inside {
    pub(crate) side: Side,
    pub(crate) key: ConnectionKey,
    pub(crate) wire: Wire,
    pub(crate) to_core: BytesMut,
    pub(crate) from_core: BytesMut,
}

pub(crate) struct Carried {
    pub(crate) origin: Origin,
    pub(crate) bridge: Bridge,
    pub(crate) socket: ConnectionId,
    pub(crate) remote: Wire,
    pub(crate) inside: Vec<Inside>,
    mistaken: Mistaken,
}

/// News for whoever carries it.
pub(crate) enum News {
    Stands,
    Failed(String, bool),
    Ended,
}

impl Carried {
    pub(crate) fn new(
        origin: Origin,
        bridge: Bridge,
        socket: ConnectionId,
        remote: Wire,
        keys: Vec<ConnectionKey>,
        bug: Bug,
        now: Duration,
    ) -> Self {
        let sides = [Side::Local, Side::Inbound].into_iter().zip(keys);
        let inside = sides.map(|(side, key)| Inside {
            side,
            key,
            wire: Wire::new(now),
            to_core: BytesMut::new(),
            from_core: BytesMut::new(),
        });
        Self { origin, bridge, socket, remote, inside: inside.collect(), mistaken: Mistaken::new(bug) }
    }

    /// Carries out what the bridge wants.
    pub(crate) fn carry_out(&mut self, note: &mut dyn FnMut(String)) -> Vec<News> {
        let mut news = Vec::new();
        while let Some(order) = self.bridge.poll_order() {
            match order {
                Order::Send(side, command) => {
                    match &command {
                        Command::ConsumerInfo(info) => note(format!(
                            "{:?} consumes on {side:?}: {:?} {:?} path {:?}",
                            self.origin,
                            info.destination.as_deref().map(ToString::to_string),
                            info.subscription_name,
                            info.broker_path
                        )),
                        Command::RemoveInfo(info) => {
                            note(format!("{:?}: {:?} is over", self.origin, info.object_id))
                        }
                        _ => {}
                    }
                    for command in self.mistaken.said(side, command, &mut self.bridge) {
                        self.wire(side).say(command);
                    }
                }
                Order::Say(text) => note(text),
                Order::Stands(_) => news.push(News::Stands),
                Order::Failed { why, for_good } => news.push(News::Failed(why, for_good)),
                Order::Ended => news.push(News::Ended),
            }
        }
        news
    }

    fn wire(&mut self, side: Side) -> &mut Wire {
        match self.inside.iter_mut().find(|inside| inside.side == side) {
            Some(inside) => &mut inside.wire,
            None => &mut self.remote,
        }
    }

    /// What its lines to the broker here are to carry is in them.
    pub(crate) fn fill(&mut self, now: Duration) {
        for inside in &mut self.inside {
            if let Some(bytes) = inside.wire.take_out(now) {
                inside.to_core.extend_from_slice(&bytes);
            }
        }
    }

    /// Whether something is under way in those.
    pub(crate) fn is_filled(&self) -> bool {
        self.inside.iter().any(|inside| !inside.to_core.is_empty() || !inside.from_core.is_empty())
    }

    /// The bridge gets what has come from the other broker, as far as it takes it.
    pub(crate) fn hear(&mut self) {
        while self.bridge.hears_more() {
            let Some(command) = self.remote.next() else { return };
            self.received(Side::Remote, command);
        }
    }

    fn received(&mut self, side: Side, command: Command) {
        if self.mistaken.hears(side, &command) {
            self.bridge.received(side, command);
        }
    }

    /// It gets some of what has come from the broker here; gives what comes to that.
    pub(crate) fn pass(&mut self, random: &mut Random, now: Duration) -> Vec<(ConnectionKey, BytesMut)> {
        let mut given = Vec::new();
        let mut heard = Vec::new();
        for inside in &mut self.inside {
            if random.below(4) > 0 {
                let count = some(random, inside.to_core.len());
                if count > 0 {
                    given.push((inside.key, inside.to_core.split_to(count)));
                }
            }
            if random.below(4) > 0 && (inside.side != Side::Local || self.bridge.takes_more()) {
                let count = some(random, inside.from_core.len());
                let bytes = inside.from_core.split_to(count);
                inside.wire.feed(&bytes, now);
                while let Some(command) = inside.wire.next() {
                    heard.push((inside.side, command));
                }
            }
        }
        for (side, command) in heard {
            self.received(side, command);
        }
        given
    }
}

/// Mostly all, else any part.
fn some(random: &mut Random, count: usize) -> usize {
    match random.one_in(4) {
        true => random.below(count as u64 + 1) as usize,
        false => count,
    }
}
