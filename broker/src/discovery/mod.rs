//! Who else is there: brokers that tell a multicast group of themselves, in the words of ActiveMQ.
//!
//! It is decided here, from the datagrams that come and the time that it is; whoever carries it has the socket and the clock.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | what a `multicast:` URI says, by ActiveMQ's names |
//! | [`datagram`] | the text of a datagram |
//! | [`agent`] | who is there, who is not any more, and what is said of this one |
//!
//! Nobody proves anything in such a group: whoever reaches it can say that anybody is there, or gone. So what is heard only says where to try. How
//! much is remembered of it is bounded, and what is tried is for whoever carries this to judge.

pub mod agent;
pub mod datagram;
pub mod options;

pub use agent::{Agent, Order};
pub use options::Multicast;
