//! A producer of the load generator.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use kahawai_client::{Confirm, Connection, Error, Message, Producer, Result, TransactedSession};

use super::pace::Schedule;
use super::plan::Sending;
use super::run::{Run, Stage};
use super::stamp::{Bodies, Stamp};

/// How soon after a failure to connect again.
const RECONNECT_DELAY: Duration = Duration::from_millis(20);

/// A producer's connection.
#[derive(Debug)]
pub(super) struct Line {
    connection: Connection,
    producer: Producer,
    transaction: Option<TransactedSession>,
}

impl Line {
    /// Opens a connection with a producer.
    ///
    /// # Errors
    /// The client's.
    pub(super) async fn open(run: Arc<Run>, number: u32) -> Result<Self> {
        let connection = run.broker.connect().await?;
        let destination = run.plan.destination_of_producer(number);
        if let Sending::Transacted(_) = run.plan.sending {
            let session = connection.transacted_session().await?;
            let producer = session.producer(destination).await?;
            return Ok(Self { connection, producer, transaction: Some(session) });
        }
        let producer = connection.session().await?.producer(destination).await?;
        Ok(Self { connection, producer, transaction: None })
    }
}

/// Sends until the run has enough.
///
/// # Errors
/// The client's, unless the run connects again.
pub(super) async fn produce(run: Arc<Run>, number: u32, mut line: Line) -> Result<()> {
    run.reached(Stage::Sending).await;
    let plan = &run.plan;
    let schedule = Schedule::new(plan.rate, number, plan.producers, run.begin());
    let mut sender = Sender {
        run: Arc::clone(&run),
        number,
        bodies: Bodies::new(plan.size),
        schedule,
        scheduled: 0,
        woken_at: 0,
        unsent: None,
    };
    loop {
        let sent = match plan.sending {
            Sending::Synchronous => sender.synchronously(&line).await,
            Sending::Pipelined(window) => sender.pipelined(&line, window as usize).await,
            Sending::Transacted(batch) => sender.transacted(&line, batch).await,
            Sending::NonPersistent => sender.non_persistent(&line).await,
        };
        match sent {
            Ok(()) => return line.connection.close().await,
            Err(error) if run.survives(&error) => match reopen(&run, number).await {
                Some(opened) => line = opened,
                None => {
                    sender.give_up();
                    return Ok(());
                }
            },
            Err(error) => return Err(error),
        }
    }
}

/// Connects again; `None` where the run ended before that.
async fn reopen(run: &Arc<Run>, number: u32) -> Option<Line> {
    loop {
        tokio::select! {
            () = run.reached(Stage::Settling) => return None,
            opened = Line::open(Arc::clone(run), number) => match opened {
                Ok(line) => {
                    run.reconnections.fetch_add(1, Ordering::Relaxed);
                    return Some(line);
                }
                Err(error) => tracing::debug!(%error, "not yet connected again"),
            },
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// A message that is begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    sequence: u64,
    /// From when its latency counts.
    start: u64,
}

struct Sender {
    run: Arc<Run>,
    number: u32,
    bodies: Bodies,
    schedule: Schedule,
    /// How many were taken from the schedule.
    scheduled: u64,
    /// When the timer woke it last. What is due before that is late by the timer's fault, not by the broker's.
    woken_at: u64,
    /// Begun, and certainly not sent.
    unsent: Option<Begun>,
}

impl Sender {
    fn me(&self) -> usize {
        self.number as usize
    }

    /// The next message when it is time for it; `None` where the run has enough.
    async fn next(&mut self) -> Option<Begun> {
        if let Some(begun) = self.unsent.take() {
            return Some(begun);
        }
        let credit = &self.run.credits[self.me()];
        if !credit.has_room() {
            tokio::select! {
                () = credit.room() => {}
                () = self.run.reached(Stage::Settling) => return None,
            }
        }
        let due = self.schedule.due(self.scheduled);
        let mut now = self.run.clock.now();
        if let Some(due) = due.filter(|due| *due > now) {
            tokio::select! {
                () = tokio::time::sleep_until(self.run.clock.instant(due).into()) => {}
                () = self.run.reached(Stage::Settling) => return None,
            }
            now = self.run.clock.now();
            self.woken_at = now;
        }
        if !self.run.quota.take() {
            return None;
        }
        self.scheduled += 1;
        let start = due.map_or(now, |due| due.max(self.woken_at));
        Some(Begun { sequence: self.run.ledger.begin(self.me()), start })
    }

    fn message(&mut self, begun: Begun, persistent: bool) -> Message {
        let stamp = Stamp {
            run: self.run.plan.run,
            producer: self.number,
            sequence: begun.sequence,
            due: begun.start,
        };
        Message::bytes(self.bodies.stamped(stamp)).persistent(persistent)
    }

    /// The broker has it.
    fn confirmed(&self, begun: Begun) {
        self.run.ledger.confirm(self.me(), 1);
        self.run.credits[self.me()].sent(self.run.plan.subscriptions().into());
        let now = self.run.clock.now();
        self.run.sends.record(now, 1, now.saturating_sub(begun.start));
    }

    /// It did not end well.
    fn failed(&mut self, begun: Begun, error: &Error) {
        match error {
            Error::OutcomeUnknown(_) => self.run.ledger.doubt(self.me(), begun.sequence),
            _ if self.run.survives(error) => self.unsent = Some(begun),
            _ => self.run.ledger.refuse(self.me(), begun.sequence),
        }
    }

    fn give_up(&mut self) {
        if let Some(begun) = self.unsent.take() {
            self.run.ledger.refuse(self.me(), begun.sequence);
        }
    }

    async fn synchronously(&mut self, line: &Line) -> Result<()> {
        while let Some(begun) = self.next().await {
            let message = self.message(begun, true);
            match line.producer.send(message).await {
                Ok(()) => self.confirmed(begun),
                Err(error) => {
                    self.failed(begun, &error);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn pipelined(&mut self, line: &Line, window: usize) -> Result<()> {
        let mut waiting: VecDeque<(Confirm, Begun)> = VecDeque::with_capacity(window);
        let mut outcome = Ok(());
        while outcome.is_ok() {
            outcome = self.settle(&mut waiting, window - 1).await;
            let Some(begun) = self.next().await else { break };
            let message = self.message(begun, true);
            match line.producer.start_send(message).await {
                Ok(confirm) => waiting.push_back((confirm, begun)),
                Err(error) => {
                    self.failed(begun, &error);
                    outcome = Err(error);
                }
            }
        }
        // Each gets its own end, whatever became of those before it.
        while !waiting.is_empty() {
            let settled = self.settle(&mut waiting, 0).await;
            outcome = outcome.and(settled);
        }
        outcome
    }

    /// Takes in the answers that are there, and waits for more until at most so many are missing.
    async fn settle(&mut self, waiting: &mut VecDeque<(Confirm, Begun)>, most: usize) -> Result<()> {
        loop {
            let is_enough = waiting.len() <= most;
            let Some((confirm, begun)) = waiting.front_mut() else { return Ok(()) };
            let begun = *begun;
            let answer = match now_or_never(confirm).await {
                Some(answer) => answer,
                None if is_enough => return Ok(()),
                None => confirm.await,
            };
            waiting.pop_front();
            match answer {
                Ok(()) => self.confirmed(begun),
                Err(error) => {
                    self.failed(begun, &error);
                    return Err(error);
                }
            }
        }
    }

    async fn transacted(&mut self, line: &Line, batch: u32) -> Result<()> {
        let Some(session) = &line.transaction else {
            return Err(Error::Usage("the session is not transacted"));
        };
        let mut open = Vec::with_capacity(batch as usize);
        loop {
            open.clear();
            let mut outcome = Ok(());
            while open.len() < batch as usize && outcome.is_ok() {
                let Some(begun) = self.next().await else { break };
                open.push(begun);
                let message = self.message(begun, true);
                outcome = line.producer.send(message).await;
            }
            if open.is_empty() {
                return Ok(());
            }
            let asked = self.run.clock.now();
            if outcome.is_ok() {
                outcome = session.commit().await;
            }
            if let Err(error) = outcome {
                open.iter().for_each(|begun| self.failed(*begun, &error));
                return Err(error);
            }
            let count = open.len() as u64;
            self.run.ledger.confirm(self.me(), count);
            self.run.credits[self.me()].sent(count as i64 * i64::from(self.run.plan.subscriptions()));
            let now = self.run.clock.now();
            self.run.sends.record(now, count, now - asked);
        }
    }

    async fn non_persistent(&mut self, line: &Line) -> Result<()> {
        while let Some(begun) = self.next().await {
            // Before it is sent: it may be received before this goes on.
            self.run.credits[self.me()].sent(self.run.plan.subscriptions().into());
            let message = self.message(begun, false);
            if let Err(error) = line.producer.send(message).await {
                self.failed(begun, &error);
                return Err(error);
            }
            self.run.ledger.confirm(self.me(), 1);
            self.run.sends.record(begun.start, 1, 0);
        }
        Ok(())
    }
}

/// The answer, if it is there.
async fn now_or_never(confirm: &mut Confirm) -> Option<Result<()>> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *confirm).poll(context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        })
    })
    .await
}
