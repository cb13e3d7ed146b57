//! Conducts one scenario: connects, sends, waits until every message has come, closes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

use super::consumer::{Tap, consume};
use super::outcome::{Latency, Measured, NamedPause, Outcome, Sample};
use super::plan::{Consuming, Plan, Sending};
use super::processor;
use super::producer::{Line, produce};
use super::progress::Progress;
use super::run::{Run, Stage};
use super::workers::Workers;
use crate::connect::BrokerOptions;
use crate::exit::{Exit, Failure};

/// How often the run's course is noted.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// How long after the last message a duplicate may still come and be noticed.
const DUPLICATES_WAIT: Duration = Duration::from_millis(200);

/// How long closing may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(20);

type Tasks = JoinSet<kahawai_client::Result<()>>;

/// Runs one scenario.
///
/// # Errors
/// Where the broker cannot be reached, refuses or goes away (but for a failover watch).
pub(super) async fn execute(
    plan: Plan,
    broker: BrokerOptions,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let mut workers = Workers::start(plan.threads)?;
    let run = Arc::new(Run::new(plan, broker));
    let (mut producers, mut consumers) = (Tasks::new(), Tasks::new());
    let is_concurrent = run.plan.consuming == Consuming::Meanwhile;
    if is_concurrent {
        open_consumers(&run, &mut workers, &mut consumers).await?;
    }
    for number in 0..run.plan.producers {
        let then = |line| produce(Arc::clone(&run), number, line);
        workers.open(Line::open(Arc::clone(&run), number), &mut producers, then).await?;
    }
    let mut conductor = Conductor::begin(&run, progress);
    conductor.send(&mut producers, &mut consumers).await?;
    if !is_concurrent {
        run.receipts.measure_from(run.clock.now());
        open_consumers(&run, &mut workers, &mut consumers).await?;
    }
    conductor.settle(&mut consumers).await?;
    run.advance(Stage::Closing);
    match timeout(CLOSE_PATIENCE, join_all(&mut consumers)).await {
        Ok(closed) => closed?,
        // All that matters is known by now.
        Err(_) => tracing::warn!("the broker does not answer that the consumers are closed"),
    }
    Ok(conductor.outcome())
}

async fn open_consumers(run: &Arc<Run>, workers: &mut Workers, tasks: &mut Tasks) -> Result<(), Failure> {
    for number in 0..run.plan.consumers() {
        let then = |tap| consume(Arc::clone(run), number, tap);
        workers.open(Tap::open(Arc::clone(run), number), tasks, then).await?;
    }
    Ok(())
}

async fn join_all(tasks: &mut Tasks) -> Result<(), Failure> {
    while let Some(ended) = tasks.join_next().await {
        joined(ended)?;
    }
    Ok(())
}

fn joined(ended: Result<kahawai_client::Result<()>, JoinError>) -> Result<(), Failure> {
    Ok(ended.map_err(|error| Failure::new(Exit::Other, error))??)
}

/// Watches over a run.
struct Conductor<'a> {
    run: &'a Arc<Run>,
    progress: &'a Progress,
    ticks: Interval,
    course: Vec<Sample>,
    /// Processor time when measuring began and when it ended.
    processor_from: Option<(u64, f64)>,
    processor_to: Option<(u64, f64)>,
    /// When measuring began and sending ended, by the clock.
    measured_from: u64,
    sending_ended: u64,
    is_interrupted: bool,
}

impl<'a> Conductor<'a> {
    /// All are connected: now they begin together.
    fn begin(run: &'a Arc<Run>, progress: &'a Progress) -> Self {
        let begin = run.clock.now();
        run.begin.store(begin, Ordering::Relaxed);
        let measured_from = begin + run.plan.warm_up.as_nanos() as u64;
        run.sends.measure_from(measured_from);
        if run.plan.consuming == Consuming::Meanwhile {
            run.receipts.measure_from(measured_from);
        }
        run.advance(Stage::Sending);
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            run,
            progress,
            ticks,
            course: Vec::new(),
            processor_from: None,
            processor_to: None,
            measured_from,
            sending_ended: begin,
            is_interrupted: false,
        }
    }

    fn sample(&mut self) {
        let now = self.run.clock.now();
        if self.processor_from.is_none() && now >= self.measured_from {
            self.processor_from = Some((now, processor::seconds()));
        }
        let sample = Sample {
            seconds: now.saturating_sub(self.run.begin()) as f64 / 1e9,
            sent: self.run.sends.total(),
            received: self.run.receipts.total(),
        };
        self.course.push(sample);
        self.progress.show(self.run, &self.course);
    }

    /// Until producers have sent all that they are to send.
    async fn send(&mut self, producers: &mut Tasks, consumers: &mut Tasks) -> Result<(), Failure> {
        let run = self.run;
        let begin = Instant::from_std(run.clock.instant(run.begin()));
        let is_timed = run.plan.count.is_none();
        let end = begin + run.plan.warm_up + run.plan.duration;
        loop {
            tokio::select! {
                ended = producers.join_next() => match ended {
                    Some(ended) => joined(ended)?,
                    None => break,
                },
                Some(ended) = consumers.join_next() => joined(ended)?,
                _ = self.ticks.tick() => self.sample(),
                () = sleep_until(end), if is_timed && !run.is_reached(Stage::Settling) => self.end_sending(),
                _ = tokio::signal::ctrl_c() => {
                    self.is_interrupted = true;
                    self.end_sending();
                }
            }
        }
        if !run.is_reached(Stage::Settling) {
            self.end_sending();
        }
        self.sample();
        Ok(())
    }

    /// Time is over, or the count is reached.
    fn end_sending(&mut self) {
        let now = self.run.clock.now();
        self.sending_ended = now;
        self.processor_to = Some((now, processor::seconds()));
        self.run.sends.measure_to(now);
        // With a count the receipts are measured to the last, which then belongs to the work.
        if self.run.plan.consuming == Consuming::Meanwhile && self.run.plan.count.is_none() {
            self.run.receipts.measure_to(now);
        }
        self.run.advance(Stage::Settling);
    }

    /// Until every message has come, or none comes any more.
    async fn settle(&mut self, consumers: &mut Tasks) -> Result<(), Failure> {
        let run = self.run;
        let mut received = run.ledger.distinct();
        let mut moved_at = Instant::now();
        while !run.ledger.is_complete() && moved_at.elapsed() < run.plan.patience {
            tokio::select! {
                Some(ended) = consumers.join_next() => joined(ended)?,
                _ = self.ticks.tick() => self.sample(),
                _ = tokio::signal::ctrl_c() => {
                    self.is_interrupted = true;
                    break;
                }
            }
            if run.ledger.distinct() != received {
                received = run.ledger.distinct();
                moved_at = Instant::now();
            }
        }
        self.sample();
        tokio::time::sleep(DUPLICATES_WAIT).await;
        Ok(())
    }

    fn outcome(self) -> Outcome {
        let run = self.run;
        let plan = &run.plan;
        let is_concurrent = plan.consuming == Consuming::Meanwhile;
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;

        let send_latency = match plan.sending {
            Sending::NonPersistent => None,
            Sending::Transacted(_) => Latency::of("one commit", &run.sends.latencies()),
            Sending::Synchronous | Sending::Pipelined(_) => {
                Latency::of("send to the broker's answer", &run.sends.latencies())
            }
        };
        let sent_for = seconds(self.measured_from, self.sending_ended);
        let sent = measured(run.sends.measured(), sent_for, send_latency);

        let (received_for, receipt_latency) = match plan.consuming {
            Consuming::Meanwhile => {
                let last = run.receipts.span().map_or(self.sending_ended, |(_, last)| last);
                let to = if plan.count.is_some() { last } else { self.sending_ended };
                let latency = Latency::of("send to receipt", &run.receipts.latencies());
                (seconds(self.measured_from, to), latency)
            }
            Consuming::Afterwards | Consuming::ToAccount => {
                let (first, last) = run.receipts.span().unwrap_or((0, 0));
                (seconds(first, last), None)
            }
        };
        let mut received = measured(run.receipts.measured(), received_for, receipt_latency);
        if plan.consuming == Consuming::ToAccount {
            received.rate = None;
        }

        let name = |of| move |pause| NamedPause::new(of, pause, run.begin());
        let mut pauses: Vec<_> = run.sends.pauses().into_iter().map(name("send")).collect();
        pauses.extend(run.receipts.pauses().into_iter().map(name("receive")));
        let generator_cores = match (self.processor_from, self.processor_to) {
            (Some((from, before)), Some((to, after))) if to > from => (after - before) / seconds(from, to),
            _ => 0.0,
        };
        let is_corrected =
            plan.rate.is_some() && (is_concurrent || !matches!(plan.sending, Sending::Transacted(_)));
        Outcome {
            scenario: plan.scenario,
            description: plan.describe(),
            producers: plan.producers,
            consumers: plan.consumers(),
            destinations: plan.destinations,
            message_bytes: plan.size,
            rate_asked: plan.rate,
            is_corrected_for_coordinated_omission: is_corrected,
            sent,
            received,
            balance: run.ledger.balance(),
            pauses,
            reconnections: run.reconnections.load(Ordering::Relaxed),
            generator_cores,
            generator_threads: plan.threads,
            course: self.course,
            is_interrupted: self.is_interrupted,
        }
    }
}

fn measured(messages: u64, seconds: f64, latency: Option<Latency>) -> Measured {
    let rate = (seconds > 0.0).then(|| messages as f64 / seconds);
    Measured { messages, seconds, rate, latency }
}
