//! `<plugins>`, `<destinationInterceptors>` and what else ActiveMQ is extended by: nothing of it is run, some of it guards a door.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use super::table::{Child, closed_door, told};
use crate::remark::Severity::{Harmless, NotYet, Refused, Warning};

const OPEN: &str = "nobody is authenticated yet: whoever reaches a connector could send and receive";
const FREE: &str =
    "nothing is authorized yet: whoever connects could send to and receive from every destination";
const NO_FILE: &str = "no picture of the broker is written to a file";
const NO_TRACE: &str = "messages are not told to others while they pass";

/// `<plugins>`.
pub(crate) fn plugins<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.each_of(PLUGINS, element, draft, |reader, other| {
        let why = "a plugin of a class of its own is not run, and may guard something";
        reader.door(other.place(), other.name(), format!("<{}>", other.name()), why);
    });
}

pub(crate) const PLUGINS: &[Child<Draft>] = &[
    closed_door("simpleAuthenticationPlugin", OPEN),
    closed_door("jaasAuthenticationPlugin", OPEN),
    closed_door("jaasCertificateAuthenticationPlugin", OPEN),
    closed_door("jaasDualAuthenticationPlugin", OPEN),
    closed_door("authorizationPlugin", FREE),
    told("connectionDotFilePlugin", Harmless, NO_FILE),
    told("destinationDotFilePlugin", Harmless, NO_FILE),
    told(
        "destinationPathSeparatorPlugin",
        Warning,
        "the elements of names are separated by dots only: A/B is one element",
    ),
    told(
        "destinationsPlugin",
        NotYet,
        "no list of destinations is read or written: write <destinations> for those that are to be there from the start on",
    ),
    told(
        "discardingDLQBrokerPlugin",
        Warning,
        "dead letters are kept: write <deadLetterStrategy><discarding/> where they may go",
    ),
    told("forcePersistencyModeBrokerPlugin", Warning, "a message is as persistent as its sender says"),
    told("loggingBrokerPlugin", Harmless, "the log has its own words: KAHAWAI_LOG=debug says more"),
    told("multicastTraceBrokerPlugin", Harmless, NO_TRACE),
    told("udpTraceBrokerPlugin", Harmless, NO_TRACE),
    told("traceBrokerPathPlugin", Harmless, NO_TRACE),
    told(
        "partitionBrokerPlugin",
        Warning,
        "clients are not told to go to other brokers: give each the address of its own",
    ),
    told(
        "redeliveryPlugin",
        NotYet,
        "what a client gave back to the end becomes a dead letter: kahawai dlq replay sends it again",
    ),
    told(
        "runtimeConfigurationPlugin",
        Warning,
        "the file is read again when the broker is asked to (SIGHUP), and policies alone are taken from it",
    ),
    told(
        "statisticsBrokerPlugin",
        NotYet,
        "nobody answers on ActiveMQ.Statistics: kahawai stats tells figures",
    ),
    told("timeStampingBrokerPlugin", Warning, "times and expirations are as the client's clock has them"),
    told("virtualSelectorCacheBrokerPlugin", Harmless, "there are no virtual topics yet"),
];

/// `<destinationInterceptors>`.
pub(crate) fn interceptors<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.each_of(INTERCEPTORS, element, draft, not_run);
}

pub(crate) const INTERCEPTORS: &[Child<Draft>] = &[
    Child { name: "virtualDestinationInterceptor", act: super::table::Act::Read(virtual_destinations) },
    told("mirroredQueue", NotYet, "queues have no mirrors yet: nothing comes to their topics"),
];

/// `<virtualDestinationInterceptor><virtualDestinations>…`.
fn virtual_destinations<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    for child in element.children() {
        if child.is_core() && child.name() == "virtualDestinations" {
            reader.each_of(VIRTUAL, child, draft, not_run);
        } else {
            reader.say_of(child, Refused, "only <virtualDestinations> can stand here");
        }
    }
}

pub(crate) const VIRTUAL: &[Child<Draft>] = &[
    told(
        "virtualTopic",
        NotYet,
        "a queue of consumers gets nothing from its topic yet: use durable subscriptions",
    ),
    told(
        "compositeQueue",
        Warning,
        "what is sent to it stays in the queue of its own name, and goes nowhere else",
    ),
    told("compositeTopic", Warning, "what is sent to it goes to the topic of its own name, and nowhere else"),
];

fn not_run<'a>(reader: &mut Reader<'a>, other: Element<'a>) {
    reader.say_of(other, Warning, "this is not run: it is none of ActiveMQ's elements");
}

/// `<services>`: whatever runs beside a broker.
pub(crate) fn services<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.each_of(SERVICES, element, draft, |reader, other| {
        reader.say_of(other, Warning, "a service of a class of its own is not run");
    });
}

const ELSEWHERE: &str = "it is not run from here: write it where a broker has an element for it";
const NO_BRIDGE: &str = "there are no bridges to other brokers or message systems yet: no message goes there";

pub(crate) const SERVICES: &[Child<Draft>] = &[
    closed_door(
        "masterConnector",
        "write masterConnectorURI=\"tcp://HOST:PORT\" of <broker> instead: without, it is no slave, and two brokers serve",
    ),
    told("broker", Refused, "one process runs one broker"),
    told("brokerService", Refused, "one process runs one broker"),
    told("database-locker", Refused, ELSEWHERE),
    told("lease-database-locker", Refused, ELSEWHERE),
    told("shared-file-locker", Refused, ELSEWHERE),
    told("transact-database-locker", Refused, ELSEWHERE),
    told("jdbcPersistenceAdapter", Refused, ELSEWHERE),
    told("journalPersistenceAdapterFactory", Refused, ELSEWHERE),
    told("kahaDB", Refused, ELSEWHERE),
    told("mKahaDB", Refused, ELSEWHERE),
    told("transportConnector", Refused, ELSEWHERE),
    told("forwardingBridge", NotYet, NO_BRIDGE),
    told("inboundQueueBridge", NotYet, NO_BRIDGE),
    told("inboundTopicBridge", NotYet, NO_BRIDGE),
    told("outboundQueueBridge", NotYet, NO_BRIDGE),
    told("outboundTopicBridge", NotYet, NO_BRIDGE),
    told("jmsQueueConnector", NotYet, NO_BRIDGE),
    told("jmsTopicConnector", NotYet, NO_BRIDGE),
    told("ldapNetworkConnector", NotYet, NO_BRIDGE),
    told("multicastNetworkConnector", NotYet, NO_BRIDGE),
    told("networkConnector", NotYet, NO_BRIDGE),
    told("proxyConnector", NotYet, NO_BRIDGE),
    told("jobSchedulerUsage", Harmless, ELSEWHERE),
    told("managementContext", Harmless, "there is no JMX"),
    told("memoryUsage", Warning, ELSEWHERE),
    told("storeUsage", Warning, ELSEWHERE),
    told("systemUsage", Warning, ELSEWHERE),
    told("tempUsage", Harmless, ELSEWHERE),
    told("pListStoreImpl", Harmless, ELSEWHERE),
];
