//! A broker as far as it has been read.

use std::path::PathBuf;

use crate::connector::Connector;
use crate::model::Configuration;
use crate::settings::{self, broker, store};

/// A broker as far as it has been read.
pub(crate) struct Draft {
    /// What it is told.
    pub(crate) configuration: Configuration,
    /// `dataDirectory`.
    pub(crate) data_directory: PathBuf,
    /// Whether it said where messages are kept.
    pub(crate) has_store: bool,
    /// Whether it said where clients connect.
    pub(crate) has_connectors: bool,
    /// Those that OpenWire is spoken on.
    pub(crate) connectors: Vec<Connector>,
    /// Whether one was refused: then there is no need to say that there is none.
    pub(crate) is_connector_refused: bool,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            configuration: Configuration::default(),
            data_directory: PathBuf::from("activemq-data"),
            has_store: false,
            has_connectors: false,
            connectors: Vec::new(),
            is_connector_refused: false,
        }
    }

    /// Sets what the broker has a setting for.
    pub(crate) fn set_broker(&mut self, name: &str, text: &str) -> Result<(), String> {
        let found = settings::find(broker::SETTINGS, name);
        debug_assert!(found.is_some(), "{name} is no setting of brokers");
        found.map_or(Ok(()), |setting| (setting.set)(&mut self.configuration.broker, text))
    }

    /// Sets what the store has a setting for.
    pub(crate) fn set_store(&mut self, name: &str, text: &str) -> Result<(), String> {
        let found = settings::find(store::SETTINGS, name);
        debug_assert!(found.is_some(), "{name} is no setting of stores");
        found.map_or(Ok(()), |setting| (setting.set)(&mut self.configuration, text))
    }
}
