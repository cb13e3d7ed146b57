//! The command line: commands, options, help.

use clap::{Parser, Subcommand};

use crate::bench::options::BenchCommand;
use crate::cluster::ClusterOptions;
use crate::config::options::ConfigOptions;
use crate::configure::options::ServeOptions;
use crate::exit;
use crate::manual::options::{CompletionOptions, ManualOptions};
use crate::messages::dead_letters::DeadLetterCommand;
use crate::messages::queue::{BrowseOptions, MoveOptions, PurgeOptions};
use crate::messages::receive::{ReceiveOptions, SubscribeOptions, TailOptions};
use crate::messages::send::SendOptions;
use crate::messages::stats::StatsOptions;
use crate::store::options::StoreOptions;
use crate::witness::options::WitnessOptions;

/// A message broker for ActiveMQ's clients, built around its storage engine.
#[derive(Debug, Parser)]
#[command(name = "kahawai", version, max_term_width = 110, after_help = exit::TABLE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker on a store directory: as its master, or as a slave that takes over when the master goes.
    #[command(after_help = serve_after_help())]
    Serve(Box<ServeOptions>),

    /// Look at, check, copy, compact and mend a store: info, verify, dump, why, backup, compact, diff, repair.
    Store(StoreOptions),
    /// Run a witness: it keeps for pairs of brokers which of both may serve, on a third machine.
    #[command(after_help = witness_after_help())]
    Witness(WitnessOptions),
    /// Look at a pair of brokers without a shared store, and switch it: status, switch.
    Cluster(ClusterOptions),
    /// Say what becomes of a configuration file, and what a broker would be told: check, show, convert.
    Config(Box<ConfigOptions>),
    /// Measure a broker under load, every message accounted for; or storage engines on a disk (bench store).
    Bench(Box<BenchCommand>),
    /// Send messages.
    Send(Box<SendOptions>),
    /// Receive messages until none come, and acknowledge them.
    Receive(Box<ReceiveOptions>),
    /// Receive messages as they come, without end.
    Tail(Box<TailOptions>),
    /// Receive from a durable subscription, which keeps messages while nobody does; make it or remove it.
    Subscribe(Box<SubscribeOptions>),
    /// Look at a queue's messages and take none.
    Browse(Box<BrowseOptions>),
    /// Move messages from a queue to another destination, in transactions.
    Move(Box<MoveOptions>),
    /// Take a queue's messages away, for good.
    Purge(Box<PurgeOptions>),
    /// Look at dead letters, and send them again.
    Dlq(Box<DeadLetterCommand>),
    /// Tell what destinations there are, and how many messages and consumers they have.
    Stats(Box<StatsOptions>),
    /// Write completions for a shell.
    Completions(CompletionOptions),
    /// Write the manual pages.
    Man(ManualOptions),
}

const EXAMPLES: &str = "\
Examples:
  kahawai serve
      store in ./data, OpenWire on 127.0.0.1:61616

  kahawai serve --store /shared/store --bind 0.0.0.0:61616 --name a
  kahawai serve --store /shared/store --bind 0.0.0.0:61617 --name b
      two brokers on one store: one serves, the other waits and takes over; clients connect with
      failover:(tcp://host-a:61616,tcp://host-b:61617)

  KAHAWAI_STORE_PASSWORD=… kahawai serve --store postgres://mq@db-a:5432,db-b:5432/mq --bind 0.0.0.0:61616 --name a
      the store in a database, which its brokers share; only the primary of its servers is used

  kahawai serve --store sqlite:/var/lib/kahawai/store.db
      one file, brokers on one host

  kill -HUP $(pidof kahawai)
      reads the file of --config again: its policies hold at once, the rest from the next start on";

fn serve_after_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::TABLE)
}

const WITNESS_EXAMPLES: &str = "\
Examples:
  kahawai witness --bind 0.0.0.0:61690 --directory /var/lib/kahawai-witness
      on a third machine; both brokers of a pair have arbiter = \"tcp://witness:61690\"

  arbiter = \"tcp://witness:61690/orders\"
      where it witnesses for more than one pair: each pair has a name";

fn witness_after_help() -> String {
    format!("{WITNESS_EXAMPLES}\n\n{}", exit::TABLE)
}

#[cfg(test)]
mod tests {
    use kahawai_config::Configuration;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_tells_the_defaults_that_hold() {
        use clap::CommandFactory as _;
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").expect("it is there");
        let help = serve.render_long_help().to_string();
        let usual = Configuration::default();
        let journal = &usual.store.journal;
        for (option, default) in [
            ("store", format!("{:?}", usual.store.address)),
            ("bind", usual.broker.bind[0].clone()),
            ("name", usual.broker.broker_name.clone()),
            ("lease-duration", usual.broker.lease.as_millis().to_string()),
            ("lock-acquire-sleep-interval", usual.lock_acquire_sleep_interval.as_millis().to_string()),
            ("journal-max-file-length", format!("{}mb", journal.journal_max_file_length >> 20)),
            ("journal-disk-sync-strategy", journal.journal_disk_sync_strategy.to_string()),
            ("journal-disk-sync-interval", journal.journal_disk_sync_interval.as_millis().to_string()),
        ] {
            let from = help.find(&format!("--{option} ")).expect("it is told of");
            let told = help[from..].split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
            let told = told.expect("a default");
            assert!(
                default == told || default == format!("Journal({told:?})"),
                "{option}: {told}, {default}"
            );
        }
    }
}
