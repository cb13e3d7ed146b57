//! What is noted.

use super::tag::Tag;

/// Something that happened to a message, or to somebody who has to do with them. Parties are known by numbers that the test gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A producer sent it, for these groups.
    Sent {
        /// The message.
        tag: Tag,
        /// Who is to get it.
        groups: Vec<u32>,
    },
    /// Its producer was told that it is kept.
    Acknowledged {
        /// The message.
        tag: Tag,
    },
    /// Its producer was told that it is **not** kept, and never will be.
    Refused {
        /// The message.
        tag: Tag,
    },
    /// A consumer got it.
    Received {
        /// The message.
        tag: Tag,
        /// For which group.
        group: u32,
        /// Who.
        consumer: u32,
        /// Whether it was told that it may have been delivered before.
        redelivered: bool,
    },
    /// A consumer got what no producer sent so: bytes that are no message's, or others than its.
    Garbled {
        /// Who.
        consumer: u32,
    },
    /// A consumer says that it is done with a message, and was not answered yet.
    Consuming {
        /// The message.
        tag: Tag,
        /// For which group.
        group: u32,
    },
    /// A consumer was told that it is taken as done with.
    Consumed {
        /// The message.
        tag: Tag,
        /// For which group.
        group: u32,
    },
    /// Somebody asked for a group to end: a subscription. What was sent to it may be gone from now on.
    Ending {
        /// Which.
        group: u32,
    },
    /// It was told that the group is no more.
    Ended {
        /// Which.
        group: u32,
    },
    /// A producer's or consumer's connection broke, or it noticed that it had.
    Broken {
        /// Who.
        client: u32,
    },
    /// A broker answered somebody that something is kept, as master in a term.
    Answered {
        /// Which broker.
        broker: u32,
        /// In which term.
        term: u64,
    },
    /// In the end the store that counts still holds it for a group.
    Left {
        /// The message.
        tag: Tag,
        /// For which group.
        group: u32,
    },
}
