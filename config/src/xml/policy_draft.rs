//! A `<policyEntry>` as far as it has been read.

use std::collections::BTreeMap;

use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::Policy;

use super::as_spring;
use super::table::Target;
use crate::report::Place;
use crate::settings::{self, policy::SETTINGS};

/// See the module.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) address: Option<Address>,
    pub(crate) policy: Policy,
    /// Where each setting was said.
    pub(crate) said: BTreeMap<&'static str, Place>,
    /// Where what is read now stands.
    at: Option<Place>,
}

/// Sets what the policy has a setting for.
pub(crate) fn set(entry: &mut Entry, name: &str, text: &str) -> Result<(), String> {
    let found = settings::find(SETTINGS, name);
    debug_assert!(found.is_some(), "{name} is no setting of policies");
    let Some(setting) = found else { return Ok(()) };
    as_spring::set(setting, &mut entry.policy, text)?;
    if let Some(at) = &entry.at {
        entry.said.insert(setting.name, at.clone());
    }
    Ok(())
}

impl Target for Entry {
    fn at(&mut self, place: &Place) {
        self.at = Some(place.clone());
    }
}
