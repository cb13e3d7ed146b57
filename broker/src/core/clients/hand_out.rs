//! The one way by which a consumer is given something that it has to acknowledge.

use crate::core::effects::{Delivery, Effects, Event};
use crate::core::state::connection::Connection;
use crate::core::state::consumer::Consumer;
use crate::core::state::dispatched::Dispatched;
use crate::core::timers::{Kind, Timers};

/// Gives a consumer a message: it is in its hand, among what its connection has to write, and on its way. What it asked for has come.
/// `bytes` is the payload's size, which its caller has reckoned already.
pub(crate) fn hand_out(
    effects: &mut Effects,
    timers: &mut Timers,
    connection: &mut Connection,
    consumer: &mut Consumer,
    entry: Dispatched,
    delivery: Delivery,
    bytes: usize,
) {
    debug_assert_eq!(entry.id, delivery.id, "what is sent is what is acknowledged");
    debug_assert_eq!(bytes, delivery.payload.size());
    connection.unwritten += bytes;
    if let Some(deadline) = consumer.hand.give(entry) {
        timers.clear(Kind::Pull, deadline, delivery.consumer);
    }
    effects.events.push((consumer.connection, Event::Deliver(delivery)));
}
