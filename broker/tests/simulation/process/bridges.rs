//! Bridges: dialled, carried, answered, given up, and stopped in good order.

use super::*;

impl Live {
    pub(super) fn us(&self) -> Us {
        Us {
            broker_id: self.origin.broker_id.clone(),
            broker_name: self.origin.broker_name.clone(),
            broker_url: self.origin.broker_url.clone(),
        }
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        if self.setup.bug == Bug::ForgetsKept { Vec::new() } else { bridge::kept(&self.core) }
    }

    pub(super) fn unique(&self, context: &mut Context<'_>) -> String {
        format!("ID:{}-nc-{:x}", self.setup.name, context.random().number())
    }

    pub(super) fn dial(&mut self, number: usize, context: &mut Context<'_>) {
        if self.is_stopping {
            return;
        }
        let socket = context.connect(&self.setup.connectors[number].0, PORT);
        self.tries[number].dialling = Some(socket);
        context.set_timer(OPENED | number as u64, OPENING);
    }

    pub(super) fn connected(&mut self, socket: ConnectionId, context: &mut Context<'_>) {
        let Some(number) = self.tries.iter().position(|one| one.dialling == Some(socket)) else {
            return context.close(socket);
        };
        self.tries[number].dialling = None;
        let connector = Arc::clone(&self.setup.connectors[number].1);
        let unique = self.unique(context);
        let mut bridge = Bridge::new(Arc::clone(&connector), self.us(), &unique);
        bridge.keeps(self.kept());
        bridge.tells(bridge::subscribed(&self.core, &connector));
        bridge.beside(Arc::clone(&self.neighbours));
        let wire = Wire::new(context.now());
        self.carry(Begun::Here(number), bridge, socket, wire, context);
    }

    pub(super) fn carry(
        &mut self,
        begun: Begun,
        bridge: Bridge,
        socket: ConnectionId,
        wire: Wire,
        context: &mut Context<'_>,
    ) {
        let now = context.now();
        let count = if bridge.is_duplex() { 2 } else { 1 };
        let keys = (0..count).map(|_| self.serve(Towards::Inside, now)).collect();
        let id = self.key_next;
        self.key_next += 1;
        let carried = Carried::new(begun, bridge, socket, wire, keys, self.setup.bug, now);
        self.carried.insert(id, carried);
    }

    /// The other end of a duplex bridge that another broker began.
    pub(super) fn respond(
        &mut self,
        served: Served,
        (info, peer): (kahawai_openwire::connection::BrokerInfo, kahawai_broker::openwire::network::Peer),
        context: &mut Context<'_>,
    ) {
        let Towards::Socket(socket) = served.towards else { return };
        let key = peer.key();
        let before = self
            .carried
            .iter()
            .find(|(_, carried)| matches!(&carried.origin, Begun::There(found) if *found == key));
        if let Some(id) = before.map(|(id, _)| *id) {
            self.finish(id, None, context);
        }
        let connector = Arc::new(bridge::respond::connector(&info));
        let unique = self.unique(context);
        let mut bridge = Bridge::respond(connector, self.us(), &unique, &info);
        bridge.keeps(self.kept());
        bridge.beside(Arc::clone(&self.neighbours));
        let wire = served.into_wire(context.now());
        self.carry(Begun::There(key), bridge, socket, wire, context);
    }

    /// A bridge is no more; why, where that is no good end.
    pub(super) fn finish(&mut self, id: u64, failed: Option<(String, bool)>, context: &mut Context<'_>) {
        let Some(mut carried) = self.carried.remove(&id) else { return };
        self.setup.book.disturbed();
        let now = context.now();
        carried.fill(now);
        if let Some(bytes) = carried.remote.take_out(now).filter(|_| failed.is_none()) {
            context.send(carried.socket, bytes);
        }
        for inside in &mut carried.inside {
            // What was written into its lines comes; what was not written is gone.
            let count = match &failed {
                None => inside.to_core.len(),
                Some(_) => context.random().below(inside.to_core.len() as u64 + 1) as usize,
            };
            let bytes = inside.to_core.split_to(count);
            if let Some(served) = self.served.get_mut(&inside.key) {
                served.feed(&bytes, now);
            }
            self.read(inside.key, context);
            self.unserve(inside.key, context);
        }
        context.close(carried.socket);
        if let (Begun::Here(number), Some((why, for_good))) = (carried.origin, failed) {
            self.tries[number].retry.broke(now);
            self.failed(number, &why, for_good, context);
        }
    }

    pub(super) fn failed(&mut self, number: usize, why: &str, for_good: bool, context: &mut Context<'_>) {
        context.cancel_timer(OPENED | number as u64);
        let one = &mut self.tries[number];
        if let Some(socket) = one.dialling.take() {
            context.close(socket);
        }
        if self.setup.bug == Bug::NeverTriesAgain && why != "refused" {
            return;
        }
        let next = one.retry.failed(context.now(), why, for_good);
        if let Some(text) = next.say {
            context.note(format_args!("no bridge to {}: {text}", self.setup.connectors[number].0));
        }
        let wait = next.wait.expect("it is tried for ever");
        context.set_timer(RETRY | number as u64, wait);
    }

    pub(super) fn stop(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        // Its clients go one by one: what one had, the next may be given.
        self.setup.book.disturbed();
        context.stop_listening(PORT);
        context.set_timer(STOPPED, STOP_GRACE);
        for number in 0..self.tries.len() {
            if let Some(socket) = self.tries[number].dialling.take() {
                context.close(socket);
            }
        }
        let clients: Vec<_> = self
            .served
            .values()
            .filter(|served| served.towards != Towards::Inside)
            .map(|served| served.key)
            .collect();
        for key in clients {
            if let Some(served) = self.served.get_mut(&key) {
                served.farewell();
            }
            self.write(context);
            self.unserve(key, context);
        }
        let ids: Vec<_> = self.carried.keys().copied().collect();
        for id in ids {
            if self.setup.bug == Bug::LeavesAtOnce {
                self.finish(id, None, context);
            } else if let Some(carried) = self.carried.get_mut(&id) {
                carried.bridge.stop();
            }
        }
    }
}
