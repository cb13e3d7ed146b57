//! The ground itself: what a network, machines and clocks do here is what real ones do.
//!
//! | module | what it holds |
//! |---|---|
//! | [`network`] | connections, links, cuts |
//! | [`machines`] | clocks, and what becomes of processes |
//! | [`stores`] | disks, and the stores on them |

mod machines;
mod network;
mod stores;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use kahawai_simulation::event::Event;
use kahawai_simulation::node::Node;
use kahawai_simulation::settings::Settings;
use kahawai_simulation::world::World;
use kahawai_simulation::{ConnectionId, Context, Ending, Side};

const PORT: u16 = 61616;
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// What somebody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Started,
    Connected,
    Refused,
    Accepted(ConnectionId),
    Bytes(ConnectionId, Vec<u8>),
    Ended(ConnectionId, Ending),
    Timer(u64),
    Created(bool),
}

/// Everything that a host's processes were told, one after another.
type Log = Rc<RefCell<Vec<Heard>>>;

/// Listens, and notes what it is told.
struct Recorder {
    log: Log,
    last: Option<ConnectionId>,
}

impl Recorder {
    fn note(&self, heard: Heard) {
        let mut log = self.log.borrow_mut();
        // Cut anywhere: what came in several is what came in one.
        if let (Some(Heard::Bytes(before, bytes)), Heard::Bytes(now, more)) = (log.last_mut(), &heard)
            && before == now
        {
            bytes.extend(more);
            return;
        }
        log.push(heard);
    }
}

impl Node for Recorder {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        let heard = match event {
            Event::Started => {
                context.listen(PORT);
                Heard::Started
            }
            Event::Connected(_) => Heard::Connected,
            Event::Refused(_) => Heard::Refused,
            Event::Accepted { connection, port } => {
                assert_eq!(port, PORT);
                self.last = Some(connection);
                Heard::Accepted(connection)
            }
            Event::Received { connection, bytes } => Heard::Bytes(connection, bytes.to_vec()),
            Event::Ended { connection, ending } => Heard::Ended(connection, ending),
            Event::Timer(token) => Heard::Timer(token),
            Event::Done(done) => Heard::Created(*done.downcast().expect("what it made")),
        };
        self.note(heard);
    }
}

/// Two hosts, `a` and `b`.
struct Two {
    world: World,
    logs: [Log; 2],
}

impl Two {
    fn new(seed: u64) -> Self {
        let logs = [Log::default(), Log::default()];
        let mut world = World::new(seed, Settings::default());
        for (name, log) in ["a", "b"].into_iter().zip(&logs) {
            let log = Rc::clone(log);
            world.add(name, move || Recorder { log: Rc::clone(&log), last: None });
            world.start(name);
        }
        world.run_for(MILLI);
        logs.iter().for_each(|log| log.borrow_mut().clear());
        Self { world, logs }
    }

    fn heard(&self, host: &str) -> Vec<Heard> {
        std::mem::take(&mut *self.logs[usize::from(host == "b")].borrow_mut())
    }

    fn connect(&mut self, from: &str, to: &str, port: u16) -> ConnectionId {
        let to = to.to_owned();
        let connect = |_: &mut Recorder, context: &mut Context<'_>| context.connect(&to, port);
        self.world.call(from, connect).expect("it runs")
    }

    fn send(&mut self, from: &str, by: ConnectionId, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        let send = |_: &mut Recorder, context: &mut Context<'_>| context.send(by, bytes);
        self.world.call(from, send).expect("it runs");
    }

    /// A connection from `a` to `b`, by both ends.
    fn connected(&mut self) -> (ConnectionId, ConnectionId) {
        let dialed = self.connect("a", "b", PORT);
        self.world.run_for(SECOND);
        let accepted = self.world.node::<Recorder>("b").and_then(|recorder| recorder.last).expect("accepted");
        assert_eq!(self.heard("a"), [Heard::Connected]);
        assert_eq!(self.heard("b"), [Heard::Accepted(accepted)]);
        assert_eq!((dialed.other(), dialed.side()), (accepted, Side::Dialer));
        (dialed, accepted)
    }
}
