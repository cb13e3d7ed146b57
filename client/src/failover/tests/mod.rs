//! Transcripts of the state machine: what it is told, and what it orders.
//!
//! ```text
//! open 1 a       a transport to broker a is to be opened, as attempt 1
//! use 1 a        it is to be spoken over
//! drop 1         it is to be closed
//! give up …      nothing more will be tried
//! at 30          it wants to look at the clock 30 ms from the beginning
//! ```

mod backing_up;
mod cluster;
mod reconnecting;

use std::time::{Duration, Instant};

use crate::failover::attempt::Attempt;
use crate::failover::{Failover, Order, Told};
use crate::url::{BrokerUrl, FailoverUrl};

pub(super) struct Play {
    machine: Failover,
    begin: Instant,
    now: Instant,
}

impl Play {
    /// Brokers `a`, `b` and so on, tried in this order unless the options say otherwise.
    pub(super) fn new(brokers: &str, options: &str) -> Self {
        let list: Vec<_> = brokers.split(' ').map(|broker| format!("tcp://{broker}:1")).collect();
        Self::of(&format!("failover:({})?randomize=false&{options}", list.join(",")), 7)
    }

    pub(super) fn of(url: &str, seed: u64) -> Self {
        let BrokerUrl::Failover(url) = url.parse().unwrap() else { panic!("{url}") };
        Self::with(url, seed)
    }

    fn with(url: FailoverUrl, seed: u64) -> Self {
        let begin = Instant::now();
        let mut machine = Failover::new(url, seed);
        machine.start(begin);
        Self { machine, begin, now: begin }
    }

    pub(super) fn wait(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self.machine.look(self.now);
        self
    }

    pub(super) fn opened(&mut self, attempt: u64) -> &mut Self {
        self.machine.opened(self.now, Attempt(attempt));
        self
    }

    pub(super) fn established(&mut self, attempt: u64) -> &mut Self {
        self.machine.established(self.now, Attempt(attempt));
        self
    }

    /// A transport is open, and its broker accepts; the orders in between are thrown away.
    pub(super) fn connected(&mut self, attempt: u64) -> &mut Self {
        self.opened(attempt).established(attempt);
        while self.machine.poll_order().is_some() {}
        self
    }

    pub(super) fn closed(&mut self, attempt: u64) -> &mut Self {
        self.machine.closed(self.now, Attempt(attempt), "refused");
        self
    }

    pub(super) fn told(&mut self, brokers: &str, rebalance: bool, reconnect_to: &str) -> &mut Self {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let told = Told { brokers: text(brokers), rebalance, reconnect_to: text(reconnect_to) };
        self.machine.told(self.now, &told);
        self
    }

    /// What is ordered now, and when it wants to look at the clock.
    pub(super) fn orders(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(order) = self.machine.poll_order() {
            lines.push(match order {
                Order::Open(Attempt(attempt), url) => format!("open {attempt} {}", url.host),
                Order::Use(Attempt(attempt), url) => format!("use {attempt} {}", url.host),
                Order::Drop(Attempt(attempt)) => format!("drop {attempt}"),
                Order::GiveUp { rounds, last } => format!("give up after {rounds}: {last}"),
            });
        }
        lines.extend(
            self.machine.deadline().map(|deadline| format!("at {}", (deadline - self.begin).as_millis())),
        );
        lines
    }

    #[track_caller]
    pub(super) fn expect(&mut self, expected: &[&str]) -> &mut Self {
        let found = self.orders();
        assert_eq!(found, expected, "\nfound:\n{}\n", found.join("\n"));
        self
    }
}
