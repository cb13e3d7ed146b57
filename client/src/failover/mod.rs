//! Which broker to be connected to, and when to try again: a state machine without I/O, clock or random source of its
//! own. Facts and the time go in, orders come out.
//!
//! ```text
//!            start ──► [Trying: a round over all brokers] ──established──► [Connected]
//!                         │   ▲                                              │
//!              all failed ▼   │ the time has come                     closed │
//!                      [Waiting: longer each time] ◄─────────────────────────┘
//!                         │
//!    maxReconnectAttempts └──► [Ended]
//! ```
//!
//! Beside that it keeps connections to other brokers ready, as `backup` and `priorityBackup` ask for ([`backups`]), and
//! obeys what a broker says of its cluster ([`Failover::told`]). Semantics are those of ActiveMQ's `FailoverTransport`.
//! What differs: a connection counts as established when the broker has accepted it, not when TCP has; and a broker
//! that sends us elsewhere (`reconnectTo`) goes to the head of the list instead of replacing it.

pub(crate) mod attempt;
mod backups;
mod candidates;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::failover::attempt::{Attempt, lengthened};
use crate::failover::backups::Backups;
use crate::failover::candidates::Candidates;
use crate::url::{FailoverOptions, FailoverUrl, TcpUrl};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    /// Open a transport to this broker; tell by [`Failover::opened`] or [`Failover::closed`].
    Open(Attempt, Box<TcpUrl>),
    /// Speak over this open transport, instead of any other; tell by [`Failover::established`] when the broker has
    /// accepted and knows all that it must.
    Use(Attempt, Box<TcpUrl>),
    /// Close this transport, whatever became of it: nothing it says counts any more.
    Drop(Attempt),
    /// No broker was found and none will be looked for.
    GiveUp {
        /// Rounds in vain.
        rounds: u32,
        /// What the last failure was.
        last: String,
    },
}

/// What a broker says of its cluster, as it says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// URIs of the cluster's brokers, by commas.
    pub(crate) brokers: Option<String>,
    /// Whether to see if another broker suits better.
    pub(crate) rebalance: bool,
    /// The URI of the broker to go to.
    pub(crate) reconnect_to: Option<String>,
}

#[derive(Debug)]
enum Phase {
    /// Not started, or given up.
    Idle,
    /// The next round begins then, with these brokers if they are known already.
    Waiting { until: Instant, round: Option<VecDeque<TcpUrl>> },
    /// An attempt is under way, and these brokers are left in this round. It must be established by then.
    Trying { attempt: Attempt, url: Box<TcpUrl>, by: Option<Instant>, left: VecDeque<TcpUrl> },
    /// The broker has accepted.
    Connected { attempt: Attempt, url: Box<TcpUrl> },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Failover {
    options: FailoverOptions,
    candidates: Candidates,
    phase: Phase,
    backups: Backups,
    /// Before the first connection other limits hold.
    was_connected: bool,
    /// Rounds in vain since the last connection.
    rounds: u32,
    delay: Duration,
    attempts: u64,
    last_failure: String,
    orders: VecDeque<Order>,
}

impl Failover {
    /// Not started yet. The seed decides the order of brokers where that is random.
    pub(crate) fn new(url: FailoverUrl, seed: u64) -> Self {
        let FailoverUrl { brokers, options, nested, .. } = url;
        Self {
            candidates: Candidates::new(brokers, nested, &options, seed),
            phase: Phase::Idle,
            backups: Backups::new(&options),
            was_connected: false,
            rounds: 0,
            delay: options.initial_reconnect_delay,
            attempts: 0,
            last_failure: String::from("nothing was tried"),
            orders: VecDeque::new(),
            options,
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When to call [`Self::look`] at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Trying { by, .. } => *by,
            Phase::Idle | Phase::Connected { .. } => None,
        };
        [own, self.backups.deadline()].into_iter().flatten().min()
    }

    /// Begins.
    pub(crate) fn start(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Idle) {
            self.begin_round(now, None);
        }
    }

    /// A transport is open.
    pub(crate) fn opened(&mut self, now: Instant, attempt: Attempt) {
        if self.backups.opened(attempt) {
            self.keep_backups(now);
            return;
        }
        if let Phase::Trying { attempt: tried, url, .. } = &self.phase
            && *tried == attempt
        {
            self.orders.push_back(Order::Use(attempt, url.clone()));
        }
    }

    /// The broker has accepted the connection over this transport.
    pub(crate) fn established(&mut self, now: Instant, attempt: Attempt) {
        let Phase::Trying { attempt: tried, url, .. } = &self.phase else { return };
        if *tried != attempt {
            return;
        }
        tracing::info!(broker = %url, again = self.was_connected, "connected");
        let used = url.clone();
        self.phase = Phase::Connected { attempt, url: used.clone() };
        self.was_connected = true;
        self.rounds = 0;
        self.delay = self.options.initial_reconnect_delay;
        // A backup to the same broker is none.
        self.orders.extend(self.backups.take_same(&used).map(Order::Drop));
        self.backups.reset();
        self.keep_backups(now);
    }

    /// A transport could not be opened, or is closed: why, in words.
    pub(crate) fn closed(&mut self, now: Instant, attempt: Attempt, why: &str) {
        if self.backups.closed(now, attempt) {
            tracing::debug!(why, "a backup connection is closed");
            self.keep_backups(now);
            return;
        }
        match &mut self.phase {
            Phase::Trying { attempt: tried, url, left, .. } if *tried == attempt => {
                tracing::debug!(broker = %url, why, "cannot connect");
                self.last_failure = format!("{}: {why}", url.address());
                let left = std::mem::take(left);
                self.go_on(now, left);
            }
            Phase::Connected { attempt: used, url } if *used == attempt => {
                tracing::warn!(broker = %url, why, "the connection was lost");
                self.last_failure = format!("{}: {why}", url.address());
                self.candidates.failed((**url).clone());
                self.reconnect(now);
            }
            _ => {}
        }
    }

    /// It is time to look at the clock.
    pub(crate) fn look(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Waiting { until, round } if *until <= now => {
                let round = round.take();
                self.begin_round(now, round);
            }
            Phase::Trying { attempt, url, by: Some(by), .. } if *by <= now => {
                let (attempt, limit) = (*attempt, url.connect_timeout);
                self.orders.push_back(Order::Drop(attempt));
                self.closed(now, attempt, &format!("not connected within {limit:?}"));
            }
            _ => {}
        }
        if let Some(late) = self.backups.look(now) {
            self.orders.push_back(Order::Drop(late));
        }
        self.keep_backups(now);
    }

    /// The broker that we are connected to says something of its cluster.
    pub(crate) fn told(&mut self, now: Instant, told: &Told) {
        if let Some(url) = told.reconnect_to.as_deref().filter(|url| !url.trim().is_empty())
            && self.options.reconnect_supported
        {
            match self.candidates.read(url) {
                Ok(url) => {
                    tracing::info!(broker = %url, "sent to another broker");
                    let round = self.candidates.round_from(url);
                    self.move_to(now, round);
                }
                Err(error) => tracing::warn!(url, %error, "cannot follow to another broker"),
            }
        }
        let Some(brokers) = &told.brokers else { return };
        if !self.options.update_uris_supported || !self.candidates.update(brokers) {
            return;
        }
        if told.rebalance
            && let Phase::Connected { url, .. } = &self.phase
            && !self.candidates.is_preferred(url)
        {
            let is_same = |first: &TcpUrl| first.is_same_broker(url);
            let round = self.candidates.round();
            if !round.front().is_some_and(is_same) {
                tracing::info!(from = %url, "moving to another broker of the cluster");
                self.move_to(now, round);
            }
        }
        self.keep_backups(now);
    }

    /// Leaves the broker of today for the first of these.
    fn move_to(&mut self, now: Instant, round: VecDeque<TcpUrl>) {
        let Phase::Connected { attempt, .. } = self.phase else { return };
        self.orders.push_back(Order::Drop(attempt));
        self.phase = Phase::Waiting { until: now + self.next_delay(), round: Some(round) };
    }

    /// The connection is gone: a backup stands in, or a round begins a moment later.
    fn reconnect(&mut self, now: Instant) {
        if self.options.max_reconnect_attempts == Some(0) {
            self.give_up();
            return;
        }
        if let Some((attempt, url)) = self.backups.take(&mut self.candidates) {
            self.use_backup(now, attempt, url);
            return;
        }
        // What was being opened as a backup would only be in the way.
        self.orders.extend(self.backups.cancel().map(Order::Drop));
        self.phase = Phase::Waiting { until: now + self.next_delay(), round: None };
    }

    fn use_backup(&mut self, now: Instant, attempt: Attempt, url: Box<TcpUrl>) {
        self.orders.push_back(Order::Use(attempt, url.clone()));
        let by = now.checked_add(url.connect_timeout);
        self.phase = Phase::Trying { attempt, url, by, left: self.candidates.round() };
    }

    fn begin_round(&mut self, now: Instant, round: Option<VecDeque<TcpUrl>>) {
        let round = round.unwrap_or_else(|| self.candidates.round());
        self.go_on(now, round);
    }

    /// Tries the next broker of a round; at its end, waits for the next round.
    fn go_on(&mut self, now: Instant, mut left: VecDeque<TcpUrl>) {
        if let Some(url) = left.pop_front() {
            let attempt = self.open(&url);
            let by = now.checked_add(url.connect_timeout);
            self.phase = Phase::Trying { attempt, url: Box::new(url), by, left };
            return;
        }
        self.rounds = self.rounds.saturating_add(1);
        let at_start = self.options.startup_max_reconnect_attempts.filter(|_| !self.was_connected);
        if at_start.or(self.options.max_reconnect_attempts).is_some_and(|limit| self.rounds >= limit) {
            self.give_up();
            return;
        }
        let warn_each = self.options.warn_after_reconnect_attempts;
        if warn_each > 0 && (self.rounds == 1 || self.rounds.is_multiple_of(warn_each)) {
            tracing::warn!(
                rounds = self.rounds,
                brokers = %self.candidates,
                last = self.last_failure,
                "no broker can be reached, trying on"
            );
        }
        self.phase = Phase::Waiting { until: now + self.next_delay(), round: None };
    }

    fn give_up(&mut self) {
        self.phase = Phase::Idle;
        let dropped = self.backups.clear();
        self.orders.extend(dropped.into_iter().map(Order::Drop));
        let last = self.last_failure.clone();
        self.orders.push_back(Order::GiveUp { rounds: self.rounds, last });
    }

    /// How long to wait now; the next wait is longer.
    fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = lengthened(&self.options, delay);
        delay
    }

    fn open(&mut self, url: &TcpUrl) -> Attempt {
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        self.orders.push_back(Order::Open(attempt, Box::new(url.clone())));
        attempt
    }

    /// Opens the next backup where one is wanted; goes over to a preferred broker where one is open.
    fn keep_backups(&mut self, now: Instant) {
        let Phase::Connected { attempt, url } = &self.phase else { return };
        if self.options.priority_backup && !self.candidates.is_preferred(url) {
            let (old, url) = (*attempt, url.clone());
            if let Some((backup, preferred)) = self.backups.take_preferred(&self.candidates) {
                tracing::info!(from = %url, to = %preferred, "returning to a preferred broker");
                self.orders.push_back(Order::Drop(old));
                self.use_backup(now, backup, preferred);
                return;
            }
        }
        let Phase::Connected { url, .. } = &self.phase else { return };
        let url = url.clone();
        if let Some(wanted) = self.backups.wanted(now, &url, &mut self.candidates) {
            let attempt = self.open(&wanted);
            self.backups.opening(now, attempt, wanted);
        }
    }
}
