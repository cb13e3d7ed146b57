//! Connections to other brokers, held ready: opened one after another while we are connected.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::failover::attempt::{Attempt, lengthened};
use crate::failover::candidates::Candidates;
use crate::url::{FailoverOptions, TcpUrl};

#[derive(Debug)]
struct Opening {
    attempt: Attempt,
    url: Box<TcpUrl>,
    by: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Backups {
    options: FailoverOptions,
    ready: Vec<(Attempt, Box<TcpUrl>)>,
    opening: Option<Opening>,
    /// Brokers that this round has not tried yet; none between rounds.
    left: Option<VecDeque<TcpUrl>>,
    /// No round begins before then.
    rest_until: Option<Instant>,
    delay: Duration,
}

impl Backups {
    pub(super) fn new(options: &FailoverOptions) -> Self {
        Self {
            options: options.clone(),
            ready: Vec::new(),
            opening: None,
            left: None,
            rest_until: None,
            delay: options.initial_reconnect_delay,
        }
    }

    /// A new connection is established: begin afresh.
    pub(super) fn reset(&mut self) {
        self.left = None;
        self.rest_until = None;
        self.delay = self.options.initial_reconnect_delay;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.opening.as_ref().and_then(|opening| opening.by), self.rest_until].into_iter().flatten().min()
    }

    /// The time is up for what is being opened: it is given back.
    pub(super) fn look(&mut self, now: Instant) -> Option<Attempt> {
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
        }
        let is_late = self.opening.as_ref().is_some_and(|opening| opening.by.is_some_and(|by| by <= now));
        if is_late { self.opening.take().map(|opening| opening.attempt) } else { None }
    }

    /// The broker to open a backup to now, beside the one that we are connected to.
    pub(super) fn wanted(
        &mut self,
        now: Instant,
        connected: &TcpUrl,
        candidates: &mut Candidates,
    ) -> Option<TcpUrl> {
        let seeks_preferred = self.options.priority_backup && !candidates.is_preferred(connected);
        let seeks_any = self.options.backup && self.ready.len() < self.options.backup_pool_size;
        if self.opening.is_some() || self.rest_until.is_some() || !(seeks_preferred || seeks_any) {
            return None;
        }
        let left = self.left.get_or_insert_with(|| candidates.backup_round());
        while let Some(url) = left.pop_front() {
            let is_used = url.is_same_broker(connected)
                || self.ready.iter().any(|(_, ready)| ready.is_same_broker(&url));
            if !is_used && (seeks_any || candidates.is_preferred(&url)) {
                return Some(url);
            }
        }
        // Nothing more in this round: the next one is later.
        self.left = None;
        self.rest_until = now.checked_add(self.delay);
        self.delay = lengthened(&self.options, self.delay);
        None
    }

    /// That one is being opened.
    pub(super) fn opening(&mut self, now: Instant, attempt: Attempt, url: TcpUrl) {
        let by = now.checked_add(url.connect_timeout);
        self.opening = Some(Opening { attempt, url: Box::new(url), by });
    }

    /// Whether it was one of ours that opened.
    pub(super) fn opened(&mut self, attempt: Attempt) -> bool {
        let Some(opening) = self.opening.take_if(|opening| opening.attempt == attempt) else { return false };
        self.ready.push((attempt, opening.url));
        self.delay = self.options.initial_reconnect_delay;
        true
    }

    /// Whether it was one of ours that closed.
    pub(super) fn closed(&mut self, now: Instant, attempt: Attempt) -> bool {
        if self.opening.take_if(|opening| opening.attempt == attempt).is_some() {
            return true;
        }
        let Some(at) = self.ready.iter().position(|(ready, _)| *ready == attempt) else { return false };
        self.ready.remove(at);
        self.left = None;
        // A broker that closes what it has just accepted must not be asked at once.
        self.rest_until = now.checked_add(self.delay);
        self.delay = lengthened(&self.options, self.delay);
        true
    }

    /// An open one to use: a preferred broker's first.
    pub(super) fn take(&mut self, candidates: &mut Candidates) -> Option<(Attempt, Box<TcpUrl>)> {
        if self.ready.is_empty() {
            return None;
        }
        if self.options.priority_backup
            && let Some(preferred) = self.take_preferred(candidates)
        {
            return Some(preferred);
        }
        Some(self.ready.remove(candidates.pick(self.ready.len())))
    }

    /// An open one to a preferred broker.
    pub(super) fn take_preferred(&mut self, candidates: &Candidates) -> Option<(Attempt, Box<TcpUrl>)> {
        let at = self.ready.iter().position(|(_, url)| candidates.is_preferred(url))?;
        Some(self.ready.remove(at))
    }

    /// An open one to this broker.
    pub(super) fn take_same(&mut self, url: &TcpUrl) -> Option<Attempt> {
        let at = self.ready.iter().position(|(_, ready)| ready.is_same_broker(url))?;
        Some(self.ready.remove(at).0)
    }

    /// Stops what is being opened.
    pub(super) fn cancel(&mut self) -> Option<Attempt> {
        self.opening.take().map(|opening| opening.attempt)
    }

    /// Lets all go.
    pub(super) fn clear(&mut self) -> Vec<Attempt> {
        let mut dropped: Vec<_> =
            std::mem::take(&mut self.ready).into_iter().map(|(ready, _)| ready).collect();
        dropped.extend(self.cancel());
        dropped
    }
}
