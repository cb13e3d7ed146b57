//! Brokers on one PostgreSQL database: masters go, the server goes, and nothing is lost or doubled.
//!
//! As `takeover` and `stopped_master` do it with a journal, with a lease of one second. Then the database's own faults, under load on
//! one broker: it holds senders back, goes on, and stays master. Ledgers of both ends are judged each time.

mod support;

use rustix::process::Signal;
use support::load::Kind;
use support::postgres::{self, Server};
use support::process::until;
use support::sql::Going::{Frozen, Killed, Stopped};
use support::sql::{LEASE, taking_turns, while_serving};
use support::{directory, java, tell};

fn is_skipped() -> bool {
    java::is_skipped() || postgres::is_skipped()
}

#[test]
fn killed_masters_are_followed() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    let kind = Kind { producers: 3, consumers: 3, ..Kind::STRICT };
    taking_turns(directory().path(), &server.url(), "killed", kind, &[Killed, Stopped, Killed, Killed]);
}

#[test]
fn transactions_survive_masters_that_are_killed() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    let kind = Kind { sends_per_commit: 5, rollback_every: 7, ..Kind::STRICT };
    taking_turns(directory().path(), &server.url(), "transactions", kind, &[Killed, Frozen, Killed]);
}

/// Under a load that keeps the writer busy some of the stops are inside a transaction, which the server must end.
#[test]
fn frozen_masters_are_followed_and_harmless() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    let kind = Kind { producers: 4, consumers: 4, ..Kind::STRICT };
    taking_turns(directory().path(), &server.url(), "frozen", kind, &[Frozen; 5]);
    let ended = server.log().matches("idle-in-transaction timeout").count();
    tell(&format!("{ended} of 5 masters were stopped inside a transaction, which the server ended"));
}

#[test]
fn restarts_of_the_server_are_waited_for() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&[]);
    while_serving(directory().path(), &server.url(), "restarts", 4, |time, _| {
        // 'immediate' is as a crash of the server: it recovers from its log.
        server.control("restart", if time % 2 == 0 { "immediate" } else { "fast" });
    });
}

/// Its sessions are ended in the midst of everything: what became of the transaction under way is asked for.
#[test]
fn cut_connections_lose_no_reply() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    while_serving(directory().path(), &server.url(), "cut", 12, |_, _| {
        let ended = server.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'kahawai %'",
        );
        assert!(ended[0].parse::<u32>().expect("a number") >= 1, "{ended:?}");
    });
}

#[test]
fn a_server_that_becomes_read_only_is_waited_for() {
    if is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    let set = |value: &str| {
        server.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        server.sql("SELECT pg_reload_conf()");
    };
    while_serving(directory().path(), &server.url(), "readonly", 2, |_, broker| {
        let here = broker.0.here();
        set("on");
        broker.0.wait_since(here, "away", |line| line.contains("the database is away").then_some(()));
        set("off");
        broker.0.wait_since(here, "there again", |line| line.contains("is there again").then_some(()));
    });
}

/// A take-over takes no longer than the lease allows, seen from outside: the first figure is for who has gone without a word.
#[test]
fn a_slave_is_told_of_a_release_at_once() {
    if postgres::is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    let store = server.url();
    let instance = |name| {
        support::broker::Instance::new(name, std::path::Path::new(&store))
            .with(&LEASE)
            // So seldom that a slave which only looked now and then would be found out.
            .with(&["--lock-acquire-sleep-interval", "100"])
    };
    let (first, second) = (instance("first"), instance("second"));
    let serving = first.serve();
    let waiting = second.start();
    waiting.wait_slave_of(0, "first");
    let begun = std::time::Instant::now();
    serving.0.signal(Signal::TERM);
    waiting.wait_ready(0);
    let took = begun.elapsed();
    tell(&format!("the slave served {} ms after the master was asked to stop", took.as_millis()));
    assert!(took.as_millis() < 1000, "{took:?}");
    waiting.stop();
}

/// Credentials are in no line, also where they are wrong.
#[test]
fn a_password_is_never_said() {
    if postgres::is_skipped() {
        return;
    }
    let server = Server::start(&["fsync = off"]);
    server.sql("CREATE ROLE mq LOGIN PASSWORD 'open sesame'");
    server.sql("GRANT ALL ON SCHEMA public TO mq");
    let rules =
        "host all mq 127.0.0.1/32 scram-sha-256\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.data().join("pg_hba.conf"), rules).expect("rules");
    server.sql("SELECT pg_reload_conf()");
    let store = server.url().replace("kahawai@", "mq@");
    let instance = support::broker::Instance::new("only", std::path::Path::new(&store));
    let broker = instance.start_with(&[("KAHAWAI_STORE_PASSWORD", "open sesame"), ("KAHAWAI_LOG", "debug")]);
    broker.wait_ready(0);
    let said = broker.0.said_since(0).join("\n");
    assert!(!said.contains("sesame"), "{said}");
    broker.stop();
    // Wrong ones are told at once, and with which code.
    let mut broker = instance.start_with(&[("KAHAWAI_STORE_PASSWORD", "open barley")]);
    let status = broker.wait_end();
    let said = broker.0.said_since(0).join("\n");
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains("password") && !said.contains("barley"), "{said}");
    until("the role has gone", || !server.sql("SELECT count(*) FROM pg_stat_activity").is_empty());
}
