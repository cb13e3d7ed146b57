//! Sends messages and takes them back, and notes what it sees.

use std::time::Duration;

use bytes::Bytes;
use kahawai_simulation::event::Event;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::ledger::tag::Tag;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};

use super::frames::{Frames, Kind, frame};
use super::server::{PORT, tag_of};

const ME: u32 = 1;
const GROUP: u32 = 7;
/// So long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(700);
const RETRY: Duration = Duration::from_millis(50);

const WAITED: u64 = 1;
const CONNECT: u64 = 2;

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Send,
    Fetch,
    Done(Tag),
}

pub(crate) struct Client {
    /// How many it is to send.
    wanted: u64,
    /// The number of the message that is being sent, and whether it was noted.
    number: u64,
    noted: bool,
    connection: Option<ConnectionId>,
    is_up: bool,
    frames: Frames,
    asked: Asked,
    /// Whether all was sent, and nothing was left.
    pub(crate) is_finished: bool,
}

impl Client {
    pub(crate) fn new(wanted: u64) -> Self {
        Self {
            wanted,
            number: 1,
            noted: false,
            connection: None,
            is_up: false,
            frames: Frames::default(),
            asked: Asked::Nothing,
            is_finished: false,
        }
    }

    fn connect(&mut self, context: &mut Context<'_>) {
        self.connection = Some(context.connect("server", PORT));
        self.is_up = false;
        self.frames = Frames::default();
        context.set_timer(WAITED, PATIENCE);
    }

    fn broken(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.take() {
            context.close(connection);
        }
        context.ledger().note(Entry::Broken { client: ME });
        self.is_up = false;
        self.asked = Asked::Nothing;
        context.cancel_timer(WAITED);
        context.set_timer(CONNECT, RETRY);
    }

    /// Asks for the next thing: about as often to send as to fetch, as long as there is something to send.
    fn ask(&mut self, context: &mut Context<'_>) {
        let Some(connection) = self.connection else { return };
        context.set_timer(WAITED, PATIENCE);
        if self.number <= self.wanted && context.random().one_in(2) {
            let tag = Tag { producer: ME, number: self.number };
            if !std::mem::replace(&mut self.noted, true) {
                context.ledger().note(Entry::Sent { tag, groups: vec![GROUP] });
            }
            let body = tag.body(100 + (self.number as usize % 7) * 300);
            self.asked = Asked::Send;
            context.send(connection, frame(Kind::Send, self.number, &body));
        } else {
            self.asked = Asked::Fetch;
            context.send(connection, frame(Kind::Fetch, 0, &[]));
        }
    }

    fn answered(&mut self, (kind, number, body): (Kind, u64, Bytes), context: &mut Context<'_>) {
        let Some(connection) = self.connection else { return };
        match (kind, self.asked) {
            (Kind::Kept | Kind::Refused, Asked::Send) if number == self.number => {
                let tag = Tag { producer: ME, number };
                context.ledger().note(match kind {
                    Kind::Kept => Entry::Acknowledged { tag },
                    _ => Entry::Refused { tag },
                });
                (self.number, self.noted) = (number + 1, false);
                self.ask(context);
            }
            (Kind::Message | Kind::Again, Asked::Fetch) => {
                let Some(tag) = tag_of(&body) else {
                    context.ledger().note(Entry::Garbled { consumer: ME });
                    self.broken(context);
                    return;
                };
                let redelivered = kind == Kind::Again;
                context.ledger().note(Entry::Received { tag, group: GROUP, consumer: ME, redelivered });
                context.ledger().note(Entry::Consuming { tag, group: GROUP });
                self.asked = Asked::Done(tag);
                context.send(connection, frame(Kind::Done, number, &[]));
            }
            (Kind::Gone, Asked::Done(tag)) => {
                context.ledger().note(Entry::Consumed { tag, group: GROUP });
                self.ask(context);
            }
            (Kind::Empty, Asked::Fetch) => {
                self.is_finished = self.number > self.wanted;
                if self.is_finished {
                    self.asked = Asked::Nothing;
                    context.cancel_timer(WAITED);
                } else {
                    self.ask(context);
                }
            }
            // A server that answers twice.
            (Kind::Kept | Kind::Refused | Kind::Gone, _) => {}
            (kind, asked) => unreachable!("{kind:?} is no answer to {asked:?}"),
        }
    }
}

impl Node for Client {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Started => self.connect(context),
            Event::Connected(connection) => {
                self.is_up = self.connection == Some(connection);
                self.ask(context);
            }
            Event::Refused(_) => self.broken(context),
            Event::Received { bytes, .. } => {
                self.frames.push(&bytes);
                while let Some(answer) = self.frames.next() {
                    self.answered(answer, context);
                }
            }
            Event::Ended { .. } => self.broken(context),
            Event::Timer(WAITED) => self.broken(context),
            Event::Timer(_) => self.connect(context),
            Event::Accepted { .. } | Event::Done(_) => {
                unreachable!("it listens to nobody and stores nothing")
            }
        }
    }
}
