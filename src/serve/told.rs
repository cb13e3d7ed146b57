//! What the broker is told, and told anew by SIGHUP while it runs.
//!
//! Policies are what can change: with the broker, or as slave for when it is master. All else holds until the next start, and is named.

use std::sync::Arc;

use kahawai_broker::Broker;
use kahawai_config::{Configuration, difference};

use super::background::blocking;
use super::status::Status;
use crate::configure::{self, options::ServeOptions};
use crate::exit::Failure;

/// The command line, and what came of it and of its file.
pub(super) struct Told {
    options: ServeOptions,
    config: Arc<Configuration>,
}

impl Told {
    pub(super) fn new(options: ServeOptions) -> Result<Self, Failure> {
        let config = Arc::new(configure::effective(options.clone())?.configuration);
        Ok(Self { options, config })
    }

    pub(super) fn config(&self) -> &Arc<Configuration> {
        &self.config
    }

    /// Reads the file and the environment's files again. One that is refused changes nothing.
    pub(super) async fn again(&mut self, broker: Option<&Broker>, status: &Status) {
        status.reloading();
        let options = self.options.clone();
        let read = blocking(move || configure::effective(options)).await;
        match read.and_then(|read| read) {
            Ok(read) => self.take(&read.configuration, broker, status),
            Err(failure) => status.not_reloaded(&failure),
        }
        status.reloaded();
    }

    fn take(&mut self, read: &Configuration, broker: Option<&Broker>, status: &Status) {
        for different in difference::beside_policies(&self.config, read) {
            status.needs_a_start(&different);
        }
        if read.broker.policies == self.config.broker.policies {
            status.same_policies();
            return;
        }
        let policies = read.broker.policies.clone();
        Arc::make_mut(&mut self.config).broker.policies = policies.clone();
        status.policies(broker.map(|broker| broker.replace_policies(policies)));
    }
}
