//! A broker as far as it has been read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kahawai_broker::discovery::Multicast;

use super::as_spring;
use super::table::{Said, Target};
use crate::connector::Connector;
use crate::model::Configuration;
use crate::multicast_uri;
use crate::origin::of_store;
use crate::remark::Severity;
use crate::report::Place;
use crate::secret::Written;
use crate::settings::{self, broker, store};

/// A broker that has been read.
#[derive(Default)]
pub(crate) struct Made {
    /// What it is told.
    pub(crate) configuration: Configuration,
    /// Where each setting was said.
    pub(crate) said: BTreeMap<String, Place>,
    /// How the store's password was written.
    pub(crate) password: Option<Written>,
}

/// A broker as far as it has been read.
pub(crate) struct Draft {
    /// What it is told.
    pub(crate) configuration: Configuration,
    /// Where each setting was said.
    pub(crate) said: BTreeMap<String, Place>,
    /// How the store's password was written.
    pub(crate) password: Option<Written>,
    /// Where what is read now stands.
    at: Place,
    /// `dataDirectory`.
    pub(crate) data_directory: PathBuf,
    /// Whether it said where messages are kept.
    pub(crate) has_store: bool,
    /// Whether an element said which data source is used.
    pub(crate) has_source: bool,
    /// Whether it said where clients connect.
    pub(crate) has_connectors: bool,
    /// Those that OpenWire is spoken on.
    pub(crate) connectors: Vec<Connector>,
    /// The group that is told of the connector that is read now, and where that stands.
    pub(crate) discovery: Option<(Multicast, Place)>,
    /// Whether one was refused: then there is no need to say that there is none.
    pub(crate) is_connector_refused: bool,
}

impl Draft {
    pub(crate) fn new(at: Place) -> Self {
        Self {
            configuration: Configuration::default(),
            said: BTreeMap::new(),
            password: None,
            at,
            data_directory: PathBuf::from("activemq-data"),
            has_store: false,
            has_source: false,
            has_connectors: false,
            connectors: Vec::new(),
            discovery: None,
            is_connector_refused: false,
        }
    }

    /// Takes what a connector says of the group that is told of it.
    pub(crate) fn take_discovery(&mut self, text: &str) -> Result<(), Said> {
        let made = multicast_uri::read(text).map_err(|problem| {
            // What is not built is told, as what ActiveMQ has besides is.
            let severity = if problem.contains("not built") { Severity::NotYet } else { Severity::Refused };
            Said::new(severity, problem)
        })?;
        self.discovery = Some((made, self.at.clone()));
        Ok(())
    }

    /// Sets what the broker has a setting for.
    pub(crate) fn set_broker(&mut self, name: &str, text: &str) -> Result<(), String> {
        let found = settings::find(broker::SETTINGS, name);
        debug_assert!(found.is_some(), "{name} is no setting of brokers");
        let Some(setting) = found else { return Ok(()) };
        as_spring::set(setting, &mut self.configuration.broker, text)?;
        self.note(name);
        Ok(())
    }

    /// Sets what the store has a setting for.
    pub(crate) fn set_store(&mut self, name: &str, text: &str) -> Result<(), String> {
        let found = settings::find(store::SETTINGS, name);
        debug_assert!(found.is_some(), "{name} is no setting of stores");
        let Some(setting) = found else { return Ok(()) };
        as_spring::set(setting, &mut self.configuration, text)?;
        self.note(of_store(name));
        Ok(())
    }

    /// Notes that what is read now said a setting, by its key.
    pub(crate) fn note(&mut self, key: impl Into<String>) {
        self.said.insert(key.into(), self.at.clone());
    }
}

impl Target for Draft {
    fn at(&mut self, place: &Place) {
        self.at.clone_from(place);
    }
}
