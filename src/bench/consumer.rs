//! A consumer of the load generator.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kahawai_client::{Connection, Consumer, Delivery, Result};

use super::ledger::Arrival;
use super::plan::Plan;
use super::run::{Run, Stage};
use super::stamp::Stamp;

/// How soon after a failure to connect again.
const RECONNECT_DELAY: Duration = Duration::from_millis(20);

/// A consumer's connection.
#[derive(Debug)]
pub(super) struct Tap {
    connection: Connection,
    consumer: Consumer,
}

impl Tap {
    /// Opens a connection with a consumer.
    ///
    /// # Errors
    /// The client's.
    pub(super) async fn open(run: Arc<Run>, number: u32) -> Result<Self> {
        let connection = if run.plan.is_topic {
            run.broker.connect_as(&run.plan.client_id(number)).await?
        } else {
            run.broker.connect().await?
        };
        let consumer = connection.session().await?.consumer(run.plan.consumer(number)).await?;
        Ok(Self { connection, consumer })
    }

    async fn close(self, is_topic: bool) -> Result<()> {
        self.consumer.close().await?;
        if is_topic {
            self.connection.unsubscribe(Plan::SUBSCRIPTION).await?;
        }
        self.connection.close().await
    }
}

/// Consumes until the run closes.
///
/// # Errors
/// The client's, unless the run connects again.
pub(super) async fn consume(run: Arc<Run>, number: u32, mut tap: Tap) -> Result<()> {
    let mut books = Books {
        run: Arc::clone(&run),
        subscription: run.plan.subscription(number) as usize,
        has_lost: false,
        newest: vec![None; run.plan.producers.div_ceil(run.plan.destinations) as usize],
    };
    let mut closing = pin!(run.reached(Stage::Closing));
    loop {
        let item = tokio::select! {
            biased;
            item = tap.consumer.next() => item,
            () = &mut closing => return tap.close(run.plan.is_topic).await,
        };
        match item {
            Some(Ok(delivery)) => books.enter(&delivery),
            Some(Err(error)) if run.survives(&error) => match reopen(&run, number).await {
                Some(opened) => {
                    tap = opened;
                    // What was on its way to the lost connection comes again, before what is newer.
                    books.newest.fill(None);
                    books.has_lost = true;
                }
                None => return Ok(()),
            },
            Some(Err(error)) => return Err(error),
            None => return Ok(()),
        }
    }
}

async fn reopen(run: &Arc<Run>, number: u32) -> Option<Tap> {
    loop {
        tokio::select! {
            () = run.reached(Stage::Closing) => return None,
            opened = Tap::open(Arc::clone(run), number) => match opened {
                Ok(tap) => {
                    run.reconnections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    return Some(tap);
                }
                Err(error) => tracing::debug!(%error, "not yet connected again"),
            },
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

struct Books {
    run: Arc<Run>,
    subscription: usize,
    /// Whether it lost a connection: acknowledgements may have gone with it, and what they were about comes again, marked or not.
    has_lost: bool,
    /// The newest message of each producer that sends to this consumer's destination.
    newest: Vec<Option<u64>>,
}

impl Books {
    fn enter(&mut self, delivery: &Delivery) {
        let run = &self.run;
        let stamp = delivery.wire().content.as_deref().and_then(Stamp::read);
        let Some(stamp) = stamp.filter(|stamp| stamp.run == run.plan.run) else {
            run.ledger.foreign();
            return;
        };
        let is_redelivered = delivery.is_redelivered();
        let may_repeat = is_redelivered || self.has_lost;
        let arrival = run.ledger.receive(self.subscription, stamp.producer, stamp.sequence, may_repeat);
        if arrival != Arrival::New {
            return;
        }
        run.credits[stamp.producer as usize].received();
        if let Some(newest) = self.newest.get_mut((stamp.producer / run.plan.destinations) as usize) {
            if newest.is_some_and(|newest| stamp.sequence < newest) {
                if !is_redelivered {
                    run.ledger.out_of_order();
                }
            } else {
                *newest = Some(stamp.sequence);
            }
        }
        let now = run.clock.now();
        run.receipts.record(now, 1, now.saturating_sub(stamp.due));
    }
}
