//! Every setting by its name: what it is about, how a text sets it, and how it is shown. Names are ActiveMQ's where it has the option.
//!
//! Whatever reads or writes a configuration does so by these: there is no second list, and no default here.

pub mod broker;
pub mod kind;
pub mod network;
pub mod policy;
pub mod read;
pub mod store;

pub use kind::Kind;

/// A setting of a `T`.
#[derive(Debug)]
pub struct Setting<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it is about, in one line, with its unit.
    pub about: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// Sets it by a text; the error says in words what is wrong.
    pub set: fn(&mut T, &str) -> Result<(), String>,
    /// The text that would set it as it is; nothing where it is not set.
    pub show: fn(&T) -> Option<String>,
}

/// The setting of this name.
pub fn find<T>(settings: &'static [Setting<T>], name: &str) -> Option<&'static Setting<T>> {
    settings.iter().find(|setting| setting.name == name)
}
