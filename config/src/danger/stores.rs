//! Where messages are kept.

use kahawai_store::batch::Durability;

use super::rule::{Danger, Rule};
use crate::model::{Configuration, StoreConfig};
use crate::origin::of_store;
use crate::settings::store;
use crate::store_address::StoreAddress;

pub(super) static RULES: &[Rule] = &[
    Rule { name: "answered before it is on the disk", find: at_risk },
    Rule { name: "settings of a journal for a database", find: useless },
    Rule { name: "a database on each broker's own host", find: own_database },
    Rule { name: "a password in an address", find: open_password },
    Rule { name: "a lock that is looked at less often than it is given up", find: late },
];

const STRATEGY: &str = "journalDiskSyncStrategy";

fn at_risk(configuration: &Configuration) -> Vec<Danger> {
    let journal = &configuration.store.journal;
    let how_much = match journal.journal_disk_sync_strategy {
        Durability::Always => return Vec::new(),
        Durability::Periodic => {
            format!("what was answered in the last {} ms", journal.journal_disk_sync_interval.as_millis())
        }
        Durability::Never => "what was answered and the system has not written by itself".to_owned(),
    };
    if !matches!(configuration.store.address, StoreAddress::Journal(_)) {
        return Vec::new();
    }
    let advice = format!(
        "{how_much} is lost when the machine fails, though its senders were told that it is kept: write \"always\", or say so by \
         policy for the destinations that can bear it"
    );
    vec![Danger::new(
        of_store(STRATEGY),
        format!("{STRATEGY} = {}", journal.journal_disk_sync_strategy),
        advice,
    )]
}

fn useless(configuration: &Configuration) -> Vec<Danger> {
    if matches!(configuration.store.address, StoreAddress::Journal(_)) {
        return Vec::new();
    }
    let usual = Configuration::default();
    let mut found = Vec::new();
    let of_journals = |name: &str| name.starts_with("journal") || name == "checkpointInterval";
    for setting in store::SETTINGS.iter().filter(|setting| of_journals(setting.name)) {
        if (setting.show)(configuration) != (setting.show)(&usual) {
            let advice = "it is for journals, and a database does not do as it says: remove it, or keep messages in a directory";
            found.push(Danger::new(of_store(setting.name), setting.name, advice));
        }
    }
    found
}

fn own_database(configuration: &Configuration) -> Vec<Danger> {
    let StoreConfig { address, .. } = &configuration.store;
    if !matches!(address, StoreAddress::Postgres(_) | StoreAddress::Mysql(_)) {
        return Vec::new();
    }
    let shown = address.to_string();
    let rest = shown.split_once("://").map_or("", |(_, rest)| rest);
    let place = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = place.rsplit_once('@').map_or(place, |(_, hosts)| hosts);
    let is_own =
        |host: &str| host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]");
    if !hosts.split(',').any(is_own) {
        return Vec::new();
    }
    let advice = "on another host this is another database: two brokers that are given this become two masters, each with messages of its \
                  own; name the database's host where brokers run on several";
    vec![Danger::new(of_store("address"), format!("the store {shown}"), advice)]
}

fn open_password(configuration: &Configuration) -> Vec<Danger> {
    let address = &configuration.store.address;
    let (StoreAddress::Postgres(url) | StoreAddress::Mysql(url)) = address else { return Vec::new() };
    // It is shown without its password.
    let shown = address.to_string();
    if shown == url.0 {
        return Vec::new();
    }
    let advice = "its password stands in the address, for all who read the file or the list of processes: take it out, and write \
                  passwordFile = \"FILE\" in [store], or KAHAWAI_STORE_PASSWORD_FILE";
    vec![Danger::new(of_store("address"), format!("the store {shown}"), advice)]
}

fn late(configuration: &Configuration) -> Vec<Danger> {
    let (often, lease) = (configuration.lock_acquire_sleep_interval, configuration.broker.lease);
    if often <= lease {
        return Vec::new();
    }
    let name = "lockAcquireSleepInterval";
    let advice = format!(
        "a slave looks every {} ms though a lease is out after {} ms: for that much longer nobody serves; write no more than leaseDuration",
        often.as_millis(),
        lease.as_millis()
    );
    vec![Danger::new(of_store(name), name, advice)]
}

#[cfg(test)]
mod tests {
    use super::super::rule::{finds, found};
    use super::*;

    #[test]
    fn what_is_answered_before_it_is_on_the_disk_is_told_of() {
        let periodic = "[store]\njournalDiskSyncStrategy = \"periodic\"\njournalDiskSyncInterval = 250";
        finds(
            at_risk,
            periodic,
            &["the last 250 ms", "always"],
            &["[store]\njournalDiskSyncStrategy = \"always\""],
        );
        finds(at_risk, "[store]\njournalDiskSyncStrategy = \"never\"", &["not written by itself"], &[]);
    }

    #[test]
    fn settings_of_journals_for_a_database_are_told_of() {
        let said = |address: &str| {
            format!("[store]\naddress = \"{address}\"\njournalMaxFileLength = \"1mb\"\nleaseDuration = 500")
        };
        finds(
            useless,
            &said("postgres://u@h/d"),
            &["journalMaxFileLength: it is for journals"],
            &[&said("/a")],
        );
    }

    #[test]
    fn a_database_of_each_host_is_told_of_without_its_password() {
        let said = |address: &str| format!("[store]\naddress = \"{address}\"");
        let fine = [said("mysql://u@db/localhost"), said("localhost")];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(
            own_database,
            &said("mysql://u:hush@localhost:3306/d"),
            &["two masters", "mysql://u@localhost:3306/d"],
            &fine,
        );
        finds(own_database, &said("postgres://u@a,127.0.0.1/d"), &["two masters"], &[]);
    }

    #[test]
    fn a_password_in_an_address_is_told_of_and_not_shown() {
        let said = |address: &str| format!("[store]\naddress = \"{address}\"");
        let fine = [said("mysql://u@db/d"), said("mariadb://u@db/d"), said("/a:b@c")];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(open_password, &said("postgres://u:hush@db/d"), &["postgres://u@db/d", "passwordFile"], &fine);
        assert!(!found(open_password, &said("mysql://u:hush@db/d"))[0].contains("hush"));
    }

    #[test]
    fn a_slave_that_looks_late_is_told_of() {
        let fine = "[store]\nleaseDuration = \"10s\"\nlockAcquireSleepInterval = \"10s\"";
        finds(
            late,
            "[store]\nlockAcquireSleepInterval = \"10s\"",
            &["every 10000 ms", "after 2000 ms"],
            &[fine],
        );
    }
}
