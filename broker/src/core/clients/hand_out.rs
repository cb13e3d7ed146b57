//! The one way by which a consumer is given something that it has to acknowledge.

use crate::core::effects::{Delivery, Effects, Event};
use crate::core::state::connection::Connection;
use crate::core::state::consumer::Consumer;
use crate::core::state::dispatched::Dispatched;

/// Gives a consumer a message: it is in its hand, among what its connection has to write, and on its way.
pub(crate) fn hand_out(
    effects: &mut Effects,
    connection: &mut Connection,
    consumer: &mut Consumer,
    entry: Dispatched,
    delivery: Delivery,
) {
    debug_assert_eq!(entry.id, delivery.id, "what is sent is what is acknowledged");
    connection.unwritten += delivery.payload.size();
    consumer.hand.give(entry);
    effects.events.push((consumer.connection, Event::Deliver(delivery)));
}
