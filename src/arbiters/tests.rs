//! The arbiter in a row keeps what arbiters promise, on real servers.

#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/mariadb.rs"]
mod mariadb;
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/postgres.rs"]
mod postgres;

use kahawai_replication::ArbiterError;
use kahawai_replication::Version;
use kahawai_replication::conformance::{
    Open, a_change_is_made_once_and_seen_by_all, a_version_of_long_ago_changes_nothing,
    each_term_has_one_master_whoever_tries_at_once,
};
use kahawai_replication::record::{Member, Record};

use super::*;

fn at(url: &str) -> Arc<dyn Arbiter> {
    open(&ArbiterAddress::parse(url).expect("an address")).expect("it opens").0
}

/// Each case with a pair of its own in the same table, and with a table of its own, which several make at once.
fn each_of(url_of: &dyn Fn(&str) -> String) {
    let cases: [fn(Open<'_>); 3] = [
        a_change_is_made_once_and_seen_by_all,
        a_version_of_long_ago_changes_nothing,
        each_term_has_one_master_whoever_tries_at_once,
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let urls = [
            format!("{}&pair=of-{number}", url_of("one_")),
            format!("{}&pair=orders", url_of(&format!("own{number}_"))),
        ];
        for url in urls {
            case(&|| at(&url));
        }
    }
}

fn record() -> Record {
    Record::begin([1; 16], Member([2; 16]))
}

#[test]
fn a_row_in_postgresql_keeps_what_arbiters_promise() {
    if !postgres::is_skipped() {
        each_of(&|prefix| postgres::Server::shared().url_of(prefix));
    }
}

#[test]
fn a_row_in_mariadb_keeps_what_arbiters_promise() {
    if !mariadb::is_skipped() {
        each_of(&|prefix| mariadb::Server::shared().url_of(prefix));
    }
}

#[test]
fn a_server_that_is_away_is_told_of_and_its_row_is_there_when_it_is_back() {
    if postgres::is_skipped() {
        return;
    }
    let server = postgres::Server::start(&[]);
    let arbiter = at(&server.url());
    assert_eq!(arbiter.replace(Version(0), &record()), Ok(true));
    server.control("stop", "immediate");
    for _ in 0..2 {
        let errors = [arbiter.read().err(), arbiter.replace(Version(1), &record()).err()];
        for error in errors.into_iter().map(|error| error.expect("nobody is there")) {
            assert!(
                matches!(&error, ArbiterError::Unreachable(why) if why.contains("postgres://")),
                "{error}"
            );
        }
    }
    server.control("start", "");
    assert_eq!(arbiter.read().map(|held| held.version), Ok(Version(1)));
    assert_eq!(arbiter.replace(Version(1), &record()), Ok(true));
    // Its session ends while nobody asks: whoever reads next does not notice.
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kahawai arbiter'",
    );
    assert_eq!(arbiter.read().map(|held| held.version), Ok(Version(2)));
    // A row that somebody holds is waited for, but not for ever; then nothing is known of the change.
    server.sql("CREATE TABLE others (one int)");
    let holding = thread::scope(|scope| {
        let held = scope.spawn(|| {
            server.sql("BEGIN; UPDATE kahawai_arbiter SET version = version; INSERT INTO others VALUES (1); SELECT pg_sleep(4); ROLLBACK")
        });
        let is_held = "SELECT 1 FROM pg_locks JOIN pg_class ON oid = relation WHERE relname = 'others' AND mode = 'RowExclusiveLock'";
        while server.sql(is_held).is_empty() {
            thread::yield_now();
        }
        let refused = arbiter.replace(Version(2), &record());
        drop(held.join());
        refused
    });
    assert!(matches!(holding, Err(ArbiterError::Unreachable(_))), "{holding:?}");
    assert_eq!(arbiter.read().map(|held| held.version), Ok(Version(2)));
    // What is no record is not taken for one.
    server.sql("UPDATE kahawai_arbiter SET record = 'x'");
    assert!(matches!(arbiter.read(), Err(ArbiterError::Damaged(_))));
}

#[test]
fn a_session_that_mariadb_ended_is_made_anew() {
    if mariadb::is_skipped() {
        return;
    }
    let server = mariadb::Server::start();
    let arbiter = at(&server.url());
    assert_eq!(arbiter.replace(Version(0), &record()), Ok(true));
    server.sql("KILL USER kahawai");
    assert_eq!(arbiter.read().map(|held| held.version), Ok(Version(1)));
    assert_eq!(arbiter.replace(Version(1), &record()), Ok(true));
    drop(server);
    for error in [arbiter.read().err(), arbiter.replace(Version(2), &record()).err()] {
        let error = error.expect("nobody is there");
        assert!(matches!(&error, ArbiterError::Unreachable(why) if why.contains("mysql://")), "{error}");
    }
}

#[test]
fn a_url_that_is_none_is_refused_without_its_password() {
    for url in
        ["postgres://me:secret@one:port/mine", "mysql://me:secret@one", "mysql://me:secret@one/mine?what=1"]
    {
        let address = ArbiterAddress::parse(url).expect("it looks like one");
        let refused = open(&address).err().expect(url);
        assert_eq!(refused.exit, Exit::Usage);
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
