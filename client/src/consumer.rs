//! Consumers.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::consumer_options::{Acknowledge, ConsumerOptions};
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::handle::SessionHandle;
use crate::protocol::ConsumerKey;

/// A stream of messages. An error is its last item; it ends when the consumer, its session or its connection was
/// closed. Dropping it closes it: what it did not acknowledge is delivered again.
pub struct Consumer {
    session: Arc<SessionHandle>,
    key: ConsumerKey,
    /// Whether deliveries are to be acknowledged by the application.
    is_explicit: bool,
    is_done: bool,
}

impl Consumer {
    pub(crate) async fn open(session: Arc<SessionHandle>, options: ConsumerOptions) -> Result<Self> {
        let connection = session.connection();
        if options.subscription.is_some() {
            connection.check_client_id()?;
        }
        let prefetch = connection.prefetch(&options);
        let (key, opened) = session
            .shared()
            .open_when_up(|protocol, now| protocol.open_consumer(now, session.key(), &options, prefetch))
            .await?;
        let is_explicit = options.acknowledge == Acknowledge::Explicit || session.is_transacted();
        let consumer = Self { session, key, is_explicit, is_done: false };
        opened.await?;
        Ok(consumer)
    }

    /// The next message; none at the end. Giving up waiting loses nothing: use it in `select!` and under a time limit.
    pub async fn next(&mut self) -> Option<Result<Delivery>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        // A consumer that always has a message must not keep the others of its runtime from running.
        let turn = ready!(tokio::task::coop::poll_proceed(context));
        let item = ready!(self.session.shared().poll_next(self.key, context.waker()));
        turn.made_progress();
        Poll::Ready(match item {
            Some(Ok(handed)) => {
                let origin = self.is_explicit.then(|| (self.session.clone(), self.key));
                Some(Ok(Delivery::new(handed, origin)))
            }
            last => {
                self.is_done = true;
                last.map(|item| item.map(|handed| Delivery::new(handed, None)))
            }
        })
    }

    /// Closes the consumer; dropping it does so as well, without waiting. In a transacted session what it handed out
    /// stays in the transaction.
    ///
    /// # Errors
    /// [`Error::Broker`], [`Error::Lost`].
    pub async fn close(self) -> Result<()> {
        match self.session.shared().request(|protocol, now| protocol.close_consumer(now, self.key)) {
            Ok(closed) => closed.await,
            Err(Error::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Stream for Consumer {
    type Item = Result<Delivery>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let key = self.key;
        self.session.shared().forget(key);
        // If the connection is over, so is the consumer.
        let _ = self.session.shared().request(|protocol, now| protocol.close_consumer(now, key));
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("session", &self.session)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
