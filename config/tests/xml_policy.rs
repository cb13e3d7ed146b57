//! What is read of a file's policies, limits and plugins, and what is said of them.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::policy::{DeadLetterPlace, PendingMessageLimit, Policy};
use kahawai_config::secret::Reference;
use kahawai_config::xml::{Disk, Sources};
use kahawai_config::{Configuration, check};
use support::{broker, is_one, read_with};

/// Of these entries.
fn policies(entries: &str) -> (Configuration, Vec<String>) {
    let map = format!("<destinationPolicy><policyMap>{entries}</policyMap></destinationPolicy>");
    read_with(&broker("", &map), &[])
}

/// The policy of an entry for all queues, and what was said of it.
fn policy(attributes: &str, elements: &str) -> (Policy, Vec<String>) {
    let entry = format!(
        "<policyEntries><policyEntry queue='&gt;' {attributes}>{elements}</policyEntry></policyEntries>"
    );
    let (made, found) = policies(&entry);
    (Policy::clone(made.broker.policies.of(&Address::queue("a"))), found)
}

#[test]
fn a_danger_of_an_entry_that_sets_nothing_is_told_where_it_stands() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("activemq.xml");
    let entry = "\n<policyEntries><policyEntry queue='A.>.B'/></policyEntries>";
    let map = format!("<destinationPolicy><policyMap>{entry}</policyMap></destinationPolicy>");
    std::fs::write(&file, broker("", &map)).expect("written");
    let sources = Sources {
        definitions: BTreeMap::new(),
        environment: BTreeMap::new(),
        without: BTreeSet::new(),
        files: &Disk,
    };
    let report = check::of_xml(&file, &sources).to_string();
    assert!(report.contains("activemq.xml:2:16: warning: the policy of queue://A.>.B"), "{report}");
    let none = |_: &Reference| Err("there is none".to_owned());
    let report = check::of_toml("a.toml", "\n\n[[policy]]\nqueue = \"A.>.B\"", &none).to_string();
    assert!(report.contains("a.toml:3:1: warning: the policy of queue://A.>.B"), "{report}");
}

#[test]
fn what_the_broker_does_follows_the_entry() {
    let attributes = "memoryLimit='5 mb' maxPageSize='7' expireMessagesPeriod='0' gcInactiveDestinations='true' \
                      inactiveTimoutBeforeGC='1000' queuePrefetch='1' queueBrowserPrefetch='2' topicPrefetch='3' durableTopicPrefetch='4'";
    let (made, found) = policy(attributes, "");
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(
        (made.memory_limit, made.page_messages_max, made.expire_messages_period),
        (Some(5 << 20), 7, 0)
    );
    assert!(made.gc_inactive_destinations && made.inactive_timeout_before_gc == 1000);
    let prefetch = made.prefetch;
    assert_eq!(
        (prefetch.queue, prefetch.queue_browser, prefetch.topic, prefetch.durable_topic),
        (1, 2, 3, 4)
    );
    assert_eq!(policy("memoryLimit='0'", "").0.memory_limit, None);
    is_one(
        &policy("maxPageSize='0'", "").1,
        &["refused: maxPageSize of <policyEntry>: needs a whole number, 1 at least"],
    );
}

#[test]
fn each_entry_is_for_its_own_and_the_default_for_the_rest() {
    let (made, found) = policies(
        "<defaultEntry><policyEntry maxPageSize='1'/></defaultEntry><policyEntries>
         <policyEntry topic='A.>' maxPageSize='2'/><policyEntry tempQueue='true' maxPageSize='3'/>
         <policyEntry maxPageSize='4'><destination><queue physicalName='B'/></destination></policyEntry>
         <policyEntry destination='topic://C' maxPageSize='5'/></policyEntries>",
    );
    assert!(found.is_empty(), "{found:#?}");
    for (address, expected) in [
        (Address::queue("A.B"), 1),
        (Address::topic("A.B"), 2),
        (Address::new(AddressKind::TemporaryQueue, "ID:x"), 3),
        (Address::queue("B"), 4),
        (Address::topic("C"), 5),
    ] {
        assert_eq!(made.broker.policies.of(&address).page_messages_max, expected, "{address:?}");
    }
}

#[test]
fn an_entry_that_is_for_nothing_or_for_two_or_there_twice_is_told() {
    let entries = |inner: &str| policies(&format!("<policyEntries>{inner}</policyEntries>")).1;
    is_one(&entries("<policyEntry maxPageSize='1'/>"), &["refused: <policyEntry>: it must say for which"]);
    is_one(&entries("<policyEntry queue='a' topic='a'/>"), &["refused: topic of <policyEntry>", "already"]);
    is_one(
        &entries("<policyEntry queue='a,b'/><policyEntry queue='b'/>"),
        &["warning: <policyEntry>", "before it"],
    );
    let long = format!("<policyEntry queue='{}'/>", "a,".repeat(3000));
    let found = entries(&long);
    assert!(
        found.iter().any(|one| one.contains("queue of <policyEntry>: is longer than 4096 bytes")),
        "{found:#?}"
    );
    is_one(&entries("<policyEntri/>"), &["refused: <policyEntri>", "<policyEntry>"]);
    is_one(&policies("<policyEntry queue='a'/>").1, &["refused: <policyEntry>", "policyEntries meant?"]);
}

#[test]
fn dead_letters_go_where_the_strategy_says() {
    let strategy = |inner: &str| policy("", &format!("<deadLetterStrategy>{inner}</deadLetterStrategy>"));
    let (made, found) =
        strategy("<sharedDeadLetterStrategy deadLetterQueue='D' processExpired='false' expiration='5'/>");
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(made.dead_letters.place, DeadLetterPlace::Shared(Address::queue("D")));
    assert!(!made.dead_letters.process_expired && made.dead_letters.expiration == 5);
    let inner = "<sharedDeadLetterStrategy><deadLetterQueue><topic physicalName='T'/></deadLetterQueue></sharedDeadLetterStrategy>";
    assert_eq!(strategy(inner).0.dead_letters.place, DeadLetterPlace::Shared(Address::topic("T")));
    let inner = "<individualDeadLetterStrategy queuePrefix='DLQ.' useQueueForTopicMessages='false'/>";
    let DeadLetterPlace::Individual(individual) = strategy(inner).0.dead_letters.place else {
        panic!("individual")
    };
    assert!(individual.queue_prefix == "DLQ." && !individual.use_queue_for_topic_messages);
    assert_eq!(strategy("<discarding/>").0.dead_letters.place, DeadLetterPlace::Discarding);
    for wrong in ["A.>", "A,B", "", "temp-queue://x,y"] {
        let (_, found) = strategy(&format!("<sharedDeadLetterStrategy deadLetterQueue='{wrong}'/>"));
        is_one(&found, &["refused: deadLetterQueue of <sharedDeadLetterStrategy>"]);
    }
    is_one(&strategy("<sharedDeadLetter/>").1, &["refused: <sharedDeadLetter>"]);
    is_one(&strategy("<discarding/><discarding/>").1, &["refused: <discarding>", "one element"]);
    is_one(&policy("deadLetterStrategy='#x'", "").1, &["refused: deadLetterStrategy", "element"]);
}

#[test]
fn pending_limits_have_activemqs_defaults() {
    use PendingMessageLimit::{Constant, PrefetchRate};
    for (inner, expected) in [
        ("<constantPendingMessageLimitStrategy/>", Constant(-1)),
        ("<constantPendingMessageLimitStrategy limit='1000'/>", Constant(1000)),
        ("<prefetchRatePendingMessageLimitStrategy/>", PrefetchRate(0.5)),
        ("<prefetchRatePendingMessageLimitStrategy multiplier='2.5'/>", PrefetchRate(2.5)),
    ] {
        let inner = format!("<pendingMessageLimitStrategy>{inner}</pendingMessageLimitStrategy>");
        let (made, found) = policy("", &inner);
        assert_eq!((made.pending_message_limit, found), (Some(expected), vec![]), "{inner}");
    }
    assert_eq!(policy("", "").0.pending_message_limit, None);
}

#[test]
fn what_the_broker_does_not_do_is_told() {
    for (attributes, elements, parts) in [
        ("lazyDispatch='true'", "", &["harmless: lazyDispatch"][..]),
        ("producerFlowControl='false'", "", &["warning: producerFlowControl"]),
        ("producerFlowControl='no idea'", "", &["refused: producerFlowControl"]),
        ("alwaysRetroactive='true'", "", &["not yet: alwaysRetroactive"]),
        (
            "prioritizedMessages='true'",
            "",
            &["not yet: prioritizedMessages", "in the order in which they were sent"],
        ),
        ("lazyDispach='true'", "", &["refused: lazyDispach of <policyEntry>", "lazyDispatch meant?"]),
        (
            "",
            "<dispatchPolicy><strictOrderDispatchPolicy/></dispatchPolicy>",
            &["harmless: <strictOrderDispatchPolicy>", "in one order"],
        ),
        ("", "<pendingQueuePolicy><vmQueueCursor/></pendingQueuePolicy>", &["harmless: <vmQueueCursor>"]),
        (
            "",
            "<pendingQueuePolicy><vmCursor/></pendingQueuePolicy>",
            &["refused: <vmCursor>", "vmQueueCursor"],
        ),
        ("", "<pendingQueuePolicy/>", &["warning: <pendingQueuePolicy>", "nothing in it"]),
    ] {
        is_one(&policy(attributes, elements).1, parts);
    }
    assert_eq!(
        policy("producerFlowControl='true' sendFailIfNoSpaceAfterTimeout='0'", "").1,
        Vec::<String>::new()
    );
}

#[test]
fn the_memory_limit_is_the_brokers_and_a_percentage_is_of_its_own() {
    let usage = |attributes: &str| {
        let usage = format!(
            "<systemUsage><systemUsage><memoryUsage><memoryUsage {attributes}/></memoryUsage></systemUsage></systemUsage>"
        );
        let (made, found) = read_with(&broker("", &usage), &[]);
        (made.broker.limits.memory_bytes_max, found)
    };
    assert_eq!(usage("limit='20 mb'"), (20 << 20, vec![]));
    let default = Configuration::default().broker.limits.memory_bytes_max;
    let (half, found) = usage("percentOfJvmHeap='50'");
    assert_eq!(half, default / 100 * 50);
    is_one(&found, &["warning: percentOfJvmHeap of <memoryUsage>: there is no Java heap", "64 MiB"]);
    is_one(&usage("percentOfJvmHeap='0'").1, &["refused", "from 1 to 100"]);
    is_one(&usage("limit='lots'").1, &["refused: limit of <memoryUsage>"]);
    let others = "<systemUsage><systemUsage sendFailIfNoSpace='true'><storeUsage><storeUsage limit='1 gb'/></storeUsage>\
                  <tempUsage><tempUsage limit='1 gb'/></tempUsage></systemUsage></systemUsage>";
    let (_, found) = read_with(&broker("", others), &[]);
    let words: Vec<_> = found.iter().map(|one| one.split(": ").nth(1).expect("a severity")).collect();
    assert_eq!(words, ["warning", "warning", "harmless"], "{found:#?}");
}

#[test]
fn plugins_that_guard_a_door_are_refused_unless_they_are_named() {
    let plugins = "<plugins><simpleAuthenticationPlugin/><authorizationPlugin/><loggingBrokerPlugin/>\
                   <bean xmlns='http://www.springframework.org/schema/beans' class='a.Guard'/></plugins>";
    let words = |without: &[&str]| -> Vec<_> {
        let found = read_with(&broker("", plugins), without).1;
        found.iter().map(|one| one.split(": ").nth(1).expect("a severity").to_owned()).collect()
    };
    assert_eq!(words(&[]), ["refused", "refused", "harmless", "refused"]);
    assert_eq!(words(&["simpleAuthenticationPlugin", "bean"]), ["warning", "refused", "harmless", "warning"]);
}

#[test]
fn interceptors_and_services_are_told_each_by_name() {
    let inner = "<destinationInterceptors><virtualDestinationInterceptor><virtualDestinations><virtualTopic/>\
                 <compositeQueue name='a'><forwardTo><queue physicalName='b'/></forwardTo></compositeQueue></virtualDestinations>\
                 </virtualDestinationInterceptor><mirroredQueue/></destinationInterceptors>\
                 <services><masterConnector remoteURI='tcp://a:1'/></services>";
    let (_, found) = read_with(&broker("", inner), &[]);
    for part in [
        "not yet: <virtualTopic>",
        "warning: <compositeQueue>",
        "not yet: <mirroredQueue>",
        "refused: <masterConnector>",
    ] {
        assert!(found.iter().any(|one| one.contains(part)), "{part}: {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
}
