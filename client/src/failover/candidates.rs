//! The brokers that are known, and the order in which to try them.

use std::collections::VecDeque;
use std::fmt;

use fastrand::Rng;

use crate::url::error::UrlError;
use crate::url::{FailoverOptions, Nested, TcpUrl};

/// Brokers that a broker may tell of: beyond that it is taken for mad.
const TOLD_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Candidates {
    /// As the address has it.
    listed: Vec<TcpUrl>,
    /// As a broker told; these go first.
    told: Vec<TcpUrl>,
    /// Whether any broker is better than another.
    has_preference: bool,
    preferred: Vec<TcpUrl>,
    /// The last broker that was lost: it is tried last.
    failed: Option<TcpUrl>,
    nested: Nested,
    is_random: bool,
    random: Rng,
}

impl Candidates {
    pub(super) fn new(listed: Vec<TcpUrl>, nested: Nested, options: &FailoverOptions, seed: u64) -> Self {
        Self {
            has_preference: options.priority_backup,
            preferred: options.priority_brokers.clone(),
            told: Vec::new(),
            failed: None,
            nested,
            is_random: options.randomize,
            random: Rng::with_seed(seed),
            listed,
        }
    }

    /// Reads the address of a broker that another told of.
    pub(super) fn read(&self, url: &str) -> Result<TcpUrl, UrlError> {
        let told = self.nested.told(url)?;
        // What the user said of that broker counts.
        Ok(self.listed.iter().find(|listed| listed.is_same_broker(&told)).cloned().unwrap_or(told))
    }

    /// A broker told which others there are: whether that is news.
    pub(super) fn update(&mut self, told: &str) -> bool {
        let mut brokers: Vec<TcpUrl> = Vec::new();
        for url in told.split(',').map(str::trim).filter(|url| !url.is_empty()).take(TOLD_MAX) {
            match self.read(url) {
                Ok(url) if brokers.iter().any(|known| known.is_same_broker(&url)) => {}
                Ok(url) => brokers.push(url),
                Err(error) => tracing::warn!(url, %error, "cannot use a broker of the cluster"),
            }
        }
        // A list of which nothing is understood changes nothing.
        if brokers.is_empty() {
            return false;
        }
        let is_known = |broker: &TcpUrl| self.told.iter().any(|known| known.is_same_broker(broker));
        if brokers.len() == self.told.len() && brokers.iter().all(is_known) {
            return false;
        }
        if self.failed.as_ref().is_some_and(|failed| brokers.iter().any(|told| told.is_same_broker(failed))) {
            self.failed = None;
        }
        self.told = brokers;
        true
    }

    /// This broker was lost.
    pub(super) fn failed(&mut self, url: TcpUrl) {
        self.failed = Some(url);
    }

    /// All brokers in the order in which to try them now.
    pub(super) fn round(&mut self) -> VecDeque<TcpUrl> {
        let mut round: Vec<TcpUrl> = Vec::new();
        for url in self.told.iter().chain(&self.listed) {
            if !round.iter().any(|known| known.is_same_broker(url)) {
                round.push(url.clone());
            }
        }
        let failed = self
            .failed
            .as_ref()
            .and_then(|failed| round.iter().position(|url| url.is_same_broker(failed)))
            .map(|at| round.remove(at));
        self.shuffle(&mut round);
        round.extend(failed);
        round.into()
    }

    /// This broker, then all others.
    pub(super) fn round_from(&mut self, first: TcpUrl) -> VecDeque<TcpUrl> {
        let mut round = self.round();
        round.retain(|url| !url.is_same_broker(&first));
        round.push_front(first);
        round
    }

    /// Preferred brokers, then all others.
    pub(super) fn backup_round(&mut self) -> VecDeque<TcpUrl> {
        let (mut preferred, others): (VecDeque<_>, VecDeque<_>) =
            self.round().into_iter().partition(|url| self.is_preferred(url));
        for url in &self.preferred {
            if !preferred.iter().any(|known| known.is_same_broker(url)) {
                preferred.push_back(url.clone());
            }
        }
        preferred.extend(others);
        preferred
    }

    /// Whether a broker is one to return to.
    pub(super) fn is_preferred(&self, url: &TcpUrl) -> bool {
        if !self.has_preference {
            return false;
        }
        if self.preferred.is_empty() {
            return self.listed.first().is_some_and(|first| first.is_same_broker(url));
        }
        self.preferred.iter().any(|preferred| preferred.is_same_broker(url))
    }

    /// A random one of so many, or the first.
    pub(super) fn pick(&mut self, count: usize) -> usize {
        if self.is_random && count > 1 { self.random.usize(..count) } else { 0 }
    }

    fn shuffle(&mut self, round: &mut [TcpUrl]) {
        if self.is_random {
            self.random.shuffle(round);
        }
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.told.iter().chain(&self.listed).enumerate() {
            write!(formatter, "{}{url}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
