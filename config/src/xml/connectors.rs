//! Where clients connect: `<transportConnectors>`.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use super::table::{
    Attribute, Child, Table, Target as _, fixed, harmless, id, not_yet, read, setting, told, unbuilt, used,
};
use crate::connector;
use crate::origin::DISCOVERY;
use crate::remark::Severity::{Harmless, NotYet, Refused, Warning};

const NO_CLUSTER: &str = "clients are told of no other brokers: name them in their failover:(…)";
const NO_DISCOVERY: &str = "nobody is told of this connector: write discoveryUri=\"multicast://default\"";
const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";

/// `<transportConnectors>`.
pub(crate) fn connectors<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    draft.has_connectors = true;
    reader.each_of(LIST, element, draft, |reader, other| {
        reader.say_of(
            other,
            Refused,
            "no bean can stand here: write <transportConnector uri=\"tcp://HOST:PORT\"/>",
        );
    });
    for remark in connector::apply(&draft.connectors, &mut draft.configuration.broker) {
        reader.say(element.place(), remark.what, remark.severity, remark.why);
    }
    draft.at(&element.place());
    for key in connector::says(&draft.connectors).into_iter().filter(|key| *key != DISCOVERY) {
        draft.note(key);
    }
    if draft.connectors.is_empty() && !draft.is_connector_refused {
        nobody_could_connect(reader, element);
    }
}

/// A broker that nobody asked to listen does not.
pub(crate) fn nobody_could_connect<'a>(reader: &mut Reader<'a>, element: Element<'a>) {
    let advice = "nobody could connect: OpenWire is spoken by no connector in it; write <transportConnector uri=\"tcp://HOST:PORT\"/>";
    reader.say_of(element, Refused, advice);
}

const LIST: &[Child<Draft>] = &[read("transportConnector", connector_of)];

fn connector_of<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    draft.discovery = None;
    reader.apply(&CONNECTOR, element, draft);
    let Some(uri) = element.attribute("uri") else {
        draft.is_connector_refused = true;
        return reader.say_of(
            element,
            Refused,
            "it needs a uri: <transportConnector uri=\"tcp://HOST:PORT\"/>",
        );
    };
    let Some(uri) = reader.resolve(&element.place(), "uri of <transportConnector>", uri) else {
        draft.is_connector_refused = true;
        return;
    };
    let read = connector::read(&uri);
    for remark in read.remarks {
        let what = format!("{} in uri of <transportConnector>", remark.what);
        if remark.what.contains("ssl://") || remark.what == "https://" || remark.what == "wss://" {
            // A connector that is to be left out is named by its scheme.
            draft.is_connector_refused = true;
            let scheme = remark.what.trim_end_matches("://").to_owned();
            reader.door(element.place(), &scheme, what, &remark.why);
            continue;
        }
        draft.is_connector_refused |= remark.severity == Refused;
        reader.say(element.place(), what, remark.severity, remark.why);
    }
    let told = draft.discovery.take();
    let Some(mut connector) = read.connector else {
        if let Some((_, place)) = told {
            let what = format!("{DISCOVERY} of <transportConnector>");
            reader.say(place, what, Warning, "nobody is told of a connector that nobody listens on");
        }
        return;
    };
    if let Some((group, place)) = told {
        connector.discovery_uri = Some(group);
        draft.said.entry(DISCOVERY.to_owned()).or_insert(place);
    }
    draft.connectors.push(connector);
}

pub(crate) static CONNECTOR: Table<Draft> =
    Table { element: "transportConnector", attributes: &[ATTRIBUTES], children: &[CHILDREN] };

const ATTRIBUTES: &[Attribute<Draft>] = &[
    id(),
    harmless("name", "connectors are told by their addresses"),
    // Read by whoever reads the element.
    used("uri", |_, _| Ok(())),
    setting("maximumConsumersAllowedPerConnection", Draft::set_broker),
    setting("maximumProducersAllowedPerConnection", Draft::set_broker),
    used("discoveryUri", Draft::take_discovery),
    not_yet("discoveryAgent", NO_DISCOVERY),
    unbuilt("updateClusterClients", "false", NO_CLUSTER),
    unbuilt("rebalanceClusterClients", "false", NO_CLUSTER),
    unbuilt("updateClusterClientsOnRemove", "false", NO_CLUSTER),
    harmless("updateClusterFilter", NO_CLUSTER),
    harmless("publishedAddressPolicy", NO_CLUSTER),
    fixed("allowLinkStealing", "false", "a second connection with a client id that is in use is refused"),
    harmless("disableAsyncDispatch", "nobody waits for a consumer's socket"),
    harmless("enableStatusMonitor", "slow connections are told of in the log"),
    harmless("displayStackTrace", "there are no stack traces"),
    harmless("warnOnRemoteClose", "the log says at level info who went, and why"),
    harmless("auditNetworkProducers", "what a bridge sends again after a cut may come twice"),
    harmless("brokerInfo", JAVA),
    harmless("brokerService", JAVA),
    harmless("server", JAVA),
    harmless("taskRunnerFactory", JAVA),
    super::table::door(
        "messageAuthorizationPolicy",
        "messages are not authorized yet: anybody could read them",
    ),
];

const CHILDREN: &[Child<Draft>] = &[
    told("publishedAddressPolicy", Harmless, NO_CLUSTER),
    told("discoveryAgent", NotYet, NO_DISCOVERY),
    told("brokerInfo", Harmless, JAVA),
    told("brokerService", Harmless, JAVA),
    told("server", Warning, JAVA),
    told("taskRunnerFactory", Harmless, JAVA),
];
