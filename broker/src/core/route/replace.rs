//! Other policies, while the broker runs.

use std::sync::Arc;

use crate::core::keys::DestinationKey;
use crate::core::policy::{Policies, Policy};
use crate::core::state::Core;

impl Core {
    /// Other policies hold from now on: for destinations at once, with what they hold; for consumers, as with ActiveMQ, when they begin
    /// (they were told what to take in advance). Gives how many destinations have another policy now.
    ///
    /// What is held beyond a bound that was lowered stays until it is consumed.
    pub fn replace_policies(&mut self, policies: Policies) -> usize {
        self.policies = policies;
        let of = |(key, destination): (DestinationKey, &crate::core::state::destination::Destination)| {
            let policy = self.policies.of(&destination.address);
            (*policy != destination.policy).then(|| (key, Arc::clone(policy)))
        };
        let others: Vec<_> = self.directory.iter().filter_map(of).collect();
        let count = others.len();
        for (key, policy) in others {
            self.replace_policy(key, policy);
        }
        self.set_sweeps();
        count
    }

    fn replace_policy(&mut self, key: DestinationKey, policy: Arc<Policy>) {
        let Some(destination) = self.directory.get_mut(key) else {
            debug_assert!(false, "it was found a moment ago");
            return;
        };
        if let Some(id) = destination.stored {
            self.levels.note(id, policy.journal_disk_sync_strategy);
        }
        let sources: Vec<_> = destination.queue.iter().chain(&destination.durables).copied().collect();
        destination.policy = Arc::clone(&policy);
        for source in sources {
            if let Some(state) = self.sources.get_mut(&source) {
                state.policy = Arc::clone(&policy);
                // It may hold more now.
                self.touch(source);
            }
        }
    }
}
