//! Settings of a network connector.

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::bridge::options::Secret;
use kahawai_broker::core::address::{Address, AddressKind};

use super::Setting;
use super::kind::Kind;
use super::read::{signed, truth, whole};
use crate::network_uri;

/// What a byte holds, and Java's bytes are signed.
const PRIORITY: Kind = Kind::Whole { least: -128, most: 127 };
/// A number of brokers, or any.
const HOPS: Kind = Kind::Whole { least: -1, most: i32::MAX as i64 };

macro_rules! truth {
    ($name:literal, $field:ident, $about:literal) => {
        Setting {
            name: $name,
            about: $about,
            kind: Kind::Truth,
            set: |one, text| truth(text).map(|truth| one.$field = truth),
            show: |one| Some(one.$field.to_string()),
        }
    };
}

macro_rules! addresses {
    ($name:literal, $field:ident, $about:literal) => {
        Setting {
            name: $name,
            about: $about,
            kind: Kind::List,
            set: |one, text| addresses(text).map(|all| one.$field = all),
            show: |one| Some(show(&one.$field)),
        }
    };
}

macro_rules! text {
    ($name:literal, $field:ident, $about:literal) => {
        Setting {
            name: $name,
            about: $about,
            kind: Kind::Text,
            set: |one, text| {
                one.$field = Some(text.to_owned());
                Ok(())
            },
            show: |one| one.$field.clone(),
        }
    };
}

macro_rules! secret {
    ($name:literal, $field:ident, $about:literal) => {
        Setting {
            name: $name,
            about: $about,
            kind: Kind::Text,
            set: |one, text| {
                one.$field = Some(Secret(text.to_owned()));
                Ok(())
            },
            show: |_| None,
        }
    };
}

/// All of them.
pub static SETTINGS: &[Setting<NetworkConnector>] = &[
    Setting {
        name: "uri",
        about: "whom to bridge to: `static:(tcp://HOST:PORT,…)`, a bridge to each; `failover:(tcp://HOST:PORT,…)` in place of one of them, or `masterslave:(tcp://HOST:PORT,…)` instead of `static:`, is one bridge to whichever serves; `multicast://default` (options as of `discoveryUri`, besides `initialReconnectDelay=5000`, `maxReconnectDelay=30000`, `useExponentialBackOff=false`, `backOffMultiplier=2`, `maxReconnectAttempts=0`, and `discovered.` before an option of an address) is a bridge to each that is found; behind the bracket `?initialReconnectDelay=1000&maxReconnectDelay=30000&useExponentialBackOff=true&backOffMultiplier=2&maxReconnectAttempts=0&minConnectTime=5000` (the defaults), behind a port `?connectionTimeout=30000` and `wireFormat.maxInactivityDuration`, `.maxInactivityDurationInitalDelay`, `.maxFrameSize`",
        kind: Kind::Text,
        set: network_uri::set,
        show: network_uri::shown,
    },
    Setting {
        name: "name",
        about: "its name: part of the client ids by which its bridges are known here and there",
        kind: Kind::Text,
        set: |one, text| match text.trim() {
            "" => Err("needs a name".to_owned()),
            name => {
                name.clone_into(&mut one.name);
                Ok(())
            }
        },
        show: |one| Some(one.name.clone()),
    },
    truth!("duplex", duplex, "whether messages cross the other way too, over the same connection"),
    Setting {
        name: "networkTTL",
        about: "both messageTTL and consumerTTL",
        kind: HOPS,
        set: |one, text| hops(text).map(|hops| (one.message_ttl, one.consumer_ttl) = (hops, hops)),
        show: |_| None,
    },
    Setting {
        name: "messageTTL",
        about: "over how many bridges a message goes at most; -1 for any number",
        kind: HOPS,
        set: |one, text| hops(text).map(|hops| one.message_ttl = hops),
        show: |one| Some(one.message_ttl.to_string()),
    },
    Setting {
        name: "consumerTTL",
        about: "over how many bridges it is heard that somebody consumes; -1 for any number",
        kind: HOPS,
        set: |one, text| hops(text).map(|hops| one.consumer_ttl = hops),
        show: |one| Some(one.consumer_ttl.to_string()),
    },
    truth!(
        "conduitSubscriptions",
        conduit_subscriptions,
        "whether all consumers of a destination over there count as one here"
    ),
    truth!(
        "conduitNetworkQueueSubscriptions",
        conduit_network_queue_subscriptions,
        "whether those of a queue that stand for consumers behind that broker do so too, one for each way to them"
    ),
    truth!(
        "decreaseNetworkConsumerPriority",
        decrease_network_consumer_priority,
        "whether consumers here are served before those over there, and these before those further away"
    ),
    Setting {
        name: "consumerPriorityBase",
        about: "the priority of consumers over there then",
        kind: PRIORITY,
        set: |one, text| signed(text).map(|number| one.consumer_priority_base = number),
        show: |one| Some(one.consumer_priority_base.to_string()),
    },
    Setting {
        name: "prefetchSize",
        about: "how many messages of each destination may be on their way at a time",
        kind: Kind::Whole { least: 1, most: i32::MAX as i64 },
        set: |one, text| bounded(text, 1).map(|number| one.prefetch_size = number),
        show: |one| Some(one.prefetch_size.to_string()),
    },
    Setting {
        name: "advisoryPrefetchSize",
        about: "how many advisories are sent ahead; 0 for as many as messages",
        kind: Kind::Whole { least: 0, most: i32::MAX as i64 },
        set: |one, text| bounded(text, 0).map(|number| one.advisory_prefetch_size = number),
        show: |one| Some(one.advisory_prefetch_size.to_string()),
    },
    Setting {
        name: "advisoryAckPercentage",
        about: "after which part of them, of a hundred, they are acknowledged",
        kind: Kind::Whole { least: 0, most: 100 },
        set: |one, text| match whole::<u32>(text, 0)? {
            part if part > 100 => Err("needs 100 at most".to_owned()),
            part => {
                one.advisory_ack_percentage = part;
                Ok(())
            }
        },
        show: |one| Some(one.advisory_ack_percentage.to_string()),
    },
    truth!(
        "alwaysSyncSend",
        always_sync_send,
        "whether messages that are not persistent are answered too before they are gone here"
    ),
    truth!("dispatchAsync", dispatch_async, "told to other brokers; nobody waits for a bridge here"),
    truth!(
        "staticBridge",
        static_bridge,
        "whether nobody's demand is asked for, and only what is included statically crosses"
    ),
    truth!(
        "suppressDuplicateQueueSubscriptions",
        suppress_duplicate_queue_subscriptions,
        "whether a queue's consumer that can be reached over two bridges is served over the nearer one alone"
    ),
    truth!(
        "suppressDuplicateTopicSubscriptions",
        suppress_duplicate_topic_subscriptions,
        "whether a topic's consumer that can be reached over two bridges is served over the nearer one alone"
    ),
    truth!(
        "bridgeTempDestinations",
        bridge_temp_destinations,
        "whether temporary destinations over there are reached from here, so that requests are answered"
    ),
    truth!(
        "dynamicOnly",
        dynamic_only,
        "whether what is kept here for durable subscriptions over there waits for their clients when a bridge is built anew"
    ),
    truth!(
        "syncDurableSubs",
        sync_durable_subs,
        "whether the other broker tells all its durable subscriptions to what `dynamicallyIncludedDestinations` names, connected or not, when a bridge is built: none is missed, and nothing is kept for one that has ended meanwhile"
    ),
    text!(
        "destinationFilter",
        destination_filter,
        "the advisory topics that demand is heard on, instead of what follows from the included destinations"
    ),
    Setting {
        name: "clientIdToken",
        about: "what stands between the parts of client ids",
        kind: Kind::Text,
        set: |one, text| {
            text.clone_into(&mut one.client_id_token);
            Ok(())
        },
        show: |one| Some(one.client_id_token.clone()),
    },
    addresses!(
        "excludedDestinations",
        excluded_destinations,
        "what never crosses: `queue://NAME` or `topic://NAME`, also patterns"
    ),
    addresses!(
        "dynamicallyIncludedDestinations",
        dynamically_included_destinations,
        "what may cross where somebody wants it; where none is named, everything"
    ),
    addresses!(
        "staticallyIncludedDestinations",
        statically_included_destinations,
        "what crosses whether anybody wants it or not"
    ),
    text!("userName", user_name, "who the bridge is, here and over there"),
    secret!("password", password, "its password; shown nowhere"),
    text!("remoteUserName", remote_user_name, "who it is over there, where that is another"),
    secret!("remotePassword", remote_password, "the password of that one; shown nowhere"),
];

fn hops(text: &str) -> Result<i32, String> {
    match signed::<i32>(text)? {
        hops if hops < -1 => Err("needs -1 at least".to_owned()),
        hops => Ok(hops),
    }
}

fn bounded(text: &str, least: u64) -> Result<u32, String> {
    let number: u32 = whole(text, least)?;
    i32::try_from(number).map(|_| number).map_err(|_| format!("{number} is too large"))
}

/// One of a connector's destinations: a name or a pattern of a queue or topic.
pub(crate) fn address(kind: AddressKind, name: &str) -> Result<Address, String> {
    let name = name.trim();
    let address = Address::new(kind, name);
    if name.is_empty() || name.len() > 4096 || name.chars().any(char::is_control) {
        return Err("needs a name of a queue or topic, or a pattern".to_owned());
    }
    if address.is_composite() || name.contains('?') {
        return Err("needs one name each, without options".to_owned());
    }
    if kind.is_temporary() {
        return Err("temporary destinations have names of their own making: say bridgeTempDestinations, and name queues and topics".to_owned());
    }
    Ok(address)
}

fn addresses(text: &str) -> Result<Vec<Address>, String> {
    const MOST: usize = 10_000;
    let mut all = Vec::new();
    if text.trim().is_empty() {
        return Ok(all);
    }
    for one in text.split(',').map(str::trim) {
        let kinds = [AddressKind::Queue, AddressKind::Topic];
        let found = kinds.into_iter().find_map(|kind| Some((kind, one.strip_prefix(kind.prefix())?)));
        let (kind, name) = found.ok_or_else(|| "needs queue:// or topic:// before each name".to_owned())?;
        all.push(address(kind, name)?);
    }
    if all.len() > MOST {
        return Err(format!("needs fewer of them: {MOST} at most"));
    }
    Ok(all)
}

fn show(all: &[Address]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
