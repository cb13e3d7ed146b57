//! What is read of a file with a broker, and what is said of it.

mod support;

use kahawai_broker::core::address::Address;
use kahawai_config::StoreAddress;
use support::{broker, is_one, read_with};

fn findings(attributes: &str, elements: &str) -> Vec<String> {
    read_with(&broker(attributes, elements), &[]).1
}

#[test]
fn a_broker_is_found_in_every_form_that_activemq_takes() {
    const BEANS: &str = "xmlns='http://www.springframework.org/schema/beans'";
    const CORE: &str = "http://activemq.apache.org/schema/core";
    for text in [
        format!("<broker xmlns='{CORE}' brokerName='b-${{site}}'/>"),
        format!("<amq:broker xmlns:amq='{CORE}' brokerName='b-eu'/>"),
        "<broker xmlns='http://activemq.org/config/1.0' brokerName='b-${site:x}'/>".to_owned(),
        format!("<beans {BEANS}><broker xmlns='{CORE}' brokerName='b-eu'/></beans>"),
        format!(
            "<beans {BEANS} xmlns:amq='{CORE}'><amq:broker><amq:brokerName> b-eu\n</amq:brokerName></amq:broker></beans>"
        ),
        format!(
            "<beans {BEANS}><broker xmlns='{CORE}'><brokerName><value {BEANS}>b-eu</value></brokerName></broker></beans>"
        ),
        format!(
            "<beans {BEANS}><broker xmlns='{CORE}'><property {BEANS} name='brokerName' value='b-eu'/></broker></beans>"
        ),
    ] {
        let (made, found) = read_with(&text, &[]);
        assert_eq!(made.broker.broker_name, "b-eu", "{text}");
        // They have no connector.
        is_one(&found, &["refused: <broker>: nobody could connect"]);
    }
}

#[test]
fn without_a_broker_or_with_two_or_without_its_namespace_it_is_refused() {
    let (_, found) = read_with("<beans xmlns='http://www.springframework.org/schema/beans'/>", &[]);
    is_one(&found, &["conf/a.xml:1:1: refused: <beans>: there is no broker"]);
    let two = broker("", "") + &broker("", "");
    let (_, found) =
        read_with(&format!("<beans xmlns='http://www.springframework.org/schema/beans'>{two}</beans>"), &[]);
    is_one(&found, &["refused", "a broker already"]);
    let (_, found) = read_with("<broker brokerName='a'/>", &[]);
    assert!(found[0].contains("needs xmlns="), "{found:?}");
}

#[test]
fn what_is_used_is_used() {
    let attributes = "brokerName='a/b' dataDirectory='${activemq.data}' schedulePeriodForDestinationPurge='10000' \
                      maxPurgedDestinationsPerSweep='5' useJmx='false'";
    let (made, found) = read_with(&broker(attributes, ""), &[]);
    assert_eq!(made.broker.broker_name, "a_b");
    assert_eq!(made.store.address, StoreAddress::Journal("./data/a_b/KahaDB".into()));
    assert_eq!(made.broker.schedule_period_for_destination_purge.as_secs(), 10);
    assert_eq!(made.broker.max_purged_destinations_per_sweep, 5);
    assert!(found.iter().any(|one| one.contains("harmless: useJmx of <broker>")), "{found:#?}");
    assert!(found.iter().any(|one| one.contains("warning: brokerName of <broker>")), "{found:#?}");
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn nothing_is_passed_over() {
    for (attributes, elements, parts) in [
        ("brokername='a'", "", &["refused: brokername of <broker>", "is brokerName meant?"][..]),
        ("", "<colour/>", &["refused: <colour>", "remove it"]),
        ("advisorySupport='maybe'", "", &["refused: advisorySupport of <broker>: needs true or false"]),
        ("maxPurgedDestinationsPerSweep='some'", "", &["refused", "needs a whole number"]),
        ("advisorySupport='false'", "", &["warning: advisorySupport"]),
        ("schedulerSupport='true'", "", &["not yet: schedulerSupport"]),
        ("deleteAllMessagesOnStartup='true'", "", &["refused: deleteAllMessagesOnStartup", "by hand"]),
        ("dataDirectory='E:/data'", "", &["refused: dataDirectory", "Windows"]),
        ("dataDirectory='${nowhere}'", "", &["refused: dataDirectory", "${nowhere} stands for nothing"]),
        ("dataDirectory='#{1+1}'", "", &["refused: dataDirectory", "expression"]),
        ("", "<persistent>false</persistent>", &["warning: persistent of <broker>"]),
        ("brokerName='a'", "<brokerName>b</brokerName>", &["refused: <brokerName>", "write it once"]),
        ("", "<brokerName><persistent/></brokerName>", &["refused: <brokerName>", "plain value"]),
        ("", "<vmConnectorURI><persistent/></vmConnectorURI>", &["harmless: vmConnectorURI"]),
        ("", "words", &["refused: <broker>", "text"]),
        ("xmlns:x='urn:x' x:y='1'", "", &["warning: y of <broker>"]),
        ("", "<x xmlns='urn:x'/>", &["warning: <x>", "not run"]),
        // Of its own accord ActiveMQ takes these too: a door would be open, and the messages would lie elsewhere.
        (
            "",
            "<plugins xmlns='http://www.springframework.org/schema/beans'><simpleAuthenticationPlugin/></plugins>",
            &["refused: <plugins>", "it needs ActiveMQ's namespace"],
        ),
        ("", "<persistenceAdapter xmlns=''/>", &["refused: <persistenceAdapter>", "the prefix of <broker>"]),
        (
            "maxPurgedDestinationsPerSweep='${site}'",
            "",
            &["refused: maxPurged", "needs a whole number", "; ${site} stands for \"eu\""],
        ),
        (
            "",
            "<bean xmlns='http://www.springframework.org/schema/beans' class='a.B'/>",
            &["warning: <bean>", "not run"],
        ),
    ] {
        is_one(&findings(attributes, elements), parts);
    }
    assert!(!findings("advisorySupport='maybe'", "")[0].contains("stands for"));
    for fine in
        ["persistent='TRUE'", "advisorySupport='true'", "schedulerSupport='false'", "start='true'", "id='x'"]
    {
        assert_eq!(findings(fine, ""), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn what_would_make_a_second_master_or_open_a_door_is_refused_unless_it_is_named() {
    let text =
        broker("passiveSlave='true' waitForSlave='false'", "\n  <plugins><authorizationPlugin/></plugins>");
    let (_, found) = read_with(&text, &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("refused: passiveSlave") && found[0].contains("--without passiveSlave"));
    assert!(found[1].starts_with("conf/a.xml:2:12: refused: <authorizationPlugin>"), "{}", found[1]);
    let (_, found) = read_with(&text, &["passiveSlave", "authorizationPlugin"]);
    assert!(found.iter().all(|one| one.contains(": warning: ")) && found.len() == 2, "{found:#?}");
    // A slip in the name would leave a door shut that was meant to be open: it is told.
    let (_, found) = read_with(&broker("", ""), &["plugin"]);
    is_one(&found, &["warning: --without plugin"]);
}

#[test]
fn a_pair_is_told_by_activemqs_attributes() {
    let pair = "masterConnectorURI='tcp://0.0.0.0:61616?trace=true' shutdownOnMasterFailure='true' waitForSlave='true' shutdownOnSlaveFailure='TRUE'";
    let (made, found) = read_with(&broker(pair, ""), &[]);
    assert_eq!(found, [""; 0]);
    let pair = made.broker.pair;
    assert_eq!(pair.master_connector_uri.as_deref(), Some("tcp://0.0.0.0:61616"));
    assert!(pair.shutdown_on_master_failure && pair.wait_for_slave && pair.shutdown_on_slave_failure);
    for (uri, said) in [
        ("ssl://a:1", "no TLS yet"),
        ("a:1", "tcp://a:1"),
        ("tcp://a", "HOST:PORT"),
        ("tcp://a:0", "HOST:PORT"),
    ] {
        let (_, found) = read_with(&broker(&format!("masterConnectorURI='{uri}'"), ""), &[]);
        is_one(&found, &["refused: masterConnectorURI", said]);
    }
}

#[test]
fn no_value_is_in_a_report() {
    let (_, found) = read_with(&broker("persistent='hunter2' start='hunter2' nothing='hunter2'", ""), &[]);
    assert_eq!(found.len(), 3);
    assert!(!found.concat().contains("hunter2"), "{found:#?}");
}

#[test]
fn destinations_at_the_start_are_single_ones() {
    let list = |elements: &str| broker("", &format!("<destinations>{elements}</destinations>"));
    let text = list(
        "<queue physicalName=' A.${site}'/><topic name='T'/><queue physicalName='A.eu' id='again'/><topic physicalName='A.eu'/>",
    );
    let (made, found) = read_with(&text, &[]);
    let names: Vec<_> = made.broker.destinations.iter().map(ToString::to_string).collect();
    assert_eq!((names.join(" "), found), ("queue://A.eu topic://T topic://A.eu".to_owned(), vec![]));
    for (element, expected) in [
        ("<queue physicalName='A.>'/>", "refused: <queue>: 'A.>' is a pattern"),
        ("<topic physicalName='*.A'/>", "refused: <topic>: '*.A' is a pattern"),
        ("<queue physicalName='A,topic://B'/>", "refused: <queue>: 'A,topic://B' stands for several"),
        ("<queue/>", "refused: <queue>: it needs physicalName"),
        ("<tempQueue physicalName='A'/>", "refused: <tempQueue>: 'A' is temporary"),
        ("<policyMap/>", "refused: <policyMap>: only a <queue> or <topic>"),
        ("<bean xmlns='http://www.springframework.org/schema/beans'/>", "refused: <bean>: no bean"),
        ("<queue physicalName='A' options='#x'/>", "warning: options of <queue>"),
        ("<queue physicalName='A'><topic/></queue>", "refused: <topic>: nothing can stand"),
    ] {
        let (_, found) = read_with(&list(element), &[]);
        is_one(&found, &["conf/a.xml:1:", expected]);
    }
}

#[test]
fn a_slip_in_what_is_told_of_as_a_whole_is_told_as_that_is() {
    let said = |elements: &str| findings("", elements);
    let found = said("<plugins><loggingBrokerPlugin logAl='true'/></plugins>");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].contains("harmless: logAl of <loggingBrokerPlugin>: "), "{found:#?}");
    // What opens a door may be left out, and then it is to be known what was in it.
    let door = broker("", "<plugins><simpleAuthenticationPlugin anonymousAccessAllowe='true'/></plugins>");
    let (_, found) = read_with(&door, &["simpleAuthenticationPlugin"]);
    assert!(found.iter().any(|one| one.contains("warning: anonymousAccessAllowe of")), "{found:#?}");
}

#[test]
fn network_connectors_are_read_and_what_is_not_built_of_them_is_told_and_left_out() {
    let with = |connectors: &str| broker("", &format!("<networkConnectors>{connectors}</networkConnectors>"));
    let text = with(
        "<networkConnector name='a' uri='static:(tcp://one:1,tcp://two:2)?maxReconnectDelay=5' networkTTL='3' consumerTTL='2' \
         conduitSubscriptions='false' decreaseNetworkConsumerPriority='false' prefetchSize='5' userName='u' password='p'>\
         <excludedDestinations><queue physicalName='A.&gt;'/><topic physicalName='B'/></excludedDestinations>\
         <staticallyIncludedDestinations><queue physicalName='S'/></staticallyIncludedDestinations>\
         </networkConnector><networkConnector uri='static:(tcp://three:3)'/><networkConnector uri='multicast://default?group=x' prefetchSize='7'/>",
    );
    let (read, found) = read_with(&text, &[]);
    assert_eq!(found, [""; 0]);
    let all = &read.broker.network_connectors;
    let [one, two, three] = &all[..] else { panic!("{all:?}") };
    assert_eq!((one.name.as_str(), one.message_ttl, one.consumer_ttl, one.prefetch_size), ("a", 3, 2, 5));
    assert!(!one.conduit_subscriptions && !one.decrease_network_consumer_priority);
    assert_eq!(
        one.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["tcp://one:1", "tcp://two:2"]
    );
    assert_eq!(one.retry.max_reconnect_delay.as_millis(), 5);
    assert_eq!(one.excluded_destinations, [Address::queue("A.>"), Address::topic("B")]);
    assert_eq!(one.statically_included_destinations, [Address::queue("S")]);
    assert!(!format!("{one:?}").contains("\"p\""));
    assert_eq!((two.name.as_str(), two.targets.len()), ("NC", 1));
    let found = three.finding.as_ref().map(|finding| finding.multicast.group.as_str());
    assert_eq!((found, three.targets.len(), three.prefetch_size), (Some("x"), 0, 7));
    for (connector, expected) in [
        ("<networkConnector uri='static:(tcp://a:1)' duplex='perhaps'/>", "refused: duplex of"),
        ("<networkConnector uri='http://a:1/x'/>", "not yet: uri of"),
        ("<networkConnector uri='multicast://10.0.0.1'/>", "refused: uri of"),
        ("<networkConnector uri='static:failover:(tcp://a:1)?priorityBackup=true'/>", "not yet: uri of"),
        ("<networkConnector uri='masterslave:(tcp://a:1)'/>", "refused: uri of"),
        ("<networkConnector uri='static:(ssl://a:1)'/>", "not yet: uri of"),
        ("<networkConnector uri='static:(tcp://a:1)?colour=red'/>", "refused: uri of"),
        ("<networkConnector/>", "refused: <networkConnector>: it needs a uri"),
        ("<networkConnector uri='static:(tcp://a:1)' duplexx='true'/>", "refused: duplexx of"),
        ("<multicastNetworkConnector/>", "not yet: <multicastNetworkConnector>"),
    ] {
        let (read, found) = read_with(&with(connector), &[]);
        is_one(&found, &[expected]);
        let is_made = connector.contains(" duplex");
        assert_eq!(read.broker.network_connectors.len(), usize::from(is_made), "{connector}");
    }
}

#[test]
fn a_broker_or_beans_without_their_namespaces_are_told_of_them() {
    const BEANS: &str = "http://www.springframework.org/schema/beans";
    for (text, expected) in [
        (
            format!("<beans xmlns='{BEANS}'><broker/></beans>"),
            "<broker>: it needs xmlns=\"http://activemq.apache.org",
        ),
        (
            format!("<beans xmlns='{BEANS}'><broker xmlns=''/></beans>"),
            "<broker>: it needs xmlns=\"http://activemq.ap",
        ),
        ("<beans/>".to_owned(), "<beans>: it needs xmlns=\"http://www.springframework.org/schema/beans\""),
    ] {
        let found = read_with(&text, &[]).1;
        assert!(found.iter().any(|one| one.contains("refused: ") && one.contains(expected)), "{found:#?}");
        assert!(found.iter().all(|one| !one.contains("remove it")), "{found:#?}");
    }
}
