//! What the broker is told, and told anew by SIGHUP while it runs.
//!
//! Policies are what can change: with the broker, or as slave for when it is master. All else holds until the next start, and is named.

use std::sync::Arc;

use kahawai_broker::Broker;
use kahawai_config::danger::{self, Danger};
use kahawai_config::origin::of_store;
use kahawai_config::{Configuration, Effective, StoreAddress, difference};

use super::background::blocking;
use super::status::Status;
use crate::configure::{self, options::ServeOptions};
use crate::exit::Failure;

/// The command line, and what came of it and of its file.
pub(super) struct Told {
    options: ServeOptions,
    config: Arc<Configuration>,
    /// The same, with where it comes from.
    effective: Effective,
    /// What is dangerous about it, and was said to be.
    dangers: Vec<Danger>,
}

impl Told {
    pub(super) fn new(options: ServeOptions) -> Result<Self, Failure> {
        let effective = configure::effective(options.clone())?;
        let config = Arc::new(effective.configuration.clone());
        let mut told = Self { options, config, effective, dangers: Vec::new() };
        told.warn();
        Ok(told)
    }

    pub(super) fn config(&self) -> &Arc<Configuration> {
        &self.config
    }

    /// The store that the file names, where another is served, and who says so.
    pub(super) fn passed_over(&self) -> Option<(StoreAddress, String)> {
        let passed_over = self.effective.passed_over.clone()?;
        Some((passed_over, self.effective.origin(&of_store("address")).to_string()))
    }

    /// Says what is dangerous, and was not so before.
    fn warn(&mut self) {
        let found = danger::told(&self.effective);
        for (origin, danger) in found.iter().filter(|(_, danger)| !self.dangers.contains(danger)) {
            tracing::warn!("dangerous: {}", danger::line(origin, danger));
        }
        self.dangers = found.into_iter().map(|(_, danger)| danger).collect();
    }

    /// Reads the file and the environment's files again. One that is refused changes nothing.
    pub(super) async fn again(&mut self, broker: Option<&Broker>, status: &Status) {
        status.reloading();
        let options = self.options.clone();
        let read = blocking(move || configure::effective(options)).await;
        match read.and_then(|read| read) {
            Ok(read) => self.take(read, broker, status),
            Err(failure) => status.not_reloaded(&failure),
        }
        status.reloaded();
    }

    fn take(&mut self, read: Effective, broker: Option<&Broker>, status: &Status) {
        for different in difference::beside_policies(&self.config, &read.configuration) {
            status.needs_a_start(&different);
        }
        let policies = read.configuration.broker.policies.clone();
        if policies == self.config.broker.policies {
            status.same_policies();
            return;
        }
        self.effective.take_policies(read);
        self.config = Arc::new(self.effective.configuration.clone());
        // Before others hold, as their word is the last.
        self.warn();
        status.policies(broker.map(|broker| broker.replace_policies(policies)));
    }
}
