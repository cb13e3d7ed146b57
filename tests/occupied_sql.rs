//! No broker begins a store in a database where rows of ActiveMQ's JDBC store lie: it says how many, and makes nothing there.
//!
//! On real servers, with the tables that ActiveMQ's own SQL makes (`tests/java/src/JdbcTables.java`). As in `occupied`, for directories.

mod support;

use std::path::Path;

use kahawai_adapters::activemq::{Found, Rows, TableNames};
use kahawai_store::election::{Cancel, ElectionError};
use support::broker::Instance;
use support::command::{Done, kahawai};
use support::java;
use support::postgres;

/// A server, as these tests need it.
trait Server {
    /// The word for [`JdbcTables`], and what quotes a name.
    const WORD: &'static str;
    const QUOTE: char;
    /// ActiveMQ's tables as the server names those that its SQL makes, and as it does not.
    const NAMES: [&'static str; 2];

    /// A store whose tables begin with this.
    fn store(&self, prefix: &str) -> String;
    /// The same as a user who may not read ActiveMQ's tables, and who is made.
    fn store_of_other(&self, prefix: &str) -> String;
    fn sql(&self, sql: &str) -> Vec<String>;
    fn sql_that_may_fail(&self, sql: &str);
    fn rows(&self, names: TableNames<'_>) -> Result<Found, ElectionError>;
}

impl Server for postgres::Server {
    const WORD: &'static str = "postgres";
    const QUOTE: char = '"';
    const NAMES: [&'static str; 2] = ["activemq_msgs", "ACTIVEMQ_MSGS"];

    fn store(&self, prefix: &str) -> String {
        self.url_of(prefix)
    }

    fn store_of_other(&self, prefix: &str) -> String {
        self.sql("CREATE ROLE other LOGIN");
        self.sql("GRANT ALL ON SCHEMA public TO other");
        self.url_of(prefix).replace("kahawai@", "other@")
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        self.sql(sql)
    }

    fn sql_that_may_fail(&self, sql: &str) {
        self.sql(&format!(
            "DO $do$ BEGIN EXECUTE $sql${sql}$sql$; EXCEPTION WHEN OTHERS THEN NULL; END $do$"
        ));
    }

    fn rows(&self, names: TableNames<'_>) -> Result<Found, ElectionError> {
        let database = kahawai_adapters::postgres::Database::parse(&self.url()).expect("is a URL");
        kahawai_adapters::postgres::activemq_rows(&database, names, &Cancel::default())
    }
}

#[cfg(feature = "mysql")]
impl Server for support::mariadb::Server {
    const WORD: &'static str = "mysql";
    const QUOTE: char = '`';
    const NAMES: [&'static str; 2] = ["ACTIVEMQ_MSGS", "activemq_msgs"];

    fn store(&self, prefix: &str) -> String {
        self.url_of(prefix)
    }

    fn store_of_other(&self, prefix: &str) -> String {
        // Who may make tables sees all of them.
        self.sql("CREATE USER other@127.0.0.1; CREATE USER other@localhost");
        self.sql("GRANT CREATE ON mq.* TO other@127.0.0.1; GRANT CREATE ON mq.* TO other@localhost");
        self.url_of(prefix).replace("kahawai@", "other@")
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        self.sql(sql)
    }

    fn sql_that_may_fail(&self, sql: &str) {
        self.try_sql(sql);
    }

    fn rows(&self, names: TableNames<'_>) -> Result<Found, ElectionError> {
        let database = kahawai_adapters::mysql::Database::parse(&self.url()).expect("is a URL");
        kahawai_adapters::mysql::activemq_rows(&database, names, &Cancel::default())
    }
}

/// Tries to serve a store, which must be refused without a table of ours being made; gives what is said.
#[track_caller]
fn refused<S: Server>(server: &S, store: &str, prefix: &str) -> String {
    refused_with(server, &["--store", store], prefix)
}

/// The same with these options.
#[track_caller]
fn refused_with<S: Server>(server: &S, options: &[&str], prefix: &str) -> String {
    let Done { code, err, .. } = kahawai(&[&["serve", "--bind", "127.0.0.1:0"], options].concat());
    assert_eq!(code, Some(3), "{err}");
    let made = format!("SELECT table_name FROM information_schema.tables WHERE table_name LIKE '{prefix}%'");
    assert!(server.sql(&made).is_empty(), "something was made");
    err.lines().find(|line| line.starts_with("kahawai: ")).expect("a reason").to_owned()
}

fn make_tables<S: Server>(server: &S, prefix: &str) {
    for statement in java::run("JdbcTables", &[S::WORD, "--prefix", prefix]) {
        server.sql_that_may_fail(&statement);
    }
}

fn rows_of_activemq_are_refused<S: Server>(server: &S) {
    let serve = |prefix: &str| Instance::new("ours", Path::new(&server.store(prefix))).serve();
    // Tables without rows are in nobody's way.
    make_tables(server, "");
    serve("first_").stop();

    let message = |id: u32, container: &str, xid: &str| {
        server.sql(&format!(
            "INSERT INTO ACTIVEMQ_MSGS (ID, CONTAINER, MSGID_PROD, MSGID_SEQ, EXPIRATION, PRIORITY, XID)
             VALUES ({id}, '{container}', 'ID:host', {id}, 0, 4, {xid})"
        ));
    };
    for id in 1..=3 {
        message(id, "queue://A", "NULL");
    }
    for id in 4..=5 {
        message(id, "topic://B", "NULL");
    }
    message(6, "queue://A", "'7:1:1'");
    for (name, priority) in [("one", 0), ("one", 9), ("other", 0)] {
        // In PostgreSQL ActiveMQ's own change of the key fails, so that there is no row for a second priority.
        server.sql_that_may_fail(&format!(
            "INSERT INTO ACTIVEMQ_ACKS (CONTAINER, SUB_DEST, CLIENT_ID, SUB_NAME, LAST_ACKED_ID, PRIORITY)
             VALUES ('topic://B', 'topic://B', 'me', '{name}', 3, {priority})"
        ));
    }
    let told = refused(server, &server.store("second_"), "second_");
    let all = "hold 5 messages in 2 destinations (queue://A 3, topic://B 2), 2 durable subscriptions, \
               1 prepared transaction with 1 message; ";
    assert!(told.contains(all) && told.contains("let the consumers drain it"), "{told}");
    // Where a store of ours is already, it is served.
    let broker = serve("first_");
    let warning = broker.0.said_since(0).into_iter().find(|line| line.contains("lie beside the store"));
    assert!(warning.is_some_and(|line| line.contains("WARN")), "{}", broker.0.tail());
    broker.stop();

    let told = refused(server, &server.store_of_other("third_"), "third_");
    assert!(told.contains("unknown") && told.contains("may not be read"), "{told}");

    // The other case of the name is found too.
    let [as_made, other] = S::NAMES.map(|name| format!("{0}{name}{0}", S::QUOTE));
    server.sql(&format!("ALTER TABLE {as_made} RENAME TO {other}"));
    let told = refused(server, &server.store("second_"), "second_");
    assert!(told.contains(all) && told.contains(S::NAMES[1]), "{told}");
    // As old versions made it: without transactions.
    server.sql(&format!("DELETE FROM {other} WHERE XID IS NOT NULL"));
    server.sql(&format!("ALTER TABLE {other} DROP COLUMN XID"));
    let told = refused(server, &server.store("second_"), "second_");
    assert!(
        told.contains("hold 5 messages in 2 destinations (queue://A 3, topic://B 2), 2 durable"),
        "{told}"
    );

    // Drained: what is left is a subscription's place.
    server.sql(&format!("DELETE FROM {other}"));
    let told = refused(server, &server.store("second_"), "second_");
    assert!(told.contains("hold no message, 2 durable subscriptions; "), "{told}");
    assert!(told.contains("No message is lost by dropping these tables"), "{told}");
    server.sql("DELETE FROM ACTIVEMQ_ACKS");
    serve("second_").stop();

    // With ActiveMQ's tablePrefix: by its own name only.
    make_tables(server, "old_");
    server.sql("INSERT INTO old_ACTIVEMQ_MSGS (ID, CONTAINER) VALUES (1, 'queue://A')");
    let old = TableNames { messages: "old_activemq_msgs", acks: "OLD_ACTIVEMQ_ACKS" };
    assert_eq!(server.rows(TableNames::default()).expect("an answer"), Found::Nothing);
    let Found::Alone(Rows { destinations, .. }) = server.rows(old).expect("an answer") else {
        panic!("rows are not found");
    };
    assert_eq!(destinations, [("queue://A".to_owned(), 1)]);
    // As the file says that its tables are called, so they are looked for.
    let folder = support::directory();
    let file = folder.path().join("activemq.xml");
    let text = "<beans xmlns='http://www.springframework.org/schema/beans'><broker xmlns='http://activemq.apache.org/schema/core'>\
                <persistenceAdapter><jdbcPersistenceAdapter><dataSource>\
                <bean xmlns='http://www.springframework.org/schema/beans' class='org.apache.commons.dbcp2.BasicDataSource'>\
                <property name='url' value='jdbc:mysql://nowhere/mq'/></bean></dataSource>\
                <statements><statements tablePrefix='old_'/></statements></jdbcPersistenceAdapter></persistenceAdapter>\
                <transportConnectors><transportConnector uri='tcp://127.0.0.1:0'/></transportConnectors></broker></beans>";
    std::fs::write(&file, text).expect("written");
    let store = server.store("fourth_");
    let with = ["--config", file.to_str().expect("UTF-8"), "--store", &store];
    let told = refused_with(server, &with, "fourth_");
    assert!(
        told.to_lowercase().contains("(old_activemq_msgs) hold 1 message in 1 destination (queue://a 1)"),
        "{told}"
    );
}

#[test]
fn rows_in_postgres_are_refused() {
    if java::is_skipped() || postgres::is_skipped() {
        return;
    }
    rows_of_activemq_are_refused(&postgres::Server::start(&["fsync = off"]));
}

#[cfg(feature = "mysql")]
#[test]
fn rows_in_mariadb_are_refused() {
    if java::is_skipped() || support::mariadb::is_skipped() {
        return;
    }
    rows_of_activemq_are_refused(&support::mariadb::Server::start());
}
