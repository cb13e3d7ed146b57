//! Sends messages to whichever of the two serves, takes some back, and notes what it sees.

use std::time::Duration;

use bytes::Bytes;
use kahawai_simulation::event::Event;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::ledger::tag::Tag;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};

use super::frames::{Frames, Kind, frame};
use super::{CLIENT, GREETING, PORT};

/// So long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(900);
const RETRY: Duration = Duration::from_millis(30);

const WAITED: u64 = 1;
const CONNECT: u64 = 2;
const THINK: u64 = 3;
/// It thinks so long before it asks for the next thing, at most.
const THINKS: Duration = Duration::from_millis(120);

/// What it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Send,
    Fetch,
    /// It has this, and says so.
    Done(Entry),
}

pub(crate) struct Client {
    me: u32,
    /// How many it is to send.
    wanted: u64,
    /// One in so many things that it does is to take a message.
    takes: u64,
    brokers: [&'static str; 2],
    /// The number of the message that is being sent, and whether it was noted.
    number: u64,
    noted: bool,
    connection: Option<ConnectionId>,
    is_greeted: bool,
    frames: Frames,
    asked: Asked,
    /// Whether all was sent.
    pub(crate) is_finished: bool,
}

impl Client {
    pub(crate) fn new(me: u32, wanted: u64, takes: u64) -> Self {
        Self {
            me,
            wanted,
            takes,
            brokers: ["a", "b"],
            number: 1,
            noted: false,
            connection: None,
            is_greeted: false,
            frames: Frames::default(),
            asked: Asked::Nothing,
            is_finished: false,
        }
    }

    /// It is to send more.
    pub(crate) fn send_more(&mut self, more: u64, context: &mut Context<'_>) {
        self.wanted += more;
        if std::mem::take(&mut self.is_finished) {
            self.connect(context);
        }
    }

    fn connect(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.take() {
            context.close(connection);
        }
        self.brokers.swap(0, 1);
        self.connection = Some(context.connect(self.brokers[0], PORT));
        self.is_greeted = false;
        self.frames = Frames::default();
        context.set_timer(WAITED, PATIENCE);
    }

    fn broken(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.take() {
            context.close(connection);
        }
        context.ledger().note(Entry::Broken { client: self.me });
        self.asked = Asked::Nothing;
        context.cancel_timer(WAITED);
        context.cancel_timer(THINK);
        context.set_timer(CONNECT, RETRY);
    }

    fn think(&mut self, context: &mut Context<'_>) {
        self.asked = Asked::Nothing;
        context.cancel_timer(WAITED);
        let thinks = context.random().between(Duration::ZERO, THINKS);
        context.set_timer(THINK, thinks);
    }

    /// Asks for the next thing.
    fn ask(&mut self, context: &mut Context<'_>) {
        let Some(connection) = self.connection else { return };
        if self.number > self.wanted {
            self.is_finished = true;
            self.connection = None;
            context.close(connection);
            context.cancel_timer(WAITED);
            return;
        }
        context.set_timer(WAITED, PATIENCE);
        if context.random().one_in(self.takes) {
            self.asked = Asked::Fetch;
            context.send(connection, frame(Kind::Fetch, 0, &[]));
        } else {
            let tag = Tag { producer: self.me, number: self.number };
            if !std::mem::replace(&mut self.noted, true) {
                context.ledger().note(Entry::Sent { tag, groups: vec![self.me] });
            }
            let body = tag.body(100 + (self.number as usize % 7) * 150);
            self.asked = Asked::Send;
            context.send(connection, frame(Kind::Send, self.number, &body));
        }
    }

    fn answered(&mut self, (kind, number, body): (Kind, u64, Bytes), context: &mut Context<'_>) {
        let Some(connection) = self.connection else { return };
        match (kind, self.asked.clone()) {
            (Kind::Kept | Kind::Refused, Asked::Send) if number == self.number => {
                let tag = Tag { producer: self.me, number };
                context.note(format_args!("was told of {tag:?}: {kind:?}"));
                context.ledger().note(match kind {
                    Kind::Kept => Entry::Acknowledged { tag },
                    _ => Entry::Refused { tag },
                });
                (self.number, self.noted) = (number + 1, false);
                self.think(context);
            }
            (Kind::Message | Kind::Again, Asked::Fetch) => {
                let Some(tag) = Tag::of(&body) else {
                    context.ledger().note(Entry::Garbled { consumer: self.me });
                    self.broken(context);
                    return;
                };
                let redelivered = kind == Kind::Again;
                let consumer = self.me;
                context.note(format_args!("got {tag:?} as {number}, again: {redelivered}"));
                context.ledger().note(Entry::Consuming { tag, group: self.me });
                // Whoever is no master any more, and does not know yet, gives out what it has in memory; and takes nothing back.
                self.asked = Asked::Done(Entry::Received { tag, group: self.me, consumer, redelivered });
                context.send(connection, frame(Kind::Done, number, &[]));
            }
            (Kind::Gone, Asked::Done(received)) => {
                let Entry::Received { tag, .. } = received else { unreachable!("it was received") };
                context.ledger().note(received);
                context.note(format_args!("is done with {tag:?}"));
                context.ledger().note(Entry::Consumed { tag, group: self.me });
                self.think(context);
            }
            (Kind::Empty, Asked::Fetch) => self.think(context),
            // A broker that answers twice.
            (Kind::Kept | Kind::Refused | Kind::Gone, _) => {}
            (kind, asked) => unreachable!("{kind:?} is no answer to {asked:?}"),
        }
    }
}

impl Node for Client {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Started => self.connect(context),
            Event::Connected(_) => {}
            Event::Refused(_) | Event::Ended { .. } | Event::Timer(WAITED) => self.broken(context),
            Event::Received { connection, mut bytes } if self.connection == Some(connection) => {
                if !std::mem::replace(&mut self.is_greeted, true) {
                    assert_eq!(bytes.split_to(1)[0], GREETING);
                    let mut hello = vec![CLIENT];
                    hello.extend_from_slice(&frame(Kind::Client, u64::from(self.me), &[]));
                    context.send(connection, hello);
                    self.ask(context);
                }
                self.frames.push(&bytes);
                while let Some(answer) = self.frames.next() {
                    self.answered(answer, context);
                }
            }
            Event::Received { .. } => {}
            Event::Timer(THINK) => self.ask(context),
            Event::Timer(_) => self.connect(context),
            Event::Accepted { .. } | Event::Done(_) => {
                unreachable!("it listens to nobody and stores nothing")
            }
        }
    }
}
