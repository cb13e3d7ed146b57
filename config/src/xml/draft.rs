//! A broker as far as it has been read.

use std::path::PathBuf;

use crate::model::Configuration;

/// A broker as far as it has been read.
pub(crate) struct Draft {
    /// What it is told.
    pub(crate) configuration: Configuration,
    /// `dataDirectory`.
    pub(crate) data_directory: PathBuf,
    /// Whether it said where messages are kept.
    pub(crate) has_store: bool,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            configuration: Configuration::default(),
            data_directory: PathBuf::from("activemq-data"),
            has_store: false,
        }
    }
}
