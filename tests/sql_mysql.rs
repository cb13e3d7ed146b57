//! Brokers on one MariaDB database: masters go, connections go, and nothing is lost or doubled. As `sql_postgres`.

#![cfg(feature = "mysql")]

mod support;

use support::load::Kind;
use support::mariadb::{self, Server};
use support::sql::Going::{Frozen, Killed, Stopped};
use support::sql::{taking_turns, while_serving};
use support::{directory, java};

fn is_skipped() -> bool {
    java::is_skipped() || mariadb::is_skipped()
}

#[test]
fn masters_that_go_are_followed() {
    if is_skipped() {
        return;
    }
    let kind = Kind { sends_per_commit: 3, rollback_every: 7, ..Kind::STRICT };
    let goings = [Killed, Frozen, Stopped, Frozen, Killed];
    taking_turns(directory().path(), &Server::shared().url_of("turns_"), "turns", kind, &goings);
}

#[test]
fn cut_connections_lose_no_reply() {
    if is_skipped() {
        return;
    }
    let server = Server::shared();
    while_serving(directory().path(), &server.url_of("cut_"), "cut", 8, |_, _| {
        let sessions = server.sql("SELECT id FROM information_schema.processlist WHERE user = 'kahawai'");
        assert!(!sessions.is_empty());
        for session in sessions {
            // It may have gone by itself.
            server.try_sql(&format!("KILL {session}"));
        }
    });
}
