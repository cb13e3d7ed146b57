//! Where an `activemq.xml` keeps messages, and where its clients connect.

mod support;

use std::time::Duration;

use kahawai_config::{Configuration, Secret, StoreAddress};
use kahawai_store::batch::Durability;
use support::{CONNECTOR, broker, is_one, read_with};

fn with_store(store: &str) -> (Configuration, Vec<String>) {
    read_with(&broker("brokerName='a'", &format!("<persistenceAdapter>{store}</persistenceAdapter>")), &[])
}

fn with_beans(store: &str, beans: &str) -> (Configuration, Vec<String>) {
    let broker = broker("", &format!("<persistenceAdapter>{store}</persistenceAdapter>"));
    read_with(
        &format!("<beans xmlns='http://www.springframework.org/schema/beans'>{broker}{beans}</beans>"),
        &[],
    )
}

const POOL: &str = "<bean id='mysql-ds' class='org.apache.commons.dbcp.BasicDataSource' destroy-method='close'>\
    <property name='driverClassName' value='com.mysql.jdbc.Driver'/>\
    <property name='url' value='jdbc:mysql://localhost:3306/db?relaxAutoCommit=true'/>\
    <property name='username' value='root'/><property name='password'><value>${site}</value></property>\
    <property name='maxActive' value='200'/><property name='poolPreparedStatements' value='true'/></bean>";

#[test]
fn a_directory_of_kahadb_is_that_of_the_journal_with_what_it_says() {
    let (made, found) = with_store(
        "<kahaDB directory='/shared/data' journalMaxFileLength='16mb' journalDiskSyncStrategy='periodic' \
         journalDiskSyncInterval='500' concurrentStoreAndDispatchQueues='false'>\
         <locker><shared-file-locker lockAcquireSleepInterval='5000'/></locker></kahaDB>",
    );
    is_one(&found, &["harmless: concurrentStoreAndDispatchQueues of <kahaDB>"]);
    assert_eq!(made.store.address, StoreAddress::Journal("/shared/data".into()));
    let journal = &made.store.journal;
    assert_eq!(journal.journal_max_file_length, 16 << 20);
    assert_eq!(journal.journal_disk_sync_strategy, Durability::Periodic);
    assert_eq!(journal.journal_disk_sync_interval, Duration::from_millis(500));
    assert_eq!(made.lock_acquire_sleep_interval, Duration::from_secs(5));
}

#[test]
fn the_articles_data_source_leads_to_mysql_and_its_lease_is_the_leases() {
    let adapter = "<jdbcPersistenceAdapter dataSource='#mysql-ds'>\
                   <locker><lease-database-locker lockAcquireSleepInterval='10000'/></locker></jdbcPersistenceAdapter>";
    let (made, found) = with_beans(adapter, POOL);
    assert!(found.iter().all(|one| !one.contains("refused")), "{found:#?}");
    assert_eq!(made.store.address.to_string(), "mysql://root@localhost:3306/db");
    assert_eq!(made.store.password, Some(Secret("eu".into())));
    assert_eq!(made.broker.lease, Duration::from_secs(10));
    assert!(found.iter().all(|one| !one.contains("eu;") && !one.contains("'eu'")), "{found:#?}");
}

#[test]
fn a_data_source_is_read_wherever_it_stands() {
    const BEANS: &str = "xmlns='http://www.springframework.org/schema/beans'";
    let inline = POOL.replace("<bean id='mysql-ds'", &format!("<bean {BEANS}"));
    let adapter = |inner: &str| format!("<jdbcPersistenceAdapter>{inner}</jdbcPersistenceAdapter>");
    for (store, beans) in [
        (adapter(&format!("<dataSource>{inline}</dataSource>")), ""),
        (adapter(&format!("<ds>{inline}</ds>")), ""),
        (adapter(&format!("<property {BEANS} name='dataSource'>{inline}</property>")), ""),
        (adapter(&format!("<property {BEANS} name='dataSource' ref='mysql-ds'/>")), POOL),
        (adapter(&format!("<dataSource><ref {BEANS} bean='mysql-ds'/></dataSource>")), POOL),
        (adapter("<dataSource>#mysql-ds</dataSource>"), POOL),
        (adapter(&format!("<dataSource><value {BEANS}>#mysql-ds</value></dataSource>")), POOL),
        ("<jdbcPersistenceAdapter ds='#mysql-ds'/>".to_owned(), POOL),
    ] {
        let (made, found) = with_beans(&store, beans);
        assert_eq!(found, [""; 0], "{store}");
        assert_eq!(made.store.address.to_string(), "mysql://root@localhost:3306/db", "{store}");
        assert_eq!(made.store.password, Some(Secret("eu".into())), "{store}");
    }
    let refused = |store: &str, expected: &str| {
        let (made, found) = with_beans(store, POOL);
        let refused: Vec<_> = found.iter().filter(|one| one.contains(": refused: ")).cloned().collect();
        is_one(&refused, &[expected]);
        assert!(!made.store.address.to_string().starts_with("mysql") || expected.contains("two"), "{store}");
    };
    refused(&adapter("<dataSource/>"), "<dataSource>: it needs one bean");
    refused(
        &adapter(&format!("<dataSource>{inline}{inline}</dataSource>")),
        "<dataSource>: it needs one bean",
    );
    refused(&adapter("<dataSource>#gone</dataSource>"), "no bean of that id");
    refused(&adapter("<dataSource><memoryUsage/></dataSource>"), "<memoryUsage>: it is no data source");
    refused(&adapter(&format!("<dataSource><null {BEANS}/></dataSource>")), "<null>: it needs one bean");
    refused(
        &adapter(&format!("<dataSource><bean {BEANS} class='x.Y'/></dataSource>")),
        "x.Y of <bean>: no data source",
    );
    refused(&adapter(&format!("<property {BEANS} name='dataSource'/>")), "it needs one bean");
    refused(
        &adapter(&format!("<ds>#mysql-ds</ds><dataSource>{inline}</dataSource>")),
        "<dataSource>: there are two",
    );
    let both = format!(
        "<jdbcPersistenceAdapter ds='#mysql-ds'><dataSource>{inline}</dataSource></jdbcPersistenceAdapter>"
    );
    refused(&both, "there are two data sources");
}

#[test]
fn what_a_bean_says_besides_its_properties_is_read_or_refused() {
    const P: &str =
        "xmlns:p='http://www.springframework.org/schema/p' xmlns:c='http://www.springframework.org/schema/c'";
    let adapter = "<jdbcPersistenceAdapter dataSource='#ds'/>";
    let dbcp = |attributes: &str, inner: &str| {
        format!(
            "<bean id='ds' {P} class='org.apache.commons.dbcp2.BasicDataSource' {attributes}>\
             <property name='url' value='jdbc:mysql://h/db'/>{inner}</bean>"
        )
    };
    let (made, found) = with_beans(adapter, &dbcp("p:username='root' p:password='${site}'", ""));
    assert_eq!(found, [""; 0]);
    assert_eq!(made.store.address.to_string(), "mysql://root@h/db");
    assert_eq!(made.store.password, Some(Secret("eu".into())));
    for (bean, parts) in [
        (dbcp("parent='other'", ""), ["refused: parent of <bean>", "write the other's properties"]),
        (dbcp("c:url='x'", ""), ["refused: url of <bean>", "a constructor"]),
        (dbcp("", "<constructor-arg value='x'/>"), ["refused: <constructor-arg>", "as a property"]),
        (dbcp("", "<property value='x'/>"), ["refused: <property>", "a name"]),
        (dbcp("p:driver-ref='x'", ""), ["warning: property driver of <bean>", "no plain value"]),
        (dbcp("", "<lookup-method/>"), ["warning: <lookup-method> in <bean>", "not read"]),
    ] {
        is_one(&with_beans(adapter, &bean).1, &parts);
    }
}

#[test]
fn hikaris_configuration_may_be_a_bean_of_its_own() {
    let adapter = "<jdbcPersistenceAdapter dataSource='#ds'/>";
    let configuration = |id: &str| {
        format!(
            "<bean {id} class='com.zaxxer.hikari.HikariConfig'><property name='jdbcUrl' value='jdbc:mysql://h/db'/>\
             <property name='username' value='root'/><property name='password' value='${{site}}'/></bean>"
        )
    };
    let pool = |argument: &str| {
        format!(
            "<bean id='ds' class='com.zaxxer.hikari.HikariDataSource' destroy-method='close'>{argument}</bean>"
        )
    };
    for beans in [
        pool("<constructor-arg ref='c'/>") + &configuration("id='c'"),
        pool(&format!("<constructor-arg>{}</constructor-arg>", configuration(""))),
    ] {
        let (made, found) = with_beans(adapter, &beans);
        assert_eq!(found, [""; 0]);
        assert_eq!(made.store.address.to_string(), "mysql://root@h/db");
        assert_eq!(made.store.password, Some(Secret("eu".into())));
    }
    for (beans, expected) in [
        (pool("<constructor-arg ref='ds'/>"), "refused: <constructor-arg>: it needs a bean of the class"),
        (pool("<constructor-arg ref='gone'/>"), "no bean of that id"),
        (
            pool("<property name='password' value='x'/><constructor-arg ref='c'/>")
                + &configuration("id='c'"),
            "property password of <bean>: write it in the configuration",
        ),
    ] {
        is_one(&with_beans(adapter, &beans).1, &[expected]);
    }
}

#[test]
fn how_activemqs_tables_are_called_is_read_wherever_it_stands() {
    const BEANS: &str = "xmlns='http://www.springframework.org/schema/beans'";
    const CORE: &str = "xmlns='http://activemq.apache.org/schema/core'";
    let adapter = |attributes: &str, inner: &str| {
        format!(
            "<jdbcPersistenceAdapter dataSource='#mysql-ds' {attributes}>{inner}</jdbcPersistenceAdapter>"
        )
    };
    let bean = |id: &str, properties: &str| {
        format!("<bean {BEANS} {id} class='org.apache.activemq.store.jdbc.Statements'>{properties}</bean>")
    };
    let prefix = "<property name='tablePrefix' value='P_'/>";
    for (store, beans, messages, acks) in [
        (adapter("", ""), String::new(), "ACTIVEMQ_MSGS", "ACTIVEMQ_ACKS"),
        (
            adapter("", "<statements><statements tablePrefix='P_${site}_'/></statements>"),
            String::new(),
            "P_eu_ACTIVEMQ_MSGS",
            "P_eu_ACTIVEMQ_ACKS",
        ),
        (
            adapter(
                "",
                "<statements><statements messageTableName='M' durableSubAcksTableName='A' tablePrefix='P_'/></statements>",
            ),
            String::new(),
            "P_M",
            "P_A",
        ),
        (
            adapter("", "<statements><statements messageTableName='M'/></statements>"),
            String::new(),
            "M",
            "ACTIVEMQ_ACKS",
        ),
        (adapter("statements='#s'", ""), bean("id='s'", prefix), "P_ACTIVEMQ_MSGS", "P_ACTIVEMQ_ACKS"),
        (
            adapter("statements='#s'", ""),
            format!("<statements {CORE} id='s' tablePrefix='P_'/>"),
            "P_ACTIVEMQ_MSGS",
            "P_ACTIVEMQ_ACKS",
        ),
        (
            adapter("", &format!("<statements>{}</statements>", bean("", prefix))),
            String::new(),
            "P_ACTIVEMQ_MSGS",
            "P_ACTIVEMQ_ACKS",
        ),
    ] {
        let (made, found) = with_beans(&store, &(POOL.to_owned() + &beans));
        assert_eq!(found, [""; 0], "{store}");
        let names = (made.store.message_table_name.as_str(), made.store.durable_sub_acks_table_name.as_str());
        assert_eq!(names, (messages, acks), "{store}");
    }
    for (store, expected) in [
        (
            adapter("statements='#gone'", ""),
            "statements of <jdbcPersistenceAdapter>: there is no bean of that id",
        ),
        (adapter("statements='#mysql-ds'", ""), "it may have messages in tables"),
        (adapter("", "<statements><statements tablePrefixe='P_'/></statements>"), "is tablePrefix meant?"),
        (
            adapter("", &format!("<statements><statements tablePrefix='{}'/></statements>", "p".repeat(200))),
            "needs the name of a table",
        ),
    ] {
        let (_, found) = with_beans(&store, POOL);
        assert!(
            !found.is_empty()
                && found.iter().all(|one| one.contains(": refused: ") && one.contains(expected)),
            "{found:#?}"
        );
    }
}

#[test]
fn what_cannot_keep_messages_here_is_refused_by_name() {
    for (store, beans, parts) in [
        ("<levelDB directory='a'/>", "", ["<levelDB>", "kahaDB"]),
        ("<mKahaDB directory='a'/>", "", ["<mKahaDB>", "one journal"]),
        ("<kahaDB directory='E:/data'/>", "", ["directory of <kahaDB>", ""]),
        ("<kahaDB useLock='false'/>", "", ["useLock of <kahaDB>", "two brokers"]),
        (
            "<kahaDB journalDiskSyncStrategy='often'/>",
            "",
            ["journalDiskSyncStrategy", "always, periodic or never"],
        ),
        ("<jdbcPersistenceAdapter/>", "", ["<jdbcPersistenceAdapter>", "needs a data source"]),
        ("<jdbcPersistenceAdapter dataSource='#gone'/>", "", ["dataSource", "no bean of that id"]),
        ("<kahaDB/><kahaDB/>", "", ["<kahaDB>", "one element"]),
    ] {
        let (_, found) = with_beans(store, beans);
        let refused: Vec<_> = found.iter().filter(|one| one.contains(": refused: ")).cloned().collect();
        is_one(&refused, &parts);
    }
    let derby = "<bean id='ds' class='org.apache.derby.jdbc.EmbeddedDataSource'/>";
    let (_, found) = with_beans("<jdbcPersistenceAdapter dataSource='#ds'/>", derby);
    assert!(found.iter().any(|one| one.contains("refused") && one.contains("Derby")), "{found:#?}");
    let twice = "<persistenceAdapter><kahaDB/></persistenceAdapter><persistenceFactory><kahaDB/></persistenceFactory>";
    is_one(&read_with(&broker("", twice), &[]).1, &["refused: <persistenceFactory>", "already"]);
    // By the working directory, as in ActiveMQ, so that what lies there is not passed over.
    assert_eq!(with_store("<kahaDB/>").0.store.address, StoreAddress::Journal("KahaDB".into()));
    let (made, _) = with_store("<memoryPersistenceAdapter/>");
    assert_eq!(made.store.address, StoreAddress::Journal("activemq-data/a/KahaDB".into()));
}

#[test]
fn connectors_listen_for_openwire_and_the_others_are_told_of() {
    let connectors = |inner: &str| {
        let text = broker("", &format!("<transportConnectors>{inner}</transportConnectors>"));
        text.replace(CONNECTOR, "")
    };
    let five = connectors(
        "<transportConnector name='openwire' uri='tcp://0.0.0.0:61616?maximumConnections=1000&amp;wireFormat.maxFrameSize=104857600'/>\
         <transportConnector name='amqp' uri='amqp://0.0.0.0:5672?maximumConnections=1000'/>\
         <transportConnector name='stomp' uri='stomp://0.0.0.0:61613'/><transportConnector name='mqtt' uri='mqtt://0.0.0.0:1883'/>\
         <transportConnector name='ws' uri='ws://0.0.0.0:61614'/>",
    );
    let (made, found) = read_with(&five, &[]);
    assert_eq!((made.broker.bind, made.broker.maximum_connections), (vec!["0.0.0.0:61616".to_owned()], 1000));
    assert_eq!(
        found.iter().filter(|one| one.contains(": not yet active: ") || one.contains(": not yet: ")).count(),
        4,
        "{found:#?}"
    );
    let tls = connectors(
        "<transportConnector uri='tcp://127.0.0.1:0'/><transportConnector uri='ssl://0.0.0.0:61617?needClientAuth=true'/>",
    );
    let refused = |text: &str, without: &[&str]| {
        let found = read_with(text, without).1;
        found.into_iter().filter(|one| one.contains(": refused: ")).collect::<Vec<_>>()
    };
    is_one(&refused(&tls, &[]), &["ssl://", "--without ssl"]);
    assert_eq!(refused(&tls, &["ssl"]), Vec::<String>::new());
    is_one(
        &refused(&connectors("<transportConnector uri='stomp://0.0.0.0:61613'/>"), &[]),
        &["nobody could connect"],
    );
    is_one(&refused(&connectors("<transportConnector name='x'/>"), &[]), &["needs a uri"]);
    let discovery = |uri: &str, group: &str| {
        connectors(&format!(
            "<transportConnector uri='tcp://localhost:0'/><transportConnector uri='{uri}' discoveryUri='{group}'/>"
        ))
    };
    let (read, found) = read_with(&discovery("tcp://0.0.0.0:61617", "multicast://default?group=x"), &[]);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(read.broker.bind, ["0.0.0.0:61617", "localhost:0"]);
    assert_eq!(read.broker.discovery_uri.map(|uri| uri.group).as_deref(), Some("x"));
    for (uri, group, expected) in [
        ("tcp://a:1", "zeroconf:x", "not yet: discoveryUri of <transportConnector>"),
        ("tcp://a:1", "multicast://10.0.0.1", "refused: discoveryUri of <transportConnector>"),
        ("vm://a", "multicast://default", "warning: discoveryUri of <transportConnector>"),
    ] {
        let found = read_with(&discovery(uri, group), &[]).1;
        let found: Vec<_> = found.into_iter().filter(|one| !one.contains("vm://")).collect();
        is_one(&found, &[expected]);
    }
}
