//! Connections: who is served, and what they say.

use super::*;

impl Live {
    pub(super) fn serve(&mut self, towards: Towards, now: Duration) -> ConnectionKey {
        let key = ConnectionKey(self.key_next);
        self.key_next += 1;
        self.served.insert(key, Served::new(key, towards, &self.origin, now));
        key
    }

    /// A connection is no more.
    pub(super) fn unserve(&mut self, key: ConnectionKey, context: &mut Context<'_>) {
        if let Some(served) = self.served.remove(&key) {
            if let Towards::Socket(socket) = served.towards {
                context.close(socket);
            }
            self.turn(context, |core| core.disconnect(key, LastDelivered::Unknown, false));
        }
    }

    /// Handles what a connection has received.
    pub(super) fn read(&mut self, key: ConnectionKey, context: &mut Context<'_>) {
        let now = wall(context);
        loop {
            // What waits for room in the store, or for memory, is read later.
            if !self.core.may_read(key) {
                return;
            }
            let Some(mut served) = self.served.remove(&key) else { return };
            let Some(command) = served.next() else {
                self.served.insert(key, served);
                return;
            };
            if let Command::Message(message) = &command
                && let Some(number) = self.setup.book.arrives(&self.setup.name, message)
            {
                let by = served.session.bridge().map(ToString::to_string);
                context.note(format_args!("message {number} comes by {by:?}"));
            }
            self.core.begin_turn(now);
            let came = served.handle(&mut self.core, &self.origin, now, command);
            self.served.insert(key, served);
            self.end_turn(context);
            match came {
                Came::Nothing => {}
                Came::Over(why) => {
                    if let Some(why) = why {
                        context.note(format_args!("connection {} is refused: {why}", key.0));
                    }
                    self.write(context);
                    return self.unserve(key, context);
                }
                Came::Duplex(who) => {
                    self.write(context);
                    let Some(served) = self.served.remove(&key) else { return };
                    self.turn(context, |core| core.disconnect(key, LastDelivered::Unknown, false));
                    return self.respond(served, *who, context);
                }
            }
        }
    }

    /// Writes what there is to write.
    pub(super) fn write(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        let mut written = Vec::new();
        for served in self.served.values_mut() {
            if let Some(bytes) = served.take_out(now) {
                match served.towards {
                    Towards::Socket(socket) => context.send(socket, bytes),
                    Towards::Inside => {
                        let lines = self.carried.values_mut().flat_map(|carried| &mut carried.inside);
                        if let Some(inside) = lines.into_iter().find(|inside| inside.key == served.key) {
                            inside.from_core.extend_from_slice(&bytes);
                        }
                    }
                }
            }
            let count = served.take_written();
            if count > 0 {
                written.push((served.key, count));
            }
        }
        for (key, count) in written {
            self.turn(context, |core| core.written(key, count));
        }
        for carried in self.carried.values_mut() {
            if let Some(bytes) = carried.remote.take_out(now) {
                context.send(carried.socket, bytes);
            }
            carried.fill(now);
        }
    }

    /// Signs of life, and whoever gives none.
    pub(super) fn beat(&mut self, context: &mut Context<'_>) {
        context.set_timer(BEAT, INACTIVITY / 3);
        let now = context.now();
        let mut silent = Vec::new();
        for served in self.served.values_mut().filter(|served| matches!(served.towards, Towards::Socket(_))) {
            if now >= served.last_read + INACTIVITY {
                silent.push(served.key);
            } else if now >= served.last_write + INACTIVITY / 3 {
                served.beat();
            }
        }
        for carried in self.carried.values_mut() {
            if now >= carried.remote.last_read + INACTIVITY {
                carried.bridge.lost(Side::Remote, "nothing was heard");
            } else if now >= carried.remote.last_write + INACTIVITY / 3 {
                carried.remote.say(KeepAliveInfo::default().into());
            }
        }
        for key in silent {
            self.setup.book.disturbed();
            self.unserve(key, context);
        }
    }
}
