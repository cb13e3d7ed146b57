//! What became of each message, in the order in which it was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::Message;

/// Where messages are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Queue(usize),
    Topic(usize),
}

impl Place {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Queue(number) => format!("q{number}"),
            Self::Topic(number) => format!("t{number}"),
        }
    }

    pub(crate) fn destination(self) -> Destination {
        match self {
            Self::Queue(_) => Destination::queue(self.name()),
            Self::Topic(_) => Destination::topic(self.name()),
        }
    }

    pub(crate) fn is_queue(self) -> bool {
        matches!(self, Self::Queue(_))
    }
}

/// What its producer knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was not answered: it may be there or not.
    Unknown,
    Taken,
    Refused,
}

/// A message that somebody got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Got {
    pub(crate) order: u64,
    pub(crate) consumer: usize,
    pub(crate) is_flagged: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) order: u64,
    pub(crate) producer: usize,
    pub(crate) place: Place,
    pub(crate) persistent: bool,
    pub(crate) from: String,
    pub(crate) fate: Fate,
    pub(crate) got: Vec<Got>,
    /// Who has acknowledged it.
    pub(crate) acknowledged: BTreeSet<usize>,
    /// Where it came by a bridge, and how often.
    pub(crate) arrivals: BTreeMap<String, u64>,
}

#[derive(Default)]
pub(crate) struct Page {
    order: u64,
    pub(crate) sent: BTreeMap<u64, Sent>,
    /// When a line, a process or a consumer ended, or a disk was full.
    pub(crate) disturbances: Vec<u64>,
    pub(crate) wrong: Vec<String>,
    /// How far a message may go over each bridge: by both brokers' names.
    pub(crate) ttls: BTreeMap<(String, String), i32>,
}

impl Page {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Whether something was disturbed between two moments.
    pub(crate) fn is_disturbed(&self, from: u64, to: u64) -> bool {
        let first = self.disturbances.partition_point(|order| *order <= from);
        self.disturbances.get(first).is_some_and(|order| *order < to)
    }
}

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Page>>);

impl fmt::Debug for Book {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Book")
    }
}

/// The number of a message of the play's.
pub(crate) fn number_of(content: &[u8]) -> Option<u64> {
    content.try_into().ok().map(u64::from_be_bytes)
}

impl Book {
    pub(crate) fn page(&self) -> MutexGuard<'_, Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is wrong already.
    pub(crate) fn is_wrong(&self) -> bool {
        !self.page().wrong.is_empty()
    }

    /// How much has happened.
    pub(crate) fn order(&self) -> u64 {
        self.page().order
    }

    pub(crate) fn disturbed(&self) {
        let mut page = self.page();
        let order = page.next();
        page.disturbances.push(order);
    }

    /// A message is sent; gives its number.
    pub(crate) fn sends(&self, producer: usize, place: Place, persistent: bool, from: &str) -> u64 {
        let mut page = self.page();
        let order = page.next();
        let number = page.sent.len() as u64;
        let sent = Sent {
            order,
            producer,
            place,
            persistent,
            from: from.to_owned(),
            fate: Fate::Unknown,
            got: Vec::new(),
            acknowledged: BTreeSet::new(),
            arrivals: BTreeMap::new(),
        };
        page.sent.insert(number, sent);
        number
    }

    pub(crate) fn answered(&self, number: u64, fate: Fate) {
        let mut page = self.page();
        page.next();
        if let Some(sent) = page.sent.get_mut(&number) {
            sent.fate = fate;
        }
    }

    pub(crate) fn got(&self, number: u64, consumer: usize, is_flagged: bool) {
        let mut page = self.page();
        let order = page.next();
        match page.sent.get_mut(&number) {
            Some(sent) => sent.got.push(Got { order, consumer, is_flagged }),
            None => page.wrong.push(format!("message {number} was never sent")),
        }
    }

    pub(crate) fn acknowledges(&self, number: u64, consumer: usize) {
        let mut page = self.page();
        page.next();
        if let Some(sent) = page.sent.get_mut(&number) {
            sent.acknowledged.insert(consumer);
        }
    }

    /// A message comes to a broker, maybe by a bridge; gives its number where it is.
    pub(crate) fn arrives(&self, broker: &str, message: &Message) -> Option<u64> {
        /// So often, and it goes round for ever.
        const ENDLESS: u64 = 100;
        // Who forwards is not who made it.
        if message.producer_id == message.message_id.as_ref()?.producer_id {
            return None;
        }
        let path = message.broker_path.as_deref().unwrap_or_default();
        let number = message.content.as_deref().and_then(number_of)?;
        let path: Vec<&str> = path.iter().map(|id| id.value.trim_start_matches("ID:")).collect();
        let mut page = self.page();
        page.next();
        let Page { sent, wrong, ttls, .. } = &mut *page;
        let sent = sent.get_mut(&number)?;
        let arrivals = sent.arrivals.entry(broker.to_owned()).or_default();
        *arrivals += 1;
        if *arrivals == ENDLESS {
            wrong.push(format!("message {number} came to {broker} {ENDLESS} times"));
        }
        let distinct: BTreeSet<_> = path.iter().chain([&broker]).collect();
        if distinct.len() != path.len() + 1 {
            wrong.push(format!("message {number} comes to {broker} by {path:?}"));
        }
        if path.first().is_some_and(|first| *first != sent.from) {
            wrong.push(format!("message {number} of {} comes to {broker} by {path:?}", sent.from));
        }
        let ttl = path.last().and_then(|last| ttls.get(&((*last).to_owned(), broker.to_owned())));
        match ttl.copied().map(usize::try_from) {
            None => wrong.push(format!("message {number} comes to {broker} by no bridge: {path:?}")),
            Some(Ok(ttl)) if path.len() > ttl => {
                wrong.push(format!("message {number} comes to {broker} by {path:?}, further than {ttl}"));
            }
            Some(_) => {}
        }
        Some(number)
    }
}
