//! Taking messages out of a queue, in transactions: to put them elsewhere, or away.
//!
//! Each transaction takes and puts some messages: whatever happens, a message is in one place or the other, never in none or both.

use std::time::Duration;

use kahawai_client::{Connection, ConsumerOptions, Delivery, Destination, Message, Producer};
use kahawai_openwire::message::Message as WireMessage;

use crate::exit::Failure;
use crate::messages::progress::Progress;
use crate::messages::receive::next;

/// Messages a transaction.
const BATCH: u64 = 200;

/// A transaction waits no longer than this for more to take.
const PAUSE: Duration = Duration::from_millis(50);

/// What to take.
#[derive(Clone, Debug)]
pub(super) struct Taking<'a> {
    /// From where.
    pub(super) queue: &'a Destination,
    /// Only messages that this selector matches.
    pub(super) selector: Option<&'a str>,
    /// At most so many.
    pub(super) count: Option<u64>,
    /// The queue counts as empty when nothing came for so long.
    pub(super) wait: Duration,
}

/// Where a message is to go, and as what.
pub(super) enum Fate {
    /// To this destination.
    To(Destination, Box<WireMessage>),
    /// Away.
    Gone,
}

/// Takes messages until there are enough or none come any more; gives how many went.
///
/// # Errors
/// The client's. What the last transaction was about is then still where it was (or, where the outcome of its commit is
/// unknown, in one place or the other).
pub(super) async fn relay(
    connection: &Connection,
    taking: Taking<'_>,
    done: &'static str,
    mut fate: impl FnMut(&Delivery) -> Result<Fate, Failure>,
) -> Result<u64, Failure> {
    let session = connection.transacted_session().await?;
    let producer = session.anonymous_producer().await?;
    // One that was redelivered often is not to become poison by being moved.
    let mut options = ConsumerOptions::new(taking.queue.clone()).redeliveries_max(None);
    if let Some(selector) = taking.selector {
        options = options.selector(selector);
    }
    if let Some(count) = taking.count {
        options = options.prefetch(count.clamp(1, 1000) as u32);
    }
    let mut consumer = session.consumer(options).await?;
    let progress = Progress::new(done, taking.count);
    let (mut gone, mut open) = (0, 0);
    while taking.count.is_none_or(|count| gone < count) {
        // What was taken so far is committed before waiting for more that may never come.
        let wait = if open > 0 { taking.wait.min(PAUSE) } else { taking.wait };
        let Some(delivery) = next(&mut consumer, Some(wait)).await? else {
            if open == 0 {
                break;
            }
            session.commit().await?;
            open = 0;
            continue;
        };
        match fate(&delivery)? {
            Fate::To(destination, message) => put(&producer, &destination, *message).await?,
            Fate::Gone => {}
        }
        gone += 1;
        open += 1;
        progress.set(gone);
        if open >= BATCH {
            session.commit().await?;
            open = 0;
        }
    }
    if open > 0 {
        session.commit().await?;
    }
    progress.clear();
    consumer.close().await?;
    Ok(gone)
}

async fn put(producer: &Producer, to: &Destination, mut message: WireMessage) -> Result<(), Failure> {
    // What was said of its way here is not true of its next.
    message.redelivery_counter = 0;
    message.target_consumer_id = None;
    producer.send_to(to, Message::from_wire(message)).await?;
    Ok(())
}
