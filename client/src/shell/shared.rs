//! What a connection's handles and its task share: the state machine behind a lock that is never held across an await,
//! and those who wait for it.

mod brokers;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;

use crate::error::{Error, Loss, Result};
use crate::protocol::{ConsumerKey, Event, Handed, Next, Protocol, RequestId};
use crate::shell::confirm::Confirm;
pub(crate) use crate::shell::notice::Notice;
use crate::state::{ConnectionState, StateWatch};

/// Bytes that may wait to be sent before senders wait as well. Acknowledgements never wait.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Sends that may wait for their answers before senders wait as well.
const REQUESTS_MAX: usize = 64 * 1024;

/// Bytes of messages that may be kept to be sent again to another broker before senders wait as well.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There is something to send, or the connection is to be closed: for the task.
    output_ready: Notify,
    /// Something was sent or answered, or the connection is over: for those who want to send or to see the end.
    room: Notify,
    /// There are notices, or the connection is to be closed: for the task that looks for brokers.
    noticed: Notify,
    /// How long a call waits for a broker.
    patience: Option<Duration>,
    states: watch::Sender<ConnectionState>,
}

struct State {
    protocol: Protocol,
    answers: HashMap<RequestId, oneshot::Sender<Result<()>>>,
    consumers: HashMap<ConsumerKey, Waker>,
    /// Who waits for the broker to be ready to talk.
    negotiated: Option<oneshot::Sender<Result<()>>>,
    notices: VecDeque<Notice>,
    /// The broker of the link.
    broker: String,
    connections: u64,
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
    /// With the means to tell that the wire format is agreed on or, for a connection that recovers, that it is open.
    pub(crate) fn new(
        protocol: Protocol,
        negotiated: oneshot::Sender<Result<()>>,
        broker: String,
        patience: Option<Duration>,
    ) -> Self {
        let state = State {
            protocol,
            answers: HashMap::new(),
            consumers: HashMap::new(),
            negotiated: Some(negotiated),
            notices: VecDeque::new(),
            broker,
            connections: 0,
            is_finishing: false,
            lingers: false,
            ended: None,
        };
        Self {
            state: Mutex::new(state),
            output_ready: Notify::new(),
            room: Notify::new(),
            noticed: Notify::new(),
            patience,
            states: watch::Sender::new(ConnectionState::Connecting),
        }
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
        let had_output = state.protocol.has_output();
        let result = call(&mut state, Instant::now());
        let has_output = state.protocol.has_output();
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
        self.when(State::has_room, |state, now| {
            let request = call(&mut state.protocol, now)?;
            Ok(state.confirm(request))
        })
        .await
    }

    /// As [`Self::request`] once there is a broker.
    ///
    /// # Errors
    /// As [`Self::request`]; [`Error::NoBroker`].
    pub(crate) async fn request_when_up(
        &self,
        call: impl FnOnce(&mut Protocol, Instant) -> Result<Option<RequestId>>,
    ) -> Result<Confirm> {
        self.when(State::is_settled, |state, now| {
            let request = call(&mut state.protocol, now)?;
            Ok(state.confirm(request))
        })
        .await
    }

    /// As [`Self::open`] once there is a broker.
    ///
    /// # Errors
    /// As [`Self::request`]; [`Error::NoBroker`].
    pub(crate) async fn open_when_up<T>(
        &self,
        call: impl FnOnce(&mut Protocol, Instant) -> Result<(T, RequestId)>,
    ) -> Result<(T, Confirm)> {
        self.when(State::is_settled, |state, now| {
            let (value, request) = call(&mut state.protocol, now)?;
            Ok((value, state.confirm(Some(request))))
        })
        .await
    }

    /// Makes a call as soon as it is so.
    async fn when<T>(
        &self,
        is_so: fn(&mut State) -> bool,
        call: impl FnOnce(&mut State, Instant) -> Result<T>,
    ) -> Result<T> {
        loop {
            {
                let mut state = self.lock();
                if is_so(&mut state) {
                    return self.call(state, call);
                }
            }
            let Some(patience) = self.patience else {
                self.wait_until(is_so).await;
                continue;
            };
            // With a broker there is no limit: it may be slow.
            self.wait_until(|state| is_so(state) || !state.is_settled()).await;
            if timeout(patience, self.wait_until(State::is_settled)).await.is_err() {
                let last = self.lock().protocol.last_loss();
                return Err(Error::NoBroker { limit: patience, last });
            }
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
                Next::Message(_) => {}
                Next::Ended | Next::Finished => drop(state.consumers.remove(&key)),
            }
            Ok(next)
        });
        match next {
            Ok(Next::Message(handed)) => Poll::Ready(Some(Ok(handed))),
            Ok(Next::Nothing) => Poll::Pending,
            Ok(Next::Finished) => Poll::Ready(None),
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
        self.noticed.notify_one();
    }

    /// Whether there is a broker to say goodbye to.
    pub(crate) fn is_up(&self) -> bool {
        self.lock().protocol.is_up()
    }

    /// How the connection's state changes.
    pub(crate) fn watch(&self) -> StateWatch {
        StateWatch::new(self.states.subscribe())
    }

    /// The connection is open (for one that does not recover; of others a broker's acceptance tells).
    pub(crate) fn note_connected(&self) {
        self.lock().note_connected(&self.states);
    }

    /// The broker of the link, by host and port.
    pub(crate) fn broker(&self) -> String {
        self.lock().broker.clone()
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
        let took = outgoing.is_empty() && state.protocol.has_output();
        if took {
            std::mem::swap(outgoing, state.protocol.output(Instant::now()));
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
        let (was_full, was_up) = (!state.has_room(), state.protocol.is_up());
        let result = feed(&mut state.protocol, Instant::now());
        let wakers = state.settle();
        let has_room_again = was_full && state.has_room();
        let is_up_again = !was_up && state.protocol.is_up();
        if is_up_again {
            state.note_connected(&self.states);
        }
        let has_notices = !state.notices.is_empty();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if has_room_again || is_up_again {
            self.room.notify_waiters();
        }
        if has_notices {
            self.noticed.notify_one();
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
        self.states.send_replace(ConnectionState::Ended);
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
            || (self.protocol.is_up()
                && self.protocol.output_bytes() < OUTPUT_BYTES_MAX
                && self.protocol.held_bytes() < HELD_BYTES_MAX
                && self.protocol.requests_pending() < REQUESTS_MAX)
    }

    /// Whether a call need not wait for a broker: there is one, or there never will be.
    fn is_settled(&mut self) -> bool {
        self.ended.is_some() || self.is_finishing || self.protocol.is_up()
    }

    fn note_connected(&mut self, states: &watch::Sender<ConnectionState>) {
        self.connections += 1;
        let (broker, connections) = (self.broker.clone(), self.connections);
        states.send_replace(ConnectionState::Connected { broker, connections });
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
                Event::Negotiated => self.tell_opener(Ok(())),
                Event::Restored => {
                    self.tell_opener(Ok(()));
                    self.notices.push_back(Notice::Restored);
                }
                Event::Refused { error, is_final } => {
                    if is_final {
                        self.tell_opener(Err(Error::Broker(error.clone())));
                    }
                    self.notices.push_back(Notice::Refused(error));
                }
                Event::Told(told) => self.notices.push_back(Notice::Told(told)),
                Event::Answered { request, outcome } => {
                    if let Some(answer) = self.answers.remove(&request) {
                        // Whoever waited may have gone.
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

    fn tell_opener(&mut self, outcome: Result<()>) {
        // Whoever waited may have gone: that is no concern of ours.
        drop(self.negotiated.take().map(|negotiated| negotiated.send(outcome)));
    }
}
