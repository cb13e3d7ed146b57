//! What a connection's handles and its task share: the state machine behind a lock that is never held across an await,
//! and those who wait for it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use tokio::sync::{Notify, oneshot};

use crate::error::{Error, Loss, Result};
use crate::protocol::{ConsumerKey, Event, Handed, Next, Protocol, RequestId};
use crate::shell::confirm::Confirm;

/// Bytes that may wait to be sent before senders wait as well. Acknowledgements never wait.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Sends that may wait for their answers before senders wait as well.
const REQUESTS_MAX: usize = 64 * 1024;

/// See the module.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There is something to send, or the connection is to be closed: for the task.
    output_ready: Notify,
    /// Something was sent or answered, or the connection is over: for those who want to send or to see the end.
    room: Notify,
}

struct State {
    protocol: Protocol,
    answers: HashMap<RequestId, oneshot::Sender<Result<()>>>,
    consumers: HashMap<ConsumerKey, Waker>,
    negotiated: Option<oneshot::Sender<()>>,
    /// Everything that will ever be said is in the output.
    is_finishing: bool,
    /// The broker has not said that it took all of it.
    lingers: bool,
    ended: Option<Error>,
}

/// What the task does next.
pub(crate) struct Plan {
    /// Nothing more will come: when all is sent, close.
    pub(crate) is_finishing: bool,
    /// Close only when the broker does: closing with something unread makes the operating systems forget what the
    /// broker has not read yet.
    pub(crate) lingers: bool,
    /// When to look at the clock.
    pub(crate) deadline: Option<Instant>,
}

impl Shared {
    /// With the means to tell that the wire format is agreed on.
    pub(crate) fn new(protocol: Protocol, negotiated: oneshot::Sender<()>) -> Self {
        let state = State {
            protocol,
            answers: HashMap::new(),
            consumers: HashMap::new(),
            negotiated: Some(negotiated),
            is_finishing: false,
            lingers: false,
            ended: None,
        };
        Self { state: Mutex::new(state), output_ready: Notify::new(), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug here; the others still get their errors.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the state machine, and does what follows from it.
    fn call<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        call: impl FnOnce(&mut State, Instant) -> Result<T>,
    ) -> Result<T> {
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        if state.is_finishing {
            return Err(Error::Closed);
        }
        let had_output = !state.protocol.output().is_empty();
        let result = call(&mut state, Instant::now());
        let has_output = !state.protocol.output().is_empty();
        let wakers = state.settle();
        drop(state);
        // While there was output before, the task knows already.
        if has_output && !had_output {
            self.output_ready.notify_one();
        }
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// A call that the broker may answer.
    ///
    /// # Errors
    /// The call's own; why the connection ended.
    pub(crate) fn request(
        &self,
        call: impl FnOnce(&mut Protocol, Instant) -> Result<Option<RequestId>>,
    ) -> Result<Confirm> {
        self.call(self.lock(), |state, now| {
            let request = call(&mut state.protocol, now)?;
            Ok(state.confirm(request))
        })
    }

    /// A call that the broker answers, and that gives a value at once.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub(crate) fn open<T>(
        &self,
        call: impl FnOnce(&mut Protocol, Instant) -> Result<(T, RequestId)>,
    ) -> Result<(T, Confirm)> {
        self.call(self.lock(), |state, now| {
            let (value, request) = call(&mut state.protocol, now)?;
            Ok((value, state.confirm(Some(request))))
        })
    }

    /// As [`Self::request`] once there is room for what it sends.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub(crate) async fn request_with_room(
        &self,
        call: impl FnOnce(&mut Protocol, Instant) -> Result<Option<RequestId>>,
    ) -> Result<Confirm> {
        loop {
            {
                let mut state = self.lock();
                if state.has_room() {
                    return self.call(state, |state, now| {
                        let request = call(&mut state.protocol, now)?;
                        Ok(state.confirm(request))
                    });
                }
            }
            self.wait_until(State::has_room).await;
        }
    }

    /// Waits until it is so; looked at whenever something was sent or answered and when the connection ends.
    async fn wait_until(&self, is_so: impl Fn(&mut State) -> bool) {
        loop {
            let mut changed = pin!(self.room.notified());
            changed.as_mut().enable();
            if is_so(&mut self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// The next message of a consumer; none where the consumer is closed.
    pub(crate) fn poll_next(&self, key: ConsumerKey, waker: &Waker) -> Poll<Option<Result<Handed>>> {
        let next = self.call(self.lock(), |state, now| {
            let next = state.protocol.next(now, key)?;
            match next {
                Next::Nothing => {
                    let known = state.consumers.entry(key).or_insert_with(|| waker.clone());
                    known.clone_from(waker);
                }
                Next::Message(_) | Next::Ended => drop(state.consumers.remove(&key)),
            }
            Ok(next)
        });
        match next {
            Ok(Next::Message(handed)) => Poll::Ready(Some(Ok(handed))),
            Ok(Next::Nothing) => Poll::Pending,
            Ok(Next::Ended) => Poll::Ready(Some(Err(Error::ConsumerClosed))),
            Err(Error::Closed) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    /// Forgets who waits for a consumer.
    pub(crate) fn forget(&self, key: ConsumerKey) {
        self.lock().consumers.remove(&key);
    }

    /// Says goodbye: when all is sent the connection is closed. With `remove` the broker is told first what it is to
    /// clean up, without waiting for its answer.
    pub(crate) fn finish(&self, remove: bool) {
        let finished = self.call(self.lock(), |state, now| {
            if remove {
                state.protocol.close_connection(now)?;
            }
            state.protocol.shut_down(now)
        });
        if let Err(error) = finished {
            tracing::debug!(%error, "no goodbye");
        }
        let mut state = self.lock();
        state.is_finishing = true;
        state.lingers = remove;
        drop(state);
        self.output_ready.notify_one();
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&self) {
        self.wait_until(|state| state.ended.is_some()).await;
    }

    // ---- for the task ----

    /// Waits until there may be something to send.
    pub(crate) async fn output_ready(&self) {
        self.output_ready.notified().await;
    }

    /// What to do next. What waits to be sent is put into `outgoing` if that is empty.
    pub(crate) fn plan(&self, outgoing: &mut BytesMut) -> Plan {
        let mut state = self.lock();
        let took = outgoing.is_empty() && !state.protocol.output().is_empty();
        if took {
            std::mem::swap(outgoing, state.protocol.output());
        }
        let plan = Plan {
            is_finishing: state.is_finishing,
            lingers: state.lingers,
            deadline: state.protocol.deadline(),
        };
        drop(state);
        if took {
            self.room.notify_waiters();
        }
        plan
    }

    /// Bytes came.
    ///
    /// # Errors
    /// [`Loss`]: the connection is over.
    pub(crate) fn receive(&self, input: &mut BytesMut) -> Result<(), Loss> {
        self.feed(|protocol, now| protocol.receive(now, input))
    }

    /// It is time to look at the clock.
    ///
    /// # Errors
    /// [`Loss`]: the connection is over.
    pub(crate) fn look(&self) -> Result<(), Loss> {
        self.feed(|protocol, now| protocol.look(now))
    }

    fn feed(&self, feed: impl FnOnce(&mut Protocol, Instant) -> Result<(), Loss>) -> Result<(), Loss> {
        let mut state = self.lock();
        let was_full = !state.has_room();
        let result = feed(&mut state.protocol, Instant::now());
        let wakers = state.settle();
        let has_room_again = was_full && state.has_room();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if has_room_again {
            self.room.notify_waiters();
        }
        result
    }

    /// The stream ended: why, as far as the broker said.
    pub(crate) fn end_of_stream(&self) -> Loss {
        self.lock().protocol.end_of_stream()
    }

    /// The connection is over. Everyone who waits is told; only the first reason counts.
    pub(crate) fn end(&self, loss: &Loss) {
        let mut state = self.lock();
        if state.ended.is_none() {
            let error = if state.is_finishing { Error::Closed } else { Error::Lost(loss.clone()) };
            tracing::debug!(%loss, "connection ended");
            state.ended = Some(error);
            state.protocol.lose(loss);
        }
        let mut wakers = state.settle();
        wakers.extend(state.consumers.drain().map(|(_, waker)| waker));
        state.answers.clear();
        state.negotiated = None;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.room.notify_waiters();
    }

    /// Why the connection ended, if it did.
    pub(crate) fn why_ended(&self) -> Option<Error> {
        self.lock().ended.clone()
    }
}

impl State {
    fn has_room(&mut self) -> bool {
        self.ended.is_some()
            || self.is_finishing
            || (self.protocol.output().len() < OUTPUT_BYTES_MAX
                && self.protocol.requests_pending() < REQUESTS_MAX)
    }

    fn confirm(&mut self, request: Option<RequestId>) -> Confirm {
        let Some(request) = request else { return Confirm::nothing_to_wait_for() };
        let (answer, confirm) = oneshot::channel();
        self.answers.insert(request, answer);
        Confirm::new(confirm)
    }

    /// Tells those who wait what happened; who is to be woken is given back, for after the lock.
    #[must_use]
    fn settle(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some(event) = self.protocol.poll_event() {
            match event {
                // Whoever waited may have gone: that is no concern of ours.
                Event::Negotiated => drop(self.negotiated.take().map(|negotiated| negotiated.send(()))),
                Event::Answered { request, outcome } => {
                    if let Some(answer) = self.answers.remove(&request) {
                        drop(answer.send(outcome));
                    } else if let Err(error) = outcome {
                        tracing::debug!(%error, "a request that nobody waits for failed");
                    }
                }
                Event::Deliverable(key) => wakers.extend(self.consumers.remove(&key)),
            }
        }
        wakers
    }
}
