//! To which other brokers messages go: `<networkConnectors>`.

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::address::Address;

use super::as_spring;
use super::document::Element;
use super::draft::Draft;
use super::reader::{Reader, shown, tag};
use super::table::{
    Attribute, Child, Said, Table, Target, harmless, id, not_yet, read, setting, told, unbuilt, used, warned,
};
use crate::origin::of_network;
use crate::remark::Severity::{Harmless, NotYet, Refused, Warning};
use crate::report::Place;
use crate::settings::find;
use crate::settings::network::{SETTINGS, address};

const NO_DISCOVERY: &str = "brokers are found only as a uri says, and this connector is left out: write <networkConnector uri=\"multicast://default\"/>";
const NO_DURABLES: &str = "subscriptions here are durable where the ones over there are";
const NO_VIRTUAL: &str = "virtual topics are not built yet";
const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const NO_JMX: &str = "there is no JMX";

/// A network connector as far as it has been read.
pub(crate) struct NetworkDraft {
    connector: NetworkConnector,
    said: Vec<(String, Place)>,
    at: Place,
    /// It is not made: why was said.
    is_left_out: bool,
    has_uri: bool,
}

impl Target for NetworkDraft {
    fn at(&mut self, place: &Place) {
        self.at.clone_from(place);
    }
}

impl NetworkDraft {
    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let found = find(SETTINGS, name);
        debug_assert!(found.is_some(), "{name} is no setting of network connectors");
        let Some(setting) = found else { return Ok(()) };
        as_spring::set(setting, &mut self.connector, text)?;
        self.said.push((name.to_owned(), self.at.clone()));
        Ok(())
    }
}

/// `<networkConnectors>`.
pub(crate) fn connectors<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.each_of(LIST, element, draft, |reader, other| {
        reader.say_of(
            other,
            Refused,
            "no bean can stand here: write <networkConnector uri=\"static:(tcp://HOST:PORT)\"/>",
        );
    });
}

const LIST: &[Child<Draft>] = &[
    read("networkConnector", connector),
    told("multicastNetworkConnector", NotYet, NO_DISCOVERY),
    told(
        "ldapNetworkConnector",
        NotYet,
        "brokers are not found by LDAP: write <networkConnector uri=\"static:(tcp://HOST:PORT)\"/>",
    ),
];

fn connector<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    let mut made = NetworkDraft {
        connector: NetworkConnector::default(),
        said: Vec::new(),
        at: element.place(),
        is_left_out: false,
        has_uri: false,
    };
    reader.apply(&NETWORK, element, &mut made);
    if !made.has_uri {
        return reader.say_of(
            element,
            Refused,
            "it needs a uri: <networkConnector uri=\"static:(tcp://HOST:PORT)\"/>",
        );
    }
    if made.is_left_out || (made.connector.targets.is_empty() && made.connector.finding.is_none()) {
        return;
    }
    let all = &mut draft.configuration.broker.network_connectors;
    let place = all.len();
    all.push(made.connector);
    draft.note(of_network(place, ""));
    for (name, at) in made.said {
        match name.as_str() {
            "networkTTL" => {
                for name in ["messageTTL", "consumerTTL"] {
                    draft.said.insert(of_network(place, name), at.clone());
                }
            }
            name => drop(draft.said.insert(of_network(place, name), at)),
        }
    }
}

pub(crate) static NETWORK: Table<NetworkDraft> =
    Table { element: "networkConnector", attributes: &[USED, OTHERS], children: &[CHILDREN] };

const USED: &[Attribute<NetworkDraft>] = &[
    id(),
    used("uri", |draft, text| {
        draft.has_uri = true;
        draft.set("uri", text).map_err(|problem| {
            draft.is_left_out = true;
            // What is not built is told, as what ActiveMQ has besides is.
            let severity = if problem.contains("not built") || problem.contains("no TLS yet") {
                NotYet
            } else {
                Refused
            };
            Said::new(severity, format!("{problem}; this connector is left out"))
        })
    }),
    setting("duplex", NetworkDraft::set),
    setting("name", NetworkDraft::set),
    setting("networkTTL", NetworkDraft::set),
    setting("messageTTL", NetworkDraft::set),
    setting("consumerTTL", NetworkDraft::set),
    setting("conduitSubscriptions", NetworkDraft::set),
    setting("conduitNetworkQueueSubscriptions", NetworkDraft::set),
    setting("decreaseNetworkConsumerPriority", NetworkDraft::set),
    setting("consumerPriorityBase", NetworkDraft::set),
    setting("prefetchSize", NetworkDraft::set),
    setting("advisoryPrefetchSize", NetworkDraft::set),
    setting("advisoryAckPercentage", NetworkDraft::set),
    setting("alwaysSyncSend", NetworkDraft::set),
    setting("dispatchAsync", NetworkDraft::set),
    setting("staticBridge", NetworkDraft::set),
    setting("suppressDuplicateQueueSubscriptions", NetworkDraft::set),
    setting("suppressDuplicateTopicSubscriptions", NetworkDraft::set),
    setting("bridgeTempDestinations", NetworkDraft::set),
    setting("dynamicOnly", NetworkDraft::set),
    setting("syncDurableSubs", NetworkDraft::set),
    setting("destinationFilter", NetworkDraft::set),
    setting("clientIdToken", NetworkDraft::set),
    setting("userName", NetworkDraft::set),
    setting("password", NetworkDraft::set),
    setting("remoteUserName", NetworkDraft::set),
    setting("remotePassword", NetworkDraft::set),
];

const OTHERS: &[Attribute<NetworkDraft>] = &[
    unbuilt("autoStart", "true", "a connector is there from the start on"),
    unbuilt("useCompression", "false", "messages cross as they are"),
    unbuilt("advisoryForFailedForward", "false", "there is no such advisory yet: the log tells"),
    unbuilt("useVirtualDestSubs", "false", NO_VIRTUAL),
    unbuilt("checkDuplicateMessagesOnDuplex", "false", "what is sent again after a cut may come twice"),
    harmless("useBrokerNameAsIdSees", "names are made here as they are needed"),
    harmless("useBrokerNamesAsIdSeed", "names are made here as they are needed"),
    harmless("gcDestinationViews", NO_JMX),
    harmless("gcSweepTime", NO_JMX),
    harmless("objectName", NO_JMX),
    warned("brokerName", "the broker's own name is told: brokerName of <broker>"),
    harmless("brokerURL", "the broker's own address is told"),
    harmless("brokerService", JAVA),
    harmless("localUri", "the broker here is reached from inside"),
    harmless("bridgeFactory", JAVA),
    not_yet("discoveryAgent", NO_DISCOVERY),
    used("discoveryURI", |draft, _| {
        (draft.is_left_out, draft.has_uri) = (true, true);
        Err(Said::new(NotYet, NO_DISCOVERY))
    }),
    harmless("connectionFilter", JAVA),
    used("sslContext", |draft, _| {
        draft.is_left_out = true;
        Err(Said::new(NotYet, "there is no TLS yet, and this connector is left out"))
    }),
];

const CHILDREN: &[Child<NetworkDraft>] = &[
    read("excludedDestinations", |reader, element, draft| {
        draft.connector.excluded_destinations = destinations(reader, element);
        draft.said.push(("excludedDestinations".to_owned(), element.place()));
    }),
    read("dynamicallyIncludedDestinations", |reader, element, draft| {
        draft.connector.dynamically_included_destinations = destinations(reader, element);
        draft.said.push(("dynamicallyIncludedDestinations".to_owned(), element.place()));
    }),
    read("staticallyIncludedDestinations", |reader, element, draft| {
        draft.connector.statically_included_destinations = destinations(reader, element);
        draft.said.push(("staticallyIncludedDestinations".to_owned(), element.place()));
    }),
    told("durableDestinations", Harmless, NO_DURABLES),
    told("connectionFilter", Warning, JAVA),
    told("bridgeFactory", Warning, JAVA),
    told("discoveryAgent", NotYet, NO_DISCOVERY),
    told("brokerService", Harmless, JAVA),
];

/// `<queue physicalName="A.>"/><topic …/>`, each a name or a pattern.
fn destinations<'a>(reader: &mut Reader<'a>, list: Element<'a>) -> Vec<Address> {
    let mut all = Vec::new();
    reader.no_text(list);
    for element in list.children() {
        let Some((kind, name)) = super::destination::named(reader, element) else { continue };
        for (other, _, place) in element.attributes() {
            if !matches!(other, "physicalName" | "name" | "id") {
                let what = format!("{} of {}", shown(other), tag(element.name()));
                reader.say(
                    place,
                    what,
                    Warning,
                    "of a destination of a network connector its name alone is read",
                );
            }
        }
        // Options may stand behind its name.
        let (name, options) = name.split_once('?').unwrap_or((&name, ""));
        if !options.is_empty() {
            reader.say_of(
                element,
                NotYet,
                format!("{NO_DURABLES}; what stands behind ? (forceDurable) is not read"),
            );
        }
        match address(kind, name) {
            Ok(address) => all.push(address),
            Err(problem) => reader.say_of(element, Refused, problem),
        }
    }
    all
}
