//! A `<policyEntry>` as far as it has been read.

use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::Policy;

use crate::settings::{self, policy::SETTINGS};

/// See the module.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) address: Option<Address>,
    pub(crate) policy: Policy,
}

/// Sets what the policy has a setting for.
pub(crate) fn set(entry: &mut Entry, name: &str, text: &str) -> Result<(), String> {
    let found = settings::find(SETTINGS, name);
    debug_assert!(found.is_some(), "{name} is no setting of policies");
    found.map_or(Ok(()), |setting| (setting.set)(&mut entry.policy, text))
}
