//! Moves bytes, opens and ends connections: what kernels and the network do, whatever their processes do.
//!
//! A link that is cut loses what arrives at it; as a kernel sends that again until it is answered, the bytes of a stream wait here until the link
//! is mended. So a stream is always delivered in order and without a hole, or it is never delivered further.

use std::time::Duration;

use bytes::Bytes;

use super::agenda::Due;
use super::process::Process;
use super::{Kernel, note};
use crate::event::Event;
use crate::fault::Fault;
use crate::network::connection::{Connection, ConnectionId, Cut, End, Ending, Side, Socket, Stream};
use crate::network::link::Partition;

impl Kernel {
    /// How long something is under way from here to there.
    fn latency(&mut self, from: usize, to: usize) -> Duration {
        let delay = self.links.of(from, to).delay;
        if !delay.is_zero() {
            self.counts.count(Fault::Delay);
        }
        self.random.between(self.settings.latency.0, self.settings.latency.1) + delay
    }

    /// Why nothing passes from here to there, if nothing does.
    fn blocked(&mut self, from: usize, to: usize) -> Option<Partition> {
        let link = self.links.of(from, to);
        if let Some(cut) = link.cut {
            let fault = if link.is_one_way { Fault::OneWay } else { Fault::Partition };
            self.counts.count(fault);
            return Some(cut);
        }
        let reachable = self.hosts[from].is_reachable() && self.hosts[to].is_reachable();
        (!reachable).then_some(Partition::Silent)
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, from: Process, to: &str, port: u16) -> ConnectionId {
        let wire = self.connection_next;
        let id = ConnectionId::new(wire, Side::Dialer);
        self.connection_next += 1;
        let Some(&host) = self.names.get(to) else {
            // No such name: whoever resolves it is told soon.
            let latency = self.latency(from.host, from.host);
            self.agenda.add(self.now + latency, Due::Tell(from, Event::Refused(id)));
            return id;
        };
        let end = |host, incarnation, socket| End { host, incarnation, socket };
        let ends = [end(from.host, from.incarnation, Socket::Opening), end(host, 0, Socket::Opening)];
        let mut streams = [Stream::default(), Stream::default()];
        let armed = self.cuts_next.iter().position(|cut| (cut.dialer, cut.listener) == (from.host, host));
        if let Some(armed) = armed.map(|place| self.cuts_next.remove(place)) {
            streams[armed.side as usize].cut_after = Some((armed.bytes, armed.late));
        }
        self.connections.insert(wire, Connection { port, ends, streams });
        let latency = self.latency(from.host, host);
        self.agenda.add(self.now + latency, Due::Attempt(wire));
        id
    }

    /// The first packet of a connection arrives, or does not.
    pub(crate) fn attempt(&mut self, wire: u64) {
        let Some(connection) = self.connections.get(&wire) else { return };
        let (dialer, listener, port) =
            (connection.end(Side::Dialer).host, connection.end(Side::Listener).host, connection.port);
        let from = Process { host: dialer, incarnation: connection.end(Side::Dialer).incarnation };
        if connection.end(Side::Dialer).socket != Socket::Opening {
            self.connections.remove(&wire);
            return;
        }
        let blocked = self.blocked(dialer, listener).or_else(|| self.blocked(listener, dialer));
        match blocked {
            Some(Partition::Silent) => {
                self.agenda.add(self.now + self.settings.resend, Due::Attempt(wire));
                return;
            }
            Some(Partition::Refusing) => {
                self.counts.count(Fault::Refuse);
                self.refuse(wire, from);
                return;
            }
            None => {}
        }
        let running = self.hosts[listener].running.as_ref().filter(|running| running.ports.contains(&port));
        let Some(incarnation) = running.map(|running| running.incarnation) else {
            self.refuse(wire, from);
            return;
        };
        note!(self, "{} connected to {}:{port} as {wire}", self.name(dialer), self.name(listener));
        let up = self.now + self.latency(listener, dialer);
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        let accepted = connection.end_mut(Side::Listener);
        (accepted.incarnation, accepted.socket) = (incarnation, Socket::Open);
        connection.end_mut(Side::Dialer).socket = Socket::Open;
        // Nothing comes before the word that it is up.
        connection.stream_mut(Side::Listener).last = up;
        let accepted = ConnectionId::new(wire, Side::Listener);
        self.tell(Process { host: listener, incarnation }, Event::Accepted { connection: accepted, port });
        self.agenda.add(up, Due::Tell(from, Event::Connected(accepted.other())));
    }

    fn refuse(&mut self, wire: u64, from: Process) {
        self.connections.remove(&wire);
        let id = ConnectionId::new(wire, Side::Dialer);
        let latency = self.latency(from.host, from.host);
        self.agenda.add(self.now + latency, Due::Tell(from, Event::Refused(id)));
    }

    /// A process sends; to an end that is gone, into the void.
    pub(crate) fn send(&mut self, by: Process, id: ConnectionId, mut bytes: Bytes) {
        let Some(connection) = self.connections.get(&id.wire) else { return };
        let (end, to) = (connection.end(id.side()), connection.end(id.side().other()).host);
        if end.socket != Socket::Open || bytes.is_empty() {
            return;
        }
        // What is sent at once may come in two.
        let cut = if self.random.one_in(4) { self.random.below(bytes.len() as u64) } else { 0 };
        if cut > 0 {
            let first = bytes.split_to(cut as usize);
            self.push(id, by.host, to, first);
        }
        self.push(id, by.host, to, bytes);
    }

    fn push(&mut self, id: ConnectionId, from: usize, to: usize, bytes: Bytes) {
        let at = self.now + self.latency(from, to);
        if let Some(connection) = self.connections.get_mut(&id.wire) {
            let at = connection.stream_mut(id.side()).push(at, bytes);
            self.agenda.add(at, Due::Arrive(id));
        }
    }

    /// An end is gone: what was sent by it comes yet, and then the word that it is.
    pub(crate) fn finish(&mut self, id: ConnectionId, ending: Ending) {
        let Some(connection) = self.connections.get_mut(&id.wire) else { return };
        let (from, to) = (connection.end(id.side()).host, connection.end(id.side().other()).host);
        let was = std::mem::replace(&mut connection.end_mut(id.side()).socket, Socket::Gone);
        if was == Socket::Open {
            let at = self.now + self.latency(from, to);
            if let Some(connection) = self.connections.get_mut(&id.wire) {
                let at = connection.stream_mut(id.side()).finish(at, ending);
                self.agenda.add(at, Due::Arrive(id));
            }
        }
    }

    /// What this end sent arrives, as far as it is due and the link lets it.
    pub(crate) fn arrive(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id.wire) else { return };
        let stream = connection.stream(id.side());
        let is_due = |at: Duration| at <= self.now;
        let has_parts = stream.parts.front().is_some_and(|(at, _)| is_due(*at));
        let ends = stream.parts.is_empty() && stream.end.is_some_and(|(at, _)| is_due(at));
        if stream.is_stuck || !(has_parts || ends) {
            return;
        }
        let (from, to) = (connection.end(id.side()).host, connection.end(id.side().other()).host);
        if self.blocked(from, to).is_some() {
            if let Some(connection) = self.connections.get_mut(&id.wire) {
                connection.stream_mut(id.side()).is_stuck = true;
            }
            return;
        }
        if has_parts {
            self.arrive_parts(id);
        }
        self.arrive_end(id);
        if self.connections.get(&id.wire).is_some_and(Connection::is_over) {
            self.connections.remove(&id.wire);
        }
    }

    fn arrive_parts(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id.wire) else { return };
        let stream = connection.stream_mut(id.side());
        let due: u64 =
            stream.parts.iter().filter(|(at, _)| *at <= now).map(|(_, part)| part.len() as u64).sum();
        if let Some((after, late)) = stream.cut_after
            && stream.arrived + due > after
        {
            let prefix = after - stream.arrived;
            stream.cut_after = None;
            self.cut(id, Cut { prefix, late });
            return;
        }
        let bytes = stream.take_due(now);
        let (from, to) = (connection.end(id.side()).host, connection.end(id.side().other()).host);
        let end = connection.end(id.side().other());
        if end.socket == Socket::Open {
            let process = Process { host: to, incarnation: end.incarnation };
            note!(
                self,
                "{} got {} bytes from {} by {}",
                self.name(to),
                bytes.len(),
                self.name(from),
                id.wire
            );
            self.tell(process, Event::Received { connection: id.other(), bytes });
        } else if self.hosts[to].is_reachable() {
            // Its kernel knows of no such connection.
            let at = now + self.latency(to, from);
            if let Some(connection) = self.connections.get_mut(&id.wire) {
                let at = connection.stream_mut(id.side().other()).finish(at, Ending::Reset);
                self.agenda.add(at, Due::Arrive(id.other()));
            }
        }
    }

    fn arrive_end(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id.wire) else { return };
        let stream = connection.stream_mut(id.side());
        if !stream.parts.is_empty() {
            return;
        }
        let Some((_, ending)) = stream.end.take_if(|(at, _)| *at <= now) else { return };
        let end = connection.end_mut(id.side().other());
        let was = std::mem::replace(&mut end.socket, Socket::Gone);
        let process = Process { host: end.host, incarnation: end.incarnation };
        if was == Socket::Open {
            note!(self, "{} lost {}: {ending:?}", self.name(process.host), id.wire);
            self.tell(process, Event::Ended { connection: id.other(), ending });
        }
    }

    /// Breaks a connection.
    pub(crate) fn cut(&mut self, id: ConnectionId, cut: Cut) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id.wire) else { return };
        if connection.end(id.side()).socket != Socket::Open {
            return;
        }
        let stream = connection.stream_mut(id.side());
        let cut_off = stream.truncate(cut.prefix, now + cut.late);
        let at = stream.finish(now + cut.late, Ending::Reset);
        self.agenda.add(at, Due::Arrive(id));
        // What is on its way to whoever learns of it now arrives at nobody.
        let end = connection.end_mut(id.side());
        end.socket = Socket::Gone;
        let process = Process { host: end.host, incarnation: end.incarnation };
        self.counts.count(Fault::Cut);
        note!(self, "{} was cut: cut off {cut_off}, {cut:?}", id.wire);
        self.tell(process, Event::Ended { connection: id, ending: Ending::Reset });
    }

    /// Everything that waited for a link to be mended, or for a machine, is sent again.
    pub(crate) fn resend(&mut self) {
        let mut stuck = Vec::new();
        for (&wire, connection) in &mut self.connections {
            for side in [Side::Dialer, Side::Listener] {
                if std::mem::take(&mut connection.stream_mut(side).is_stuck) {
                    stuck.push(ConnectionId::new(wire, side));
                }
            }
        }
        for id in stuck {
            let at = self.now + self.random.between(Duration::ZERO, self.settings.resend);
            self.agenda.add(at, Due::Arrive(id));
        }
    }

    /// A process is gone: what it sent comes yet, and its kernel says that it is gone.
    pub(crate) fn hang_up(&mut self, process: Process) {
        for id in self.ends_of(process) {
            let ending = if self.random.one_in(2) { Ending::Closed } else { Ending::Reset };
            self.finish(id, ending);
        }
    }

    /// A machine is gone with its process: of what that sent, what was on the wire may come, and then nothing.
    pub(crate) fn fall_silent(&mut self, process: Process) {
        for id in self.ends_of(process) {
            let (prefix, now) = (self.random.below(1 << 12), self.now);
            let Some(connection) = self.connections.get_mut(&id.wire) else { continue };
            connection.end_mut(id.side()).socket = Socket::Gone;
            let stream = connection.stream_mut(id.side());
            let prefix = if stream.is_stuck { 0 } else { prefix };
            stream.truncate(prefix, now);
            self.arrive(id);
            if let Some(connection) = self.connections.get_mut(&id.wire) {
                connection.stream_mut(id.side()).truncate(0, now);
            }
        }
    }

    fn ends_of(&self, process: Process) -> Vec<ConnectionId> {
        let held = |(&wire, connection): (&u64, &Connection)| {
            let of = |side: &Side| {
                let end = connection.end(*side);
                (end.host, end.incarnation) == (process.host, process.incarnation)
            };
            let sides = [Side::Dialer, Side::Listener].into_iter().filter(of);
            sides.map(|side| ConnectionId::new(wire, side)).collect::<Vec<_>>()
        };
        self.connections.iter().flat_map(held).collect()
    }
}
