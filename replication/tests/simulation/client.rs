//! Sends messages to whichever of the two serves, to a queue and to a topic, by itself and in transactions that are prepared; takes some back, also for
//! subscriptions that come and go; and notes what it sees.

use std::time::Duration;

use bytes::Bytes;
use kahawai_simulation::event::Event;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::ledger::tag::Tag;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::names::{MessageId, SubscriptionId};

use super::frames::{Frames, Kind, frame};
use super::wish::{Origin, Wish, group_of, number_of};
use super::{CLIENT, GREETING, PORT};

/// So long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(900);
const RETRY: Duration = Duration::from_millis(30);

const WAITED: u64 = 1;
const CONNECT: u64 = 2;
const THINK: u64 = 3;
/// It thinks so long before it asks for the next thing, at most.
const THINKS: Duration = Duration::from_millis(120);
/// Subscriptions that it has at once, at most.
const SUBSCRIPTIONS: usize = 2;
/// What it sends in transactions has a producer of its own: it comes when that is decided.
const TRANSACTED: u32 = 10;

/// What it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// Its wish.
    Keep,
    Fetch(Origin),
    /// It has this, and says so.
    Done(Entry),
}

/// A wish that is asked for until somebody answers.
struct Wanted {
    wish: Wish,
    was_asked: bool,
    /// What it got and is done with in a transaction, if whoever gave it has prepared that.
    received: Option<Entry>,
}

/// A transaction that is prepared.
#[derive(Clone)]
struct Transaction {
    number: u64,
    sends: Vec<Tag>,
    done: (Tag, u32),
    commits: bool,
    was_noted: bool,
}

pub(crate) struct Client {
    me: u32,
    /// How many wishes it is to have, but for what ends transactions.
    wanted: u64,
    /// One in so many things that it does is to take a message.
    takes: u64,
    brokers: [&'static str; 2],
    /// The number of its wish, or of the next.
    number: u64,
    wish: Option<Wanted>,
    subscriptions: Vec<SubscriptionId>,
    subscription_next: u64,
    /// What it gives up.
    ending: Option<SubscriptionId>,
    /// Prepared, or about to be.
    transaction: Option<Transaction>,
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
            wish: None,
            subscriptions: Vec::new(),
            // A number of the whole store's.
            subscription_next: 1000 * u64::from(me),
            ending: None,
            transaction: None,
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
        if self.wish.is_none() {
            let is_over = self.number > self.wanted;
            if is_over && self.ending.is_none() && self.transaction.is_none() {
                self.is_finished = true;
                self.connection = None;
                context.close(connection);
                context.cancel_timer(WAITED);
                return;
            }
            if !is_over && self.ending.is_none() && context.random().one_in(self.takes) {
                let place = context.random().below(1 + self.subscriptions.len() as u64) as usize;
                let origin = place.checked_sub(1).map(|place| self.subscriptions[place]);
                self.asked = Asked::Fetch(origin);
                context.set_timer(WAITED, PATIENCE);
                context.send(connection, frame(Kind::Fetch, number_of(origin), &[]));
                return;
            }
            let wish = self.next_wish(is_over, context);
            self.wish = Some(Wanted { wish, was_asked: false, received: None });
        }
        self.ask_to_keep(context);
    }

    /// What it wants next.
    fn next_wish(&mut self, is_over: bool, context: &mut Context<'_>) -> Wish {
        if let Some(id) = self.ending {
            return Wish::Unsubscribe(id);
        }
        if let Some(transaction) = &self.transaction
            && (is_over || context.random().one_in(5))
        {
            return Wish::Decide { prepared: transaction.number, commits: transaction.commits };
        }
        match context.random().below(10) {
            0 => {
                let is_enough = self.subscriptions.len() == SUBSCRIPTIONS;
                if is_enough || !self.subscriptions.is_empty() && context.random().one_in(2) {
                    let place = context.random().below(self.subscriptions.len() as u64) as usize;
                    let id = self.subscriptions.remove(place);
                    self.ending = Some(id);
                    return Wish::Unsubscribe(id);
                }
                self.subscription_next += 1;
                Wish::Subscribe(SubscriptionId(self.subscription_next))
            }
            1..4 => Wish::Publish(self.body()),
            _ => Wish::Send(self.body()),
        }
    }

    fn tag(&self) -> Tag {
        Tag { producer: self.me, number: self.number }
    }

    fn body(&self) -> Bytes {
        self.tag().body(100 + (self.number as usize % 7) * 150)
    }

    fn ask_to_keep(&mut self, context: &mut Context<'_>) {
        let (tag, me) = (self.tag(), self.me);
        let (Some(connection), Some(wanted)) = (self.connection, &mut self.wish) else { return };
        if std::mem::replace(&mut wanted.was_asked, true) {
            // Whoever is asked now need not be the one that gave it.
            wanted.received = None;
        } else {
            match &wanted.wish {
                Wish::Send(_) => context.ledger().note(Entry::Sent { tag, groups: vec![me] }),
                Wish::Publish(_) => {
                    let groups = self.subscriptions.iter().map(|id| group_of(me, Some(*id))).collect();
                    context.ledger().note(Entry::Sent { tag, groups });
                }
                Wish::Unsubscribe(id) => {
                    context.ledger().note(Entry::Ending { group: group_of(me, Some(*id)) });
                }
                Wish::Decide { commits: true, .. } => {
                    if let Some(transaction) = self.transaction.as_mut().filter(|found| !found.was_noted) {
                        transaction.was_noted = true;
                        for tag in &transaction.sends {
                            context.ledger().note(Entry::Sent { tag: *tag, groups: vec![me] });
                        }
                        let (tag, group) = transaction.done;
                        context.ledger().note(Entry::Consuming { tag, group });
                    }
                }
                Wish::Subscribe(_) | Wish::Prepare { .. } | Wish::Decide { .. } => {}
            }
        }
        self.asked = Asked::Keep;
        context.set_timer(WAITED, PATIENCE);
        context.send(connection, frame(Kind::Keep, self.number, &wanted.wish.encode()));
    }

    /// Its wish was granted, or not.
    fn told(&mut self, is_kept: bool, context: &mut Context<'_>) {
        let (tag, me) = (self.tag(), self.me);
        let Some(Wanted { wish, received, .. }) = self.wish.take() else { return };
        context.note(format_args!("was told of {tag:?}: kept {is_kept}"));
        match wish {
            Wish::Send(_) | Wish::Publish(_) => context.ledger().note(match is_kept {
                true => Entry::Acknowledged { tag },
                false => Entry::Refused { tag },
            }),
            Wish::Subscribe(id) if is_kept => self.subscriptions.push(id),
            Wish::Unsubscribe(id) if is_kept => {
                self.ending = None;
                context.ledger().note(Entry::Ended { group: group_of(me, Some(id)) });
            }
            Wish::Prepare { .. } if is_kept => {
                received.into_iter().for_each(|received| context.ledger().note(received));
            }
            Wish::Prepare { .. } => self.transaction = None,
            Wish::Decide { commits, .. } if is_kept => {
                if let Some(transaction) = self.transaction.take().filter(|_| commits) {
                    for tag in transaction.sends {
                        context.ledger().note(Entry::Acknowledged { tag });
                    }
                    let (tag, group) = transaction.done;
                    context.ledger().note(Entry::Consumed { tag, group });
                }
            }
            Wish::Subscribe(_) | Wish::Unsubscribe(_) | Wish::Decide { .. } => {}
        }
        self.number += 1;
        self.think(context);
    }

    /// It got a message, and is done with it: by itself, or in a transaction.
    fn got(&mut self, origin: Origin, id: u64, again: bool, body: &Bytes, context: &mut Context<'_>) {
        let (Some(connection), me) = (self.connection, self.me) else { return };
        let Some(tag) = Tag::of(body) else {
            context.ledger().note(Entry::Garbled { consumer: me });
            self.broken(context);
            return;
        };
        let group = group_of(me, origin);
        context.note(format_args!("got {tag:?} as {id} for {group}, again: {again}"));
        // Whoever is no master any more, and does not know yet, gives out what it has in memory; and takes nothing back.
        let received = Entry::Received { tag, group, consumer: me, redelivered: again };
        if self.transaction.is_none() && context.random().one_in(3) {
            let count = 1 + context.random().below(2);
            let sent = |place| Tag { producer: TRANSACTED + me, number: 10 * self.number + place };
            let sends: Vec<_> = (0..count).map(sent).collect();
            let done = (origin, MessageId(id));
            let wish = Wish::Prepare { sends: sends.iter().map(|tag| tag.body(100)).collect(), done };
            let commits = !context.random().one_in(3);
            let done = (tag, group);
            self.transaction =
                Some(Transaction { number: self.number, sends, done, commits, was_noted: false });
            self.wish = Some(Wanted { wish, was_asked: false, received: Some(received) });
            self.ask_to_keep(context);
            return;
        }
        context.ledger().note(Entry::Consuming { tag, group });
        self.asked = Asked::Done(received);
        context.send(connection, frame(Kind::Done, id, &number_of(origin).to_be_bytes()));
    }

    fn answered(&mut self, (kind, number, body): (Kind, u64, Bytes), context: &mut Context<'_>) {
        if self.connection.is_none() {
            return;
        }
        match (kind, self.asked.clone()) {
            (Kind::Kept | Kind::Refused, Asked::Keep) if number == self.number => {
                self.told(kind == Kind::Kept, context);
            }
            (Kind::Message | Kind::Again, Asked::Fetch(origin)) => {
                self.got(origin, number, kind == Kind::Again, &body, context);
            }
            (Kind::Gone, Asked::Done(received)) => {
                let Entry::Received { tag, group, .. } = received else { unreachable!("it was received") };
                context.ledger().note(received);
                context.note(format_args!("is done with {tag:?}"));
                context.ledger().note(Entry::Consumed { tag, group });
                self.think(context);
            }
            (Kind::Empty, Asked::Fetch(_)) => self.think(context),
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
