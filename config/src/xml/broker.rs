//! `<broker>`.

use super::draft::{Draft, Made};
use super::reader::Reader;
use super::table::{
    Attribute, Child, Said, Table, Target as _, closed_door, door, door_unless, fixed, harmless, id, not_yet,
    read, refused, setting, told, unbuilt, used, warned,
};
use super::{connectors, destination, networks, persistence, plugins, policy, usage};
use crate::remark::Severity::{Harmless, NotYet, Refused, Warning};
use crate::value;

const USAGE: &str = "Kahawai has one memory budget: write <systemUsage>";
const NO_JMX: &str = "there is no JMX: kahawai stats tells what it would";
const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const THREADS: &str = "it is for Java's threads, and Kahawai has none of these";
const PASSIVE: &str = "a slave that never takes over by itself is not built: write shutdownOnMasterFailure=\"true\", with which it ends";
const MASTER_CONNECTOR: &str = "write masterConnectorURI=\"tcp://HOST:PORT\" of <broker>";
const NO_SCHEDULER: &str = "messages with a delay or schedule are delivered at once";
const NO_VIRTUAL: &str =
    "a queue Consumer.*.VirtualTopic.> gets nothing from its topic yet: use durable subscriptions";
const TEMPORARY: &str = "there is no temporary store: what memory has no room for goes to the store itself";
const WIPE: &str = "a store is not emptied at a start: remove the attribute, and the store's directory by hand where that is meant";

pub(crate) static BROKER: Table<Draft> =
    Table { element: "broker", attributes: &[ATTRIBUTES, OLD], children: &[CHILDREN] };

const ATTRIBUTES: &[Attribute<Draft>] = &[
    id(),
    used("brokerName", |draft, text| {
        let name = value::broker_name(text)?;
        let allowed = |one: char| one.is_ascii_alphanumeric() || ".-_:".contains(one);
        let made: String = name.chars().map(|one| if allowed(one) { one } else { '_' }).collect();
        let changed = made != name;
        draft.configuration.broker.broker_name = made;
        draft.note("brokerName");
        match changed {
            true => Err(Said::new(
                Warning,
                "letters that may not be in it become _, as in ActiveMQ: write A-Z a-z 0-9 . - _ :",
            )),
            false => Ok(()),
        }
    }),
    used("dataDirectory", |draft, text| {
        draft.data_directory = value::directory(text)?;
        Ok(())
    }),
    used("persistent", |_, text| match value::boolean(text)? {
        true => Ok(()),
        false => Err(Said::new(
            Warning,
            "there is always a store: persistent messages are written to it, and are there after a restart",
        )),
    }),
    setting("schedulePeriodForDestinationPurge", Draft::set_broker),
    setting("maxPurgedDestinationsPerSweep", Draft::set_broker),
    fixed(
        "advisorySupport",
        "true",
        "advisories are always sent, as clients need them for temporary destinations",
    ),
    refused_unless_false("deleteAllMessagesOnStartup"),
    unbuilt("schedulerSupport", "false", NO_SCHEDULER),
    fixed(
        "keepDurableSubsActive",
        "true",
        "subscriptions are always kept, whether their clients are there or not",
    ),
    unbuilt("useVirtualTopics", "false", NO_VIRTUAL),
    unbuilt("useVirtualDestSubs", "false", NO_VIRTUAL),
    unbuilt("useVirtualDestSubsOnCreation", "false", NO_VIRTUAL),
    unbuilt(
        "populateJMSXUserID",
        "false",
        "no message says who sent it: JMSXUserID is what the client itself wrote",
    ),
    unbuilt(
        "useAuthenticatedPrincipalForJMSXUserID",
        "false",
        "no message says who sent it, as nobody is authenticated",
    ),
    harmless("useJmx", NO_JMX),
    harmless("mbeanInvocationTimeout", NO_JMX),
    harmless("brokerObjectName", NO_JMX),
    harmless("adminView", NO_JMX),
    harmless("populateUserNameInMBeans", NO_JMX),
    fixed("start", "true", "a broker starts when the command runs"),
    harmless("startAsync", "connectors open when the store is there, in any case"),
    harmless("startException", JAVA),
    unbuilt("useMirroredQueues", "false", "queues have no mirrors yet: nothing comes to their topics"),
    unbuilt("useTempMirroredQueues", "false", "queues have no mirrors yet: nothing comes to their topics"),
    harmless("useShutdownHook", "SIGTERM and SIGINT stop it in good order, always"),
    harmless("useLoggingForShutdownErrors", "errors are always logged"),
    harmless("systemExitOnShutdown", "the process ends with its broker"),
    harmless("systemExitOnShutdownExitCode", "what exit codes mean is in kahawai serve --help"),
    harmless("restartAllowed", "a restart is for what runs the process (systemd: Restart=)"),
    harmless("dedicatedTaskRunner", THREADS),
    harmless("taskRunnerPriority", THREADS),
    harmless("taskRunnerFactory", THREADS),
    harmless("persistenceTaskRunnerFactory", THREADS),
    harmless("persistenceThreadPriority", THREADS),
    harmless("brokerId", "it is made anew at each start"),
    harmless("brokerContext", JAVA),
    harmless("destinationFactory", JAVA),
    warned("regionBroker", "plugins around it are not run"),
    harmless("cacheTempDestinations", "temporary destinations go with their connection"),
    harmless("timeBeforePurgeTempDestinations", "temporary destinations go with their connection"),
    fixed(
        "allowTempAutoCreationOnSend",
        "false",
        "a temporary destination is its connection's: what is sent to one that is gone is refused",
    ),
    unbuilt(
        "anonymousProducerAdvisorySupport",
        "false",
        "there is no advisory for producers without a destination",
    ),
    harmless("enableStatistics", "counting costs nothing that matters"),
    harmless("enableMessageExpirationOnActiveDurableSubs", "expired messages are always looked for"),
    unbuilt(
        "offlineDurableSubscriberTimeout",
        "-1",
        "no subscription is removed by time: kahawai subscribe --help",
    ),
    harmless("offlineDurableSubscriberTaskSchedule", "no subscription is removed by time"),
    unbuilt("rejectDurableConsumers", "false", "durable subscriptions are accepted"),
    unbuilt("maxSchedulerRepeatAllowed", "-1", NO_SCHEDULER),
    harmless("schedulerDirectory", NO_SCHEDULER),
    harmless("schedulerDirectoryFile", NO_SCHEDULER),
    harmless("jobSchedulerStore", NO_SCHEDULER),
    harmless("tmpDataDirectory", TEMPORARY),
    harmless("tempDataStore", TEMPORARY),
    harmless("monitorConnectionSplits", NO_JMX),
    harmless("networkConnectorStartAsync", "no bridge is waited for at the start"),
    harmless("storeOpenWireVersion", "the store has a format of its own"),
    harmless("rollbackOnlyOnAsyncException", "a send in a transaction that failed fails the commit"),
    warned("adjustUsageLimits", "limits are taken as they are written"),
    warned("diskUsageCheckRegrowThreshold", "limits are taken as they are written"),
    harmless("schedulePeriodForDiskUsageCheck", "the store asks for room whenever it needs some"),
    warned("splitSystemUsageForProducersConsumers", USAGE),
    warned("consumerSystemUsage", USAGE),
    warned("consumerSystemUsagePortion", USAGE),
    warned("producerSystemUsage", USAGE),
    warned("producerSystemUsagePortion", USAGE),
    fixed("useLocalHostBrokerName", "false", "the name is what brokerName says"),
    harmless("vmConnectorURI", "there is no Java in this process that could connect within it"),
    warned("ioExceptionHandler", "a store that fails ends the broker with code 6, and a slave takes over"),
    door_unless("passiveSlave", "false", PASSIVE),
    setting("shutdownOnMasterFailure", Draft::set_broker),
    setting("shutdownOnSlaveFailure", Draft::set_broker),
    setting("waitForSlave", Draft::set_broker),
    warned("waitForSlaveTimeout", "a slave is waited for as long as it takes"),
    door("messageAuthorizationPolicy", "messages are not authorized yet: anybody could read them"),
    door(
        "sslContext",
        "there is no TLS yet: write tcp: connectors, or a proxy in front of them that speaks TLS",
    ),
    refused("dataDirectoryFile", "write dataDirectory=\"…\""),
    refused("destinationPolicy", "write it as an element: <destinationPolicy><policyMap>…"),
    refused("persistenceAdapter", "write it as an element: <persistenceAdapter>…"),
    refused("persistenceFactory", "write it as an element: <persistenceAdapter>…"),
    refused("systemUsage", "write it as an element: <systemUsage><systemUsage>…"),
    harmless("managementContext", NO_JMX),
];

/// What older versions know.
const OLD: &[Attribute<Draft>] = &[
    setting("masterConnectorURI", Draft::set_broker),
    door("masterConnector", MASTER_CONNECTOR),
    not_yet("useMirroredTopics", "topics have no mirrors"),
    harmless("supportFailOver", "a slave takes over by itself"),
];

/// A store that was meant to be emptied is neither emptied nor used with what is in it.
const fn refused_unless_false(name: &'static str) -> Attribute<Draft> {
    used(name, |_, text| match value::boolean(text)? {
        false => Ok(()),
        true => Err(Said::new(Refused, WIPE)),
    })
}

const CHILDREN: &[Child<Draft>] = &[
    read("persistenceAdapter", persistence::adapter),
    read("persistenceFactory", persistence::adapter),
    read("transportConnectors", connectors::connectors),
    told("transportConnectorURIs", Refused, "write <transportConnectors><transportConnector uri=\"…\"/>"),
    read("destinationPolicy", policy::destination_policy),
    read("systemUsage", usage::system_usage),
    read("plugins", plugins::plugins),
    read("destinations", destination::at_start),
    read("destinationInterceptors", plugins::interceptors),
    read("networkConnectors", networks::connectors),
    told(
        "networkConnectorURIs",
        Refused,
        "write <networkConnectors><networkConnector uri=\"static:(tcp://HOST:PORT)\"/>",
    ),
    told(
        "jmsBridgeConnectors",
        NotYet,
        "there are no bridges to other message systems yet: no message goes there",
    ),
    told("proxyConnectors", NotYet, "connectors that hand on to another broker are not there yet"),
    told("managementContext", Harmless, NO_JMX),
    told("shutdownHooks", Harmless, "they stop Java's things around the broker, which are not here"),
    told(
        "ioExceptionHandler",
        Warning,
        "a store that fails ends the broker with code 6, and a slave takes over",
    ),
    closed_door(
        "sslContext",
        "there is no TLS yet: write tcp: connectors, or a proxy in front of them that speaks TLS",
    ),
    closed_door("messageAuthorizationPolicy", "messages are not authorized yet: anybody could read them"),
    read("services", plugins::services),
    told("consumerSystemUsage", Warning, USAGE),
    told("producerSystemUsage", Warning, USAGE),
    told("regionBroker", Warning, "plugins around it are not run"),
    told("adminView", Harmless, NO_JMX),
    told("brokerContext", Harmless, JAVA),
    told("brokerObjectName", Harmless, NO_JMX),
    told("destinationFactory", Harmless, JAVA),
    told("jobSchedulerStore", Harmless, NO_SCHEDULER),
    told("persistenceTaskRunnerFactory", Harmless, THREADS),
    told("taskRunnerFactory", Harmless, THREADS),
    told("startException", Harmless, JAVA),
    told("tempDataStore", Harmless, TEMPORARY),
];

/// `<broker>`.
pub(crate) fn broker<'a>(reader: &mut Reader<'a>, element: super::document::Element<'a>) -> Made {
    let mut draft = Draft::new(element.place());
    reader.apply(&BROKER, element, &mut draft);
    if !draft.has_store {
        draft.at(&element.place());
        persistence::without_one(&mut draft);
    }
    if !draft.has_connectors {
        connectors::nobody_could_connect(reader, element);
    }
    Made { configuration: draft.configuration, said: draft.said, password: draft.password }
}
