//! Single policies.

use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::Policy;
use kahawai_store::batch::Durability;

use super::rule::{Danger, Rule};
use crate::model::Configuration;
use crate::origin::of_policy;
use crate::store_address::StoreAddress;

pub(super) static RULES: &[Rule] = &[
    Rule { name: "answered before it is on the disk, by policy", find: at_risk },
    Rule { name: "a destination that may hold more than all together", find: more_than_all },
    Rule {
        name: "destinations that go when they are empty, and what keeps them from that",
        find: never_goes,
    },
    Rule { name: "destinations that are to go, and nobody looks", find: nobody_looks },
];

/// All policies of a configuration: whose they are, and how a person names that.
fn all(configuration: &Configuration) -> Vec<(Option<&Address>, String, &Policy)> {
    let policies = &configuration.broker.policies;
    let entries = policies.entries().into_iter();
    let named = entries.map(|(address, policy)| (Some(address), format!("the policy of {address}"), policy));
    named.chain([(None, "the policy of all others".to_owned(), policies.default_policy())]).collect()
}

fn at_risk(configuration: &Configuration) -> Vec<Danger> {
    if !matches!(configuration.store.address, StoreAddress::Journal(_)) {
        return Vec::new();
    }
    let name = "journalDiskSyncStrategy";
    let mut found = Vec::new();
    for (address, whose, policy) in all(configuration) {
        let Some(level @ (Durability::Periodic | Durability::Never)) = policy.journal_disk_sync_strategy
        else {
            continue;
        };
        let advice = "what was answered last is lost when the machine fails, though its senders were told that it is kept: leave it out where \
                      that cannot be borne";
        found.push(Danger::new(of_policy(address, name), format!("{name} = {level} in {whose}"), advice));
    }
    found
}

fn more_than_all(configuration: &Configuration) -> Vec<Danger> {
    let most = configuration.broker.limits.memory_bytes_max;
    let mut found = Vec::new();
    for (address, whose, policy) in all(configuration) {
        if policy.memory_limit.is_some_and(|limit| limit > most) {
            let advice = format!(
                "all destinations together hold {} KiB (memoryUsage), so that it is never reached: write less, or more memoryUsage",
                most >> 10
            );
            found.push(Danger::new(
                of_policy(address, "memoryLimit"),
                format!("memoryLimit in {whose}"),
                advice,
            ));
        }
    }
    found
}

fn never_goes(configuration: &Configuration) -> Vec<Danger> {
    let mut found = Vec::new();
    for (address, whose, policy) in
        all(configuration).into_iter().filter(|(_, _, policy)| policy.gc_inactive_destinations)
    {
        if policy.expire_messages_period == 0 {
            let name = "expireMessagesPeriod";
            let advice = "expired messages stay where nobody consumes, and a destination that holds any never goes (gcInactiveDestinations): write \
                          30000";
            found.push(Danger::new(of_policy(address, name), format!("{name} = 0 in {whose}"), advice));
        }
        if policy.inactive_timeout_before_gc == 0 {
            let name = "inactiveTimeoutBeforeGC";
            let advice =
                "0 is for ever, so that none goes though gcInactiveDestinations says so: write 60000";
            found.push(Danger::new(of_policy(address, name), format!("{name} = 0 in {whose}"), advice));
        }
    }
    found
}

fn nobody_looks(configuration: &Configuration) -> Vec<Danger> {
    if !configuration.broker.schedule_period_for_destination_purge.is_zero() {
        return Vec::new();
    }
    let name = "gcInactiveDestinations";
    let all = all(configuration).into_iter().filter(|(_, _, policy)| policy.gc_inactive_destinations);
    let advice = "nobody looks for destinations that are to go, so that none does: write schedulePeriodForDestinationPurge = 10000 for the broker";
    all.map(|(address, whose, _)| Danger::new(of_policy(address, name), format!("{name} in {whose}"), advice))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::{finds, found};
    use super::*;

    #[test]
    fn a_policy_that_risks_messages_is_told_of() {
        let said = |level: &str| format!("[[policy]]\nqueue = \"A\"\njournalDiskSyncStrategy = \"{level}\"");
        finds(at_risk, &said("never"), &["never in the policy of queue://A"], &[&said("always")]);
        // A database does more than it is asked for.
        assert_eq!(found(at_risk, &format!("[store]\naddress = \"sqlite:/a\"\n{}", said("never"))), [""; 0]);
    }

    #[test]
    fn a_limit_beyond_that_of_all_is_told_of() {
        let said = |limit: &str| format!("memoryUsage = \"2mb\"\n[[policy]]\nmemoryLimit = \"{limit}\"");
        finds(more_than_all, &said("3mb"), &["the policy of all others", "2048 KiB"], &[&said("2mb")]);
    }

    #[test]
    fn what_keeps_a_destination_from_going_is_told_of() {
        let said = |more: &str| format!("[[policy]]\nqueue = \"A.>\"\ngcInactiveDestinations = {more}");
        let fine = [said("true"), said("false\nexpireMessagesPeriod = 0")];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(
            never_goes,
            &said("true\nexpireMessagesPeriod = 0"),
            &["expireMessagesPeriod = 0", "queue://A.>"],
            &fine,
        );
        finds(never_goes, &said("true\ninactiveTimeoutBeforeGC = 0"), &["inactiveTimeoutBeforeGC = 0"], &[]);
    }

    #[test]
    fn destinations_that_nobody_looks_for_are_told_of() {
        let said = |period: u32| {
            format!("schedulePeriodForDestinationPurge = {period}\n[[policy]]\ngcInactiveDestinations = true")
        };
        finds(nobody_looks, &said(0), &["schedulePeriodForDestinationPurge"], &[&said(10_000)]);
    }
}
